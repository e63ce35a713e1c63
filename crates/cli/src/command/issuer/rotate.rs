//! `credlog issuer rotate-keys`: a new key in place of the present one.
//!
//! The next key is in its file before the ledger hears of it, and takes its place after the
//! commit; whatever happens in between, running the command again goes on.
//!
//! The recovery key speaks when others may have had the issuer's folder. So a next key that lies
//! there is not trusted with `--recovery`, but for the one that such a run made and the ledger
//! shows to be the only one left.
//!
//! Others may have registered more keys than one record can retire. The recovery key then signs
//! several: the first brings the new key and retires what is active, and the ledger is asked
//! anew after each, until it says of every other key what is asked.

use std::path::{Path, PathBuf};

use clap::Args;
use credlog_api::Time;
use credlog_ledger::body::{Body, KEYS_PER_RECORD_MAX, KeyChange, NewKey, Purposes};
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
use crate::outcome::{During, Exit, Failure, Result};
use crate::screen::{Ink, Screen, note};
use crate::statement::Signatory;

/// Most records of one recovery; together they retire more keys than an issuer can have.
const ROUNDS_MAX: usize = 64;

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
        let node = self.node.connect(screen)?;
        let ledger = node.bind(&home)?.ledger;
        let registry = Registered::ask(&node, &home)?;
        let path = self.next_key_path(&home);
        let next = match self.begun(&path, &registry, passphrase)? {
            Some(next) => next,
            None => self.new_key(&home, &path, passphrase)?,
        };
        if !self.is_done(&registry, &next) {
            // Only now: a run that was cut off while files moved left no present key.
            let change = Change {
                home: &home,
                node: &node,
                signatory: &Signatory {
                    ledger,
                    author: AuthorId::Issuer(home.id().clone()),
                    key: self.signing_key(&home, passphrase)?,
                },
                next: &next,
                compromised_since: self.compromised_since,
            };
            if self.recovery {
                change.recover(registry)?;
            } else {
                change.submit(true, vec![keyfile::public(&change.signatory.key).id()])?;
            }
        }
        let kept = take_place(&home, &path)?;
        self.report(screen, &home, &next, kept.as_deref())
    }

    /// Whether the ledger says all that is asked.
    fn is_done(&self, registry: &Registered, next: &SigningKey) -> bool {
        let next = keyfile::public(next).id();
        let unsaid = || registry.to_retire(Some(&next), self.compromised_since);
        registry.is_active(&next) && (!self.recovery || unsaid().is_empty())
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
            registry.is_recovered(&id, self.compromised_since)
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
}

/// The change of an issuer's keys: what is to be, and who says so.
struct Change<'a> {
    home: &'a IssuerHome,
    node: &'a Node,
    signatory: &'a Signatory,
    next: &'a SigningKey,
    compromised_since: Option<UnixMillis>,
}

impl Change<'_> {
    /// Sends records until the next key is active and the ledger says of every other key what
    /// is asked. A record that was under way, of a run before this one too, shows in a later
    /// round.
    fn recover(&self, mut registry: Registered) -> Result<()> {
        let next = keyfile::public(self.next).id();
        for _ in 0..ROUNDS_MAX {
            let add = !registry.is_active(&next);
            let mut retire = registry.to_retire(Some(&next), self.compromised_since);
            if !add && retire.is_empty() {
                return Ok(());
            }
            retire.truncate(KEYS_PER_RECORD_MAX);
            self.submit(add, retire)?;
            registry = Registered::ask(self.node, self.home)?;
        }
        Err(Failure::new(
            Exit::Refused,
            format!(
                "after {ROUNDS_MAX} records the ledger still holds keys of {} that are to be \
                 retired; run the same command again to go on",
                self.home.id()
            ),
        ))
    }

    fn submit(&self, add: bool, mut retire: Vec<KeyId>) -> Result<()> {
        retire.sort();
        let owner = self.home.id().as_str();
        let role = Role::RecordAndAssertion;
        let new = || NewKey {
            proven: ProvenKey::ed25519(&self.home.file.origin, role, owner, self.next),
            purposes: Purposes {
                record: true,
                assertion: true,
            },
        };
        let change = KeyChange {
            add: add.then(new).into_iter().collect(),
            // Without a key it would be about nothing.
            compromised_since: self.compromised_since.filter(|_| !retire.is_empty()),
            retire,
        };
        let record = self.signatory.sign(Body::RotateKeys(change))?;
        self.node.commit(&record)?;
        Ok(())
    }
}

/// The issuer's keys as the ledger knows them.
struct Registered {
    keys: Vec<KeyFacts>,
    now: Time,
}

impl Registered {
    fn ask(node: &Node, home: &IssuerHome) -> Result<Self> {
        let view = node.issuer(home.id())?.ok_or_else(|| {
            Failure::input(format!("the ledger does not know issuer {}", home.id()))
        })?;
        Ok(Self {
            now: Time::from(moment::now()).max(view.as_of),
            keys: view.issuer.keys,
        })
    }

    fn knows(&self, id: &KeyId) -> bool {
        self.keys.iter().any(|key| key.id == *id)
    }

    fn is_active(&self, id: &KeyId) -> bool {
        let mut keys = self.keys.iter();
        keys.any(|key| key.id == *id && key.active_at(self.now))
    }

    /// Keys besides `next` about which the ledger does not say yet what is asked: that they are
    /// retired, and those that were in use since the compromise, that they were in other hands.
    /// Active keys come first: what can sign is stopped first, and a new key finds room.
    fn to_retire(&self, next: Option<&KeyId>, compromised_since: Option<UnixMillis>) -> Vec<KeyId> {
        let since = compromised_since.map(Time::from);
        let unsaid = |key: &&KeyFacts| {
            let in_use = |since| key.retired.is_none_or(|retired| retired > since);
            key.active_at(self.now)
                || since.is_some_and(|since| in_use(since) && !is_marked(key, since))
        };
        let others = self.keys.iter().filter(|key| Some(&key.id) != next);
        let mut unsaid: Vec<_> = others.filter(unsaid).collect();
        unsaid.sort_by_key(|key| !key.active_at(self.now));
        unsaid.into_iter().map(|key| key.id).collect()
    }

    /// Whether a key is the only active one by the word of the recovery key, so that what else
    /// is asked can be said after it.
    ///
    /// Whoever holds the record key can make one of his own the only one as well. But only the
    /// recovery key marks keys, and it retires what is active before it marks what is not: if
    /// a key that ended when `id` began is marked, `id` came with the recovery key's record.
    fn is_recovered(&self, id: &KeyId, compromised_since: Option<UnixMillis>) -> bool {
        let Some(key) = self.keys.iter().find(|key| key.id == *id) else {
            return false;
        };
        let mut others = self.keys.iter().filter(|other| other.id != *id);
        if !key.active_at(self.now) || others.clone().any(|other| other.active_at(self.now)) {
            return false;
        }
        let marked_in_its_place =
            |since| others.any(|other| other.retired == Some(key.since) && is_marked(other, since));
        self.to_retire(Some(id), compromised_since).is_empty()
            || compromised_since
                .map(Time::from)
                .is_some_and(marked_in_its_place)
    }
}

/// Whether the ledger says that a key was in other hands at that time already.
fn is_marked(key: &KeyFacts, since: Time) -> bool {
    key.compromised_since.is_some_and(|known| known <= since)
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
            [id(3), id(1)],
            "in use at that time, and not marked"
        );
        assert_eq!(
            asked(Some(200)),
            [id(3), id(1), id(2)],
            "marked from a later time only"
        );
        assert_eq!(asked(Some(600)), [id(3)]);
        assert_eq!(registered.to_retire(None, None), [id(3), next]);
    }

    /// One record retires 16 keys at most; the keys that can sign are among them.
    #[test]
    fn active_keys_are_retired_first() {
        let mut keys: Vec<_> = (0..20).map(|at| key(Some(500 + at), None)).collect();
        keys.push(key(None, None));
        let registered = Registered {
            keys,
            now: time(1_000),
        };
        let unsaid = registered.to_retire(None, Some(UnixMillis(100)));
        assert_eq!((unsaid.len(), unsaid[0]), (21, registered.keys[20].id));
    }

    #[test]
    fn a_recovery_of_several_records_is_taken_up_and_a_key_of_others_is_not() {
        let is_recovered = |others: Vec<KeyFacts>, since: Option<u64>| {
            let next = KeyFacts {
                since: time(700),
                ..key(None, None)
            };
            let id = next.id;
            let registered = Registered {
                keys: [others, vec![next]].concat(),
                now: time(1_000),
            };
            registered.is_recovered(&id, since.map(UnixMillis))
        };
        let unsaid = || key(Some(600), None);
        // The first record was committed, those about further keys were not.
        let first_said = || vec![unsaid(), key(Some(700), Some(300))];
        assert!(is_recovered(first_said(), Some(300)));
        assert!(
            !is_recovered(first_said(), Some(200)),
            "not what is asked now"
        );
        let with_another = [first_said(), vec![key(None, None)]].concat();
        assert!(!is_recovered(with_another, Some(300)), "not the only one");
        // Added with the stolen key, which retired itself; a mark of an earlier recovery.
        let stolen = vec![key(Some(500), Some(300)), key(Some(700), None)];
        assert!(!is_recovered(stolen, Some(300)));
        assert!(is_recovered(vec![unsaid()], None), "nothing more was asked");
    }
}
