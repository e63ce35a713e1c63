//! `credlog keys`: key files.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use ed25519_dalek::SigningKey;
use serde::Serialize;

use crate::folder;
use crate::keyfile::{self, Passphrase, Protection};
use crate::network;
use crate::outcome::Result;
use crate::screen::Screen;

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Make a new Ed25519 key (PKCS#8 PEM, encrypted with a passphrase, mode 0600)
    New(New),
    /// Show the public part of a key
    Show(Show),
}

#[derive(Debug, Args)]
pub(crate) struct New {
    /// The file to write; it must not exist. Folders above it are made
    file: PathBuf,
    #[command(flatten)]
    protection: Protection,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The key file
    file: PathBuf,
}

/// The public forms of a key.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PublicForms {
    multikey: String,
    did: String,
    key_id: String,
    /// Of a node with this key.
    peer_id: String,
}

impl PublicForms {
    pub(crate) fn of(key: &SigningKey) -> Result<Self> {
        let public = keyfile::public(key);
        Ok(Self {
            multikey: public.to_string(),
            did: format!("did:key:{public}"),
            key_id: public.id().to_string(),
            peer_id: network::node_key(&public)?.to_string(),
        })
    }

    fn lines(&self) -> String {
        format!(
            "multikey  {}\ndid       {}\nkey id    {}\npeer id   {} (as the key of a node)",
            self.multikey, self.did, self.key_id, self.peer_id
        )
    }
}

impl Keys {
    pub(crate) fn run(self, screen: Screen, passphrase: &Passphrase) -> Result<()> {
        let key = match self {
            Self::New(new) => {
                let phrase = passphrase.choosing(new.protection)?;
                let key = keyfile::generate();
                folder::make_parents_secret(&new.file)?;
                keyfile::write(&new.file, &key, phrase.as_ref().map(|text| text.as_str()))?;
                screen.line(format!("Wrote {}.", new.file.display()))?;
                key
            }
            Self::Show(show) => keyfile::read(&show.file, passphrase)?,
        };
        let forms = PublicForms::of(&key)?;
        screen.answer(&forms, forms.lines())
    }
}
