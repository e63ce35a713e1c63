//! `credlog receipt verify`: receipts checked without a node.

use std::path::{Path, PathBuf};

use clap::Args;
use credlog_credential::{Credential, Opened};
use credlog_verify::receipt::{
    CheckOptions, ConsistencyProof, HashText, Path as HashPath, Proven, Receipt, Refusal, Trust,
};
use credlog_verify::{DigestSubject, HandedOver, digest_of, issuer_of};

use super::anchor::Anchor;
use crate::command::verify::check::Finding;
use crate::command::verify::show::detailed;
use crate::command::verify::worse;
use crate::connection::{Node, NodeArgs};
use crate::folder;
use crate::moment;
use crate::outcome::{Exit, Failure, Result};
use crate::screen::{Screen, count};
use crate::target::{self, Unreadable};

/// Check receipts, without a node
///
/// A receipt proves what the ledger said about a credential: that it was issued, by whom, under
/// which accreditation, and what its status was. It needs the consortium's genesis file and nothing
/// else. Whether the credential itself is genuine is checked with --credential, or if the
/// receipt is stapled to it. Exit code: 0 all is valid; 1 a receipt is refused, or a credential is
/// invalid, revoked, suspended, superseded, not yet valid or expired; 2 something is not known.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Receipts (.receipt.json), or credentials with a receipt stapled to them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    anchor: Anchor,
    /// The credential that a receipt is about; may be given several times
    #[arg(long, value_name = "FILE")]
    credential: Vec<PathBuf>,
    /// Longest time since the ledger was attested as the receipt shows it: 90s, 10m, 24h, 30d
    #[arg(long, value_name = "LENGTH", value_parser = moment::parse_length)]
    max_age: Option<u64>,
    /// The receipt has to be about this time
    #[arg(long, value_name = "TIME", value_parser = moment::parse_millis)]
    at: Option<credlog_ledger::ids::UnixMillis>,
    /// Ask a node to show that receipt and trust file are of one history
    #[arg(long, requires = "trust")]
    compare: bool,
    #[command(flatten)]
    node: NodeArgs,
}

impl VerifyArgs {
    pub(crate) fn run(self, screen: Screen) -> Result<Exit> {
        let mut trust = self.anchor.read()?;
        let credentials = self.credentials()?;
        let node = match self.compare {
            true => Some(self.node.connect(screen)?),
            false => None,
        };
        let mut findings = Vec::new();
        for file in &self.files {
            let before = trust.clone();
            findings.extend(self.findings(file, &credentials, &mut trust, node.as_ref()));
            if trust != before {
                self.anchor.keep(&trust)?;
            }
        }
        let mut exit = Exit::Done;
        for (name, finding) in &findings {
            exit = worse(exit, finding.summary());
            match screen.is_json() {
                true => screen.line(finding.json(name).to_string())?,
                false => screen.line(detailed(screen, name, finding))?,
            }
        }
        Ok(exit)
    }

    fn credentials(&self) -> Result<Vec<Credential>> {
        let read = |path: &PathBuf| match target::read(path) {
            Ok(credential) => Ok(credential),
            Err(Unreadable::File(failure)) => Err(failure),
            Err(Unreadable::NoCredential { reason, .. }) => Err(Failure::input(format!(
                "{} is no credential: {reason}",
                path.display()
            ))),
        };
        self.credential.iter().map(read).collect()
    }

    /// What a file proves about each credential.
    fn findings(
        &self,
        file: &Path,
        credentials: &[Credential],
        trust: &mut Trust,
        node: Option<&Node>,
    ) -> Vec<(String, Finding)> {
        let name = file.display().to_string();
        let bytes = match folder::read(file) {
            Ok(bytes) => bytes,
            Err(failure) => return vec![(name, Finding::Unchecked(failure))],
        };
        let (receipt, own) = match read(&bytes) {
            Ok(read) => read,
            Err(refusal) => return vec![(name, Finding::Refused(refusal))],
        };
        let proven = match self.proven(receipt, trust, node) {
            Ok(Ok(proven)) => proven,
            Ok(Err(refusal)) => return vec![(name, Finding::Refused(refusal))],
            Err(failure) => return vec![(name, Finding::Unchecked(failure))],
        };
        if let Some(advanced) = &proven.trust {
            *trust = advanced.clone();
        }
        let all: Vec<&Credential> = own.iter().chain(credentials).collect();
        judged(&name, &proven, &all)
    }

    fn proven(
        &self,
        mut receipt: Receipt,
        trust: &Trust,
        node: Option<&Node>,
    ) -> Result<std::result::Result<Proven, Refusal>> {
        if let Some(node) = node {
            receipt.consistency = compared(&receipt, trust, node)?;
        }
        let options = CheckOptions {
            now: moment::now(),
            at: self.at,
            age_ms_max: self.max_age,
        };
        Ok(receipt.check(trust, &options))
    }
}

/// A receipt, and the credential to which it is stapled.
fn read(bytes: &[u8]) -> std::result::Result<(Receipt, Option<Credential>), Refusal> {
    let Some(stapled) = target::stapled(bytes) else {
        // What other programs put at the end of a file is not the receipt's.
        let trimmed = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        return Ok((Receipt::parse(trimmed)?, None));
    };
    let receipt = stapled?;
    let credential = match target::open(bytes) {
        Ok(Opened::Credential(credential)) => Some(*credential),
        _ => None,
    };
    Ok((receipt, credential))
}

/// That a receipt and the trust file are of one log, as a node shows it.
fn compared(receipt: &Receipt, trust: &Trust, node: &Node) -> Result<Option<ConsistencyProof>> {
    let (Some(newest), Ok(claims)) = (trust.newest(), receipt.claims()) else {
        return Ok(None);
    };
    if newest.size == claims.size {
        return Ok(None);
    }
    let (from, to) = (newest.size.min(claims.size), newest.size.max(claims.size));
    let view = node.consistency(from, to)?;
    Ok(Some(ConsistencyProof {
        path: HashPath(view.path.0),
        root: HashText(newest.root),
        size: newest.size.0,
    }))
}

/// A verdict for each credential that the receipt speaks of.
fn judged(name: &str, proven: &Proven, credentials: &[&Credential]) -> Vec<(String, Finding)> {
    let now = moment::now();
    let handed = HandedOver::default();
    let number = proven.credentials.len();
    let mut findings: Vec<(String, Finding)> = proven
        .credentials
        .iter()
        .map(|one| {
            let own = |credential: &&&Credential| {
                digest_of(credential) == one.digest
                    && issuer_of(credential).as_ref() == Some(&one.entry.id)
            };
            let verdict = match credentials.iter().find(own) {
                Some(credential) => proven.verdict(credential, &handed, now),
                None => {
                    let subject = DigestSubject {
                        digest: one.digest,
                        issuer: Some(one.entry.id.clone()),
                        proof_checked_elsewhere: true,
                    };
                    proven.verdict_of_digest(&subject, now)
                }
            };
            let name = match number {
                1 => name.to_owned(),
                _ => format!("{name}, credential {}", one.digest),
            };
            match verdict {
                Ok(verdict) => (name, Finding::Judged(Box::new(verdict))),
                Err(error) => (name, Finding::Unchecked(Failure::input(error.to_string()))),
            }
        })
        .collect();
    let is_about = |credential: &&Credential| {
        let digest = digest_of(credential);
        proven.credentials.iter().any(|one| one.digest == digest)
    };
    if !credentials.is_empty() && !credentials.iter().any(is_about) {
        let reason = format!(
            "the receipt speaks of {}, but of none that was given with it",
            count(number, "credential")
        );
        findings.push((name.to_owned(), Finding::Unchecked(Failure::input(reason))));
    }
    findings
}
