//! POST /add-checkpoint: this member as a witness of its own ledger (C2SP tlog-witness).
//!
//! It cosigns what it would cosign anyway: the newest checkpoint of its own log (rules C1 and C2).
//! Whoever wants this member's cosignature alone, fresh, and by the protocol that all witnesses
//! speak, gets it here.

use std::collections::BTreeMap;

use axum::extract::{Request, State as Extract};
use credlog_api::{Problem, ProblemType};
use credlog_ledger::attestation::Attestation;
use credlog_ledger::ids::{MemberId, Origin};
use credlog_ledger::member::MemberSet;
use credlog_tlog::{AddCheckpoint, Hash, KeyId, VerifierKey, root_at};
use http::StatusCode;

use super::policy::node_key;
use crate::cosigning::Declined;
use crate::http::answer::{Answer, Refusal, bytes_with, internal, not_found};
use crate::http::body::refuse_encoded;
use crate::http::query::no_parameters;
use crate::http::{Context, Shared};
use crate::production::now;

/// Longest body that is read: a checkpoint with the signatures of a hundred members and of some
/// witnesses has less.
const BODY_BYTES_MAX: u64 = 64 << 10;
/// Media type of the answer that says which size was cosigned last.
const SIZE: &str = "text/x.tlog.size";
/// What is missing is mostly there after a second.
const RETRY_AFTER_S: u32 = 1;

pub(crate) async fn add_checkpoint(Extract(context): Shared, request: Request) -> Answer {
    no_parameters(request.uri())?;
    refuse_encoded(request.headers())?;
    let body = context.body(request, BODY_BYTES_MAX).await?;
    let work = move |context: &Context| {
        let request = AddCheckpoint::parse(&body).map_err(|error| {
            let detail = format!("{error}; write it as C2SP tlog-witness says");
            Refusal::from(Problem::new(ProblemType::MALFORMED_REQUEST, detail))
        })?;
        cosign(context, &request)
    };
    context.blocking(work).await
}

fn cosign(context: &Context, request: &AddCheckpoint) -> Answer {
    let origin = &context.store.genesis().origin;
    let checkpoint = request.checkpoint();
    if checkpoint.origin() != origin.as_str() {
        return Err(not_found(format!(
            "this node is of the log {origin} and cosigns no other"
        )));
    }
    if context.member.is_none() {
        return Err(not_found(
            "this node is an observer's and cosigns nothing; ask the node of a member",
        ));
    }
    let members = context.members.borrow().clone();
    let signers = trusted(&members, origin, request)?;
    if let Some(own) = other_root(context, request)? {
        let cosigning = &context.cosigning;
        cosigning.other_history_handed(checkpoint, &own, &signers);
        return Ok(size(cosigning.cosigned_size()));
    }
    // Only what was durable before it is signed. The watchdog is not told of this: whoever asks again
    // and again must not hide from it since when a block waits for the disk.
    let durable = context.cosigning.tip();
    if durable == checkpoint.size().0 {
        context.node.store.make_durable().map_err(|error| {
            context.node.obstacles.fail(&error.to_string());
            internal()
        })?;
    }
    let cosigned = context
        .cosigning
        .cosign_handed(request, durable, now())
        .map_err(|error| {
            context.node.obstacles.fail(&error.to_string());
            internal()
        })?;
    match cosigned {
        Ok((line, released)) => {
            context.node.outbox.cosignature(released);
            let text = format!("{line}\n");
            Ok(bytes_with(
                StatusCode::OK,
                "text/plain; charset=utf-8",
                text,
            ))
        }
        Err(declined) => refuse(declined),
    }
}

/// The members that signed the checkpoint, by their nodes or as cosigners.
///
/// # Errors
/// 403 if there are none and no quorum of the members cosigned it, or if a signature is wrong.
fn trusted(
    members: &MemberSet,
    origin: &Origin,
    request: &AddCheckpoint,
) -> Result<Vec<MemberId>, Refusal> {
    let not_trusted =
        |detail: String| Refusal::from(Problem::new(ProblemType::NOT_TRUSTED, detail));
    // Key ids are short, and all nodes have one name: two keys may share an id.
    let mut nodes: BTreeMap<KeyId, Vec<(&MemberId, VerifierKey)>> = BTreeMap::new();
    for seat in members.members() {
        let key = node_key(origin, seat).map_err(|error| {
            tracing::error!(member = %seat.member.id, %error, "a node key verifies nothing");
            internal()
        })?;
        let keys = nodes.entry(key.id()).or_default();
        keys.push((&seat.member.id, key));
    }
    let text = request.note().text();
    let mut signers = Vec::new();
    for signature in request.note().signatures() {
        let Some(keys) = nodes.get(&signature.key_id()) else {
            continue;
        };
        if signature.name() != origin.as_str() {
            continue;
        }
        let mut keys = keys.iter();
        let signer = keys.find(|(_, key)| signature.verify(key, text).is_ok());
        let Some((member, _)) = signer else {
            return Err(not_trusted(format!(
                "the signature with key id {} does not verify",
                signature.key_id()
            )));
        };
        signers.push((*member).clone());
    }
    let (checkpoint, lines) = (request.checkpoint(), request.note().signatures());
    let attestation = Attestation::of(members, origin, checkpoint, lines);
    let attestation = attestation.map_err(|error| not_trusted(error.to_string()))?;
    if signers.is_empty() && !attestation.is_quorum() {
        return Err(not_trusted(
            "no node of a member in force has signed it, and no quorum has cosigned it; \
             GET /v1/policy lists the keys"
                .to_owned(),
        ));
    }
    signers.extend(attestation.cosigned().iter().map(|one| one.member.clone()));
    signers.sort_unstable();
    signers.dedup();
    Ok(signers)
}

/// The root of the log of the checkpoint's size, if it is another one.
fn other_root(context: &Context, request: &AddCheckpoint) -> Result<Option<Hash>, Refusal> {
    let checkpoint = request.checkpoint();
    let snapshot = context.store.snapshot();
    if checkpoint.size().0 > snapshot.head().size {
        return Ok(None);
    }
    let own = root_at(&snapshot, checkpoint.size()).map_err(|error| {
        tracing::error!(%error, "the root of an earlier log cannot be read");
        internal()
    })?;
    Ok((own != checkpoint.root()).then_some(own))
}

fn refuse(declined: Declined) -> Answer {
    let later = |detail: String| -> Answer {
        let problem = Problem::new(ProblemType::NOT_COSIGNED, detail);
        Err(problem.retry_after(RETRY_AFTER_S).into())
    };
    match declined {
        Declined::Cosigned { size } => Ok(self::size(size)),
        Declined::Inconsistent(error) => {
            Err(Problem::new(ProblemType::INCONSISTENT, error.to_string()).into())
        }
        Declined::Ahead { tip } => later(format!(
            "the log has {tip} leaves on this node, which has not come to this checkpoint yet; \
             send it again in a second"
        )),
        Declined::Passed { tip } => later(format!(
            "the log has {tip} leaves on this node, and this member cosigns its newest checkpoint \
             alone: send that of GET /checkpoint"
        )),
        Declined::Silent => later(
            "this member cosigns nothing at the moment: it catches up, or waits for the decision \
             on a block; send it again in a second"
                .to_owned(),
        ),
    }
}

/// 409: another size was cosigned last.
fn size(size: u64) -> axum::response::Response {
    bytes_with(StatusCode::CONFLICT, SIZE, format!("{size}\n"))
}
