//! GET /v1/policy: whom to trust, for tools that others wrote (C2SP tlog-policy).

use std::fmt::Write as _;

use axum::extract::State as Extract;
use credlog_ledger::ids::Origin;
use credlog_ledger::member::{MemberSet, SeatedMember};
use credlog_ledger::state::State;
use credlog_tlog::{
    KeyError, Policy, PolicyGroup, PolicyLog, PolicyWitness, SignatureKind, VerifierKey,
};
use http::{StatusCode, Uri};

use crate::config::WitnessSection;
use crate::http::answer::{Answer, bytes_with, cached, internal};
use crate::http::query::no_parameters;
use crate::http::{Context, Shared};

/// Members change rarely, and a checkpoint carries the cosignatures of a minute or less.
const CACHE: &str = "public, max-age=60";
/// What the policy calls the members together. Their own names hold a slash.
const GROUP: &str = "members";

pub(crate) async fn policy(Extract(context): Shared, uri: Uri) -> Answer {
    no_parameters(&uri)?;
    // A hundred members have two hundred keys to look at.
    context.blocking(current).await
}

fn current(context: &Context) -> Answer {
    let snapshot = context.store.snapshot();
    let state = State(&snapshot);
    let (origin, members) = (state.ledger()?.origin, state.members()?);
    let policy = of_members(&origin, &members).map_err(|error| {
        tracing::error!(%error, "the policy of the members cannot be written");
        internal()
    })?;
    let height = snapshot.head().height;
    let text = with_comments(&policy, &origin, height.0, &context.witnesses);
    let response = bytes_with(StatusCode::OK, "text/plain; charset=utf-8", text);
    Ok(cached(response, CACHE))
}

/// Any member's node signs as the log; a quorum of the members has to cosign.
fn of_members(
    origin: &Origin,
    members: &MemberSet,
) -> Result<Policy, Box<dyn std::error::Error + Send + Sync>> {
    let mut logs = Vec::new();
    let mut witnesses = Vec::new();
    for seat in members.members() {
        let (key, url) = (node_key(origin, seat)?, None);
        logs.push(PolicyLog { key, url });
        witnesses.push(PolicyWitness {
            name: seat.cosigner_name(origin),
            key: seat.cosigner(origin)?,
            url: None,
        });
    }
    let group = PolicyGroup {
        name: GROUP.to_owned(),
        threshold: members.quorum(),
        members: witnesses.iter().map(|one| one.name.clone()).collect(),
    };
    Ok(Policy::new(logs, witnesses, vec![group], Some(GROUP))?)
}

/// The key with which a member's node signs the checkpoint that it serves.
pub(super) fn node_key(origin: &Origin, seat: &SeatedMember) -> Result<VerifierKey, KeyError> {
    let key = seat.member.keys.node.key.as_ed25519();
    let key = key.ok_or(KeyError::PublicKey)?;
    VerifierKey::new(origin.as_str(), SignatureKind::Ed25519, key)
}

/// Who reads it should know what it is; outside witnesses are named, and nothing rests on them.
fn with_comments(
    policy: &Policy,
    origin: &Origin,
    height: u64,
    witnesses: &[WitnessSection],
) -> String {
    let mut text =
        format!("# The members of {origin} after block {height}, as this node says it.\n{policy}");
    for witness in witnesses {
        // The name and the key have no white space; where the witness is stays with the operator.
        let (name, key) = (&witness.name, &witness.public_key);
        let _ = writeln!(text, "# outside the quorum: witness {name} {key}");
    }
    text
}
