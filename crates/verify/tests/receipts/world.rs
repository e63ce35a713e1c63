//! A ledger with its tiles, certificates and cosigners.

use std::collections::BTreeMap;

use credlog_ledger::archive::Archive;
use credlog_ledger::body::{Action, Body, Issue, Item, Reason};
use credlog_ledger::certificate::{CommitCertificate, CommitSignature};
use credlog_ledger::ids::{Height, ListNumber, Round, StatusIndex, UnixMillis};
use credlog_ledger::member::{MemberSet, SeatedMember};
use credlog_ledger::state::{Row, State, View, ViewError};
use credlog_ledger::vote::{VoteKind, vote_message};
use credlog_tlog::{
    Checkpoint, CosignatureSigner, Hash, LeafIndex, MemoryTiles, NoteSignature, TileAppender,
    TileReader,
};
use credlog_verify::receipt::{Attested, MakeError, Receipt, Trust, Wanted, make};
use ed25519_dalek::Signer as _;

use crate::support::{
    TestLedger, achievement, by_issuer, by_member, digest, issue, issue_of, key, member, member_id,
    origin, status_change,
};

pub(crate) struct World {
    pub(crate) ledger: TestLedger,
    appender: TileAppender,
    tiles: MemoryTiles,
    leaves: Vec<Vec<u8>>,
    certificates: BTreeMap<Height, CommitCertificate>,
}

/// Credentials of the story: all by issuer `a`, who issues 10 after the members changed.
pub(crate) const VALID: u64 = 0;
pub(crate) const SUSPENDED: u64 = 1;
pub(crate) const REVOKED: u64 = 2;
pub(crate) const SUPERSEDED: u64 = 3;
pub(crate) const REINSTATED: u64 = 4;
pub(crate) const LATE: u64 = 10;

impl World {
    /// Founded by four.
    pub(crate) fn new() -> Self {
        Self {
            ledger: TestLedger::new(4),
            appender: TileAppender::new(),
            tiles: MemoryTiles::default(),
            leaves: Vec::new(),
            certificates: BTreeMap::new(),
        }
    }

    /// Two issuers, six credentials, each kind of status, no change of members.
    pub(crate) fn small() -> Self {
        let mut world = Self::new();
        world.ledger.register(0, "a");
        world.ledger.register(1, "b");
        let a = by_issuer("a");
        world.ledger.seal_one(&a, Body::OpenStatusList {});
        world
            .ledger
            .seal_one(&by_issuer("b"), Body::OpenStatusList {});
        let first = world
            .ledger
            .sign(&a, issue(0, &[(0, 0), (1, 1), (2, 2), (3, 3), (200, 4)]));
        let of = issue_of(Some(achievement("rust")), 0, &[(300, 5)]);
        let second = world.ledger.sign(&a, of);
        let third = world
            .ledger
            .sign(&by_issuer("b"), issue(1, &[(7, 0), (8, 77)]));
        world.ledger.seal(vec![first, second, third]);
        let suspension = world.ledger.seal_one(
            &a,
            Body::Suspend(status_change("a", &[SUSPENDED, REINSTATED])),
        );
        world.ledger.seal_one(
            &a,
            Body::Reinstate {
                issuer: crate::support::issuer_id("a"),
                suspension,
                digests: vec![digest(REINSTATED)],
                reason: Reason::Other,
            },
        );
        world
            .ledger
            .seal_one(&by_member(0), Body::Revoke(status_change("a", &[REVOKED])));
        world.ledger.seal_one(
            &a,
            Body::Supersede {
                issuer: crate::support::issuer_id("a"),
                old: digest(SUPERSEDED),
                new: digest(5),
                reason: Reason::Superseded,
            },
        );
        world.take_over();
        world
    }

    /// As small, then a fifth member comes, the first leaves, and one more credential.
    pub(crate) fn changed() -> Self {
        let mut world = Self::small();
        world.change_members();
        world
    }

    pub(crate) fn change_members(&mut self) {
        self.ledger.govern(
            Action::AddMember {
                member: member("m4", 0),
            },
            3,
        );
        let leaves = Action::RemoveMember {
            member: member_id(0),
            transfer_to: Some(member_id(2)),
        };
        let proposal = self
            .ledger
            .seal_one(&by_member(1), Body::Propose { action: leaves });
        for number in [1, 2, 3, 4] {
            self.ledger
                .seal_one(&by_member(number), Body::Approve { proposal });
        }
        self.issue_late(LATE, 400);
    }

    /// Issuer `a` issues one more.
    pub(crate) fn issue_late(&mut self, number: u64, index: u32) {
        let body = Body::Issue(Issue {
            achievement: None,
            list: ListNumber(0),
            valid_from: Some(UnixMillis(self.ledger.now - 5)),
            valid_until: Some(UnixMillis(self.ledger.now + 900_000)),
            items: vec![Item {
                index: StatusIndex(index),
                digest: digest(number),
            }],
        });
        self.ledger.seal_one(&by_issuer("a"), body);
        self.take_over();
    }

    /// Takes the ledger's new blocks over into the log, with certificates.
    pub(crate) fn take_over(&mut self) {
        for at in self.certificates.len()..self.ledger.blocks.len() {
            let block = self.ledger.blocks[at].clone();
            let height = block.seal.height;
            self.appender.append_many(block.leaf_hashes.iter().copied());
            for tile in self.appender.take_changed() {
                self.tiles.insert(tile);
            }
            self.leaves
                .extend(block.records.iter().map(|record| record.leaf()));
            self.leaves.push(block.seal.leaf().unwrap());
            let before = Height(height.0 - 1);
            let deciders = self.ledger.state().members_at(before).unwrap().unwrap();
            let value = block.value_id().unwrap();
            let sign = |seat: &SeatedMember| {
                let (kind, round) = (VoteKind::Precommit, Round(0));
                let message = vote_message(&self.ledger.id, kind, height, round, Some(&value));
                CommitSignature {
                    member: seat.member.id.clone(),
                    signature: consensus_key(seat).sign(&message).to_bytes(),
                }
            };
            let signatures = deciders.members().iter().map(sign).collect();
            let made = CommitCertificate::new(height, Round(0), value, signatures);
            self.certificates.insert(height, made.unwrap());
        }
    }

    pub(crate) fn height(&self) -> Height {
        self.ledger.state().head().unwrap().height
    }

    pub(crate) fn checkpoint_at(&self, height: Height) -> Checkpoint {
        let row = self.ledger.state().seal(height).unwrap().unwrap();
        let size = credlog_tlog::TreeSize(row.size);
        Checkpoint::new(origin().as_str(), size, Hash(row.root.0)).unwrap()
    }

    pub(crate) fn members_at(&self, height: Height) -> MemberSet {
        self.ledger.state().members_at(height).unwrap().unwrap()
    }

    /// By every member in force, at that second and the following ones.
    pub(crate) fn cosign(&self, height: Height, second: u64) -> Vec<NoteSignature> {
        let checkpoint = self.checkpoint_at(height);
        let members = self.members_at(height);
        let seats = members.members().iter().zip(second..);
        seats
            .map(|(seat, second)| cosigner(seat).cosign(&checkpoint, second))
            .collect()
    }

    pub(crate) fn attested_at(&self, height: Height, second: u64) -> Attested {
        let size = self.checkpoint_at(height).size();
        let lines = self.cosign(height, second);
        Attested::read(self, size, &lines, None).unwrap().unwrap()
    }

    /// Attested ten seconds after the newest seal.
    pub(crate) fn attested(&self) -> Attested {
        self.attested_at(self.height(), self.ledger.now / 1_000 + 10)
    }

    pub(crate) fn make(&self, wanted: &Wanted) -> Result<Receipt, MakeError> {
        Ok(make(self, &self.attested(), wanted)?.0)
    }

    pub(crate) fn trust(&self) -> Trust {
        Trust::found(self.ledger.genesis.clone()).unwrap()
    }
}

pub(crate) fn consensus_key(seat: &SeatedMember) -> ed25519_dalek::SigningKey {
    key(&format!(
        "{}/{}/consensus",
        seat.member.id, seat.cosigner_number
    ))
}

pub(crate) fn cosigner(seat: &SeatedMember) -> CosignatureSigner {
    let name = seat.cosigner_name(&origin());
    let key = key(&format!(
        "{}/{}/cosigner",
        seat.member.id, seat.cosigner_number
    ));
    CosignatureSigner::new(&name, key).unwrap()
}

impl View for World {
    fn row(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        self.ledger.state.row(key)
    }

    fn floor(&self, prefix: &[u8], key: &[u8]) -> Result<Option<Row>, ViewError> {
        self.ledger.state.floor(prefix, key)
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, ViewError> {
        self.ledger.state.scan(prefix, after, limit)
    }
}

impl TileReader for World {
    type Error = ViewError;

    fn hashes(&self, level: u8, tile: u64, width: u16) -> Result<Vec<Hash>, ViewError> {
        let read = self.tiles.hashes(level, tile, width);
        read.map_err(|error| ViewError::Damaged(error.to_string()))
    }
}

impl Archive for World {
    fn leaf(&self, index: LeafIndex) -> Result<Option<Vec<u8>>, ViewError> {
        let index = usize::try_from(index.0).unwrap();
        Ok(self.leaves.get(index).cloned())
    }

    fn certificate(&self, height: Height) -> Result<Option<CommitCertificate>, ViewError> {
        Ok(self.certificates.get(&height).cloned())
    }
}

/// Height of the block that holds the first Issue of a credential.
pub(crate) fn issued_at(world: &World, number: u64) -> (Height, UnixMillis) {
    let state = State(world);
    let (_, row) = state.credentials(&digest(number)).unwrap()[0];
    let (height, _) = state.block_of(row.leaf).unwrap().unwrap();
    (height, state.seal(height).unwrap().unwrap().seal.time)
}
