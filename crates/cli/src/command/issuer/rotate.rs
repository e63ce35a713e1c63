//! `credlog issuer rotate-keys`: a new key in place of the present one.
//!
//! The next key is in its file before the ledger hears of it, and takes its place after the
//! commit; whatever happens in between, running the command again goes on.
//!
//! The recovery key speaks when others may have had the issuer's folder. So a next key that lies
//! there is not trusted with `--recovery`, but for the one that such a run made and the ledger
//! shows to be the only one left.

use std::path::{Path, PathBuf};

use clap::Args;
use credlog_api::Time;
use credlog_ledger::body::{Body, KeyChange, NewKey, Purposes};
use credlog_ledger::ids::{KeyId, UnixMillis};
use credlog_ledger::key::{ProvenKey, Role};
use credlog_ledger::record::AuthorId;
use credlog_verify::facts::KeyFacts;
use ed25519_dalek::SigningKey;
use serde_json::json;

use crate::connection::{Ledger, Node, NodeArgs};
use crate::folder;
use crate::home::IssuerHome;
use crate::keyfile::{self, Passphrase, Protection};
use crate::moment;
use crate::outcome::{During, Failure, Result};
use crate::screen::{Ink, Screen, note};
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
    /// Sign with the recovery key; all present keys are retired, and the new key is made afresh
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
    /// The keys in use since this time were in other hands from then on
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
        let view = node.issuer(home.id())?.ok_or_else(|| {
            Failure::input(format!("the ledger does not know issuer {}", home.id()))
        })?;
        let registry = Registered {
            now: Time::from(moment::now()).max(view.as_of),
            keys: view.issuer.keys,
        };
        let path = self.next_key_path(&home);
        let next = match self.begun(&path, &registry, passphrase)? {
            Some(next) => next,
            None => self.new_key(&home, &path, passphrase)?,
        };
        let next_id = keyfile::public(&next).id();
        if !registry.is_active(&next_id) {
            let retire = if self.recovery {
                registry.to_retire(None, self.compromised_since)
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
        let kept = take_place(&home, &path)?;
        self.report(screen, &home, &next, kept.as_deref())
    }

    fn report(
        &self,
        screen: Screen,
        home: &IssuerHome,
        next: &SigningKey,
        kept: Option<&Path>,
    ) -> Result<()> {
        let key = keyfile::public(next);
        let mut lines = format!(
            "{} {key}\nsigns for {} from now on.",
            screen.ink(Ink::Green, "Rotated:"),
            home.id(),
        );
        if let Some(kept) = kept {
            let kept = kept.display();
            lines.push_str(&format!(" The key before it is kept in {kept}."));
        }
        if let Some(since) = self.compromised_since {
            let since = moment::shown(since);
            lines.push_str(&format!(
                "\nThe ledger says that the keys before it were in other hands since {since}."
            ));
        }
        let answer = json!({
            "issuer": home.id(),
            "key": key,
            "keyId": key.id(),
            "retired": kept,
            "compromisedSince": self.compromised_since.map(moment::rfc3339),
        });
        screen.answer(&answer, lines)
    }

    fn next_key_path(&self, home: &IssuerHome) -> PathBuf {
        if self.recovery {
            home.recovered_key_path()
        } else {
            home.next_key_path()
        }
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

    /// The next key of a run that did not end, if this run is to go on with it.
    fn begun(
        &self,
        path: &Path,
        registry: &Registered,
        passphrase: &Passphrase,
    ) -> Result<Option<SigningKey>> {
        // Earlier versions could leave an empty file behind.
        if !path.exists() || std::fs::metadata(path)?.len() == 0 {
            return Ok(None);
        }
        let next = keyfile::read(path, passphrase)?;
        let id = keyfile::public(&next).id();
        let goes_on = if self.recovery {
            registry.is_active(&id)
                && registry
                    .to_retire(Some(&id), self.compromised_since)
                    .is_empty()
        } else {
            // A key that the ledger once knew can never come back (rule R4).
            registry.is_active(&id) || !registry.knows(&id)
        };
        Ok(goes_on.then_some(next))
    }

    /// A new key in the next key's file; files that lie there and do not count move aside.
    fn new_key(
        &self,
        home: &IssuerHome,
        path: &Path,
        passphrase: &Passphrase,
    ) -> Result<SigningKey> {
        let phrase = passphrase.choosing(self.protection)?;
        let mut doubtful = vec![path.to_owned()];
        if self.recovery {
            doubtful.push(home.next_key_path());
        }
        for old in doubtful.iter().filter(|old| old.exists()) {
            let aside = moved_aside(old, "unused")?;
            note(format!(
                "{} was not used; it is kept in {}",
                old.display(),
                aside.display()
            ));
        }
        let key = keyfile::generate();
        keyfile::write(path, &key, phrase.as_ref().map(|text| text.as_str()))?;
        Ok(key)
    }

    fn submit(
        &self,
        home: &IssuerHome,
        node: &Node,
        signatory: &Signatory,
        next: &SigningKey,
        mut retire: Vec<KeyId>,
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

/// The issuer's keys as the ledger knows them.
struct Registered {
    keys: Vec<KeyFacts>,
    now: Time,
}

impl Registered {
    fn knows(&self, id: &KeyId) -> bool {
        self.keys.iter().any(|key| key.id == *id)
    }

    fn is_active(&self, id: &KeyId) -> bool {
        let mut keys = self.keys.iter();
        keys.any(|key| key.id == *id && key.active_at(self.now))
    }

    /// Keys besides `next` about which the ledger does not say yet what is asked: that they are
    /// retired, and those that were in use since the compromise, that they were in other hands.
    fn to_retire(&self, next: Option<&KeyId>, compromised_since: Option<UnixMillis>) -> Vec<KeyId> {
        let since = compromised_since.map(Time::from);
        let unsaid = |key: &&KeyFacts| {
            let marked = |since| key.compromised_since.is_some_and(|known| known <= since);
            let in_use = |since| key.retired.is_none_or(|retired| retired > since);
            key.active_at(self.now) || since.is_some_and(|since| in_use(since) && !marked(since))
        };
        let others = self.keys.iter().filter(|key| Some(&key.id) != next);
        others.filter(unsaid).map(|key| key.id).collect()
    }
}

/// The next key becomes the present one; the key before it stays under its own name.
fn take_place(home: &IssuerHome, next: &Path) -> Result<Option<PathBuf>> {
    let present = home.record_key_path();
    let retired = match present.exists() {
        true => Some(moved_aside(&present, "retired")?),
        false => None,
    };
    std::fs::rename(next, &present).during(|| next.display().to_string())?;
    folder::sync_parent(&present)?;
    Ok(retired)
}

/// Gives a key file a name of its own, which tells what became of it and when.
fn moved_aside(path: &Path, what: &str) -> Result<PathBuf> {
    let stamp = moment::now().0;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let aside = path.with_file_name(format!("{stem}-{what}-{stamp}.pem"));
    std::fs::rename(path, &aside).during(|| path.display().to_string())?;
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(millis: u64) -> Time {
        Time::from(UnixMillis(millis))
    }

    fn key(retired: Option<u64>, compromised_since: Option<u64>) -> KeyFacts {
        let key = keyfile::public(&keyfile::generate());
        KeyFacts {
            id: key.id(),
            key,
            purposes: Purposes {
                record: true,
                assertion: true,
            },
            since: time(0),
            retired: retired.map(time),
            compromised_since: compromised_since.map(time),
        }
    }

    /// A run that found its next key registered reported no compromise, and said "Rotated".
    #[test]
    fn what_the_ledger_does_not_say_yet_is_left_to_say() {
        let registered = Registered {
            keys: vec![
                key(Some(100), None),
                key(Some(500), None),
                key(Some(500), Some(300)),
                key(None, None),
                key(None, None),
            ],
            now: time(1_000),
        };
        let id = |at: usize| registered.keys[at].id;
        let next = id(4);
        let asked = |since: Option<u64>| registered.to_retire(Some(&next), since.map(UnixMillis));
        assert_eq!(asked(None), [id(3)]);
        assert_eq!(
            asked(Some(300)),
            [id(1), id(3)],
            "in use at that time, and not marked"
        );
        assert_eq!(
            asked(Some(200)),
            [id(1), id(2), id(3)],
            "marked from a later time only"
        );
        assert_eq!(asked(Some(600)), [id(3)]);
        assert_eq!(registered.to_retire(None, None), [id(3), next]);
    }
}
