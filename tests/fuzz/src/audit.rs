//! The auditor with one hostile file: whatever it holds, the audit ends with an answer.

use std::sync::OnceLock;

use credlog_audit::{Options, Source, SourceError, replay};
use credlog_ledger::genesis::{GENESIS_VERSION, Genesis};
use credlog_ledger::ids::{Origin, UnixMillis};
use credlog_ledger::key::{ProvenKey, Role};
use credlog_ledger::member::{Member, MemberKeys};
use credlog_ledger::parameters::Parameters;
use credlog_tlog::TileAppender;
use credlog_tlog::{
    Checkpoint, Note, NoteSigner, TreeSize, decode_bundle, encode_bundle, leaf_hash,
};
use ed25519_dalek::SigningKey;

use crate::targets::Target;

/// The files that can be hostile; the first byte of an input chooses one.
const PREFIXES: [&str; 6] = [
    "/checkpoint",
    "/tile/entries/",
    "/tile/0/",
    "/v1/certificates/bundle/",
    "/v1/members/1",
    "/v1/members/history",
];

/// A ledger of two leaves.
struct Ledger {
    genesis: Genesis,
    checkpoint: Vec<u8>,
    entries: Vec<u8>,
    tile: Vec<u8>,
    certificate: Vec<u8>,
    members: Vec<u8>,
}

static LEDGER: OnceLock<Ledger> = OnceLock::new();

/// The audit, with seeds of every file.
pub(crate) fn target(record: &[u8], seal: &[u8], certificate: &[u8]) -> anyhow::Result<Target> {
    let genesis = genesis()?;
    let leaves = [[&[1], record].concat(), seal.to_vec()];
    let entries = encode_bundle(&leaves)?;
    let hashes = decode_bundle(&entries)?.into_iter().map(leaf_hash);
    let mut log = TileAppender::new();
    log.append_many(hashes);
    let newest = Checkpoint::new(genesis.origin.as_str(), TreeSize(2), log.root())?;
    let signer = NoteSigner::new(genesis.origin.as_str(), key(4))?;
    let note = Note::new(&newest.body(), vec![signer.sign(&newest.body())?])?;
    let ledger = Ledger {
        checkpoint: note.to_string().into_bytes(),
        tile: log
            .take_changed()
            .iter()
            .flat_map(|tile| tile.to_bytes())
            .collect(),
        certificate: encode_bundle(&[certificate])?,
        members: genesis.member_set().to_bytes()?,
        entries,
        genesis,
    };
    let files = [
        &ledger.checkpoint,
        &ledger.entries,
        &ledger.tile,
        &ledger.certificate,
        &ledger.members,
    ];
    let seeds = (0_u8..)
        .zip(files)
        .map(|(file, bytes)| [&[file], bytes.as_slice()].concat());
    let seeds = seeds.collect();
    LEDGER.get_or_init(|| ledger);
    Ok(Target {
        name: "audit",
        seeds,
        run,
    })
}

fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

fn genesis() -> anyhow::Result<Genesis> {
    let origin: Origin = "ledger.example/log".parse()?;
    let proven = |number, role| ProvenKey::ed25519(&origin, role, "a", &key(number));
    let member = Member {
        id: "a".parse()?,
        name: "A".parse()?,
        keys: MemberKeys {
            governance: proven(1, Role::Governance),
            consensus: proven(2, Role::Consensus),
            cosigner: proven(3, Role::Cosigner),
            node: proven(4, Role::Node),
        },
        addresses: Vec::new(),
        url: None,
    };
    Ok(Genesis {
        version: GENESIS_VERSION,
        origin,
        time: UnixMillis(1_700_000_000_000),
        members: vec![member],
        parameters: Parameters::default(),
    })
}

/// The ledger with one file in the place of a true one.
struct Hostile<'a> {
    ledger: &'a Ledger,
    prefix: &'static str,
    bytes: &'a [u8],
}

impl Source for Hostile<'_> {
    fn read(&self, path: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, SourceError> {
        let ledger = self.ledger;
        let bytes = match path {
            path if path.starts_with(self.prefix) => self.bytes,
            "/checkpoint" => &ledger.checkpoint,
            "/tile/entries/000.p/2" => &ledger.entries,
            "/tile/0/000.p/2" => &ledger.tile,
            "/v1/certificates/bundle/000.p/1" => &ledger.certificate,
            "/v1/members/1" => &ledger.members,
            _ => return Ok(None),
        };
        match bytes.len() > bytes_max {
            true => Err(SourceError::TooLong {
                path: path.into(),
                bytes_max,
            }),
            false => Ok(Some(bytes.to_vec())),
        }
    }

    fn readers(&self) -> usize {
        1
    }

    fn is_live(&self) -> bool {
        false
    }
}

fn run(input: &[u8]) {
    let (Some(ledger), Some((file, bytes))) = (LEDGER.get(), input.split_first()) else {
        return;
    };
    let hostile = Hostile {
        ledger,
        prefix: PREFIXES[usize::from(*file) % PREFIXES.len()],
        bytes,
    };
    let options = Options {
        threads: 1,
        ..Options::default()
    };
    if let Ok(report) = replay(&hostile, &ledger.genesis, &options, &mut |_| {}) {
        // The record of the seed is signed by nobody that this ledger knows.
        assert!(!report.is_clean());
        assert!(report.leaves <= report.size.0);
    }
}
