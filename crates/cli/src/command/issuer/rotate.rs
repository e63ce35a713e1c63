//! `credlog issuer rotate-keys`: a new key in place of the present one.
//!
//! The next key is in its file before the ledger hears of it, and takes its place after the
//! commit; whatever happens in between, running the command again goes on.

use std::path::PathBuf;

use clap::Args;
use credlog_ledger::body::{Body, KeyChange, NewKey, Purposes};
use credlog_ledger::ids::UnixMillis;
use credlog_ledger::key::{ProvenKey, Role};
use credlog_ledger::record::AuthorId;
use ed25519_dalek::SigningKey;
use serde_json::json;

use crate::connection::{Ledger, Node, NodeArgs};
use crate::folder;
use crate::home::IssuerHome;
use crate::keyfile::{self, Passphrase, Protection};
use crate::moment;
use crate::outcome::{During, Failure, Result};
use crate::screen::{Ink, Screen};
use crate::statement::Signatory;

/// Replace the issuer's key by a new one
///
/// The present key signs this itself. With --recovery the recovery key does: for a key that is
/// lost, or, with --compromised-since, in other hands.
#[derive(Debug, Args)]
pub(crate) struct RotateKeys {
    /// The issuer's folder
    #[arg(long, value_name = "DIR", default_value = ".")]
    issuer_home: PathBuf,
    /// Sign with the recovery key; all present keys are retired
    #[arg(long)]
    recovery: bool,
    /// The recovery key [default: keys/recovery.pem in the issuer's folder]
    #[arg(
        long,
        value_name = "FILE",
        requires = "recovery",
        help_heading = "Keys"
    )]
    recovery_key: Option<PathBuf>,
    /// The present keys were in other hands from this time on
    #[arg(long, value_name = "TIME", requires = "recovery", value_parser = moment::parse_millis)]
    compromised_since: Option<UnixMillis>,
    #[command(flatten)]
    protection: Protection,
    #[command(flatten)]
    node: NodeArgs,
}

impl RotateKeys {
    pub(crate) fn run(self, screen: Screen, passphrase: &Passphrase) -> Result<()> {
        let home = IssuerHome::open(&self.issuer_home)?;
        let node = self.node.connect()?;
        let ledger = node.bind(&home)?.ledger;
        let next = self.next_key(&home, passphrase)?;
        let next_id = keyfile::public(&next).id();
        let view = node.issuer(home.id())?.ok_or_else(|| {
            Failure::input(format!("the ledger does not know issuer {}", home.id()))
        })?;
        let now = credlog_api::Time::from(moment::now()).max(view.as_of);
        let active = |key: &&credlog_verify::facts::KeyFacts| key.active_at(now);
        let registered = view
            .issuer
            .keys
            .iter()
            .filter(active)
            .any(|key| key.id == next_id);
        if !registered {
            let retire = if self.recovery {
                view.issuer
                    .keys
                    .iter()
                    .filter(active)
                    .map(|key| key.id)
                    .collect()
            } else {
                vec![keyfile::public(&home.record_key(passphrase)?).id()]
            };
            let signatory = Signatory {
                ledger,
                author: AuthorId::Issuer(home.id().clone()),
                key: self.signing_key(&home, passphrase)?,
            };
            self.submit(&home, &node, &signatory, &next, retire)?;
        }
        let retired = take_place(&home)?;
        let lines = format!(
            "{} {}\nsigns for {} from now on. The key before it is kept in {}.",
            screen.ink(Ink::Green, "Rotated:"),
            keyfile::public(&next),
            home.id(),
            retired.display()
        );
        let answer = json!({
            "issuer": home.id(),
            "key": keyfile::public(&next),
            "keyId": next_id,
            "retired": retired,
        });
        screen.answer(&answer, lines)
    }

    fn signing_key(&self, home: &IssuerHome, passphrase: &Passphrase) -> Result<SigningKey> {
        if !self.recovery {
            return home.record_key(passphrase);
        }
        let path = self
            .recovery_key
            .clone()
            .unwrap_or_else(|| home.recovery_key_path());
        keyfile::read(&path, passphrase)
    }

    /// The next key: a new one, or the one of a run that did not end.
    fn next_key(&self, home: &IssuerHome, passphrase: &Passphrase) -> Result<SigningKey> {
        let path = home.next_key_path();
        if path.exists() {
            return keyfile::read(&path, passphrase);
        }
        let phrase = passphrase.choosing(self.protection)?;
        let key = keyfile::generate();
        keyfile::write(&path, &key, phrase.as_ref().map(|text| text.as_str()))?;
        Ok(key)
    }

    fn submit(
        &self,
        home: &IssuerHome,
        node: &Node,
        signatory: &Signatory,
        next: &SigningKey,
        mut retire: Vec<credlog_ledger::ids::KeyId>,
    ) -> Result<()> {
        retire.sort();
        let owner = home.id().as_str();
        let role = Role::RecordAndAssertion;
        let change = KeyChange {
            add: vec![NewKey {
                proven: ProvenKey::ed25519(&home.file.origin, role, owner, next),
                purposes: Purposes {
                    record: true,
                    assertion: true,
                },
            }],
            retire,
            compromised_since: self.compromised_since,
        };
        node.commit(&signatory.sign(Body::RotateKeys(change))?)?;
        Ok(())
    }
}

/// The next key becomes the present one; the key before it stays under its own name.
fn take_place(home: &IssuerHome) -> Result<PathBuf> {
    let present = home.record_key_path();
    let stamp = moment::now().0;
    let retired = present.with_file_name(format!("record-retired-{stamp}.pem"));
    if present.exists() {
        std::fs::rename(&present, &retired).during(|| present.display().to_string())?;
    }
    let next = home.next_key_path();
    std::fs::rename(&next, &present).during(|| next.display().to_string())?;
    folder::sync_parent(&present)?;
    Ok(retired)
}
