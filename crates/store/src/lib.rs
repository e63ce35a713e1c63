//! The sled-backed store: blocks, tiles, state and history, checked at open.
#![forbid(unsafe_code)]
