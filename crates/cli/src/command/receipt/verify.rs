//! `credlog receipt verify`: receipts checked without a node.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use credlog_api::Verdict;
use credlog_credential::Credential;
use credlog_ledger::ids::Digest;
use credlog_verify::receipt::{
    CheckOptions, ConsistencyProof, HashText, NotAbout, Path as HashPath, Proven, Receipt,
    RefusalCode, Trust,
};
use credlog_verify::{DigestSubject, HandedOver, digest_of};

use super::anchor::Anchor;
use crate::command::issue::source::credential_files;
use crate::command::verify::check::Finding;
use crate::command::verify::show::detailed;
use crate::command::verify::worse;
use crate::connection::{Node, NodeArgs};
use crate::folder;
use crate::moment;
use crate::outcome::{Exit, Failure, Result};
use crate::screen::Screen;
use crate::target::{self, Unreadable};

/// Check receipts, without a node
///
/// A receipt proves what the ledger said about a credential: that it was issued, by whom, under
/// which accreditation, and what its status was. It needs the consortium's genesis file and nothing
/// else. Whether the credential itself is genuine is known only with --credential, or if the
/// receipt is stapled to it; without it the best answer is unknown. Exit code: 0 every credential is
/// valid; 1 a receipt is refused, or a credential is invalid, revoked, suspended, superseded, not
/// yet valid or expired; 2 something is not known.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Receipts (.receipt.json), or credentials with a receipt stapled to them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    anchor: Anchor,
    /// The credential that a receipt is about, or a folder of them; may be given several times
    #[arg(long, value_name = "FILE|DIR")]
    credential: Vec<PathBuf>,
    /// Longest time since the ledger was attested as the receipt shows it: 90s, 10m, 24h, 30d
    #[arg(long, value_name = "LENGTH", value_parser = moment::parse_length)]
    max_age: Option<u64>,
    /// Check as of this time: the receipt has to be about it [default: now]
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
        let mut judged = BTreeSet::new();
        let mut findings = Vec::new();
        let before = trust.clone();
        for file in &self.files {
            let name = file.display().to_string();
            match self.read(file, &mut trust, node.as_ref()) {
                Ok((proven, own)) => {
                    findings.extend(self.verdicts(&name, &proven, own, &credentials, &mut judged));
                }
                Err(finding) => findings.push((name, *finding)),
            }
        }
        for (number, one) in credentials.iter().enumerate() {
            if !judged.contains(&number) {
                let reason = format!(
                    "no receipt that was given speaks of it (digest {})",
                    one.digest
                );
                let name = one.path.display().to_string();
                findings.push((name, Finding::Unchecked(Failure::input(reason))));
            }
        }
        let mut exit = Exit::Done;
        for (number, (name, finding)) in findings.iter().enumerate() {
            exit = worse(exit, finding.summary());
            let gap = if number > 0 { "\n" } else { "" };
            match screen.is_json() {
                true => screen.out(&finding.json(name).to_string())?,
                false => screen.out(&format!("{gap}{}", detailed(screen, name, finding)))?,
            }
        }
        if trust != before && !self.anchor.keep(&before, &trust)? {
            screen.note(
                "the trust file was changed by another run meanwhile, and left as that one wrote it",
            );
        }
        Ok(exit)
    }

    fn credentials(&self) -> Result<Vec<Given>> {
        let read = |path: &PathBuf| match target::read(path) {
            Ok(credential) => Ok(Given {
                digest: digest_of(&credential),
                path: path.clone(),
                credential,
            }),
            Err(Unreadable::File(failure)) => Err(failure),
            Err(Unreadable::NoCredential { reason, .. }) => Err(Failure::input(format!(
                "{} is no credential: {reason}",
                path.display()
            ))),
        };
        let mut files = Vec::new();
        for path in &self.credential {
            match path.is_dir() {
                true => files.extend(credential_files(path)?),
                false => files.push(path.clone()),
            }
        }
        files.iter().map(read).collect()
    }

    /// What a file proves, and the credential to which its receipt is stapled.
    fn read(
        &self,
        file: &Path,
        trust: &mut Trust,
        node: Option<&Node>,
    ) -> std::result::Result<(Proven, Option<Given>), Box<Finding>> {
        let unchecked = |failure| Box::new(Finding::Unchecked(failure));
        let refused = |refusal| Box::new(Finding::Refused(refusal));
        let bytes = folder::read(file).map_err(unchecked)?;
        let Some(stapled) = target::stapled(&bytes) else {
            // What an editor puts at the end of a file is not the receipt's.
            let trimmed = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
            let receipt = Receipt::parse(trimmed).map_err(refused)?;
            return Ok((self.proven(receipt, trust, node)?, None));
        };
        let credential = target::parse(&bytes).map_err(|error| match error {
            Unreadable::File(failure) => unchecked(failure),
            Unreadable::NoCredential { reason, problem } => {
                Box::new(Finding::NoCredential { reason, problem })
            }
        })?;
        let own = Given {
            digest: digest_of(&credential),
            path: file.to_owned(),
            credential,
        };
        let proven = self.proven(stapled.map_err(refused)?, trust, node)?;
        Ok((proven, Some(own)))
    }

    fn proven(
        &self,
        mut receipt: Receipt,
        trust: &mut Trust,
        node: Option<&Node>,
    ) -> std::result::Result<Proven, Box<Finding>> {
        let options = CheckOptions {
            now: moment::now(),
            at: self.at,
            age_ms_max: self.max_age,
        };
        let mut checked = receipt.check(trust, &options);
        if let Some(node) = node
            && !checked.as_ref().is_ok_and(|proven| proven.trust.is_some())
            && let Some(proof) = compared(&receipt, trust, node)?
        {
            receipt.consistency = Some(proof);
            checked = receipt.check(trust, &options);
            if let Err(refusal) = &checked
                && refusal.code == RefusalCode::Consistency
            {
                let reason = format!(
                    "{} does not show that the receipt and the trust file are of one history; ask \
                     another node",
                    node.url()
                );
                return Err(Box::new(Finding::Unchecked(Failure::input(reason))));
            }
        }
        let proven = checked.map_err(|refusal| Box::new(Finding::Refused(refusal)))?;
        if let Some(advanced) = &proven.trust {
            *trust = advanced.clone();
        }
        Ok(proven)
    }

    /// A verdict for each credential that a receipt speaks of.
    fn verdicts(
        &self,
        name: &str,
        proven: &Proven,
        own: Option<Given>,
        credentials: &[Given],
        judged: &mut BTreeSet<usize>,
    ) -> Vec<(String, Finding)> {
        let (now, handed) = (moment::now(), HandedOver::default());
        if let Some(own) = own {
            let verdict = proven.verdict(&own.credential, &handed, now);
            return vec![(name.to_owned(), finding(verdict))];
        }
        let mut findings = Vec::new();
        for one in &proven.credentials {
            let name = match proven.credentials.len() {
                1 => name.to_owned(),
                _ => format!("{name}, credential {}", one.digest),
            };
            let mut is_given = false;
            let given = credentials.iter().enumerate();
            for (number, given) in given.filter(|(_, given)| given.digest == one.digest) {
                // Two issuers may have issued one digest; the verdict is about the named one.
                if judged.insert(number) {
                    let verdict = proven.verdict(&given.credential, &handed, now);
                    findings.push((given.path.display().to_string(), finding(verdict)));
                }
                is_given = true;
            }
            if !is_given {
                let subject = DigestSubject {
                    digest: one.digest,
                    issuer: Some(one.entry.id.clone()),
                    proof_checked_elsewhere: false,
                };
                findings.push((name, finding(proven.verdict_of_digest(&subject, now))));
            }
        }
        findings
    }
}

/// A credential that was given.
struct Given {
    path: PathBuf,
    credential: Credential,
    digest: Digest,
}

fn finding(verdict: std::result::Result<Verdict, NotAbout>) -> Finding {
    match verdict {
        Ok(verdict) => Finding::Judged(Box::new(verdict)),
        Err(error) => Finding::Unchecked(Failure::input(error.to_string())),
    }
}

/// That a receipt and the trust file are of one log, as a node shows it.
fn compared(
    receipt: &Receipt,
    trust: &Trust,
    node: &Node,
) -> std::result::Result<Option<ConsistencyProof>, Box<Finding>> {
    let (Some(newest), Ok(claims)) = (trust.newest(), receipt.claims()) else {
        return Ok(None);
    };
    if newest.size == claims.size {
        return Ok(None);
    }
    let (from, to) = (newest.size.min(claims.size), newest.size.max(claims.size));
    let view = node
        .consistency(from, to)
        .map_err(|failure| Box::new(Finding::Unchecked(failure)))?;
    Ok(Some(ConsistencyProof {
        path: HashPath(view.path.0),
        root: HashText(newest.root),
        size: newest.size.0,
    }))
}
