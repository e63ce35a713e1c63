//! `credlog issuer countersign`: the issuer agrees to an accreditation.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::home::IssuerHome;
use crate::keyfile::{self, Passphrase};
use crate::moment;
use crate::offer::Offer;
use crate::outcome::{Failure, Result};
use crate::screen::Screen;
use crate::terms::scope_text;

/// Agree to an accreditation that a member offers, with the recovery key
#[derive(Debug, Args)]
pub(crate) struct Countersign {
    /// The offer, from `credlog accreditation grant --offer-out`
    offer: PathBuf,
    /// The issuer's folder
    #[arg(long, value_name = "DIR")]
    issuer_home: PathBuf,
    /// The recovery key [default: keys/recovery.pem in the issuer's folder]
    #[arg(long, value_name = "FILE", help_heading = "Keys")]
    recovery_key: Option<PathBuf>,
    /// The countersigned offer to write; it must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Countersign {
    pub(crate) fn run(self, screen: Screen, passphrase: &Passphrase) -> Result<()> {
        let home = IssuerHome::open(&self.issuer_home)?;
        let mut offer = Offer::read(&self.offer)?;
        let accredit = offer.accredit()?;
        if accredit.issuer != *home.id() {
            return Err(Failure::input(format!(
                "the offer is for issuer {}, but {} is the folder of {}",
                accredit.issuer,
                self.issuer_home.display(),
                home.id()
            )));
        }
        if let Some(registration) = &accredit.registration
            && *registration != home.file.registration
        {
            return Err(Failure::input(format!(
                "the offer registers other keys or another name than {}/issuer.json; do not \
                 countersign it",
                self.issuer_home.display()
            )));
        }
        if let Some(pin) = home.pin()?
            && pin.ledger != offer.record().ledger
        {
            return Err(Failure::input(format!(
                "the offer is for ledger {}, but this issuer belongs to ledger {}",
                offer.record().ledger,
                pin.ledger
            )));
        }
        let scope = scope_text(&accredit.scope);
        let until = accredit.until;
        let path = self
            .recovery_key
            .unwrap_or_else(|| home.recovery_key_path());
        offer.countersign(&keyfile::read(&path, passphrase)?)?;
        offer.write_new(&self.out)?;
        let lines = format!(
            "Countersigned: {} accredits {} for {scope}, {}.\nWrote {}; send it back to the \
             member before {}.",
            offer.record().author.id,
            home.id(),
            until.map_or("without an end".to_owned(), |t| format!(
                "until {}",
                moment::shown(t)
            )),
            self.out.display(),
            moment::shown(offer.record().expires_at),
        );
        let answer = json!({
            "out": self.out,
            "issuer": home.id(),
            "expiresAt": moment::rfc3339(offer.record().expires_at),
        });
        screen.answer(&answer, lines)
    }
}
