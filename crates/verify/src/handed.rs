//! What is handed over with a credential: lists, DID documents, what a proof must answer.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use credlog_credential::did::{self, DidDocument, Documents};
use credlog_credential::{Challenge, Credential, Opened, VerifiedStatusList};
use serde_json::Value;

use crate::presented::Unread;

/// Path of a ledger's status lists below the address of a node.
pub(crate) const LISTS_PATH: &str = "/v1/status-lists/";

/// What is handed over with a credential or presentation.
#[derive(Debug, Clone, Default)]
pub struct HandedOver {
    /// Status list credentials, each an object or a compact JWS as a string.
    pub status_lists: Vec<Value>,
    /// DID documents of issuers and holders that the ledger does not know.
    pub documents: Documents,
    /// What the holder's proof must answer, if the verifier asked something.
    pub challenge: Option<String>,
    /// For whom the holder's proof must be meant.
    pub domain: Option<String>,
    /// Why something was not found that was looked for, by its URL.
    pub missing: Vec<(String, String)>,
    /// What became of each list, for each issuer: it is verified once, however many
    /// credentials name it.
    pub read: ReadLists,
}

/// A list by its place among those handed over, and the issuer whose keys it was verified with.
type OfIssuer = (usize, String);
type Found = Arc<Result<VerifiedStatusList, Unread>>;

/// Lists that were verified.
#[derive(Debug, Default)]
pub struct ReadLists(Mutex<HashMap<OfIssuer, Found>>);

impl Clone for ReadLists {
    /// What was verified for one is not carried over: lists may be added to the other.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl ReadLists {
    /// The list at a place, verified now or before.
    pub(crate) fn get(
        &self,
        place: usize,
        issuer: &str,
        verify: impl FnOnce() -> Result<VerifiedStatusList, Unread>,
    ) -> Found {
        let mut read = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = read
            .entry((place, issuer.to_owned()))
            .or_insert_with(|| Arc::new(verify()));
        Arc::clone(found)
    }
}

/// Something elsewhere that a check could use.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wanted {
    /// The status list at this URL.
    StatusList(String),
    /// The DID document of a did:web.
    DidDocument {
        /// The DID.
        did: String,
        /// Where it lies.
        url: String,
    },
}

impl Wanted {
    /// Where it lies.
    pub fn url(&self) -> &str {
        match self {
            Self::StatusList(url) | Self::DidDocument { url, .. } => url,
        }
    }
}

impl HandedOver {
    /// What the holder was asked.
    pub fn asked(&self) -> Challenge<'_> {
        Challenge {
            challenge: self.challenge.as_deref(),
            domain: self.domain.as_deref(),
        }
    }

    /// Adds what was found, or why it was not.
    pub fn add(&mut self, wanted: Wanted, found: Result<Value, String>) {
        let url = wanted.url().to_owned();
        let added = match (wanted, found) {
            (Wanted::StatusList(_), Ok(list)) => {
                self.status_lists.push(list);
                Ok(())
            }
            (Wanted::DidDocument { did, .. }, Ok(document)) => self.add_document(&did, &document),
            (_, Err(why)) => Err(why),
        };
        if let Err(why) = added {
            self.missing.push((url, why));
        }
    }

    fn add_document(&mut self, did: &str, document: &Value) -> Result<(), String> {
        let document = DidDocument::from_json(document).map_err(|error| error.to_string())?;
        if document.id() != did {
            return Err(format!("it is the document of {}", document.id()));
        }
        self.documents
            .insert(document)
            .map_err(|error| error.to_string())
    }

    /// Why what lies at a URL was not found.
    pub(crate) fn why_missing(&self, url: &str) -> Option<&str> {
        let mut missing = self.missing.iter();
        let found = missing.find(|(at, _)| at == url);
        found.map(|(_, why)| why.as_str())
    }
}

/// What lies elsewhere, is not at hand, and would help: status lists and did:web documents of
/// the credentials. Sorted, each once.
pub fn wanted(opened: &Opened, handed: &HandedOver) -> Vec<Wanted> {
    let mut wanted = BTreeSet::new();
    match opened {
        Opened::Credential(credential) => of_credential(credential, handed, &mut wanted),
        Opened::Presentation(presentation) => {
            if let Some(holder) = presentation.holder() {
                of_identifier(holder, handed, &mut wanted);
            }
            for credential in presentation.credentials().iter().flatten() {
                of_credential(credential, handed, &mut wanted);
            }
        }
    }
    wanted.into_iter().collect()
}

fn of_credential(credential: &Credential, handed: &HandedOver, wanted: &mut BTreeSet<Wanted>) {
    of_identifier(credential.issuer_id(), handed, wanted);
    for entry in credential.status() {
        let Ok(entry) = entry.bitstring() else {
            continue;
        };
        let is_it = |list: &Value| list.get("id").is_some_and(|id| *id == *entry.list);
        if !handed.status_lists.iter().any(is_it) {
            wanted.insert(Wanted::StatusList(entry.list));
        }
    }
    for inner in credential.nested().iter().flatten() {
        of_credential(inner, handed, wanted);
    }
}

fn of_identifier(id: &str, handed: &HandedOver, wanted: &mut BTreeSet<Wanted>) {
    if handed.documents.get(id).is_some() {
        return;
    }
    if let Some(url) = did::did_web_url(id) {
        let did = id.to_owned();
        wanted.insert(Wanted::DidDocument { did, url });
    }
}
