//! Status lists as signed credentials, each signed once for as long as its bits stay.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use credlog_api::Time;
use credlog_credential::status::{Bitstring, StatusListDraft};
use credlog_credential::{SecretKey, SignOptions, Suite, multikey, sign};
use credlog_ledger::ids::{ListNumber, UnixMillis};
use credlog_tlog::{Hash, leaf_hash};
use credlog_verify::published::Purpose;
use ed25519_dalek::SigningKey;
use http::HeaderValue;
use time::OffsetDateTime;

use super::answer::{Refusal, internal};

/// How long a copy is as good as the list, by what the list says itself.
pub(crate) const TTL_MS: u64 = 60_000;
/// A list of now ends after this time: an old copy cannot hide a revocation for longer.
const LIFETIME_MS: u64 = 24 * 60 * 60 * 1_000;
/// A list of now whose bits stay is signed again after this time.
const RENEWAL_MS: u64 = 60 * 60 * 1_000;
/// Signed lists that are kept, at most 24 KiB each; beyond it all are made anew.
const KEPT_MAX: usize = 1_024;

/// What was asked for: which list, at which address, as of when.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Wanted {
    pub(crate) list: ListNumber,
    pub(crate) purpose: Purpose,
    /// Address of the node.
    pub(crate) base: String,
    pub(crate) timestamp: Option<Time>,
}

/// A signed list.
#[derive(Debug, Clone)]
pub(crate) struct Signed {
    pub(crate) document: Bytes,
    pub(crate) etag: HeaderValue,
    bits: Hash,
    /// Size of the log of the newest state that has these bits.
    size: u64,
    signed_at: UnixMillis,
}

/// Signs status lists and keeps them.
pub(crate) struct StatusLists {
    key: SecretKey,
    /// The node as a did:key, and the key's URL in it.
    issuer: String,
    method: String,
    kept: Mutex<HashMap<Wanted, Signed>>,
    /// Held while one is signed: the others who want it get that one.
    signing: Mutex<()>,
}

impl Wanted {
    /// The list's URL.
    fn id(&self) -> String {
        let path = credlog_api::path::signed_status_list(self.list, self.purpose);
        match self.timestamp {
            None => format!("{}{path}", self.base),
            Some(time) => format!("{}{path}?timestamp={time}", self.base),
        }
    }
}

impl StatusLists {
    pub(crate) fn new(key: SigningKey) -> Self {
        let multikey = multikey::encode_ed25519(key.verifying_key().as_bytes());
        let issuer = format!("did:key:{multikey}");
        Self {
            method: format!("{issuer}#{multikey}"),
            issuer,
            key: key.into(),
            kept: Mutex::default(),
            signing: Mutex::default(),
        }
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<Wanted, Signed>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was signed, if it is of the log of this size. A list of the past is of every log.
    pub(crate) fn find(&self, wanted: &Wanted, size: u64, now: UnixMillis) -> Option<Signed> {
        let kept = self.kept();
        let signed = kept.get(wanted)?;
        let stands = match wanted.timestamp {
            Some(_) => true,
            None => signed.size == size && signed.is_fresh(now),
        };
        stands.then(|| signed.clone())
    }

    /// The list with these bits, which are those of the log of this size; signed now if it is
    /// not at hand. `may_sign` is asked before.
    pub(crate) fn sign(
        &self,
        wanted: &Wanted,
        bitstring: &Bitstring,
        (size, time): (u64, UnixMillis),
        now: UnixMillis,
        may_sign: impl FnOnce() -> Result<(), Refusal>,
    ) -> Result<Signed, Refusal> {
        let bits = leaf_hash(bitstring.as_bytes());
        let _signing = self.signing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(signed) = self.kept().get_mut(wanted)
            && signed.bits == bits
            && (wanted.timestamp.is_some() || signed.is_fresh(now))
        {
            signed.size = signed.size.max(size);
            return Ok(signed.clone());
        }
        may_sign()?;
        let document = self.document(wanted, bitstring, time.min(now), now);
        let document = document.map_err(|error| {
            tracing::error!(%error, "a status list cannot be signed");
            internal()
        })?;
        let etag = format!("\"{}\"", hex::encode(leaf_hash(&document).0));
        let etag = HeaderValue::from_str(&etag);
        let signed = Signed {
            etag: etag.map_err(|_| internal())?,
            document,
            bits,
            size,
            signed_at: now,
        };
        let mut kept = self.kept();
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(wanted.clone(), signed.clone());
        Ok(signed)
    }

    fn document(
        &self,
        wanted: &Wanted,
        bitstring: &Bitstring,
        valid_from: UnixMillis,
        now: UnixMillis,
    ) -> Result<Bytes, Box<dyn std::error::Error>> {
        let date = |time: UnixMillis| OffsetDateTime::try_from(Time::from(time));
        let until = wanted.timestamp.is_none().then(|| now.plus(LIFETIME_MS));
        let draft = StatusListDraft {
            id: &wanted.id(),
            issuer: &self.issuer,
            purpose: wanted.purpose.as_str(),
            valid_from: date(valid_from)?,
            valid_until: until.map(date).transpose()?,
            ttl_ms: wanted.timestamp.is_none().then_some(TTL_MS),
            bitstring,
        };
        let options = SignOptions::new(Suite::EDDSA_RDFC_2022, self.method.clone(), date(now)?);
        let signed = sign(draft.to_json()?, &self.key, &options)?;
        Ok(serde_json::to_vec(&signed)?.into())
    }
}

impl Signed {
    fn is_fresh(&self, now: UnixMillis) -> bool {
        now.0 < self.signed_at.0.saturating_add(RENEWAL_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use credlog_credential::status::POSITIONS_MIN;

    const NOW: UnixMillis = UnixMillis(1_790_000_000_000);

    fn wanted(timestamp: Option<Time>) -> Wanted {
        Wanted {
            list: ListNumber(0),
            purpose: Purpose::Revocation,
            base: "https://a.example".to_owned(),
            timestamp,
        }
    }

    #[test]
    fn a_list_is_signed_again_when_its_bits_change_or_it_grows_old() {
        let lists = StatusLists::new(SigningKey::from_bytes(&[7; 32]));
        let mut bits = Bitstring::new(POSITIONS_MIN).unwrap();
        let wanted = wanted(None);
        let refuse = || Err(internal());
        let first = lists
            .sign(&wanted, &bits, (1, NOW), NOW, || Ok(()))
            .unwrap();
        assert_eq!(lists.find(&wanted, 1, NOW).unwrap().etag, first.etag);
        assert!(lists.find(&wanted, 2, NOW).is_none());
        let same = lists.sign(&wanted, &bits, (2, NOW), NOW, refuse).unwrap();
        assert_eq!(same.document, first.document);
        assert!(lists.find(&wanted, 2, NOW).is_some());

        bits.set(5, true).unwrap();
        assert!(lists.sign(&wanted, &bits, (3, NOW), NOW, refuse).is_err());
        let changed = lists
            .sign(&wanted, &bits, (3, NOW), NOW, || Ok(()))
            .unwrap();
        assert_ne!(changed.etag, first.etag);
        let later = NOW.plus(RENEWAL_MS);
        assert!(lists.find(&wanted, 3, later).is_none());
        let renewed = lists.sign(&wanted, &bits, (3, NOW), later, || Ok(()));
        assert_ne!(renewed.unwrap().etag, changed.etag);
    }

    #[test]
    fn a_list_of_the_past_is_signed_once_and_has_no_end() {
        let lists = StatusLists::new(SigningKey::from_bytes(&[7; 32]));
        let bits = Bitstring::new(POSITIONS_MIN).unwrap();
        let wanted = wanted(Some(NOW.into()));
        let signed = lists.sign(&wanted, &bits, (1, NOW), NOW, || Ok(()));
        let json: serde_json::Value = serde_json::from_slice(&signed.unwrap().document).unwrap();
        assert!(json.get("validUntil").is_none());
        let id = json["id"].as_str().unwrap();
        assert!(id.ends_with("/v1/status-lists/0/revocation?timestamp=2026-09-21T14:13:20.000Z"));
        assert!(lists.find(&wanted, 9, NOW.plus(10 * LIFETIME_MS)).is_some());
    }
}
