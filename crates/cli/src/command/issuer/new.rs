//! `credlog issuer new`: keys, recovery key and registration of an issuer.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use credlog_credential::did::did_web_url;
use credlog_ledger::body::{NewKey, Profile, Purposes, Registration};
use credlog_ledger::ids::{DisplayName, IssuerId, Origin, WebUrl};
use credlog_ledger::key::{ProvenKey, Role};
use serde_json::json;

use super::did_web::{self, Slug};
use crate::connection::NodeArgs;
use crate::folder::{self, Access};
use crate::home::{IssuerFile, IssuerHome, Pin};
use crate::keyfile::{self, Passphrase, Protection};
use crate::outcome::{Failure, Result};
use crate::screen::{Ink, Screen};

/// Make an issuer's folder: keys, recovery key, and the registration to hand over
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("log").required(true).args(["origin", "genesis"]))]
pub(crate) struct New {
    /// The folder to make; it must not exist or be empty
    folder: PathBuf,
    /// Name of the issuer, for people
    #[arg(long)]
    name: DisplayName,
    /// Id of the issuer (a DID or an https URL), as in its credentials [default: the did:key
    /// of its first key]
    #[arg(long, conflicts_with = "did_web")]
    id: Option<IssuerId>,
    /// Make the id a did:web whose document the node at this address serves [default address: that
    /// of the only member that has one, by the ledger at --node]
    #[arg(long, value_name = "URL", num_args = 0..=1)]
    did_web: Option<Option<WebUrl>>,
    /// Last part of the did:web [default: made from --name]
    #[arg(long, value_name = "NAME", requires = "did_web")]
    slug: Option<Slug>,
    /// Name of the log
    #[arg(long)]
    origin: Option<Origin>,
    /// The ledger's genesis file: pins the ledger, too
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// Web site of the issuer
    #[arg(long)]
    url: Option<WebUrl>,
    /// Use this key, which the issuer has already, instead of a new one
    #[arg(long, value_name = "FILE", help_heading = "Keys")]
    key: Option<PathBuf>,
    #[command(flatten)]
    protection: Protection,
    #[command(flatten)]
    node: NodeArgs,
}

/// An id that a node answers for.
struct DidWeb {
    id: IssuerId,
    document: String,
}

impl New {
    pub(crate) fn run(self, screen: Screen, passphrase: &Passphrase) -> Result<()> {
        let pin = self.genesis.as_deref().map(Pin::of_genesis).transpose()?;
        // The argument group lets exactly one of the two through.
        let origin = match (&pin, &self.origin) {
            (Some(pin), _) => pin.origin.clone(),
            (None, Some(origin)) => origin.clone(),
            (None, None) => return Err(Failure::usage("--origin is missing")),
        };
        let did_web = self.did_web(screen)?;
        let key = match &self.key {
            Some(path) => keyfile::read(path, passphrase)?,
            None => keyfile::generate(),
        };
        let id = match (&self.id, &did_web) {
            (Some(id), _) | (None, Some(DidWeb { id, .. })) => id.clone(),
            (None, None) => format!("did:key:{}", keyfile::public(&key)).parse()?,
        };
        folder::make_new(&self.folder)?;
        let phrase = passphrase.choosing(self.protection)?;
        let phrase = phrase.as_ref().map(|text| text.as_str());
        let recovery = keyfile::generate();
        let owner = id.as_str();
        let registration = Registration {
            profile: Profile {
                name: self.name.clone(),
                url: self.url.clone(),
            },
            keys: vec![NewKey {
                proven: ProvenKey::ed25519(&origin, Role::RecordAndAssertion, owner, &key),
                purposes: Purposes {
                    record: true,
                    assertion: true,
                },
            }],
            recovery: ProvenKey::ed25519(&origin, Role::Recovery, owner, &recovery),
        };
        let file = IssuerFile::new(origin, id, registration);
        folder::make_secret(&self.folder.join("keys"))?;
        let home = IssuerHome {
            folder: self.folder.clone(),
            file,
        };
        keyfile::write(&home.record_key_path(), &key, phrase)?;
        keyfile::write(&home.recovery_key_path(), &recovery, phrase)?;
        if let Some(pin) = &pin {
            home.keep_pin(pin)?;
        }
        let json = folder::to_json(&home.file)?;
        folder::write_new(&self.folder.join("issuer.json"), &json, Access::Public)?;
        self.report(screen, &home, phrase.is_none(), did_web.as_ref())
    }

    fn did_web(&self, screen: Screen) -> Result<Option<DidWeb>> {
        let url = match &self.did_web {
            None => return Ok(None),
            Some(Some(url)) => url.clone(),
            Some(None) => {
                let members = self.node.connect(screen)?.members()?.members.into_iter();
                let mut urls: Vec<_> = members.filter_map(|member| member.url).collect();
                match (urls.pop(), urls.is_empty()) {
                    (Some(url), true) => url,
                    (None, _) => {
                        return Err(Failure::usage(
                            "no member of the ledger has an address of its node there; give it: \
                             --did-web URL",
                        ));
                    }
                    (Some(url), false) => {
                        urls.push(url);
                        let urls: Vec<_> = urls.iter().map(WebUrl::as_str).collect();
                        return Err(Failure::usage(format!(
                            "several members' nodes could serve the document; give the address of \
                             the accrediting one: --did-web URL, one of {}",
                            urls.join(", ")
                        )));
                    }
                }
            }
        };
        let slug = match &self.slug {
            Some(slug) => slug.clone(),
            None => Slug::of(&self.name)?,
        };
        let id = did_web::id(&url, &slug)?;
        let document = did_web_url(id.as_str()).unwrap_or_default();
        Ok(Some(DidWeb { id, document }))
    }

    fn report(
        &self,
        screen: Screen,
        home: &IssuerHome,
        plain: bool,
        did_web: Option<&DidWeb>,
    ) -> Result<()> {
        let folder = self.folder.display();
        let warning = if plain {
            "\nThe keys are not encrypted: whoever reads the files can issue in this name.\n"
        } else {
            ""
        };
        let served = did_web.map_or_else(String::new, |did_web| {
            format!(
                "\
document   {}
           the node answers there once the issuer is accredited, always with its present keys
",
                did_web.document
            )
        });
        let lines = format!(
            "{title}
issuer id  {id}
{served}\
  issuer.json        public keys with proofs of possession: hand this to the member that
                     accredits you
  keys/record.pem    signs credentials and records
  keys/recovery.pem  agrees to accreditations and replaces lost keys: move it to a safe place
                     that is not online
{warning}
Next step, by the member: credlog accreditation grant --issuer {folder}/issuer.json …",
            title = screen.ink(Ink::Bold, &format!("Made {folder} for {}.", self.name)),
            id = home.id(),
        );
        let answer = json!({
            "folder": self.folder,
            "issuer": home.id(),
            "key": home.file.registration.keys[0].proven.key,
            "recoveryKey": home.file.registration.recovery.key,
            "encrypted": !plain,
            "document": did_web.map(|did_web| &did_web.document),
        });
        screen.answer(&answer, lines)
    }
}
