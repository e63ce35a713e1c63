//! Certificates and evidence between the engine's form and the ledger's.

use arc_malachitebft_app_channel::app::types::MisbehaviorEvidence;
use arc_malachitebft_core_types as ct;
use credlog_ledger::certificate::{CertificateError, CommitCertificate, CommitSignature};
use credlog_ledger::evidence::{Equivocation, EvidenceError, SignedProposal, SignedVote};
use credlog_ledger::ids::ValueId;
use credlog_ledger::key::PublicKey;
use ct::NilOrVal;

use crate::context::{Address, Height, Ledger, Round, Validator, Validators};
use crate::signing::{Signature, ledger_round, vote_kind};

/// Why the engine handed over something that the ledger cannot hold.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadCertificate {
    #[error("the engine certified height {0} in no round")]
    NoRound(u64),
    #[error("the engine counted a vote of {0}, who is no member")]
    NoMember(String),
    #[error(transparent)]
    Ledger(#[from] CertificateError),
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
}

/// The ledger's certificate.
pub(crate) fn to_ledger(
    certificate: &ct::CommitCertificate<Ledger>,
    validators: &Validators,
) -> Result<CommitCertificate, BadCertificate> {
    let signatures = certificate.commit_signatures.iter().map(|one| {
        Ok(CommitSignature {
            member: validator(validators, &one.address)?.member.clone(),
            signature: one.signature.0,
        })
    });
    let value = certificate.value_id.into();
    certified(certificate.height, certificate.round, value, signatures)
}

/// A certificate in the ledger's form, if every signature has one.
fn certified(
    height: Height,
    round: Round,
    value: ValueId,
    signatures: impl Iterator<Item = Result<CommitSignature, BadCertificate>>,
) -> Result<CommitCertificate, BadCertificate> {
    let round = ledger_round(round).ok_or(BadCertificate::NoRound(height.0))?;
    let signatures = signatures.collect::<Result<_, _>>()?;
    let height = height.into();
    Ok(CommitCertificate::new(height, round, value, signatures)?)
}

/// The engine's certificate: its signers are named, and looked up in the set of that height
/// by whoever verifies it.
pub(crate) fn to_engine(certificate: &CommitCertificate) -> ct::ExtendedCommitCertificate<Ledger> {
    let signatures = certificate.signatures.iter().map(|one| {
        let address = Address::Member(one.member.clone());
        ct::ExtendedCommitSignature::new(address, Signature(one.signature), None)
    });
    ct::ExtendedCommitCertificate {
        height: certificate.height.into(),
        round: ct::Round::new(certificate.round.0),
        value_id: certificate.value.into(),
        commit_signatures: signatures.collect(),
    }
}

/// The ledger's evidence.
pub(crate) fn evidence(
    misbehavior: &MisbehaviorEvidence<Ledger>,
    validators: &Validators,
) -> Vec<Result<Equivocation, BadCertificate>> {
    let votes = misbehavior.votes.iter().flat_map(|(address, pairs)| {
        pairs
            .iter()
            .map(move |pair| votes(validator(validators, address)?, pair))
    });
    let proposals = misbehavior.proposals.iter().flat_map(|(address, pairs)| {
        pairs
            .iter()
            .map(move |pair| proposals(validator(validators, address)?, pair))
    });
    votes.chain(proposals).collect()
}

fn validator<'v>(
    validators: &'v Validators,
    address: &Address,
) -> Result<&'v Validator, BadCertificate> {
    let found = validators.find(address);
    found.ok_or_else(|| BadCertificate::NoMember(address.to_string()))
}

fn key(validator: &Validator) -> PublicKey {
    PublicKey::ed25519(&validator.key.0.to_bytes())
}

fn votes(
    validator: &Validator,
    (one, other): &ct::DoubleVote<Ledger>,
) -> Result<Equivocation, BadCertificate> {
    let height = one.message.height;
    let round = ledger_round(one.message.round).ok_or(BadCertificate::NoRound(height.0))?;
    let votes = [one, other].map(|vote| SignedVote {
        value: match vote.message.value {
            NilOrVal::Nil => None,
            NilOrVal::Val(value) => Some(value.into()),
        },
        signature: vote.signature.0,
    });
    let (kind, position) = (vote_kind(one.message.kind), (height.into(), round));
    let member = validator.member.clone();
    Ok(Equivocation::votes(
        member,
        key(validator),
        kind,
        position,
        votes,
    )?)
}

fn proposals(
    validator: &Validator,
    (one, other): &ct::DoubleProposal<Ledger>,
) -> Result<Equivocation, BadCertificate> {
    let height = one.message.height;
    let round = ledger_round(one.message.round).ok_or(BadCertificate::NoRound(height.0))?;
    let proposals = [one, other].map(|proposal| SignedProposal {
        value: proposal.message.value.into(),
        valid_round: ledger_round(proposal.message.valid_round),
        signature: proposal.signature.0,
    });
    let (member, position) = (validator.member.clone(), (height.into(), round));
    Ok(Equivocation::proposals(
        member,
        key(validator),
        position,
        proposals,
    )?)
}

/// The ledger's certificate of one that [`to_engine`] made.
pub(crate) fn of_members(
    certificate: &ct::ExtendedCommitCertificate<Ledger>,
) -> Result<CommitCertificate, BadCertificate> {
    let signatures = certificate
        .commit_signatures
        .iter()
        .map(|one| match &one.address {
            Address::Member(member) => Ok(CommitSignature {
                member: member.clone(),
                signature: one.signature.0,
            }),
            key @ Address::Key(_) => Err(BadCertificate::NoMember(key.to_string())),
        });
    let value = certificate.value_id.into();
    certified(certificate.height, certificate.round, value, signatures)
}
