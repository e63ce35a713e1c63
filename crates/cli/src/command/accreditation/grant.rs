//! `credlog accreditation grant` and `submit`.

use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};
use credlog_ledger::body::Accredit;
use credlog_ledger::ids::{IssuerId, UnixMillis};
use serde_json::json;

use crate::connection::{Ledger, MemberArgs, Node};
use crate::home::{IssuerFile, MemberHome};
use crate::keyfile::{self, Passphrase};
use crate::moment;
use crate::offer::Offer;
use crate::outcome::{Failure, Result};
use crate::screen::{Ink, Screen};
use crate::statement::Signatory;
use crate::terms::{scope, scope_text};

/// Let an issuer award achievements, as a member
///
/// The issuer's recovery key has to agree. With --recovery-key it does so at once; with
/// --offer-out an offer is written, which the issuer countersigns (credlog issuer
/// countersign) and the member submits (credlog accreditation submit).
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("agreement").required(true).args(["recovery_key", "offer_out"]))]
pub(crate) struct Grant {
    /// The issuer's issuer.json; or, for an issuer that the ledger knows, its id
    #[arg(long, value_name = "ISSUER.JSON|ID")]
    issuer: String,
    /// `all`, or the ids of achievements
    #[arg(long, required = true, num_args = 1.., value_name = "all|ACHIEVEMENT")]
    scope: Vec<String>,
    /// End of the accreditation
    #[arg(long, value_name = "TIME", value_parser = moment::parse_millis)]
    until: Option<UnixMillis>,
    /// The issuer's recovery key, if it is at hand
    #[arg(long, value_name = "FILE", help_heading = "Keys")]
    recovery_key: Option<PathBuf>,
    /// Write an offer for the issuer to countersign instead; it must not exist
    #[arg(long, value_name = "FILE")]
    offer_out: Option<PathBuf>,
    #[command(flatten)]
    member: MemberArgs,
}

/// Submit an accreditation that the issuer has countersigned, as the member that offered it
///
/// It must be what was offered: it is compared with the copy in the member's folder.
#[derive(Debug, Args)]
pub(crate) struct Submit {
    /// The countersigned offer
    offer: PathBuf,
    /// Submit it as it is, although the member's folder has no copy to compare it with
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    member: MemberArgs,
}

impl Grant {
    pub(crate) fn run(self, screen: Screen, passphrase: &Passphrase) -> Result<()> {
        let home = MemberHome::open(&self.member.home)?;
        let scope = scope(&self.scope)?;
        let (id, file) = self.issuer()?;
        let node = self.member.node.connect(screen)?;
        let signatory = node.member(&home, passphrase)?;
        let known = node.issuer(&id)?.is_some();
        let registration = match (file, known) {
            (_, true) => None,
            (Some(file), false) => {
                let origin = home.pin()?.map(|pin| pin.origin);
                if origin.as_ref() != Some(&file.origin) {
                    return Err(Failure::input(format!(
                        "{} was made for the log {}; the issuer has to make it for this one",
                        self.issuer, file.origin
                    )));
                }
                Some(file.registration)
            }
            (None, false) => {
                return Err(Failure::input(format!(
                    "the ledger does not know {id}; give its issuer.json"
                )));
            }
        };
        let accredit = Accredit {
            issuer: id,
            registration,
            scope,
            until: self.until,
            countersignature: [0; 64],
        };
        let governance = &home.member.keys.governance.key;
        let mut offer = Offer::new(signatory.ledger, &home.member.id, governance, accredit)?;
        if let Some(path) = &self.offer_out {
            offer.keep(&home)?;
            offer.write_new(path)?;
            return report_offer(screen, &offer, path);
        }
        let recovery = self
            .recovery_key
            .as_deref()
            .map(|path| keyfile::read(path, passphrase));
        match recovery.transpose()? {
            Some(key) => offer.countersign(&key)?,
            // The argument group lets exactly one of the two through.
            None => return Err(Failure::usage("--recovery-key is missing")),
        }
        commit(screen, &node, &signatory, offer)
    }

    fn issuer(&self) -> Result<(IssuerId, Option<IssuerFile>)> {
        let path = Path::new(&self.issuer);
        if !path.exists()
            && let Ok(id) = self.issuer.parse::<IssuerId>()
        {
            return Ok((id, None));
        }
        let file = IssuerFile::read(path)?;
        Ok((file.id.clone(), Some(file)))
    }
}

impl Submit {
    pub(crate) fn run(self, screen: Screen, passphrase: &Passphrase) -> Result<()> {
        let offer = Offer::read(&self.offer)?;
        if !offer.is_countersigned() {
            return Err(Failure::input(format!(
                "{} is not countersigned; the issuer does that with `credlog issuer countersign`",
                self.offer.display()
            )));
        }
        let home = MemberHome::open(&self.member.home)?;
        self.check_offered(&home, &offer)?;
        let node = self.member.node.connect(screen)?;
        let signatory = node.member(&home, passphrase)?;
        commit(screen, &node, &signatory, offer)
    }

    /// What came back is what this member offered.
    fn check_offered(&self, home: &MemberHome, offer: &Offer) -> Result<()> {
        let path = self.offer.display();
        let Some(made) = offer.kept(home)? else {
            if self.yes {
                return Ok(());
            }
            return Err(Failure::input(format!(
                "{} has no copy of this offer, so whether {path} is what you offered cannot be \
                 checked. It says:\n{}\nIf that is what you mean to sign, add --yes",
                home.folder.display(),
                offer.terms()?
            )));
        };
        let differences = offer.differences(&made)?;
        if differences.is_empty() {
            return Ok(());
        }
        Err(Failure::input(format!(
            "{path} is not what you offered: {}. Nothing was signed; ask the issuer to countersign \
             the offer as it was, or make a new one",
            differences.join("; ")
        )))
    }
}

fn report_offer(screen: Screen, offer: &Offer, path: &Path) -> Result<()> {
    let accredit = offer.accredit()?;
    let lines = format!(
        "Wrote {path}: an offer to accredit {issuer} for {scope}.\n\
         Next step, by the issuer, before {expiry}:\n  \
         credlog issuer countersign {path} --issuer-home … --out …",
        path = path.display(),
        issuer = accredit.issuer,
        scope = scope_text(&accredit.scope),
        expiry = moment::shown(offer.record().expires_at),
    );
    let answer = json!({
        "offer": path,
        "issuer": accredit.issuer,
        "expiresAt": moment::rfc3339(offer.record().expires_at),
    });
    screen.answer(&answer, lines)
}

fn commit(screen: Screen, node: &Node, signatory: &Signatory, offer: Offer) -> Result<()> {
    let Accredit {
        issuer,
        scope,
        until,
        registration,
        ..
    } = offer.accredit()?.clone();
    let record = offer.sign(signatory)?;
    let committed = node.commit(&record)?;
    let name = registration
        .map(|one| format!(" ({})", one.profile.name))
        .unwrap_or_default();
    let lines = format!(
        "{} {issuer}{name}\nfor {}{}, since {}.",
        screen.ink(Ink::Green, "Accredited"),
        scope_text(&scope),
        until
            .map(|time| format!(" until {}", moment::shown(time)))
            .unwrap_or_default(),
        moment::shown(committed.time),
    );
    let answer = json!({
        "issuer": issuer,
        "scope": scope,
        "until": until.map(moment::rfc3339),
        "since": moment::rfc3339(committed.time),
        "record": record.id(),
        "leaf": committed.leaf,
    });
    screen.answer(&answer, lines)
}
