//! Records made before the clock runs: accreditations, status lists, and Issue records of
//! credentials whose digests any later run can name again.

use credlog_ledger::body::{
    Accredit, Body, Issue, Item, NewKey, POSITIONS, Profile, Purposes, Reason, Registration, Scope,
    StatusChange,
};
use credlog_ledger::ids::{AchievementId, Digest, IssuerId, ListNumber, StatusIndex, UnixMillis};
use credlog_ledger::key::{ProvenKey, PublicKey, Role};
use credlog_ledger::record::{Author, AuthorId, Record, countersigned_message};
use ed25519_dalek::{Signer, SigningKey};

use crate::founding::{Founding, key, now};

/// Fewest issuers, with one status list each: room for a little more than a million credentials
/// without a second list.
const ISSUERS_MIN: u64 = 8;
/// Time until the records expire: far longer than a run.
const EXPIRY_MILLIS: u64 = 6 * 60 * 60 * 1000;
const ACHIEVEMENT: &str = "https://university-a.example/achievements/1";

/// What Issue records to make.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) records: u64,
    /// Credentials a record.
    pub(crate) items: u64,
}

impl Shape {
    /// The shape with at least this many credentials.
    pub(crate) fn of(credentials: u64, items: u64) -> Self {
        let records = credentials.div_ceil(items);
        Self { records, items }
    }

    pub(crate) fn credentials(self) -> u64 {
        self.records * self.items
    }

    /// Issuers, with one status list each, that have room for them.
    pub(crate) fn issuers(self) -> u64 {
        let list = u64::from(POSITIONS) / self.items;
        self.records.div_ceil(list).max(ISSUERS_MIN)
    }
}

/// The digest of credential `number` of every run.
pub(crate) fn digest(number: u64) -> Digest {
    let bytes = number.to_be_bytes();
    Digest(blake3::derive_key("credlog bench credential", &bytes))
}

fn issuer(number: u64) -> anyhow::Result<(IssuerId, SigningKey)> {
    let key = key(&format!("issuer {number}"));
    let public = PublicKey::ed25519(key.verifying_key().as_bytes());
    Ok((format!("did:key:{public}").parse()?, key))
}

fn nonce(purpose: &str, number: u64) -> [u8; 16] {
    let whole = blake3::derive_key(
        "credlog bench nonce",
        format!("{purpose} {number}").as_bytes(),
    );
    let mut nonce = [0; 16];
    nonce.copy_from_slice(&whole[..16]);
    nonce
}

/// Records that must be committed one after the other before any Issue record: each issuer
/// is accredited, then opens its list; so list n is issuer n's.
pub(crate) fn preparation(founding: &Founding, shape: Shape) -> anyhow::Result<Vec<Vec<u8>>> {
    let expires_at = now()?.plus(EXPIRY_MILLIS);
    let mut records = Vec::new();
    for number in 0..shape.issuers() {
        records.push(accreditation(founding, number, expires_at)?);
        let (id, key) = issuer(number)?;
        let body = Body::OpenStatusList {};
        let nonce = nonce("list", number);
        let author = AuthorId::Issuer(id);
        let record = Record::sign(founding.ledger, author, nonce, expires_at, body, &key)?;
        records.push(record.to_bytes()?);
    }
    Ok(records)
}

fn accreditation(
    founding: &Founding,
    number: u64,
    expires_at: UnixMillis,
) -> anyhow::Result<Vec<u8>> {
    let (id, signing) = issuer(number)?;
    let recovery = key(&format!("recovery {number}"));
    let proven = |role, key| ProvenKey::ed25519(&founding.origin, role, id.as_str(), key);
    let purposes = Purposes {
        record: true,
        assertion: true,
    };
    let mut accredit = Accredit {
        issuer: id.clone(),
        registration: Some(Registration {
            profile: Profile {
                name: format!("Faculty {number}").parse()?,
                url: None,
            },
            keys: vec![NewKey {
                proven: proven(Role::RecordAndAssertion, &signing),
                purposes,
            }],
            recovery: proven(Role::Recovery, &recovery),
        }),
        scope: Scope::All,
        until: None,
        countersignature: [0; 64],
    };
    let governance = PublicKey::ed25519(founding.governance.verifying_key().as_bytes());
    let author = Author {
        id: AuthorId::Member(founding.member.clone()),
        key: governance.id(),
    };
    let nonce = nonce("accreditation", number);
    let body = Body::Accredit(accredit.clone());
    let message = countersigned_message(&founding.ledger, &author, &nonce, expires_at, &body)?;
    accredit.countersignature = recovery.sign(&message).to_bytes();
    let body = Body::Accredit(accredit);
    let key = &founding.governance;
    let record = Record::sign(founding.ledger, author.id, nonce, expires_at, body, key)?;
    Ok(record.to_bytes()?)
}

/// Suspends a credential, by its issuer.
pub(crate) fn suspension(
    founding: &Founding,
    shape: Shape,
    credential: u64,
) -> anyhow::Result<Vec<u8>> {
    let expires_at = now()?.plus(EXPIRY_MILLIS);
    let (id, key) = issuer(credential / shape.items % shape.issuers())?;
    let body = Body::Suspend(StatusChange {
        issuer: id.clone(),
        digests: vec![digest(credential)],
        reason: Reason::Unspecified,
    });
    let author = AuthorId::Issuer(id);
    let nonce = nonce("suspension", credential);
    let record = Record::sign(founding.ledger, author, nonce, expires_at, body, &key)?;
    Ok(record.to_bytes()?)
}

/// Signs all Issue records, on all cores. Record r is of issuer r mod their number; its credentials are
/// r * items and those that follow.
pub(crate) fn issues(founding: &Founding, shape: Shape) -> anyhow::Result<Vec<Vec<u8>>> {
    let expires_at = now()?.plus(EXPIRY_MILLIS);
    let issuers = (0..shape.issuers())
        .map(issuer)
        .collect::<anyhow::Result<Vec<_>>>()?;
    let numbers: Vec<u64> = (0..shape.records).collect();
    let workers = std::thread::available_parallelism()?.get();
    let share = numbers.len().div_ceil(workers).max(1);
    let sign = |number: &u64| {
        let issuers: &[_] = &issuers;
        issue(founding, issuers, shape, *number, expires_at)
    };
    std::thread::scope(|scope| {
        let parts: Vec<_> = numbers
            .chunks(share)
            .map(|part| scope.spawn(move || part.iter().map(sign).collect()))
            .collect();
        let mut records = Vec::with_capacity(numbers.len());
        for part in parts {
            let part: anyhow::Result<Vec<Vec<u8>>> = part
                .join()
                .map_err(|_| anyhow::anyhow!("a signing thread panicked"))?;
            records.extend(part?);
        }
        Ok(records)
    })
}

fn issue(
    founding: &Founding,
    issuers: &[(IssuerId, SigningKey)],
    shape: Shape,
    number: u64,
    expires_at: UnixMillis,
) -> anyhow::Result<Vec<u8>> {
    let issuer_count = shape.issuers();
    let list = number % issuer_count;
    let first_index = number / issuer_count * shape.items;
    let items = (0..shape.items)
        .map(|item| {
            let index = u32::try_from(first_index + item)?;
            Ok(Item {
                index: StatusIndex(index),
                digest: digest(number * shape.items + item),
            })
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let achievement: AchievementId = ACHIEVEMENT.parse()?;
    let body = Body::Issue(Issue {
        achievement: Some(achievement),
        list: ListNumber(list),
        valid_from: Some(expires_at),
        valid_until: None,
        items,
    });
    let (id, key) = &issuers[usize::try_from(list)?];
    let author = AuthorId::Issuer(id.clone());
    let nonce = nonce("issue", number);
    let record = Record::sign(founding.ledger, author, nonce, expires_at, body, key)?;
    Ok(record.to_bytes()?)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use credlog_ledger::record::EncodedRecord;

    use super::*;

    #[test]
    fn every_record_is_canonical_and_no_position_or_digest_comes_twice() {
        let folder = tempfile::tempdir().unwrap();
        let founding = Founding::found(folder.path(), None).unwrap();
        let shape = Shape::of(1_000, 16);
        for bytes in preparation(&founding, shape).unwrap() {
            EncodedRecord::decode(&bytes).unwrap();
        }
        EncodedRecord::decode(&suspension(&founding, shape, 7).unwrap()).unwrap();
        assert_eq!((shape.records, shape.credentials()), (63, 1_008));
        let (mut places, mut digests) = (HashSet::new(), HashSet::new());
        for bytes in issues(&founding, shape).unwrap() {
            let record = EncodedRecord::decode(&bytes).unwrap();
            let Body::Issue(issue) = &record.record().body else {
                panic!("not an Issue record");
            };
            for item in &issue.items {
                assert!(places.insert((issue.list, item.index)));
                assert!(digests.insert(item.digest));
            }
        }
        assert_eq!(places.len(), 1_008);
        assert!((0..1_008).all(|number| digests.contains(&digest(number))));
    }

    #[test]
    fn there_are_lists_for_all() {
        assert_eq!(Shape::of(1_000, 1).issuers(), 8);
        assert_eq!(Shape::of(1_000_000, 256).issuers(), 8);
        assert_eq!(Shape::of(10_000_000, 256).issuers(), 77);
    }
}
