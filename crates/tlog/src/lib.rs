//! The transparency log: RFC 6962 trees over tiles, signed notes, checkpoints and cosignatures.
#![forbid(unsafe_code)]
