//! Key files: Ed25519 keys as PKCS#8 PEM (RFC 5958, RFC 8410), encrypted or not.
//!
//! Encryption is PBES2 with scrypt and AES-256-CBC (RFC 8018, RFC 7914), as `openssl pkcs8`
//! reads it. Files have mode 0600 and are never overwritten.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Args;
use credlog_ledger::ids::{MemberId, Origin};
use credlog_ledger::key::{ProvenKey, PublicKey, Role};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes};
use pkcs8::LineEnding;
use rand::rngs::OsRng;
use zeroize::Zeroizing;

use crate::folder::{self, Access};
use crate::outcome::{During, Failure, Result};

/// Environment variable that holds a passphrase.
pub(crate) const PASSPHRASE_VARIABLE: &str = "CREDLOG_PASSPHRASE";

/// Where the passphrase of a key comes from.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Passphrase {
    /// File whose first line is the passphrase of encrypted keys
    #[arg(long, value_name = "FILE", global = true, help_heading = "Keys")]
    passphrase_file: Option<PathBuf>,
}

/// Whether new keys are encrypted.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Protection {
    /// Write new keys without encryption (file mode 0600)
    #[arg(long, help_heading = "Keys")]
    pub(crate) no_passphrase: bool,
}

impl Passphrase {
    /// The passphrase from the file or the environment, if one of them is given.
    fn given(&self) -> Result<Option<Zeroizing<String>>> {
        if let Some(path) = &self.passphrase_file {
            let bytes = Zeroizing::new(folder::read(path)?);
            let text = std::str::from_utf8(&bytes)
                .map_err(|_| Failure::input(format!("{} is not UTF-8 text", path.display())))?;
            let line = text.lines().next().unwrap_or_default();
            return match line {
                "" => Err(Failure::input(format!(
                    "the first line of {} is empty; a passphrase is needed",
                    path.display()
                ))),
                line => Ok(Some(Zeroizing::new(line.to_owned()))),
            };
        }
        match std::env::var(PASSPHRASE_VARIABLE) {
            Ok(text) if !text.is_empty() => Ok(Some(Zeroizing::new(text))),
            _ => Ok(None),
        }
    }

    /// The passphrase that opens a key.
    fn opening(&self, path: &Path) -> Result<Zeroizing<String>> {
        if let Some(passphrase) = self.given()? {
            return Ok(passphrase);
        }
        require_terminal(&format!("{} is encrypted", path.display()), "")?;
        prompt(&format!("Passphrase of {}: ", path.display()))
    }

    /// The passphrase for new keys, asked for twice; nothing for keys without encryption.
    pub(crate) fn choosing(&self, protection: Protection) -> Result<Option<Zeroizing<String>>> {
        if protection.no_passphrase {
            return Ok(None);
        }
        if let Some(passphrase) = self.given()? {
            return Ok(Some(passphrase));
        }
        require_terminal("new keys are encrypted", ", or --no-passphrase")?;
        let first = prompt("Passphrase for the new keys: ")?;
        if first.is_empty() {
            return Err(Failure::input(
                "the passphrase is empty; give one, or --no-passphrase",
            ));
        }
        if *prompt("The same again: ")? != *first {
            return Err(Failure::input(
                "the two passphrases differ; nothing was written",
            ));
        }
        Ok(Some(first))
    }
}

fn require_terminal(why: &str, or: &str) -> Result<()> {
    if std::io::stdin().is_terminal() {
        return Ok(());
    }
    Err(Failure::input(format!(
        "{why} and no passphrase was given; use --passphrase-file FILE or {PASSPHRASE_VARIABLE}{or}"
    )))
}

fn prompt(text: &str) -> Result<Zeroizing<String>> {
    let config = rpassword::ConfigBuilder::new().build();
    rpassword::prompt_password_with_config(text, config)
        .map(Zeroizing::new)
        .during(|| "the passphrase cannot be read".to_owned())
}

/// A new random key.
pub(crate) fn generate() -> SigningKey {
    SigningKey::generate(&mut OsRng)
}

/// The public key of a signing key.
pub(crate) fn public(key: &SigningKey) -> PublicKey {
    PublicKey::ed25519(key.verifying_key().as_bytes())
}

/// Writes a key to a new file.
pub(crate) fn write(path: &Path, key: &SigningKey, passphrase: Option<&str>) -> Result<()> {
    // Version 1 of PKCS#8, without the public key: older OpenSSL reads nothing else.
    let pair = KeypairBytes {
        secret_key: key.to_bytes(),
        public_key: None,
    };
    let pem = match passphrase {
        Some(passphrase) => pair.to_pkcs8_encrypted_pem(OsRng, passphrase, LineEnding::LF),
        None => pair.to_pkcs8_pem(LineEnding::LF),
    }
    .map_err(|error| Failure::input(format!("{}: {error}", path.display())))?;
    folder::write_new(path, pem.as_bytes(), Access::Secret)
}

/// Makes a member's key for a role, writes it to `<role>.pem` of the folder, and proves that it
/// is possessed.
pub(crate) fn write_proven(
    folder: &Path,
    role: Role,
    origin: &Origin,
    member: &MemberId,
    passphrase: Option<&str>,
) -> Result<ProvenKey> {
    let key = generate();
    let path = folder.join(format!("{}.pem", role.as_str()));
    write(&path, &key, passphrase)?;
    Ok(ProvenKey::ed25519(origin, role, member.as_str(), &key))
}

/// Reads a key file; asks for the passphrase only when it is encrypted.
pub(crate) fn read(path: &Path, passphrase: &Passphrase) -> Result<SigningKey> {
    let bytes = Zeroizing::new(folder::read(path)?);
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    let wrong = |reason: &str| Failure::input(format!("{} {reason}", path.display()));
    if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") {
        let phrase = passphrase.opening(path)?;
        return SigningKey::from_pkcs8_encrypted_pem(text, phrase.as_str()).map_err(|_| {
            wrong("cannot be opened: the passphrase is wrong, or it is no Ed25519 key")
        });
    }
    if !text.contains("-----BEGIN PRIVATE KEY-----") {
        return Err(wrong(
            "is not a key file (PKCS#8 PEM is needed; `credlog keys new` makes one)",
        ));
    }
    SigningKey::from_pkcs8_pem(text)
        .map_err(|_| wrong("holds no Ed25519 key, the only kind that signs here"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_with_and_without_a_passphrase() {
        let folder = tempfile::tempdir().unwrap();
        let key = generate();
        let plain = folder.path().join("plain.pem");
        write(&plain, &key, None).unwrap();
        assert_eq!(read(&plain, &Passphrase::default()).unwrap(), key);

        let phrase = folder.path().join("phrase.txt");
        std::fs::write(&phrase, "correct horse\nignored\n").unwrap();
        let from_file = |path: &Path| Passphrase {
            passphrase_file: Some(path.to_owned()),
        };
        let sealed = folder.path().join("sealed.pem");
        write(&sealed, &key, Some("correct horse")).unwrap();
        assert_eq!(read(&sealed, &from_file(&phrase)).unwrap(), key);

        std::fs::write(&phrase, "wrong\n").unwrap();
        let refused = read(&sealed, &from_file(&phrase)).unwrap_err();
        assert!(
            refused.message.contains("the passphrase is wrong"),
            "{}",
            refused.message
        );
    }

    #[test]
    fn what_is_no_key_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.pem");
        std::fs::write(&path, "hello").unwrap();
        let refused = read(&path, &Passphrase::default()).unwrap_err();
        assert!(
            refused.message.contains("is not a key file"),
            "{}",
            refused.message
        );
        std::fs::write(
            &path,
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        )
        .unwrap();
        let refused = read(&path, &Passphrase::default()).unwrap_err();
        assert!(
            refused.message.contains("no Ed25519 key"),
            "{}",
            refused.message
        );
    }
}
