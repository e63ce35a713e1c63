//! The real binary with real nodes: one file a subject.

mod interrupted;
mod story;
mod world;
mod wrong_input;
