//! A ledger as its files: what a node serves and a copy holds. Written from docs/formats.md, not
//! with what the auditor reads them by.

use std::collections::BTreeMap;
use std::path::Path;

use credlog_audit::{Source, SourceError};
use credlog_ledger::certificate::{CommitCertificate, CommitSignature};
use credlog_ledger::ids::{Height, LedgerId, Round, ValueId};
use credlog_ledger::member::{MemberSet, SeatedMember};
use credlog_ledger::vote::{VoteKind, vote_message};
use credlog_tlog::{
    Checkpoint, CosignatureSigner, Hash, Note, NoteSigner, TileAppender, TreeSize, leaf_hash,
};
use ed25519_dalek::Signer as _;

use crate::chronicle::Chronicle;
use crate::support::{key, origin};

/// When members cosigned the newest checkpoint, in seconds, one second apart.
pub(crate) const COSIGNED: u64 = 1_800_000_000;

/// Files in memory, by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Files(pub(crate) BTreeMap<String, Vec<u8>>);

impl Source for Files {
    fn read(&self, path: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, SourceError> {
        let found = self.0.get(path).cloned();
        match found {
            Some(bytes) if bytes.len() > bytes_max => Err(SourceError::TooLong {
                path: path.into(),
                bytes_max,
            }),
            found => Ok(found),
        }
    }

    fn names(&self, folder: &str) -> Result<Vec<String>, SourceError> {
        let prefix = format!("{folder}/");
        let names = self.0.keys().filter_map(|path| path.strip_prefix(&prefix));
        Ok(names.map(str::to_owned).collect())
    }

    fn readers(&self) -> usize {
        2
    }

    fn is_live(&self) -> bool {
        false
    }
}

impl Files {
    /// Writes them into a folder.
    pub(crate) fn write(&self, folder: &Path) {
        for (path, bytes) in &self.0 {
            let path = folder.join(path.trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }

    pub(crate) fn change(&mut self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        change(self.0.get_mut(path).unwrap_or_else(|| panic!("no {path}")));
    }

    /// Replaces entry `at` of the bundle in which it stands (of leaves or of certificates).
    pub(crate) fn replace(&mut self, folder: &str, at: u64, entry: &[u8]) {
        let prefix = format!("{folder}/{:03}", at / 256);
        let path = self.0.keys().find(|path| {
            path.strip_prefix(&prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(".p/"))
        });
        let path = path.unwrap().clone();
        self.change(&path, |bytes| {
            let mut entries = split(bytes);
            entries[usize::try_from(at % 256).unwrap()] = entry.to_vec();
            *bytes = bundle(&entries);
        });
    }
}

/// `length u16 ‖ entry` for each.
pub(crate) fn bundle(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.extend(u16::try_from(entry.len()).unwrap().to_be_bytes());
        bytes.extend(entry);
    }
    bytes
}

fn split(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut entries = Vec::new();
    while let [high, low, rest @ ..] = bytes {
        let (entry, after) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        entries.push(entry.to_vec());
        bytes = after;
    }
    entries
}

/// What a ledger publishes, in parts that can be changed before they become files.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    pub(crate) ledger: LedgerId,
    pub(crate) leaves: Vec<Vec<u8>>,
    /// Size of the log after height 1, 2, …
    pub(crate) sizes: Vec<u64>,
    /// Certificate of height 1, 2, …, in canonical bytes.
    pub(crate) certificates: Vec<Vec<u8>>,
    /// The set that decides height 1, 2, …, and the one after the newest.
    pub(crate) sets: Vec<MemberSet>,
    pub(crate) note: String,
}

impl Published {
    pub(crate) fn of(chronicle: &Chronicle) -> Self {
        let Chronicle { ledger, sets } = chronicle;
        let mut leaves = Vec::new();
        for block in &ledger.blocks {
            leaves.extend(block.records.iter().map(|record| record.leaf()));
            leaves.push(block.seal.leaf().unwrap());
        }
        let mut published = Self {
            ledger: ledger.id,
            leaves,
            sizes: ledger.blocks.iter().map(|block| block.size.0).collect(),
            certificates: Vec::new(),
            sets: sets.clone(),
            note: String::new(),
        };
        for at in 0..ledger.blocks.len() {
            let value = ledger.blocks[at].value_id().unwrap();
            let certificate = published.certify(at, &value, usize::MAX);
            published.certificates.push(certificate.to_bytes().unwrap());
        }
        let checkpoint = ledger.blocks.last().unwrap().checkpoint().unwrap();
        published.note = published.sign(&checkpoint, usize::MAX);
        published
    }

    /// The block that a leaf belongs to, from 0.
    pub(crate) fn block_of(&self, leaf: usize) -> usize {
        self.sizes.partition_point(|size| *size <= leaf as u64)
    }

    /// The leaf of a block's seal.
    pub(crate) fn seal_of(&self, block: usize) -> usize {
        usize::try_from(self.sizes[block]).unwrap() - 1
    }

    /// The certificate of a block by the first `signers` of its members.
    pub(crate) fn certify(
        &self,
        block: usize,
        value: &ValueId,
        signers: usize,
    ) -> CommitCertificate {
        let height = Height(block as u64 + 1);
        let round = Round(0);
        let message = vote_message(
            &self.ledger,
            VoteKind::Precommit,
            height,
            round,
            Some(value),
        );
        let sign = |seat: &SeatedMember| CommitSignature {
            member: seat.member.id.clone(),
            signature: member_key(seat, "consensus").sign(&message).to_bytes(),
        };
        let seats = self.sets[block].members();
        let signatures = seats.iter().take(signers).map(sign).collect();
        CommitCertificate::new(height, round, *value, signatures).unwrap()
    }

    /// A checkpoint signed by the node of the first member and cosigned by the first `cosigners`.
    pub(crate) fn sign(&self, checkpoint: &Checkpoint, cosigners: usize) -> String {
        let seats = self.sets.last().unwrap().members();
        let node = NoteSigner::new(origin().as_str(), member_key(&seats[0], "node")).unwrap();
        let mut lines = vec![node.sign(&checkpoint.body()).unwrap()];
        for (seat, time) in seats.iter().zip(COSIGNED..).take(cosigners) {
            let name = seat.cosigner_name(&origin());
            let signer = CosignatureSigner::new(&name, member_key(seat, "cosigner")).unwrap();
            lines.push(signer.cosign(checkpoint, time));
        }
        Note::new(&checkpoint.body(), lines).unwrap().to_string()
    }

    /// The checkpoint after a block, of the leaves as they are now.
    pub(crate) fn checkpoint(&self, block: usize) -> Checkpoint {
        let size = self.sizes[block];
        let mut tree = TileAppender::new();
        tree.append_many(self.hashes().take(usize::try_from(size).unwrap()));
        Checkpoint::new(origin().as_str(), TreeSize(size), tree.root()).unwrap()
    }

    fn hashes(&self) -> impl Iterator<Item = Hash> + '_ {
        self.leaves.iter().map(|leaf| leaf_hash(leaf))
    }

    /// All files. The list of members stands under 1 and under each height after a change.
    pub(crate) fn files(&self) -> Files {
        let mut files = BTreeMap::new();
        let name = |number: usize, width: usize| match width {
            256 => format!("{number:03}"),
            width => format!("{number:03}.p/{width}"),
        };
        for (number, entries) in self.leaves.chunks(256).enumerate() {
            let path = format!("/tile/entries/{}", name(number, entries.len()));
            files.insert(path, bundle(entries));
        }
        for (number, entries) in self.certificates.chunks(256).enumerate() {
            let path = format!("/v1/certificates/bundle/{}", name(number, entries.len()));
            files.insert(path, bundle(entries));
        }
        let mut level: Vec<Hash> = self.hashes().collect();
        for number in 0.. {
            if level.is_empty() {
                break;
            }
            for (tile, hashes) in level.chunks(256).enumerate() {
                let path = format!("/tile/{number}/{}", name(tile, hashes.len()));
                files.insert(path, hashes.iter().flat_map(|hash| hash.0).collect());
            }
            level = level.chunks_exact(256).map(root).collect();
        }
        let mut before = None;
        for (height, set) in (1..).zip(&self.sets) {
            if before != Some(set) {
                files.insert(format!("/v1/members/{height}"), set.to_bytes().unwrap());
            }
            before = Some(set);
        }
        files.insert("/checkpoint".to_owned(), self.note.clone().into_bytes());
        Files(files)
    }
}

/// The root over 256 hashes.
fn root(hashes: &[Hash]) -> Hash {
    let mut tree = TileAppender::new();
    tree.append_many(hashes.iter().copied());
    tree.root()
}

/// Keys of a member have the number of its cosigner key in their label.
fn member_key(seat: &SeatedMember, role: &str) -> ed25519_dalek::SigningKey {
    let (id, generation) = (&seat.member.id, seat.cosigner_number);
    key(&format!("{id}/{generation}/{role}"))
}
