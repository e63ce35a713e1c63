//! The node and witnesses: whom to trust, its own cosignature for who asks, and outside witnesses
//! that cosign for it, fail, lie and come back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may panic

mod town;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use credlog_ledger::parameters::Parameters;
use credlog_node::config::WitnessSection;
use credlog_node::{Config, Node, StartError};
use credlog_tlog::{
    AddCheckpoint, Checkpoint, CosignatureSigner, Hash, MemoryTiles, Note, NoteSignature,
    NoteSigner, Policy, PolicyError, TileAppender, TilePath, TreeSize, VerifierKey,
    consistency_proof, decode_bundle, empty_root, leaf_hash, verify_consistency,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use town::{MEMBER, Reply, Running, Town, digest, key, origin};

const WAIT: Duration = Duration::from_secs(30);

// --- GET /v1/policy --------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_policy_accepts_the_checkpoint_and_names_outside_witnesses_in_a_comment() {
    let mut town = Town::new();
    let outside = outside("http://127.0.0.1:1");
    let line = format!("# outside the quorum: witness w {}\n", outside.public_key);
    town.config.witness = vec![outside];
    let running = town.start().await;
    running.accredit().await;
    let reply = running.get("/v1/policy").await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(reply.header("cache-control"), Some("public, max-age=60"));
    assert!(reply.text().ends_with(&line), "{}", reply.text());
    let policy = running.client.policy().await.unwrap();
    assert_eq!(reply.text().parse(), Ok(policy.clone()));
    assert_eq!(policy.witnesses().len(), 1);
    let note = checkpoint(&running).await;
    let accepted = policy.accept(&note).unwrap();
    assert_eq!(accepted.body(), note.text());
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_four_members_three_have_to_cosign() {
    let members = [MEMBER, "university-b", "university-c", "university-d"];
    let town = Town::with(&members, Parameters::default());
    let running = town.start().await;
    let policy = running.client.policy().await.unwrap();
    assert_eq!((policy.logs().len(), policy.witnesses().len()), (4, 4));
    assert_eq!(policy.quorum(), Some("members"));
    assert_eq!(policy.groups()[0].threshold, 3);
    let checkpoint = Checkpoint::new(origin().as_str(), TreeSize(5), Hash([1; 32])).unwrap();
    let node = NoteSigner::new(origin().as_str(), key("university-b/node")).unwrap();
    let cosigners = members.map(|member| cosigner(member).cosign(&checkpoint, 7));
    for count in 0..=4 {
        let own = node.sign(&checkpoint.body()).unwrap();
        let lines = [own].into_iter().chain(cosigners[..count].to_vec());
        let note = Note::new(&checkpoint.body(), lines.collect()).unwrap();
        let quorum = "members".to_owned();
        match count {
            3.. => assert_eq!(policy.accept(&note), Ok(checkpoint.clone())),
            _ => assert_eq!(policy.accept(&note), Err(PolicyError::NoQuorum { quorum })),
        }
    }
    running.node.shutdown().await;
}

fn cosigner(member: &str) -> CosignatureSigner {
    let name = format!("{}/{member}/0", origin());
    CosignatureSigner::new(&name, key(&format!("{member}/cosigner"))).unwrap()
}

async fn checkpoint(running: &Running) -> Note {
    Note::parse(&running.client.checkpoint().await.unwrap()).unwrap()
}

fn size_of(note: &Note) -> u64 {
    Checkpoint::parse(note.text()).unwrap().size().0
}

// --- POST /add-checkpoint --------------------------------------------------------------------

async fn add(running: &Running, body: &[u8]) -> Reply {
    running.request("POST", "/add-checkpoint", &[], body).await
}

/// Old size, proof and note as a request.
async fn add_note(running: &Running, old: u64, proof: &[Hash], note: &Note) -> Reply {
    let request = AddCheckpoint::new(TreeSize(old), proof.to_vec(), note.clone()).unwrap();
    add(running, request.to_string().as_bytes()).await
}

fn is_size(reply: &Reply, size: u64) {
    assert_eq!(reply.status, 409, "{reply:?}");
    assert_eq!(reply.header("content-type"), Some("text/x.tlog.size"));
    assert_eq!(reply.text(), format!("{size}\n"));
}

/// A checkpoint of the ledger, signed by the member's node.
fn signed(size: u64, root: Hash, node_key: &str) -> Note {
    let checkpoint = Checkpoint::new(origin().as_str(), TreeSize(size), root).unwrap();
    let signer = NoteSigner::new(origin().as_str(), key(node_key)).unwrap();
    let line = signer.sign(&checkpoint.body()).unwrap();
    Note::new(&checkpoint.body(), vec![line]).unwrap()
}

/// The leaves of a log of less than a bundle.
async fn leaves(running: &Running, size: u64) -> Vec<Hash> {
    let path: TilePath = format!("tile/entries/000.p/{size}").parse().unwrap();
    let bundle = running.client.tile(&path).await.unwrap();
    let entries = decode_bundle(&bundle).unwrap();
    entries.iter().map(|entry| leaf_hash(entry)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_member_cosigns_its_newest_checkpoint_for_who_asks() {
    let town = Town::new();
    let running = town.start().await;
    let member = cosigner(MEMBER).verifier_key().clone();
    // Before the first block there is nothing to cosign.
    let empty = signed(0, empty_root(), &format!("{MEMBER}/node"));
    let reply = add_note(&running, 0, &[], &empty).await;
    assert_eq!(reply.problem(503), "not-cosigned");
    running.accredit().await;

    let first = checkpoint(&running).await;
    let size = size_of(&first);
    is_size(&add_note(&running, 0, &[], &first).await, size);
    let reply = add_note(&running, size, &[], &first).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let line: NoteSignature = reply.text().strip_suffix('\n').unwrap().parse().unwrap();
    let second = line.verify(&member, first.text()).unwrap().unwrap();
    assert!(town::now().0 / 1_000 - second < 10);
    // The same without the node's signature: the members' quorum suffices.
    let cosigned: Vec<_> = first.signatures()[1..].to_vec();
    let cosigned = Note::new(first.text(), cosigned).unwrap();
    assert_eq!(add_note(&running, size, &[], &cosigned).await.status, 200);
    let surplus = add_note(&running, size, &[Hash([1; 32])], &first).await;
    assert_eq!(surplus.problem(422), "inconsistent");

    // The log grows: the member has cosigned it, and the older checkpoint is nothing to it.
    running.commit(&running.issue(&[(0, digest(1))])).await;
    let second = checkpoint(&running).await;
    let tip = size_of(&second);
    is_size(&add_note(&running, size, &[], &first).await, tip);
    assert_eq!(add_note(&running, tip, &[], &second).await.status, 200);
    // What it releases is gathered like all that it cosigns.
    let served = checkpoint(&running).await;
    assert!(served.verify(&[member]).is_ok());
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_the_newest_checkpoint_of_this_log_is_not_cosigned() {
    let town = Town::new();
    let running = town.start().await;
    running.accredit().await;
    let newest = checkpoint(&running).await;
    let size = size_of(&newest);
    let root = Checkpoint::parse(newest.text()).unwrap().root();
    let node = format!("{MEMBER}/node");

    let other_log = Checkpoint::new("other.example/log", TreeSize(size), root).unwrap();
    let signer = NoteSigner::new("other.example/log", key(&node)).unwrap();
    let line = signer.sign(&other_log.body()).unwrap();
    let other_log = Note::new(&other_log.body(), vec![line]).unwrap();
    let reply = add_note(&running, size, &[], &other_log).await;
    assert_eq!(reply.problem(404), "not-found");

    let stranger = signed(size, root, "stranger/node");
    let reply = add_note(&running, size, &[], &stranger).await;
    assert_eq!(reply.problem(403), "not-trusted");
    // A known key's signature of something else; as the only one, and beside a good one.
    let of_other = signed(size + 1, root, &node).signatures()[0].clone();
    let good = newest.signatures()[0].clone();
    for lines in [vec![of_other.clone()], vec![good.clone(), of_other]] {
        let note = Note::new(newest.text(), lines).unwrap();
        let reply = add_note(&running, size, &[], &note).await;
        assert_eq!(reply.problem(403), "not-trusted");
    }
    // So with a member's cosignature.
    let elsewhere = Checkpoint::new(origin().as_str(), TreeSize(size + 1), root).unwrap();
    let cosigned = cosigner(MEMBER).cosign(&elsewhere, 1);
    let note = Note::new(newest.text(), vec![good, cosigned]).unwrap();
    let reply = add_note(&running, size, &[], &note).await;
    assert_eq!(reply.problem(403), "not-trusted");

    // A greater log: with a proof it may come, without one it does not follow.
    let mut appender = TileAppender::new();
    appender.append_many(leaves(&running, size).await);
    assert_eq!(appender.root(), root);
    appender.append_many([leaf_hash(b"more")]);
    let greater = signed(size + 1, appender.root(), &node);
    let mut tiles = MemoryTiles::default();
    tiles.extend(appender.take_changed());
    let proof = consistency_proof(&tiles, TreeSize(size), TreeSize(size + 1)).unwrap();
    let reply = add_note(&running, size, &proof, &greater).await;
    assert_eq!(reply.problem(503), "not-cosigned");
    assert_eq!(reply.header("retry-after"), Some("1"));
    for proof in [&[][..], &proof[1..], &vec![Hash([9; 32]); proof.len()][..]] {
        let reply = add_note(&running, size, proof, &greater).await;
        assert_eq!(reply.problem(422), "inconsistent");
    }
    is_size(&add_note(&running, size - 1, &proof, &greater).await, size);
    running.node.shutdown().await;
}

/// Whoever signed it has forked the log, at any size that this node has; it is told of once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_history_is_counted_and_never_cosigned() {
    let town = Town::new();
    let running = town.start().await;
    running.accredit().await;
    let size = size_of(&checkpoint(&running).await);
    let conflicts = async || -> u64 {
        let metrics = running.get("/metrics").await;
        let name = "credlog_cosignature_conflicts_total ";
        let line = metrics.text().lines().find(|line| line.starts_with(name));
        line.unwrap()[name.len()..].parse().unwrap()
    };
    assert_eq!(conflicts().await, 0);
    let node = format!("{MEMBER}/node");
    for (forked, expected) in [(size, 1), (size, 1), (1, 2), (0, 3), (1, 3)] {
        let note = signed(forked, Hash([3; 32]), &node);
        is_size(&add_note(&running, forked, &[], &note).await, size);
        assert_eq!(conflicts().await, expected, "{forked}");
    }
    // A stranger's word is nothing.
    let note = signed(size, Hash([4; 32]), "stranger/node");
    assert_eq!(add_note(&running, size, &[], &note).await.status, 403);
    assert_eq!(conflicts().await, 3);
    let served = checkpoint(&running).await;
    assert_eq!(size_of(&served), size);
    assert!(
        served
            .verify(&[cosigner(MEMBER).verifier_key().clone()])
            .is_ok()
    );
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_bodies_are_refused() {
    let town = Town::new();
    let running = town.start().await;
    running.accredit().await;
    let note = checkpoint(&running).await;
    let size = size_of(&note);
    let good = format!("old {size}\n\n{note}");
    assert_eq!(add(&running, good.as_bytes()).await.status, 200);
    let long = format!(
        "old {size}\n{}\n{note}",
        format!("{}\n", Hash([1; 32]).to_base64()).repeat(64)
    );
    let later = good.replacen(&format!("old {size}"), &format!("old {}", size + 1), 1);
    let bad: [&[u8]; 14] = [
        b"",
        b"\n",
        b"\n\n",
        b"old 0\n\n",
        b"\xff\xfe\n\n",
        note.to_string().into_bytes().leak(),
        good.trim_end().as_bytes(),
        later.as_bytes(),
        long.as_bytes(),
        &good.replacen("old ", "old +", 1).into_bytes(),
        &good.replacen("old ", "old 0", 1).into_bytes(),
        &good.replacen('\n', "\r\n", 3).into_bytes(),
        &good.replacen("\n\n", "\nAAAA\n\n", 1).into_bytes(),
        &good
            .replacen(&format!("\n{size}\n"), &format!("\n{size}\nextension\n"), 1)
            .into_bytes(),
    ];
    for body in bad {
        let text = String::from_utf8_lossy(body);
        if body.is_empty() {
            let reply = add(&running, body).await;
            assert_eq!(reply.problem(400), "malformed-request");
            continue;
        }
        let reply = add(&running, body).await;
        assert_eq!(reply.problem(400), "malformed-request", "{text:?}");
    }
    let padded = good.clone() + &"x".repeat(64 << 10);
    let reply = add(&running, padded.as_bytes()).await;
    assert_eq!(reply.problem(413), "body-too-large");
    let path = "/add-checkpoint";
    let encoded = [("content-encoding", "gzip")];
    let reply = running
        .request("POST", path, &encoded, good.as_bytes())
        .await;
    assert_eq!(reply.problem(415), "unsupported-media-type");
    let reply = running
        .request("POST", "/add-checkpoint?x=1", &[], good.as_bytes())
        .await;
    assert_eq!(reply.problem(400), "invalid-parameter");
    assert_eq!(running.get(path).await.problem(405), "method-not-allowed");
    running.node.shutdown().await;
}

/// Every byte of a request, changed in turn: never cosigned, but where only a stranger's line or
/// nothing at all is different.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_changed_byte_is_cosigned() {
    let town = Town::new();
    let running = town.start().await;
    running.accredit().await;
    let note = checkpoint(&running).await;
    let policy = running.client.policy().await.unwrap();
    let good = format!("old {}\n\n{note}", size_of(&note)).into_bytes();
    for place in 0..good.len() {
        let mut changed = good.clone();
        changed[place] ^= 1;
        let reply = add(&running, &changed).await;
        if reply.status == 200 {
            // One of the two signatures became a stranger's; the other still shows whose log it is.
            let request = AddCheckpoint::parse(&changed).unwrap();
            assert_eq!(request.note().text(), note.text(), "byte {place}");
            let keys = policy.logs().iter().map(|log| log.key.clone());
            let keys = keys.chain(policy.witnesses().iter().map(|one| one.key.clone()));
            let keys: Vec<VerifierKey> = keys.collect();
            assert_eq!(request.note().verify(&keys).unwrap().len(), 1);
        } else {
            assert!(
                (400..500).contains(&reply.status),
                "byte {place}: {reply:?}"
            );
        }
    }
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_observer_cosigns_nothing_and_says_why() {
    let town = Town::new();
    let text = "[node]\nrole = \"observer\"\ngenesis = \"genesis.json\"\n[member]\n\
                [http]\nlisten = \"127.0.0.1:0\"\n[network]\nlisten = \"/ip4/127.0.0.1/tcp/0\"\n";
    let observer = Town {
        config: Config::parse(text, town.dir.path()).unwrap(),
        ..town
    };
    let running = observer.start().await;
    let note = signed(0, empty_root(), &format!("{MEMBER}/node"));
    let reply = add_note(&running, 0, &[], &note).await;
    assert_eq!(reply.problem(404), "not-found");
    assert!(reply.text().contains("observer"), "{}", reply.text());
    running.node.shutdown().await;
}

// --- Outside witnesses -----------------------------------------------------------------------

/// How an outside witness behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Good,
    Fails,
    Redirects,
    SignsOtherwise,
    SignsWithAnotherKey,
    Floods,
    SaysNothing,
    /// That it knows the size it was asked from, whatever that is.
    Contradicts,
}

/// A witness that checks as C2SP tlog-witness says, on a port of this machine.
struct Outside {
    seen: Arc<Mutex<Seen>>,
    port: u16,
    task: tokio::task::JoinHandle<()>,
}

struct Seen {
    manner: Manner,
    size: u64,
    root: Hash,
    /// Sizes that were asked from and for, and the status.
    asked: Vec<(u64, u64, u16)>,
    policy: Option<Policy>,
}

fn outside_cosigner(seed: &str) -> CosignatureSigner {
    CosignatureSigner::new("witness.example/w", key(seed)).unwrap()
}

fn outside(url: &str) -> WitnessSection {
    WitnessSection {
        name: "w".to_owned(),
        url: url.to_owned(),
        public_key: outside_cosigner("w").verifier_key().to_string(),
    }
}

impl Outside {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Seen {
            manner: Manner::Good,
            size: 0,
            root: empty_root(),
            asked: Vec::new(),
            policy: None,
        }));
        let task = tokio::spawn({
            let seen = Arc::clone(&seen);
            async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    serve(stream, &seen, port).await;
                }
            }
        });
        Self { seen, port, task }
    }

    fn section(&self) -> WitnessSection {
        outside(&format!("http://127.0.0.1:{}/prefix/", self.port))
    }

    fn behave(&self, manner: Manner) {
        self.seen.lock().unwrap().manner = manner;
    }

    fn asked(&self) -> Vec<(u64, u64, u16)> {
        self.seen.lock().unwrap().asked.clone()
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, seen: &Mutex<Seen>, port: u16) {
    let mut bytes = Vec::new();
    let body = loop {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        assert!(
            head.starts_with("POST /prefix/add-checkpoint HTTP/1.1\r\n"),
            "{head}"
        );
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.unwrap().parse().unwrap();
        if bytes.len() >= end + 4 + length {
            break bytes[end + 4..].to_vec();
        }
    };
    let request = AddCheckpoint::parse(&body).unwrap();
    let (status, answer) = {
        let mut seen = seen.lock().unwrap();
        let (status, answer) = judge(&mut seen, &request);
        let asked = (request.old().0, request.checkpoint().size().0, status);
        seen.asked.push(asked);
        (status, answer)
    };
    // Whoever follows it comes to a path that ends this server.
    let location = format!("location: http://127.0.0.1:{port}/elsewhere\r\n");
    let length = answer.len();
    let head = format!(
        "HTTP/1.1 {status} x\r\n{location}content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(answer.as_bytes()).await;
}

fn judge(seen: &mut Seen, request: &AddCheckpoint) -> (u16, String) {
    let (size, root) = (request.checkpoint().size(), request.checkpoint().root());
    let line = |signer: &CosignatureSigner, checkpoint: &Checkpoint| {
        format!("{}\n", signer.cosign(checkpoint, town::now().0 / 1_000))
    };
    let own = outside_cosigner("w");
    match seen.manner {
        Manner::Good => {}
        Manner::Fails => return (500, String::new()),
        Manner::Redirects => return (307, line(&own, request.checkpoint())),
        Manner::SignsOtherwise => {
            let next = TreeSize(size.0 + 1);
            let other = Checkpoint::new(origin().as_str(), next, root).unwrap();
            return (200, line(&own, &other));
        }
        Manner::SignsWithAnotherKey => {
            return (200, line(&outside_cosigner("v"), request.checkpoint()));
        }
        Manner::Floods => return (200, line(&own, request.checkpoint()).repeat(1_000)),
        Manner::SaysNothing => return (200, String::new()),
        Manner::Contradicts => return (409, format!("{}\n", request.old())),
    }
    // It trusts the log by its policy, the members' quorum included.
    let policy = seen.policy.as_ref().unwrap();
    if policy.accept(request.note()).is_err() {
        return (403, String::new());
    }
    if request.old().0 != seen.size {
        return (409, format!("{}\n", seen.size));
    }
    let grown = verify_consistency(request.old(), &seen.root, size, &root, request.proof());
    if grown.is_err() {
        return (422, String::new());
    }
    (seen.size, seen.root) = (size.0, root);
    (200, line(&own, request.checkpoint()))
}

/// Second of the witness's cosignature in the checkpoint that is served, if it is there. It has to
/// verify.
async fn witnessed(running: &Running) -> Option<(u64, u64)> {
    let note = checkpoint(running).await;
    let key = outside_cosigner("w").verifier_key().clone();
    let mut lines = note.signatures().iter();
    let line = lines.find(|line| line.name() == key.name())?;
    let second = line.verify(&key, note.text()).unwrap().unwrap();
    Some((size_of(&note), second))
}

async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(begun.elapsed() < WAIT, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn metric(running: &Running, name: &str) -> u64 {
    let metrics = running.get("/metrics").await;
    let name = format!("{name}{{witness=\"w\"}} ");
    let line = metrics
        .text()
        .lines()
        .find_map(|line| line.strip_prefix(&name));
    line.map_or(0, |value| value.parse().unwrap())
}

async fn town_with(outside: &Outside) -> (Town, Running) {
    let mut town = Town::new();
    town.config.witness = vec![outside.section()];
    let running = town.start().await;
    let policy = running.client.policy().await.unwrap();
    outside.seen.lock().unwrap().policy = Some(policy);
    (town, running)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outside_witness_sees_the_log_grow_and_its_cosignature_is_served() {
    let outside = Outside::start().await;
    let (town, running) = town_with(&outside).await;
    running.accredit().await;
    for number in 0..3 {
        running
            .commit(&running.issue(&[(number, digest(number.into()))]))
            .await;
        let tip = size_of(&checkpoint(&running).await);
        let (size, second) = until("the witness cosigns", async || {
            witnessed(&running).await.filter(|(size, _)| *size == tip)
        })
        .await;
        assert_eq!(size, tip);
        assert!(town::now().0 / 1_000 - second < 10);
        assert_eq!(metric(&running, "credlog_witness_size_leaves").await, tip);
        assert_eq!(
            metric(&running, "credlog_witness_time_seconds").await,
            second
        );
    }
    let asked = outside.asked();
    let cosigned: Vec<_> = asked
        .iter()
        .filter(|(_, _, status)| *status == 200)
        .collect();
    assert!(cosigned.len() >= 3, "{asked:?}");
    // From the second on it was known what the witness has.
    assert!(
        asked.iter().all(|(_, _, status)| *status == 200),
        "{asked:?}"
    );
    assert_eq!(metric(&running, "credlog_witness_failures_total").await, 0);

    // After a start the witness says how far it is.
    running.node.shutdown().await;
    let running = town.start().await;
    let tip = size_of(&checkpoint(&running).await);
    until("the witness cosigns again", async || {
        witnessed(&running).await.filter(|(size, _)| *size == tip)
    })
    .await;
    let later = &outside.asked()[asked.len()..];
    assert_eq!(later[..2], [(0, tip, 409), (tip, tip, 200)]);
    // The same checkpoint is not submitted again before the interval of a minute has passed. A block
    // without records may end a height that was under way.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let later = &outside.asked()[asked.len() + 1..];
    let sizes: BTreeSet<u64> = later.iter().map(|(_, size, _)| *size).collect();
    assert_eq!(sizes.len(), later.len(), "{later:?}");
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_bad_witness_says_is_never_served() {
    let outside = Outside::start().await;
    let mut town = Town::new();
    town.config.witness = vec![outside.section()];
    // The same checkpoint is submitted again each second.
    town.config.cosign.interval_seconds = 1;
    let running = town.start().await;
    outside.seen.lock().unwrap().policy = Some(running.client.policy().await.unwrap());
    running.accredit().await;
    let first = until("the witness cosigns", async || witnessed(&running).await).await;
    for manner in [
        Manner::Fails,
        Manner::Redirects,
        Manner::SignsOtherwise,
        Manner::SignsWithAnotherKey,
        Manner::Floods,
        Manner::SaysNothing,
        Manner::Contradicts,
    ] {
        let failed = metric(&running, "credlog_witness_failures_total").await;
        outside.behave(manner);
        until("a failure", async || {
            let count = metric(&running, "credlog_witness_failures_total").await;
            (count > failed).then_some(())
        })
        .await;
        // The line that is served is an earlier good one: `witnessed` verifies it.
        let before = witnessed(&running).await.unwrap();
        outside.behave(Manner::Good);
        let after = until("it cosigns again", async || {
            let found = witnessed(&running).await.unwrap();
            (found.1 > before.1).then_some(found)
        })
        .await;
        assert_eq!(after.0, first.0);
    }
    // A cosignature covers its own checkpoint alone.
    outside.behave(Manner::Fails);
    running.commit(&running.issue(&[(0, digest(0))])).await;
    assert_eq!(witnessed(&running).await, None);
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_witness_that_cannot_be_keeps_the_node_from_starting() {
    let mut town = Town::new();
    for url in [
        "http://192.0.2.1/",
        "ftp://127.0.0.1/",
        "http://u:p@127.0.0.1/",
        "w",
    ] {
        town.config.witness = vec![outside(url)];
        let error = Node::start(town.config.clone()).await.err().unwrap();
        assert!(matches!(error, StartError::Config(_)), "{url}: {error}");
    }
    let good = outside("http://127.0.0.1:1/");
    town.config.witness = vec![good.clone(), good];
    let error = Node::start(town.config.clone()).await.err().unwrap();
    assert!(error.to_string().contains("two witnesses"), "{error}");
}
