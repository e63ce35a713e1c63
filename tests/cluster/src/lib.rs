//! Ledgers of several members on real node processes.
//!
//! [`Cluster`] founds a ledger, runs its nodes on loopback (or in network namespaces of their
//! own, see [`Net`]), ends and pauses them by their process ids, and compares what they say.
//! [`Load`] posts records and remembers which were acknowledged. A machine runs one cluster
//! at a time: the nodes need it.
//!
//! A cluster that is dropped without [`Cluster::finish`] keeps its folder, with the log of
//! every node, and says where it is.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)] // tests tell what they measured

mod cluster;
mod foreign;
mod load;
mod mirror;
mod net;
pub mod receipts;
mod settings;
mod view;

pub use cluster::{Cluster, wait_for};
pub use credlog_e2e::count;
pub use load::{Acknowledged, Load};
pub use mirror::Mirror;
pub use net::{Net, in_net};
pub use settings::Settings;
pub use view::{Answered, View};
