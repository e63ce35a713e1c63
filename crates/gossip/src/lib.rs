//! The swarm for records and cosignatures.
