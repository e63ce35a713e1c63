//! What is handed over with a credential: lists, DID documents, what a proof must answer.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

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
    /// What became of each list: it is read and verified once, however many credentials name it.
    pub read: ReadLists,
}

/// Whose list it is, and which: as it says itself.
#[derive(Debug)]
pub(crate) struct Label {
    pub(crate) id: String,
    pub(crate) issuer: String,
}

impl Label {
    /// Nothing for what cannot be a list that counts.
    fn of(list: &Value) -> Option<Self> {
        let (id, issuer) = match list {
            Value::String(jws) => {
                let list = Credential::from_jws(jws).ok()?;
                (list.id()?.to_owned(), list.issuer_id().to_owned())
            }
            list => {
                let issuer = list.get("issuer")?;
                let issuer = issuer.as_str().or_else(|| issuer.get("id")?.as_str())?;
                (list.get("id")?.as_str()?.to_owned(), issuer.to_owned())
            }
        };
        Some(Self { id, issuer })
    }
}

type Found = Arc<Result<VerifiedStatusList, Unread>>;

/// Lists that were looked at, by their places among those handed over.
#[derive(Debug, Default)]
pub struct ReadLists {
    labels: OnceLock<Vec<Option<Label>>>,
    verified: Mutex<HashMap<usize, Found>>,
}

impl Clone for ReadLists {
    /// What was verified for one is not carried over: lists may be added to the other.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl ReadLists {
    /// The list at a place, verified now or before. What its own issuer's keys say of it is the
    /// same for all who ask.
    pub(crate) fn get(
        &self,
        place: usize,
        verify: impl FnOnce() -> Result<VerifiedStatusList, Unread>,
    ) -> Found {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        let found = verified.entry(place).or_insert_with(|| Arc::new(verify()));
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

    /// The label of each status list, by its place.
    pub(crate) fn labels(&self) -> &[Option<Label>] {
        let labels = || self.status_lists.iter().map(Label::of).collect();
        self.read.labels.get_or_init(labels)
    }

    /// Adds what was found, or why it was not.
    pub fn add(&mut self, wanted: Wanted, found: Result<Value, String>) {
        let url = wanted.url().to_owned();
        let added = match (wanted, found) {
            (Wanted::StatusList(_), Ok(list)) => {
                self.status_lists.push(list);
                self.read = ReadLists::default();
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
        let mut labels = handed.labels().iter().flatten();
        if !labels.any(|label| label.id == entry.list) {
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
