//! Properties that hold for any input, above all hostile input.
//!
//! CREDLOG_TEST_LONG=1 raises the number of cases.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where it goes wrong"
)]

mod fixtures;

use credlog_credential::json::{jcs, parse_strict};
use credlog_credential::status::{Bitstring, POSITIONS_MIN};
use credlog_credential::{
    Credential, JsonError, Limits, Multikey, NoRegistry, Outcome, StatusEntry, digest, digest_jws,
    multikey, verify_document,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use time::macros::datetime;

fn cases(usual: u32) -> ProptestConfig {
    let long = std::env::var_os("CREDLOG_TEST_LONG").is_some();
    let cases = if long { usual * 50 } else { usual };
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// A name as it could stand in a credential, or in an attack on one.
fn name() -> impl Strategy<Value = String> {
    let known = [
        "id",
        "type",
        "name",
        "description",
        "achievement",
        "evidence",
        "credentialStatus",
        "validUntil",
        "image",
        "creator",
        "tag",
        "jsonSchema",
        "proof",
        "allowedValue",
        "@id",
        "@type",
        "@value",
        "@language",
        "@list",
        "@set",
        "@graph",
        "@reverse",
        "@none",
        "@included",
        "@nest",
        "@index",
        "@context",
        "@vocab",
        "@base",
        "@foo",
        "@",
        "two words",
        "https://a.example/x",
        "https://schema.org/name",
        "sec:proof",
        "_:b0",
        "",
        "https://www.w3.org/2018/credentials#validUntil",
    ];
    let known = prop::sample::select(known.to_vec()).prop_map(str::to_owned);
    prop_oneof![3 => known, 1 => any::<String>()]
}

/// Any JSON value, with names and texts that mean something to JSON-LD.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-(1_i64 << 53) + 1..1_i64 << 53).prop_map(Value::from),
        (-1e15..1e15).prop_map(Value::from),
        name().prop_map(Value::from),
        Just(json!("https://www.w3.org/ns/credentials/examples/v2")),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// JSON text of a value with its members in another order and white space wherever it may be.
fn written_otherwise(value: &Value, seed: &mut u64) -> String {
    *seed = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    let space = [" ", "", "\n", "\t ", "\r\n", "", "", "  "][(*seed >> 61) as usize];
    match value {
        Value::Array(items) => {
            let items: Vec<_> = items
                .iter()
                .map(|item| written_otherwise(item, seed))
                .collect();
            format!("{space}[{}{space}]", items.join(","))
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members
                .iter()
                .map(|(name, value)| {
                    format!(
                        "{space}{}{space}:{}",
                        json!(name),
                        written_otherwise(value, seed)
                    )
                })
                .collect();
            let turn = (*seed >> 33) as usize % members.len().max(1);
            members.rotate_left(turn);
            members.reverse();
            format!("{space}{{{}{space}}}", members.join(","))
        }
        scalar => format!("{space}{scalar}{space}"),
    }
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn any_bytes_are_json_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(parse_strict(&bytes, Limits::DEFAULT));
        drop(Credential::parse(&bytes));
    }

    #[test]
    fn nearly_json_is_json_or_refused(text in r#"[\[\]{}",:0-9eE.\-+a\\u dDtruefalsn]{0,60}"#) {
        let strict = parse_strict(text.as_bytes(), Limits::DEFAULT);
        // Whatever is accepted is JSON to another parser too, and means the same.
        if let Ok(value) = strict {
            prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        }
    }

    #[test]
    fn canonical_bytes_do_not_depend_on_order_or_white_space(value in value(), seed: u64) {
        let canonical = jcs(&value);
        let other = written_otherwise(&value, &mut { seed });
        match parse_strict(other.as_bytes(), Limits::DEFAULT) {
            Ok(read) => {
                prop_assert_eq!(&jcs(&read), &canonical);
                prop_assert_eq!(digest(&read), digest(&value));
                let again = parse_strict(&canonical, Limits::DEFAULT).unwrap();
                prop_assert_eq!(jcs(&again), canonical);
            }
            Err(JsonError::Noncharacter { .. }) => {}
            Err(error) => prop_assert!(false, "{error}: {other}"),
        }
    }

    #[test]
    fn a_repeated_name_is_refused(value in value(), name in "[a-z]{0,3}", at: prop::sample::Index) {
        let inner = format!(r#"{{"{name}":1,"x{name}":2,"{name}":3}}"#);
        let marked = insert(value, "marker", json!("@@here@@"), at);
        let text = marked.to_string().replace(r#""@@here@@""#, &inner);
        let refused = parse_strict(text.as_bytes(), Limits::DEFAULT);
        let other_reason = matches!(refused, Err(JsonError::Noncharacter { .. }));
        let repeated = Err(JsonError::DuplicateName { name });
        prop_assert!(other_reason || refused == repeated);
    }

    #[test]
    fn multikeys_come_back(
        bytes: [u8; 32],
        x: [u8; 32],
        rsa in prop::collection::vec(any::<u8>(), 1..600),
    ) {
        let mut point = [2; 33];
        point[1..].copy_from_slice(&x);
        for key in [Multikey::Ed25519(bytes), Multikey::P256(point), Multikey::Rsa(rsa)] {
            prop_assert_eq!(multikey::decode(&key.to_string()), Ok(key));
        }
        prop_assert!(multikey::encode_ed25519(&bytes).starts_with("z6Mk"));
    }

    #[test]
    fn any_text_is_a_multikey_or_refused(text in "z?[1-9A-Za-z]{0,80}") {
        if let Ok(key) = multikey::decode(&text) {
            prop_assert_eq!(key.to_string(), text);
        }
    }

    #[test]
    fn any_status_entry_is_read_or_refused(
        mut entry in prop::collection::btree_map(name(), value(), 0..4),
        index in value(),
    ) {
        entry.insert("type".into(), json!("BitstringStatusListEntry"));
        entry.insert("statusPurpose".into(), json!("revocation"));
        entry.insert("statusListCredential".into(), json!("https://ledger.example/1"));
        entry.insert("statusListIndex".into(), index);
        let entry = Value::Object(entry.into_iter().collect());
        let entry = StatusEntry::from_json(&entry).unwrap();
        drop(entry.bitstring());
    }

    #[test]
    fn any_encoded_list_is_read_or_refused(text in "u?(H4sI)?[A-Za-z0-9_-]{0,80}") {
        drop(Bitstring::decode(&text));
    }
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn status_lists_come_back(
        set in prop::collection::btree_set(0..POSITIONS_MIN, 0..300),
        extra in 0_u64..100_000,
    ) {
        let mut bits = Bitstring::new(POSITIONS_MIN + extra).unwrap();
        for index in &set {
            bits.set(*index, true).unwrap();
        }
        let read = Bitstring::decode(&bits.encode()).unwrap();
        prop_assert_eq!(&read, &bits);
        let found: std::collections::BTreeSet<u64> =
            (0..read.positions()).filter(|index| read.bit(*index).unwrap()).collect();
        prop_assert_eq!(found, set);
    }
}

fn verify(document: &Value) -> Outcome {
    let now = datetime!(2026-11-22 12:00 UTC);
    verify_document(document, "assertionMethod", now, &NoRegistry).outcome()
}

/// Every object of a document, by its JSON pointer.
fn objects(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            found.push(path.to_owned());
            for (name, value) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                objects(value, &format!("{path}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                objects(item, &format!("{path}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// The document with a member more in one of its objects.
fn insert(mut document: Value, name: &str, value: Value, at: prop::sample::Index) -> Value {
    let mut paths = Vec::new();
    objects(&document, "", &mut paths);
    if paths.is_empty() {
        return json!({ name: value });
    }
    let path = &paths[at.index(paths.len())];
    let object = document
        .pointer_mut(path)
        .and_then(Value::as_object_mut)
        .unwrap();
    object.insert(name.to_owned(), value);
    document
}

/// What is left of a value without all that says nothing in JSON-LD: `null`, arrays of it, and
/// contexts, which rename but do not say.
fn spoken(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Array(items) => {
            let items: Vec<_> = items.iter().filter_map(spoken).collect();
            (!items.is_empty()).then_some(Value::Array(items))
        }
        Value::Object(members) if members.get("@value").is_some_and(Value::is_null) => None,
        Value::Object(members) => {
            let members = members.iter().filter(|(name, _)| *name != "@context");
            let said = members.filter_map(|(name, v)| Some((name.clone(), spoken(v)?)));
            Some(Value::Object(said.collect::<Map<_, _>>()))
        }
        scalar => Some(scalar.clone()),
    }
}

proptest! {
    #![proptest_config(cases(1_000))]

    /// The safe mode: nothing that says something can be added anywhere without being noticed.
    #[test]
    fn nothing_can_be_added_to_a_signed_credential(
        name in name(),
        value in value(),
        at: prop::sample::Index,
        suite in 0_usize..3,
    ) {
        let file = [
            "samples/01-valid-ob3-eddsa-rdfc-2022.json",
            "samples/03-valid-ob3-eddsa-jcs-2022.json",
            "vectors/w3c-vc-di-eddsa/proof-set-chain/signedProofChain2.json",
        ][suite];
        let signed = fixtures::json(file);
        let changed = insert(signed.clone(), &name, value, at);
        if verify(&changed) == Outcome::Valid {
            prop_assert_eq!(spoken(&changed), spoken(&signed));
        }
    }

    /// Changed bytes are another text of the same JSON, or they do not verify.
    #[test]
    fn no_changed_byte_passes(at: prop::sample::Index, byte: u8, jcs: bool) {
        let file = if jcs {
            "samples/03-valid-ob3-eddsa-jcs-2022.json"
        } else {
            "samples/01-valid-ob3-eddsa-rdfc-2022.json"
        };
        let text = fixtures::read(file);
        let original = Credential::parse(&text).unwrap();
        let mut changed = text;
        let position = at.index(changed.len());
        changed[position] = byte;
        if let Ok(credential) = Credential::parse(&changed)
            && credential.document() != original.document()
        {
            prop_assert_ne!(verify(credential.document()), Outcome::Valid);
            prop_assert_ne!(credential.digest(), original.digest());
        }
    }
}

/// Computed with the reference implementation's Python binding (blake3 1.x) over
/// `json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)`.
#[test]
fn golden_digests() {
    for (file, expected) in [
        (
            "samples/01-valid-ob3-eddsa-rdfc-2022.json",
            "489c3ffce5a03b556bf6158c92614109445b413353d4b79db9058d72b175a254",
        ),
        (
            "samples/03-valid-ob3-eddsa-jcs-2022.json",
            "e90ef1186b2e4cfbe3fe3583b7c6e192bdcac30a9da09287b89a3dd0de0111db",
        ),
        (
            "samples/status-list-revocation.json",
            "ad67ba8f9bdfe65851ae10331ee6fe19add042c5768d43acc370771b8bf2b669",
        ),
    ] {
        let credential = Credential::parse(&fixtures::read(file)).unwrap();
        assert_eq!(credential.digest().to_string(), expected, "{file}");
    }
    let empty = "dafb1984c0379ecacf8c2b764487db70b208fd49917fa8c0601aa206ed7d452a";
    assert_eq!(digest(&json!({})).to_string(), empty);
    let jws = "17d33a3e4ca684ecc87fe1d078206a58b7cb303e7b08c817715cd8c6d839a0cd";
    assert_eq!(digest_jws("eyJhbGciOiJFZERTQSJ9.e30.AA").to_string(), jws);
}
