//! The keys of a node, from their files.

use std::path::{Path, PathBuf};

use credlog_ledger::ids::MemberId;
use credlog_ledger::key::{ProvenKey, PublicKey};
use credlog_ledger::member::SeatedMember;
use credlog_ledger::state::{State, ViewError};
use credlog_store::FirstKeys;
use ed25519_dalek::SigningKey;
use pkcs8::{DecodePrivateKey, EncryptedPrivateKeyInfo, SecretDocument};

use crate::config::{MemberSection, Role};

/// File of the node key in the folder of keys.
pub const NODE_KEY_FILE: &str = "node.pem";
/// File of the consensus key in the folder of keys.
pub const CONSENSUS_KEY_FILE: &str = "consensus.pem";
/// File of the cosigner key in the folder of keys.
pub const COSIGNER_KEY_FILE: &str = "cosigner.pem";
/// Folder of the keys that are to replace those in the folder of keys.
pub const NEXT_FOLDER: &str = "next";
/// Environment variable with the passphrase of the keys.
pub const PASSPHRASE_VARIABLE: &str = "CREDLOG_PASSPHRASE";
/// Longest key or passphrase file in bytes.
const FILE_BYTES_MAX: u64 = 16_384;
const ENCRYPTED_LABEL: &str = "ENCRYPTED PRIVATE KEY";

/// A key that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The file cannot be read.
    #[error("{path} cannot be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is too long for what it should be.
    #[error("{path} has {bytes} bytes; at most {FILE_BYTES_MAX} are expected")]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its length.
        bytes: u64,
    },
    /// Others than the owner may read or write the file.
    #[error("{path} has mode {mode:04o}: others may use the key; run `chmod 600 {path}`")]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key is encrypted and there is no passphrase.
    #[error(
        "{path} is encrypted: set member.passphrase_file, or {PASSPHRASE_VARIABLE} in the \
         environment"
    )]
    PassphraseMissing {
        /// The file.
        path: PathBuf,
    },
    /// The passphrase does not open the key.
    #[error("the passphrase does not open {path}")]
    WrongPassphrase {
        /// The file.
        path: PathBuf,
    },
    /// Not an Ed25519 key in PKCS#8 PEM.
    #[error("{path} is not an Ed25519 private key in PKCS#8 PEM: {reason}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Not the key that the ledger knows.
    #[error(
        "{path} is not the key that this ledger knows of member {member}; point member.keys_dir to \
         that member's keys (keys that replace others belong into its folder `next`)"
    )]
    OtherKey {
        /// The file.
        path: PathBuf,
        /// The member.
        member: MemberId,
    },
}

/// The keys that a node works with.
#[derive(Clone)]
pub struct Keyring {
    /// Signs the checkpoint that the node serves, and is its identity in the network.
    pub node: SigningKey,
    /// A member's keys; an observer has none.
    pub member: Option<VotingKeys>,
}

/// The public keys of a node, to tell one set from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKeys {
    node: [u8; 32],
    member: Option<([u8; 32], [u8; 32])>,
}

/// The keys that speak for a member in consensus.
#[derive(Clone)]
pub struct VotingKeys {
    /// Signs votes and proposals.
    pub consensus: SigningKey,
    /// Cosigns checkpoints.
    pub cosigner: SigningKey,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let node = hex::encode(self.node.verifying_key().as_bytes());
        f.debug_struct("Keyring").field("node", &node).finish()
    }
}

impl Keyring {
    /// Loads the keys of a node in `role`.
    ///
    /// # Errors
    /// Every [`KeyFileError`] but [`KeyFileError::OtherKey`].
    pub fn load(member: &MemberSection, role: Role) -> Result<Self, KeyFileError> {
        Self::load_from(&member.keys_dir, member, role)
    }

    /// Loads the keys that a member has prepared for the day the ledger knows them; nothing if
    /// there are none.
    ///
    /// # Errors
    /// Every [`KeyFileError`] but [`KeyFileError::OtherKey`].
    pub fn load_next(member: &MemberSection) -> Result<Option<Self>, KeyFileError> {
        let folder = member.keys_dir.join(NEXT_FOLDER);
        match folder.exists() {
            true => Self::load_from(&folder, member, Role::Member).map(Some),
            false => Ok(None),
        }
    }

    fn load_from(folder: &Path, member: &MemberSection, role: Role) -> Result<Self, KeyFileError> {
        let load = |file| load_key(&folder.join(file), member);
        Ok(Self {
            node: load(NODE_KEY_FILE)?,
            member: match role {
                Role::Observer => None,
                Role::Member => Some(VotingKeys {
                    consensus: load(CONSENSUS_KEY_FILE)?,
                    cosigner: load(COSIGNER_KEY_FILE)?,
                }),
            },
        })
    }

    /// The public keys.
    pub fn public(&self) -> PublicKeys {
        let public = |key: &SigningKey| key.verifying_key().to_bytes();
        PublicKeys {
            node: public(&self.node),
            member: self
                .member
                .as_ref()
                .map(|own| (public(&own.consensus), public(&own.cosigner))),
        }
    }

    /// The keys that a store keeps files of; an observer has none.
    pub fn first_keys(&self) -> Option<FirstKeys> {
        let id = |key: &SigningKey| PublicKey::ed25519(key.verifying_key().as_bytes()).id();
        self.member.as_ref().map(|own| FirstKeys {
            consensus: id(&own.consensus),
            cosigner: id(&own.cosigner),
        })
    }

    /// Whether a ledger, as far as `state` goes, has never known these keys.
    ///
    /// # Errors
    /// [`ViewError`] if the state cannot be read.
    pub fn is_unknown_to(&self, state: &State<'_>) -> Result<bool, ViewError> {
        let key = PublicKey::ed25519(self.node.verifying_key().as_bytes());
        Ok(state.key_use(&key)?.is_none())
    }

    /// Whether these are the keys that the ledger knows of a member.
    pub fn is_of(&self, seat: &SeatedMember) -> bool {
        self.stranger(seat).is_none()
    }

    /// The first file whose key is another than the ledger knows of a member.
    pub fn stranger(&self, seat: &SeatedMember) -> Option<&'static str> {
        let keys = &seat.member.keys;
        let differs = |registered: &ProvenKey, own: &SigningKey| {
            registered.key.as_ed25519() != Some(own.verifying_key().as_bytes())
        };
        let member = self.member.as_ref();
        if differs(&keys.node, &self.node) {
            Some(NODE_KEY_FILE)
        } else if member.is_none_or(|own| differs(&keys.consensus, &own.consensus)) {
            Some(CONSENSUS_KEY_FILE)
        } else if member.is_none_or(|own| differs(&keys.cosigner, &own.cosigner)) {
            Some(COSIGNER_KEY_FILE)
        } else {
            None
        }
    }
}

fn load_key(path: &Path, member: &MemberSection) -> Result<SigningKey, KeyFileError> {
    load_secret(path, member.passphrase_file.as_deref())
}

/// Loads a key; if it is encrypted, with the passphrase of a file or of the environment.
///
/// # Errors
/// Every [`KeyFileError`] but [`KeyFileError::OtherKey`].
pub fn load_secret(
    path: &Path,
    passphrase_file: Option<&Path>,
) -> Result<SigningKey, KeyFileError> {
    let path = path.to_owned();
    check_mode(&path)?;
    let pem = read(&path)?;
    let format = |reason: String| KeyFileError::Format {
        path: path.clone(),
        reason,
    };
    let (label, document) =
        SecretDocument::from_pem(&pem).map_err(|error| format(error.to_string()))?;
    if label != ENCRYPTED_LABEL {
        return SigningKey::from_pkcs8_der(document.as_bytes())
            .map_err(|error| format(error.to_string()));
    }
    let Some(passphrase) = passphrase(passphrase_file)? else {
        return Err(KeyFileError::PassphraseMissing { path });
    };
    let encrypted = EncryptedPrivateKeyInfo::try_from(document.as_bytes())
        .map_err(|error| format(error.to_string()))?;
    let opened = encrypted
        .decrypt(passphrase.trim_end_matches(['\r', '\n']))
        .map_err(|_| KeyFileError::WrongPassphrase { path: path.clone() })?;
    SigningKey::from_pkcs8_der(opened.as_bytes()).map_err(|error| format(error.to_string()))
}

fn passphrase(file: Option<&Path>) -> Result<Option<String>, KeyFileError> {
    match file {
        Some(path) => {
            check_mode(path)?;
            let text = read(path)?;
            Ok(Some(text.lines().next().unwrap_or_default().to_owned()))
        }
        None => Ok(std::env::var(PASSPHRASE_VARIABLE).ok()),
    }
}

/// A short file.
pub(crate) fn read(path: &Path) -> Result<String, KeyFileError> {
    let failed = |source| KeyFileError::Read {
        path: path.to_owned(),
        source,
    };
    let bytes = std::fs::metadata(path).map_err(failed)?.len();
    if bytes > FILE_BYTES_MAX {
        let path = path.to_owned();
        return Err(KeyFileError::TooLong { path, bytes });
    }
    std::fs::read_to_string(path).map_err(failed)
}

/// Whether nobody but the owner may use a file.
#[cfg(unix)]
pub(crate) fn check_mode(path: &Path) -> Result<(), KeyFileError> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = std::fs::metadata(path).map_err(|source| KeyFileError::Read {
        path: path.to_owned(),
        source,
    })?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let path = path.to_owned();
        return Err(KeyFileError::TooOpen { path, mode });
    }
    Ok(())
}

/// Other systems have no such modes.
#[cfg(not(unix))]
pub(crate) fn check_mode(_path: &Path) -> Result<(), KeyFileError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pkcs8::EncodePrivateKey;
    use std::os::unix::fs::PermissionsExt;

    const PASSPHRASE: &str = "correct horse";

    fn folder(encrypted: bool) -> (tempfile::TempDir, MemberSection, SigningKey) {
        let dir = tempfile::tempdir().unwrap();
        let key = SigningKey::from_bytes(&[5; 32]);
        let pem = if encrypted {
            let der = key.to_pkcs8_der().unwrap();
            let info = pkcs8::PrivateKeyInfo::try_from(der.as_bytes()).unwrap();
            let params =
                pkcs8::pkcs5::pbes2::Parameters::pbkdf2_sha256_aes256cbc(2, b"saltsalt", &[1; 16]);
            let sealed = info
                .encrypt_with_params(params.unwrap(), PASSPHRASE)
                .unwrap();
            sealed
                .to_pem(ENCRYPTED_LABEL, pkcs8::LineEnding::LF)
                .unwrap()
        } else {
            key.to_pkcs8_pem(pkcs8::LineEnding::LF).unwrap()
        };
        write(&dir.path().join(NODE_KEY_FILE), &pem);
        let member = MemberSection {
            id: Some("university-a".parse().unwrap()),
            keys_dir: dir.path().to_owned(),
            passphrase_file: None,
        };
        (dir, member, key)
    }

    fn load(member: &MemberSection) -> Result<SigningKey, KeyFileError> {
        Keyring::load(member, Role::Observer).map(|keys| keys.node)
    }

    fn write(path: &Path, text: &str) {
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    #[test]
    fn a_plain_key_loads_only_when_nobody_else_can_read_it() {
        let (dir, member, key) = folder(false);
        assert_eq!(load(&member).unwrap().to_bytes(), key.to_bytes());
        let path = dir.path().join(NODE_KEY_FILE);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            load(&member),
            Err(KeyFileError::TooOpen { mode: 0o640, .. })
        ));
    }

    #[test]
    fn an_encrypted_key_needs_its_passphrase() {
        let (dir, mut member, key) = folder(true);
        assert!(matches!(
            load(&member),
            Err(KeyFileError::PassphraseMissing { .. })
        ));
        let path = dir.path().join("passphrase");
        write(&path, "wrong\n");
        member.passphrase_file = Some(path.clone());
        assert!(matches!(
            load(&member),
            Err(KeyFileError::WrongPassphrase { .. })
        ));
        write(&path, &format!("{PASSPHRASE}\nsecond line\n"));
        assert_eq!(load(&member).unwrap().to_bytes(), key.to_bytes());
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let (dir, member, _) = folder(false);
        let path = dir.path().join(NODE_KEY_FILE);
        write(&path, "not a key");
        assert!(matches!(load(&member), Err(KeyFileError::Format { .. })));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(load(&member), Err(KeyFileError::Read { .. })));
    }
}
