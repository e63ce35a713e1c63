//! The routes, by what they are about.

pub(super) mod add_checkpoint;
pub(super) mod batch;
pub(super) mod blocks;
pub(super) mod credentials;
pub(super) mod did;
pub(super) mod events;
pub(super) mod issuers;
pub(super) mod issuing;
pub(super) mod ledger;
pub(super) mod log;
pub(super) mod members;
pub(super) mod policy;
pub(super) mod receipts;
pub(super) mod records;
pub(super) mod service;
pub(super) mod status_list;
pub(super) mod testimony;
pub(super) mod vcalm;
pub(super) mod verify;
