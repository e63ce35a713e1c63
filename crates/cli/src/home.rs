//! Folders: a member's home and an issuer's home.
//!
//! ```text
//! member/credlog.toml  genesis.json  member.json  keys/{governance,consensus,cosigner,node}.pem
//!        offers/<nonce>.json               keys/next/{the same, member.json}
//! issuer/issuer.json   ledger.json                keys/{record,recovery}.pem
//! ```
//!
//! `member.json` and `issuer.json` are what one hands over: public keys with their proofs of
//! possession. `genesis.json` (member) and `ledger.json` (issuer) pin the ledger, so that no
//! node can have records signed for another one.

use std::path::{Path, PathBuf};

use credlog_ledger::body::Registration;
use credlog_ledger::genesis::Genesis;
use credlog_ledger::ids::{IssuerId, LedgerId, Origin};
use credlog_ledger::key::{PublicKey, Role};
use credlog_ledger::member::Member;
use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};

use crate::folder;
use crate::keyfile::{self, Passphrase};
use crate::outcome::{During, Failure, Result};

/// Version of `issuer.json`.
const REGISTRATION_VERSION: u8 = 1;

/// The ledger that a home belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pin {
    /// Name of the log.
    pub(crate) origin: Origin,
    /// BLAKE3 of the genesis file.
    pub(crate) ledger: LedgerId,
}

impl Pin {
    /// Reads a genesis file.
    pub(crate) fn of_genesis(path: &Path) -> Result<Self> {
        let genesis = Genesis::parse(&folder::read(path)?).during(|| path.display().to_string())?;
        Ok(Self {
            ledger: genesis.ledger_id()?,
            origin: genesis.origin,
        })
    }
}

/// A member's folder.
#[derive(Debug)]
pub(crate) struct MemberHome {
    pub(crate) folder: PathBuf,
    pub(crate) member: Member,
}

impl MemberHome {
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let path = folder.join("member.json");
        if !path.is_file() {
            return Err(Failure::input(format!(
                "{} is no member's folder (it has no member.json); `credlog init` makes one",
                folder.display()
            )));
        }
        Ok(Self {
            member: folder::read_json(&path, "a member's description")?,
            folder: folder.to_owned(),
        })
    }

    /// The governance key: it signs the member's records. While keys are replaced, it is that of
    /// the two which is `in_force`, if the ledger knows the member.
    pub(crate) fn governance_key(
        &self,
        passphrase: &Passphrase,
        in_force: Option<&PublicKey>,
    ) -> Result<SigningKey> {
        let next = self.next()?.map(|next| next.keys.governance.key);
        let (folder, expected) = match next {
            Some(next) if in_force == Some(&next) => (self.next_path(), next),
            _ => (self.keys_path(), self.member.keys.governance.key.clone()),
        };
        let path = folder.join("governance.pem");
        let key = keyfile::read(&path, passphrase)?;
        if keyfile::public(&key) != expected {
            return Err(Failure::input(format!(
                "{} is another key than the governance key in the member.json of its member",
                path.display()
            )));
        }
        Ok(key)
    }

    /// Where the keys lie.
    pub(crate) fn keys_path(&self) -> PathBuf {
        self.folder.join("keys")
    }

    /// Where the keys lie that are to replace the present ones.
    pub(crate) fn next_path(&self) -> PathBuf {
        self.keys_path().join("next")
    }

    /// The member as it will be, while its keys are replaced.
    pub(crate) fn next(&self) -> Result<Option<Member>> {
        let path = self.next_path().join("member.json");
        path.is_file()
            .then(|| folder::read_json(&path, "a member's description"))
            .transpose()
    }

    /// Where copies of offered accreditations lie.
    pub(crate) fn offers_path(&self) -> PathBuf {
        self.folder.join("offers")
    }

    /// The ledger of the genesis file, once there is one.
    pub(crate) fn pin(&self) -> Result<Option<Pin>> {
        let path = self.folder.join("genesis.json");
        path.is_file().then(|| Pin::of_genesis(&path)).transpose()
    }

    /// The ledger of the genesis file, which has to be there.
    pub(crate) fn ledger(&self) -> Result<Pin> {
        self.pin()?.ok_or_else(|| {
            Failure::input(format!(
                "{0}/genesis.json is missing: it says for which ledger this member signs; copy \
                 the ledger's genesis file to {0}/genesis.json",
                self.folder.display()
            ))
        })
    }
}

/// `issuer.json`: what an issuer hands to the member that accredits it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct IssuerFile {
    /// Version of this file.
    pub(crate) version: u8,
    /// The log for which the proofs of possession were made.
    pub(crate) origin: Origin,
    /// The issuer.
    pub(crate) id: IssuerId,
    /// Profile, keys and recovery key with their proofs of possession.
    pub(crate) registration: Registration,
}

impl IssuerFile {
    pub(crate) fn new(origin: Origin, id: IssuerId, registration: Registration) -> Self {
        Self {
            version: REGISTRATION_VERSION,
            origin,
            id,
            registration,
        }
    }

    /// Reads the file and checks every proof of possession (rule R4).
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let file: Self = folder::read_json(path, "an issuer's registration (issuer.json)")?;
        file.check().during(|| path.display().to_string())?;
        Ok(file)
    }

    fn check(&self) -> Result<()> {
        if self.version != REGISTRATION_VERSION {
            return Err(Failure::input(format!(
                "version {} is not known; this program knows version {REGISTRATION_VERSION}",
                self.version
            )));
        }
        let (origin, id) = (&self.origin, self.id.as_str());
        for key in &self.registration.keys {
            let role = key.purposes.role().ok_or_else(|| {
                Failure::input(format!("key {} has no purpose", key.proven.key.id()))
            })?;
            key.proven.check(origin, role, id)?;
        }
        self.registration
            .recovery
            .check(origin, Role::Recovery, id)?;
        Ok(())
    }
}

/// An issuer's folder.
#[derive(Debug)]
pub(crate) struct IssuerHome {
    pub(crate) folder: PathBuf,
    pub(crate) file: IssuerFile,
}

impl IssuerHome {
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let path = folder.join("issuer.json");
        if !path.is_file() {
            return Err(Failure::input(format!(
                "{} is no issuer's folder (it has no issuer.json); `credlog issuer new` makes one",
                folder.display()
            )));
        }
        Ok(Self {
            file: IssuerFile::read(&path)?,
            folder: folder.to_owned(),
        })
    }

    pub(crate) fn id(&self) -> &IssuerId {
        &self.file.id
    }

    /// Where the key lies that signs records and credentials now.
    pub(crate) fn record_key_path(&self) -> PathBuf {
        self.folder.join("keys/record.pem")
    }

    /// Where the next key lies while the present key is replaced by its own word.
    pub(crate) fn next_key_path(&self) -> PathBuf {
        self.folder.join("keys/record-next.pem")
    }

    /// Where the next key lies while keys are replaced by the recovery key.
    pub(crate) fn recovered_key_path(&self) -> PathBuf {
        self.folder.join("keys/record-recovered.pem")
    }

    /// Where `issuer new` puts the recovery key.
    pub(crate) fn recovery_key_path(&self) -> PathBuf {
        self.folder.join("keys/recovery.pem")
    }

    /// The key that signs records and credentials now.
    pub(crate) fn record_key(&self, passphrase: &Passphrase) -> Result<SigningKey> {
        keyfile::read(&self.record_key_path(), passphrase)
    }

    /// The ledger this issuer belongs to, once it is known.
    pub(crate) fn pin(&self) -> Result<Option<Pin>> {
        let path = self.folder.join("ledger.json");
        path.is_file()
            .then(|| folder::read_json(&path, "a pinned ledger"))
            .transpose()
    }

    /// Keeps the ledger for all later records.
    pub(crate) fn keep_pin(&self, pin: &Pin) -> Result<()> {
        folder::replace(&self.folder.join("ledger.json"), &folder::to_json(pin)?)
    }
}
