//! `credlog receipt staple` and `unstaple`: a receipt inside of the credential's file.

use std::path::PathBuf;

use clap::Args;
use credlog_credential::Form;
use credlog_credential::json::{Limits, parse_strict};
use credlog_verify::receipt::{Receipt, staple, unstaple};
use credlog_verify::{digest_of, issuer_of};
use serde_json::json;

use crate::folder::{self, Access};
use crate::outcome::{During, Failure, Result};
use crate::screen::Screen;
use crate::target::{self, Unreadable};

/// Put a receipt into a credential's file, for a check without any node
///
/// `credlog verify` uses it when no node can be reached, `credlog receipt verify` at once. Other
/// verifiers do not know the member `credlogReceipt` and may refuse such a file: keep the credential
/// as it was too, or take the receipt out again with `unstaple`.
#[derive(Debug, Args)]
pub(crate) struct StapleArgs {
    /// The credential, in JSON
    credential: PathBuf,
    /// The receipt about it (.receipt.json)
    receipt: PathBuf,
    /// The file to write; it must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Take a stapled receipt out of a credential's file
#[derive(Debug, Args)]
pub(crate) struct UnstapleArgs {
    /// The credential with the receipt
    credential: PathBuf,
    /// Where to write the credential; it must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Where to write the receipt; it must not exist [default: nowhere]
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
}

impl StapleArgs {
    pub(crate) fn run(self, screen: Screen) -> Result<()> {
        let at = || self.credential.display().to_string();
        let bytes = folder::read(&self.credential)?;
        if Form::sniff(&bytes).is_some_and(|form| form != Form::Json) {
            return Err(Failure::input(format!(
                "{} is not JSON: a receipt can be stapled to JSON alone; hand it on as a file of \
                 its own",
                at()
            )));
        }
        let credential = match target::read(&self.credential) {
            Ok(credential) => credential,
            Err(Unreadable::File(failure)) => return Err(failure),
            Err(Unreadable::NoCredential { reason, .. }) => {
                return Err(Failure::input(format!(
                    "{} is no credential: {reason}",
                    at()
                )));
            }
        };
        let text = folder::read(&self.receipt)?;
        let receipt = Receipt::parse(text.strip_suffix(b"\n").unwrap_or(&text))
            .during(|| self.receipt.display().to_string())?;
        let (digest, issuer) = (digest_of(&credential), issuer_of(&credential));
        let claims = receipt
            .claims()
            .during(|| self.receipt.display().to_string())?;
        let is_about = claims
            .credentials
            .iter()
            .any(|one| one.digest == digest && Some(&one.entry.id) == issuer.as_ref());
        let receipt = receipt.only(&digest).filter(|_| is_about).ok_or_else(|| {
            Failure::input(format!(
                "{} does not speak of {}, whose digest is {digest}",
                self.receipt.display(),
                at()
            ))
        })?;
        let mut document = parse_strict(&bytes, Limits::DEFAULT).during(at)?;
        staple(&mut document, &receipt)?;
        folder::write_new(&self.out, &folder::to_json(&document)?, Access::Public)?;
        let answer = json!({"out": self.out, "digest": digest});
        let line = format!(
            "Wrote the credential with its receipt to {}.",
            self.out.display()
        );
        screen.answer(&answer, line)
    }
}

impl UnstapleArgs {
    pub(crate) fn run(self, screen: Screen) -> Result<()> {
        let at = || self.credential.display().to_string();
        let bytes = folder::read(&self.credential)?;
        let mut document = parse_strict(&bytes, target::STAPLED).during(at)?;
        let receipt = unstaple(&mut document)
            .during(at)?
            .ok_or_else(|| Failure::input(format!("{} has no receipt stapled to it", at())))?;
        folder::write_new(&self.out, &folder::to_json(&document)?, Access::Public)?;
        if let Some(path) = &self.receipt {
            folder::write_new(path, &receipt.to_bytes()?, Access::Public)?;
        }
        let answer = json!({"out": self.out, "receipt": self.receipt});
        let line = match &self.receipt {
            Some(path) => format!(
                "Wrote the credential to {} and the receipt to {}.",
                self.out.display(),
                path.display()
            ),
            None => format!("Wrote the credential to {}.", self.out.display()),
        };
        screen.answer(&answer, line)
    }
}
