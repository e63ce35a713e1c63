//! A document that is made to keep a verifier busy is refused or left unchecked soon.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where it goes wrong"
)]

mod fixtures;

use std::collections::BTreeSet;
use std::io::Write;
use std::time::{Duration, Instant};

use credlog_credential::bake::{IMAGE_BYTES_MAX, unbake};
use credlog_credential::context::BUILT_IN;
use credlog_credential::{
    Candidates, Credential, KeyResolver, KeySource, NoRegistry, Outcome, PROOFS_MAX, Presentation,
    ProofError, ProofReport, ResolvedKey, SignOptions, Suite, multikey, sign, verify_document,
    verify_proofs,
};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

/// What one document may cost on a CPU like that of docs/performance.md: 100 ms, held to with
/// `CREDLOG_TEST_LONG=1`. Otherwise the machine may be slower. `--nocapture` shows the figures.
fn cpu_max() -> Duration {
    let long = std::env::var("CREDLOG_TEST_LONG").is_ok_and(|value| value == "1");
    Duration::from_millis(if long { 100 } else { 300 })
}

/// Other tests run at the same time, and take caches and cores: one of so many runs has to do.
const RUNS_MAX: usize = 5;

/// Time of this thread on a CPU where the system tells it, else time on the wall.
fn cpu(since: Instant) -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|text| text.split(' ').next()?.parse().ok());
    nanos.map_or_else(|| since.elapsed(), Duration::from_nanos)
}

/// Does the work, and asserts what it costs.
#[allow(clippy::print_stdout)] // figures for whoever asks for them
fn soon<T>(name: &str, work: impl Fn() -> T) -> T {
    let start = Instant::now();
    let mut least = Duration::MAX;
    for _ in 0..RUNS_MAX {
        let before = cpu(start);
        let done = work();
        least = least.min(cpu(start).saturating_sub(before));
        if least < cpu_max() {
            println!("{:7.1} ms  {name}", least.as_secs_f64() * 1_000.0);
            return done;
        }
    }
    panic!("{name}: {least:?}");
}

fn verify_soon(name: &str, document: &Value) -> ProofReport {
    soon(name, || {
        verify_document(document, "assertionMethod", NOW, &NoKeys)
    })
}

/// Reads a text and checks its proofs; `None` when it is refused as it is read.
fn read_soon(name: &str, text: &[u8]) -> Option<ProofReport> {
    let report = soon(name, || {
        let credential = Credential::parse(text);
        credential.map(|credential| verify_proofs(&credential, NOW, &NoKeys))
    });
    report.ok()
}

/// Knows no keys, so that methods resolve by themselves.
struct NoKeys;

impl KeyResolver for NoKeys {
    fn resolve(&self, _verification_method: &str) -> Option<ResolvedKey> {
        None
    }
}

fn badge() -> Value {
    let mut document = fixtures::json("samples/01-valid-ob3-eddsa-rdfc-2022.json");
    document.as_object_mut().unwrap().remove("proof");
    document
}

/// A chain of proofs, each over all before it; none is good, which costs as much to find out.
fn chain(mut document: Value, suite: Suite) -> Value {
    let (_, method) = fixtures::key("issuer");
    let id = |number: usize| format!("urn:uuid:0f6f2a4d-0000-4000-8000-1{number:011}");
    let proofs = (0..PROOFS_MAX).map(|number| {
        json!({
            "type": "DataIntegrityProof",
            "id": id(number),
            "cryptosuite": suite.name(),
            "created": "2026-11-21T10:00:00Z",
            "verificationMethod": method,
            "proofPurpose": "assertionMethod",
            "previousProof": (0..number).map(id).collect::<Vec<_>>(),
            "proofValue": format!("z{}", bs58::encode([7; 64]).into_string()),
        })
    });
    document["proof"] = proofs.collect();
    document
}

/// Proofs beyond the limit were counted for each proof, and all were walked through again and
/// again: 1 MiB of them took minutes.
#[test]
fn thousands_of_proofs_get_one_answer_at_once() {
    let mut document = badge();
    let names: Vec<String> = (0..4_000).map(|id| format!("urn:{id}")).collect();
    let proofs = names
        .iter()
        .map(|id| json!({"id": id, "previousProof": [id]}));
    document["proof"] = proofs.collect();
    document["proof"][0]["previousProof"] = json!(names);
    let report = verify_soon("4,000 proofs", &document);
    assert_eq!(report.proofs.len(), 1);
    assert_eq!(report.outcome(), Outcome::Unknown);
    let expected = ProofError::TooManyProofs {
        proofs: 4_000,
        proofs_max: PROOFS_MAX,
    };
    assert_eq!(report.first_error(), Some(&expected));

    // As many as are checked, each naming thousands of others.
    document["proof"]
        .as_array_mut()
        .unwrap()
        .truncate(PROOFS_MAX);
    for proof in document["proof"].as_array_mut().unwrap() {
        proof["previousProof"] = json!(names);
    }
    let report = verify_soon("64,000 previous proofs", &document);
    assert_eq!(report.proofs.len(), PROOFS_MAX);
    assert_eq!(report.outcome(), Outcome::Invalid);
}

/// Each link of a chain is over another form of the document, and each form was canonicalised
/// with limits of its own: 1 MiB took five seconds.
#[test]
fn a_chain_over_a_costly_document_is_cut_short() {
    let of = |name: &str, value: Value| {
        let mut document = badge();
        document[name] = value;
        document
    };
    let types = [
        "Achievement",
        "VerifiablePresentation",
        "OpenBadgeCredential",
        "Profile",
    ];
    let part = "https://a.example/part";
    let leaves = json!(vec![
        json!({"https://a.example/note": "x".repeat(1_000)});
        10
    ]);
    let typed: Value = (0..900)
        .map(|i| json!({"type": types, "name": i.to_string()}))
        .collect();
    let wide: Value = (0..900)
        .map(|i| json!({"name": (0..10).map(|j| format!("{i} {j}")).collect::<Vec<_>>()}))
        .collect();
    let first = |all: &Value, count: usize| json!(all.as_array().unwrap()[..count]);
    for (name, document) in [
        ("types within limits", of("evidence", first(&typed, 115))),
        (
            "statements within limits",
            of("evidence", first(&wide, 790)),
        ),
        ("types", of("evidence", typed)),
        ("statements", of("evidence", wide)),
        (
            "look-alikes",
            of("evidence", json!(vec![json!({ part: leaves }); 40])),
        ),
        (
            "few look-alikes",
            of("evidence", json!(vec![json!({ part: leaves }); 2])),
        ),
        ("long text", of("name", "x".repeat(1_000_000).into())),
        (
            "many texts",
            of("name", (0..100_000).map(|i| i.to_string()).collect()),
        ),
    ] {
        for suite in Suite::ALL.iter().copied() {
            let document = chain(document.clone(), suite);
            let report = verify_soon(&format!("{name}, {}", suite.name()), &document);
            assert_ne!(report.outcome(), Outcome::Valid);
        }
    }
}

#[test]
fn a_chain_of_some_links_is_still_checked() {
    for suite in Suite::ALL.iter().copied() {
        let (key, method) = fixtures::key_for(suite, "issuer");
        let mut document = badge();
        document["issuer"]["id"] = method.split('#').next().into();
        let mut options = SignOptions::new(suite, method.clone(), NOW);
        options.existing = credlog_credential::ExistingProofs::Keep;
        for number in 0..8 {
            options.id = Some(format!("urn:uuid:0f6f2a4d-0000-4000-8000-1{number:011}"));
            document = sign(document, &key, &options).unwrap();
            options.previous_proofs = options.id.iter().cloned().collect();
        }
        let report = verify_document(&document, "assertionMethod", NOW, &NoKeys);
        assert_eq!(report.outcome(), Outcome::Valid, "{report:?}");
        // The last link is one form too many.
        document = sign(document, &key, &{
            options.id = None;
            options
        })
        .unwrap();
        let report = verify_document(&document, "assertionMethod", NOW, &NoKeys);
        assert_eq!(report.outcome(), Outcome::Unknown, "{report:?}");
    }
}

/// Any of the keys `key 0` to `key N` may be meant by any method.
struct AnyOf(usize);

impl KeyResolver for AnyOf {
    fn resolve(&self, _verification_method: &str) -> Option<ResolvedKey> {
        None
    }

    fn candidates(&self, _verification_method: &str) -> Option<Candidates> {
        let key = |number: usize| {
            let (_, method) = fixtures::key(&format!("key {number}"));
            multikey::decode(method.split('#').nth(1).unwrap()).unwrap()
        };
        Some(Candidates {
            controller: "did:web:a.example".into(),
            keys: (0..self.0).map(key).collect(),
        })
    }
}

#[test]
fn a_method_that_names_no_key_is_tried_with_every_key_over_one_hash() {
    let (key, _) = fixtures::key("key 30");
    let options = SignOptions::new(Suite::EDDSA_RDFC_2022, "did:web:a.example#key-1", NOW);
    let mut document = sign(badge(), &key, &options).unwrap();
    let verify = |document: &Value, keys: usize| {
        verify_document(document, "assertionMethod", NOW, &AnyOf(keys))
    };
    let report = verify(&document, 31);
    assert_eq!(report.outcome(), Outcome::Valid, "{report:?}");
    let found = report.proofs[0].key.clone().unwrap();
    assert_eq!(found.controller.as_deref(), Some("did:web:a.example"));
    assert_eq!(found.source, KeySource::Registry);
    assert_eq!(found.multikey, key.public().to_string());

    // None of all keys: bad. Not all were tried: not known.
    let report = verify(&document, 30);
    assert_eq!(report.first_error(), Some(&ProofError::InvalidSignature));
    let proof = document["proof"].clone();
    document["proof"] = json!(vec![proof; PROOFS_MAX]);
    let report = soon("keys of others", || verify(&document, 30));
    let last = report.proofs.last().unwrap().result.clone();
    assert!(
        matches!(last, Err(ProofError::KeysUntried { tried: 0, .. })),
        "{last:?}"
    );
    assert!(Credential::from_json(document).is_ok());
}

#[test]
fn texts_that_are_too_deep_too_long_or_too_full_are_refused_as_they_are_read() {
    let many = |value: &str, times: usize| format!("[{}0]", value.repeat(times));
    let names = |count: usize| {
        (0..count)
            .map(|i| format!("\"{i}\":0,"))
            .collect::<String>()
    };
    for (name, text) in [
        ("4 MB deep", "[".repeat(4_000_000)),
        ("4 MB deep objects", "{\"a\":".repeat(800_000)),
        ("10 MB", " ".repeat(10_000_000)),
        ("4 MB of numbers", many("0,", 2_000_000)),
        ("4 MB of arrays", many("[],", 1_300_000)),
        ("4 MB of objects", many("{\"a\":{}},", 400_000)),
        ("4 MB of names", format!("{{{}\"a\":0}}", names(350_000))),
        (
            "4 MB of one number",
            format!("[0.{}]", "1234567890".repeat(400_000)),
        ),
    ] {
        assert!(read_soon(name, text.as_bytes()).is_none(), "{name}");
    }
    let spaced = format!("{}{}", badge(), " ".repeat(3_900_000));
    assert!(read_soon("4 MB of space", spaced.as_bytes()).is_some());
}

const PART: &str = "https://a.example/part";

/// Every word of every built-in context: with them in a document, no context is cut down.
fn all_words() -> Value {
    fn collect(value: &Value, words: &mut BTreeSet<String>) {
        for (name, value) in value.as_object().into_iter().flatten() {
            words.insert(name.clone());
            collect(value, words);
        }
    }
    let mut words = BTreeSet::new();
    for context in BUILT_IN {
        let document: Value = serde_json::from_slice(context.document).unwrap();
        collect(&document["@context"], &mut words);
    }
    words.retain(|word| !word.starts_with('@'));
    json!(words)
}

/// Documents that are small, and costly to make canonical.
fn poison() -> Vec<(String, Value)> {
    fn tree(depth: usize) -> Value {
        match depth {
            0 => json!({"https://a.example/x": "y"}),
            _ => json!({"https://a.example/l": [tree(depth - 1), tree(depth - 1)]}),
        }
    }
    let evidence = |value: Value| {
        let mut document = badge();
        document["https://a.example/evidence"] = value;
        document
    };
    let mut poison = Vec::new();
    for count in [10, 50, 100, 200, 400, 800] {
        let alike = json!(vec![json!({PART: {}}); count]);
        poison.push((format!("{count} look-alikes"), evidence(alike)));
        let pairs = json!(vec![json!({PART: [{PART: {}}, {PART: {}}]}); count]);
        poison.push((format!("{count} look-alike pairs"), evidence(pairs)));
    }
    for depth in 2..10 {
        poison.push((format!("a tree of depth {depth}"), evidence(tree(depth))));
    }
    let mut nested = json!({"name": "x"});
    for _ in 0..57 {
        nested = json!({"https://a.example/n": nested, "type": "Achievement"});
    }
    poison.push(("a deep chain".into(), evidence(nested.clone())));
    poison.push(("15 deep chains".into(), evidence(json!(vec![nested; 15]))));
    let clique = |i: usize| {
        let others = (0..8).filter(|j| *j != i);
        let links: Vec<_> = others.map(|j| json!({"id": format!("_:b{j}")})).collect();
        json!({"id": format!("_:b{i}"), PART: links})
    };
    poison.push(("a clique".into(), evidence((0..8).map(clique).collect())));
    let lists = json!(vec![json!({"https://a.example/p": vec!["x"; 1_000]}); 9]);
    poison.push(("long arrays".into(), evidence(lists)));
    let long =
        (0..900).map(|i| json!({"id": format!("https://a.example/{i}{}", "x".repeat(1_000))}));
    poison.push(("long identifiers".into(), evidence(long.collect())));
    // What a statement repeats, times the statements: gigabytes of a megabyte.
    let far = format!("https://a.example/{}", "x".repeat(600_000));
    let many = json!((0..3_000).collect::<Vec<_>>());
    poison.push(("a long property".into(), evidence(json!({&far: many}))));
    let subject = json!({"id": far, "https://a.example/p": many});
    poison.push(("a long subject".into(), evidence(subject)));
    let mut defined = badge();
    let contexts = defined["@context"].as_array_mut().unwrap();
    contexts.push(json!({"own": far}));
    defined["own"] = many;
    poison.push(("a long definition".into(), defined));
    // Two that look alike, with many orders of the neighbours that a long property names.
    let far = format!("https://a.example/{}", "x".repeat(200_000));
    let alike = json!({&far: vec![json!({"https://a.example/q": "x"}); 6]});
    poison.push(("long look-alikes".into(), evidence(json!(vec![alike; 2]))));
    let mut names = badge();
    for i in 0..5_000 {
        names[format!("https://a.example/{i}")] = "x".into();
    }
    poison.push(("many names".into(), names));
    poison
}

/// Documents whose contexts are read again and again.
fn contextual() -> Vec<(String, Value)> {
    const OB: &str = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json";
    const V2: &str = "https://www.w3.org/ns/credentials/v2";
    let own = |count: usize| -> serde_json::Map<String, Value> {
        let term = |i| (format!("own{i}"), format!("https://a.example/{i}").into());
        (0..count).map(term).collect()
    };
    let mut documents = Vec::new();
    for count in [2, 5, 10, 31, 400, 15_000] {
        for words in [json!("x"), all_words()] {
            let mut document = badge();
            document["@context"] = [V2].into_iter().chain(vec![OB; count]).collect();
            document["credentialSubject"]["achievement"]["tag"] = words;
            documents.push((format!("{count} contexts"), document));
        }
    }
    let types = [
        "Achievement",
        "VerifiablePresentation",
        "OpenBadgeCredential",
        "Profile",
    ];
    for count in [10, 40, 80, 160, 300, 900] {
        for words in [json!("x"), all_words()] {
            let mut document = badge();
            document["credentialSubject"]["achievement"]["tag"] = words;
            let typed = (0..count).map(|i| json!({"type": types, "name": i.to_string()}));
            document["evidence"] = typed.collect();
            documents.push((format!("4 types {count} times"), document));
        }
    }
    let mut inline = badge();
    inline["@context"]
        .as_array_mut()
        .unwrap()
        .push(own(500).into());
    documents.push(("500 own terms".into(), inline));
    for (word, used) in [
        ("OwnType", json!(vec![json!({"type": "OwnType"}); 400])),
        (
            "own",
            json!(vec![json!({"own": {"own": {"own": {"own": {}}}}}); 200]),
        ),
    ] {
        let mut document = badge();
        let scoped = json!({word: {"@id": "https://a.example/own", "@context": own(200)}});
        document["@context"].as_array_mut().unwrap().push(scoped);
        document["https://a.example/evidence"] = used;
        documents.push((format!("a context at each {word}"), document));
    }
    let mut each = badge();
    each["https://a.example/evidence"] = json!(vec![json!({"@context": OB, "name": "x"}); 400]);
    documents.push(("a context in each object".into(), each));
    documents
}

/// Alone, in chains that sign it again and again, and with canonical JSON.
#[test]
fn poison_costs_little_however_often_it_is_signed() {
    for (name, document) in poison().into_iter().chain(contextual()) {
        for links in [1, PROOFS_MAX] {
            let mut chained = chain(document.clone(), Suite::EDDSA_RDFC_2022);
            chained["proof"].as_array_mut().unwrap().truncate(links);
            let report = read_soon(
                &format!("{name}, {links} links"),
                chained.to_string().as_bytes(),
            );
            let report = report.unwrap_or_else(|| panic!("{name} is refused before its proofs"));
            assert_ne!(report.outcome(), Outcome::Valid, "{name}");
        }
        let chained = chain(document, Suite::EDDSA_JCS_2022);
        read_soon(&format!("{name}, as JSON"), chained.to_string().as_bytes());
    }
}

/// What is large and honest is checked: a learner record of 50 badges, and a badge with the
/// evidence of a whole school.
#[test]
fn large_documents_without_tricks_are_checked() {
    let (key, method) = fixtures::key("issuer");
    let mut record = fixtures::json("vectors/1edtech-clr/signed.json");
    record.as_object_mut().unwrap().remove("proof");
    let inner = record["credentialSubject"]["verifiableCredential"][0].clone();
    let numbered = |i: usize| {
        let mut inner = inner.clone();
        inner["id"] = format!("urn:uuid:91537dba-56cb-11ec-bf63-{i:012}").into();
        inner["proof"][0]["created"] = format!("2010-01-01T19:00:{i:02}Z").into();
        inner
    };
    record["credentialSubject"]["verifiableCredential"] = (0..50).map(numbered).collect();
    let mut school = badge();
    let evidence = |i: usize| {
        json!({
            "id": format!("https://university-a.example/evidence/{i}"),
            "type": ["Evidence"],
            "name": format!("Work {i}"),
            "description": "What was done and how it was judged. ".repeat(5),
        })
    };
    school["evidence"] = (0..400).map(evidence).collect();
    for (name, document) in [("a record of 50 badges", record), ("400 works", school)] {
        let options = SignOptions::new(Suite::EDDSA_RDFC_2022, method.clone(), NOW);
        let signed = sign(document, &key, &options).unwrap().to_string();
        let report = read_soon(
            &format!("{name}, {} bytes", signed.len()),
            signed.as_bytes(),
        );
        assert_eq!(report.unwrap().outcome(), Outcome::Valid, "{name}");
    }
}

/// Images that are as large as they may be, or pretend to hold much.
#[test]
fn large_images_are_read_at_once() {
    let chunk = |kind: &[u8], data: &[u8]| {
        let body = [kind, data].concat();
        let length = u32::try_from(data.len()).unwrap().to_be_bytes();
        let sum = crc32fast::hash(&body).to_be_bytes();
        [&length[..], &body, &sum].concat()
    };
    let png = |inside: Vec<u8>| {
        let header = chunk(b"IHDR", &[0; 13]);
        [
            &b"\x89PNG\r\n\x1a\n"[..],
            &header,
            &inside,
            &chunk(b"IEND", &[]),
        ]
        .concat()
    };
    let keyword = b"openbadgecredential\0\x01\0\0\0";
    let mut bomb = ZlibEncoder::new(Vec::new(), Compression::best());
    bomb.write_all(&vec![b' '; 64 << 20]).unwrap();
    let bomb = [&keyword[..], &bomb.finish().unwrap()].concat();
    let svg = |inside: String| format!("<svg>{inside}</svg>").into_bytes();
    let names: String = (0..120).map(|i| format!(" xmlns:p{i}='a'")).collect();
    for (name, image) in [
        ("8 MB of PNG", png(chunk(b"IDAT", &vec![7; 8_300_000]))),
        ("chunks", png(chunk(b"tEXt", &[b'a'; 800]).repeat(9_990))),
        ("a bomb", png(chunk(b"iTXt", &bomb))),
        ("elements", svg("<a/>".repeat(2_000_000))),
        ("depth", svg("<a>".repeat(60_000))),
        (
            "names",
            svg(format!(
                "<p119:a{names}>{}</p119:a>",
                "<p0:a/>".repeat(1_000_000)
            )),
        ),
        (
            "attributes",
            svg(format!("<a {}/>", "b='' ".repeat(1_500_000))),
        ),
        (
            "many attributes",
            svg(format!(
                "<credential xmlns='https://purl.imsglobal.org/ob/v3p0' {}/>",
                (0..500_000)
                    .map(|i| format!("b{i}='' "))
                    .collect::<String>()
            )),
        ),
        (
            "references",
            svg(format!("<g>{}</g>", "&lt;".repeat(2_000_000))),
        ),
        ("comments", svg("<!---->".repeat(1_100_000))),
        (
            "declarations",
            format!(
                "<!DOCTYPE svg [{}]><svg></svg>",
                "<!ELEMENT a ANY>".repeat(500_000)
            )
            .into_bytes(),
        ),
        ("one text", svg("x".repeat(8_000_000))),
    ] {
        assert!(image.len() <= IMAGE_BYTES_MAX || name == "a bomb", "{name}");
        let refused = soon(&format!("unbake: {name}"), || unbake(&image));
        assert!(refused.is_err(), "{name}");
    }
}

/// A presentation of many poison credentials was as many times the work of one.
#[test]
fn credentials_that_come_together_share_the_work() {
    let poison = || {
        let links: Vec<Value> = (0..40)
            .map(|at| json!({"type": "Thing", "link": {"type": "Thing", "at": at % 2}}))
            .collect();
        json!({
            "@context": ["https://www.w3.org/ns/credentials/v2",
                {"@vocab": "https://example.org/#"}],
            "type": ["VerifiableCredential"],
            "issuer": "did:example:a",
            "credentialSubject": {"things": links},
            "proof": {
                "type": "DataIntegrityProof",
                "cryptosuite": "eddsa-rdfc-2022",
                "created": "2026-01-01T00:00:00Z",
                "verificationMethod": "did:key:z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2",
                "proofPurpose": "assertionMethod",
                "proofValue": format!("z{}", "1".repeat(64)),
            },
        })
    };
    let unknown = |count: usize| {
        let presentation = json!({
            "@context": ["https://www.w3.org/ns/credentials/v2"],
            "type": "VerifiablePresentation",
            "verifiableCredential": vec![poison(); count],
        });
        let presentation = Presentation::from_json(presentation).unwrap();
        let credentials = presentation.credentials().iter().flatten();
        credentials
            .filter(|one| {
                verify_proofs(one, OffsetDateTime::UNIX_EPOCH, &NoRegistry).outcome()
                    == Outcome::Unknown
            })
            .count()
    };
    assert_eq!(unknown(1), 0, "one alone is within its budget");
    assert_eq!(unknown(100), 100);
}
