//! Sources that are cut off, too long, endless, or of another ledger.
