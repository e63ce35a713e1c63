//! The HTTP interface: wire types, problem types and the typed client.
#![forbid(unsafe_code)]
