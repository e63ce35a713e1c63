//! The engine behind a small application trait.
