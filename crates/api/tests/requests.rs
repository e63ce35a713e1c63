//! Hostile and honest requests: the framing of records, requests to verify, times, positions.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests fail the test

use credlog_api::submission::{
    FramingError, RECORDS_BYTES_MAX, RECORDS_MAX, SubmitQuery, decode_records, encode_records,
};
use credlog_api::verification::{
    CredentialQuery, Positions, RequestSubject, STATUS_LISTS_MAX, VerifyRequestError,
};
use credlog_api::{PageQuery, Time, VerifyRequest, Wait, path};
use credlog_ledger::ids::UnixMillis;
use credlog_ledger::record::RECORD_BYTES_MAX;
use proptest::prelude::*;
use serde_json::json;

fn cases() -> ProptestConfig {
    let long = std::env::var("CREDLOG_TEST_LONG").is_ok();
    ProptestConfig::with_cases(if long { 5_000 } else { 256 })
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn framed_records_read_back(
        records in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..300), 1..40),
    ) {
        let bytes = encode_records(&records).unwrap();
        // Four bytes of length, big-endian, before each.
        let expected: Vec<u8> = records
            .iter()
            .flat_map(|record| {
                let length = u32::try_from(record.len()).unwrap().to_be_bytes();
                length.into_iter().chain(record.iter().copied())
            })
            .collect();
        prop_assert_eq!(&bytes, &expected);
        prop_assert_eq!(decode_records(&bytes).unwrap(), records);
    }

    #[test]
    fn any_bytes_are_refused_or_are_exactly_what_is_written_again(
        bytes in proptest::collection::vec(prop_oneof![3 => Just(0_u8), 1 => any::<u8>()], 0..200),
    ) {
        if let Ok(records) = decode_records(&bytes) {
            prop_assert_eq!(encode_records(&records).unwrap(), bytes);
        }
    }

    #[test]
    fn cut_off_records_are_refused(
        records in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 1..5),
        cut in any::<prop::sample::Index>(),
    ) {
        let bytes = encode_records(&records).unwrap();
        let cut = cut.index(bytes.len());
        match decode_records(&bytes[..cut]) {
            // Cut between two records: the first ones are whole.
            Ok(read) => prop_assert_eq!(&records[..read.len()], read.as_slice()),
            Err(FramingError::Truncated { .. } | FramingError::Empty) => {}
            Err(other) => prop_assert!(false, "{other}"),
        }
    }

    #[test]
    fn times_read_back(millis in 0..=253_402_300_799_999_u64) {
        let time = Time::from(UnixMillis(millis));
        prop_assert_eq!(time.unix_millis(), UnixMillis(millis));
        let text = time.to_string();
        prop_assert_eq!(text.len(), 24);
        prop_assert_eq!(text.parse::<Time>().unwrap(), time);
    }

    #[test]
    fn times_order_as_their_texts(
        a in 0..=253_402_300_799_999_u64,
        b in 0..=253_402_300_799_999_u64,
    ) {
        let (a, b) = (Time::from(UnixMillis(a)), Time::from(UnixMillis(b)));
        prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,60}") {
        let _ = text.parse::<Time>();
        let _ = VerifyRequest::parse(text.as_bytes(), None);
        if let Ok(positions) = Positions::try_from(text.clone()) {
            prop_assert_eq!(String::from(positions), text);
        }
    }

    #[test]
    fn encoded_paths_decode_to_what_they_were(text in ".{0,60}") {
        let encoded = path::percent_encode(&text);
        prop_assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)));
        prop_assert_eq!(percent_decode(&encoded), text);
    }
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let hex = std::str::from_utf8(&after[..2]).unwrap();
            bytes.push(u8::from_str_radix(hex, 16).unwrap());
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn limits_of_framed_records() {
    assert_eq!(encode_records::<Vec<u8>>(&[]), Err(FramingError::Empty));
    assert_eq!(decode_records(&[]), Err(FramingError::Empty));
    let empty = FramingError::Length { at: 0, length: 0 };
    assert_eq!(encode_records(&[b""]), Err(empty.clone()));
    assert_eq!(decode_records(&[0; 4]), Err(empty));
    let long = vec![0; RECORD_BYTES_MAX + 1];
    let length = long.len();
    assert_eq!(
        encode_records(&[long]),
        Err(FramingError::Length { at: 0, length })
    );
    // A length of 4 GiB is refused before anything is read.
    let huge = decode_records(&[0xff; 8]);
    assert_eq!(
        huge,
        Err(FramingError::Length {
            at: 0,
            length: 0xffff_ffff
        })
    );

    let many = vec![[7_u8]; RECORDS_MAX];
    assert_eq!(
        decode_records(&encode_records(&many).unwrap())
            .unwrap()
            .len(),
        RECORDS_MAX
    );
    let too_many = vec![[7_u8]; RECORDS_MAX + 1];
    assert_eq!(encode_records(&too_many), Err(FramingError::TooMany));
    let bytes: Vec<u8> = too_many.iter().flat_map(|_| [0, 0, 0, 1, 7]).collect();
    assert_eq!(decode_records(&bytes), Err(FramingError::TooMany));

    let heavy = vec![vec![0; RECORD_BYTES_MAX]; RECORDS_BYTES_MAX / RECORD_BYTES_MAX + 1];
    assert!(matches!(
        encode_records(&heavy),
        Err(FramingError::TooLong { .. })
    ));
    let bytes = vec![0; RECORDS_BYTES_MAX + 1];
    assert!(matches!(
        decode_records(&bytes),
        Err(FramingError::TooLong { .. })
    ));
}

fn parse(body: &serde_json::Value) -> Result<VerifyRequest, VerifyRequestError> {
    VerifyRequest::parse(body.to_string().as_bytes(), None)
}

/// The least that has the form of a credential.
fn credential() -> serde_json::Value {
    json!({
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "type": ["VerifiableCredential"],
        "issuer": "did:example:a",
        "credentialSubject": {"id": "did:example:h"},
        "digest": "a term of its own",
        "at": 7,
    })
}

fn document(request: &VerifyRequest) -> serde_json::Value {
    match &request.subject {
        RequestSubject::Document(opened) => opened.secured(),
        RequestSubject::Digest(_) => panic!("{request:?}"),
    }
}

#[test]
fn the_forms_of_a_request_are_told_apart() {
    let credential = credential();
    let request = parse(&credential).unwrap();
    assert_eq!(document(&request), credential);
    assert_eq!(request.at, None);

    let wrapped = json!({
        "credential": credential,
        "at": "2026-11-21T10:00:00Z",
        "statusLists": [{}],
        "challenge": "c",
    });
    let request = parse(&wrapped).unwrap();
    assert_eq!(document(&request), credential);
    assert_eq!(request.handed_over.status_lists.len(), 1);
    assert_eq!(request.handed_over.challenge.as_deref(), Some("c"));
    assert_eq!(request.at.unwrap().to_string(), "2026-11-21T10:00:00.000Z");

    let digest = "d1".repeat(32);
    let request = parse(&json!({"digest": digest})).unwrap();
    let RequestSubject::Digest(subject) = request.subject else {
        panic!("{request:?}");
    };
    assert_eq!(subject.digest.to_string(), digest);
    assert!(subject.issuer.is_none() && !subject.proof_checked_elsewhere);

    let mut presentation = json!({
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "type": "VerifiablePresentation",
        "verifiableCredential": [credential],
    });
    for body in [presentation.clone(), json!({"presentation": presentation})] {
        let request = parse(&body).unwrap();
        assert_eq!(document(&request), presentation, "{body}");
    }
    presentation["type"] = json!("VerifiableCredential");
    assert!(parse(&presentation).is_err());
}

#[test]
fn a_line_is_a_request_a_digest_or_a_jws() {
    let line = |line: &str| VerifyRequest::parse_line(line.as_bytes());
    let digest = "d1".repeat(32);
    for text in [
        format!("\"{digest}\""),
        json!({"digest": digest}).to_string(),
    ] {
        let request = line(&text).unwrap();
        assert!(
            matches!(request.subject, RequestSubject::Digest(_)),
            "{text}"
        );
    }
    assert_eq!(
        document(&line(&credential().to_string()).unwrap()),
        credential()
    );
    for bad in ["", "7", "[]", "\"d1\"", "\"eyJ.eyJ.AA\"", "{}", "{} {}"] {
        assert!(line(bad).is_err(), "{bad}");
    }
}

#[test]
fn what_is_no_request_is_refused() {
    let digest = "d1".repeat(32);
    for body in [
        json!({}),
        json!([]),
        json!("d1"),
        json!({"digest": digest, "credential": credential()}),
        json!({"statusLists": []}),
    ] {
        let refused = parse(&body).unwrap_err();
        assert_eq!(refused, VerifyRequestError::Form, "{body}");
    }
    for body in [
        json!({"credential": "text"}),
        json!({"credential": 7}),
        json!({"@context": ["x"]}),
    ] {
        let refused = parse(&body).unwrap_err();
        assert!(matches!(refused, VerifyRequestError::Document(_)), "{body}");
        assert_eq!(refused.problem().code(), Some("malformed-credential"));
    }
    for body in [
        json!({"digest": digest.to_uppercase()}),
        json!({"digest": "d1"}),
        json!({"digest": digest, "At": "2026-11-21T10:00:00Z"}),
        json!({"digest": digest, "at": "yesterday"}),
        json!({"digest": digest, "at": 1_795_255_200_000_u64}),
        json!({"digest": digest, "issuer": "University A"}),
        json!({"credential": credential(), "digests": []}),
    ] {
        let refused = parse(&body);
        assert!(
            matches!(refused, Err(VerifyRequestError::Property(_))),
            "{body}: {refused:?}"
        );
    }
    // Anyone can register a digest: a proof that was checked says nothing about a match of
    // somebody else, and without the issuer the only match used to count.
    let body = json!({"digest": digest, "proofCheckedElsewhere": true});
    let refused = parse(&body).unwrap_err();
    assert_eq!(refused, VerifyRequestError::IssuerMissing);
    let problem = refused.problem();
    assert_eq!(
        (problem.status, problem.code()),
        (400, Some("invalid-parameter"))
    );
    assert!(problem.detail.contains("`issuer`"), "{}", problem.detail);

    let lists = vec![json!({}); STATUS_LISTS_MAX + 1];
    let refused = parse(&json!({"credential": credential(), "statusLists": lists}));
    let refused = refused.unwrap_err();
    assert!(matches!(refused, VerifyRequestError::TooMany { count, .. } if count == lists.len()));
    // Two digests in one body: which one a parser takes is chance.
    let twice = format!(
        r#"{{"digest": "{digest}", "digest": "{}"}}"#,
        "d2".repeat(32)
    );
    let refused = VerifyRequest::parse(twice.as_bytes(), None);
    assert!(
        matches!(refused, Err(VerifyRequestError::Json(_))),
        "{refused:?}"
    );
}

#[test]
fn queries_are_strict() {
    let wait = |value: &str| serde_json::from_value::<SubmitQuery>(json!({"wait": value}));
    assert_eq!(wait("none").unwrap().wait, Wait::None);
    assert_eq!(
        serde_json::from_value::<SubmitQuery>(json!({}))
            .unwrap()
            .wait,
        Wait::Committed
    );
    assert!(wait("no").is_err());
    assert!(serde_json::from_value::<PageQuery>(json!({"offset": 1})).is_err());
    for (limit, good) in [
        (None, true),
        (Some(1), true),
        (Some(1_000), true),
        (Some(0), false),
    ] {
        let page = PageQuery { after: None, limit };
        assert_eq!(page.limit().is_ok(), good, "{limit:?}");
    }
    assert!(
        PageQuery {
            after: None,
            limit: Some(1_001)
        }
        .limit()
        .is_err()
    );
    let query = |positions: &str| {
        serde_json::from_value::<CredentialQuery>(json!({"positions": positions}))
    };
    assert_eq!(
        query("3.17,0.131071").unwrap().positions.unwrap().0.len(),
        2
    );
    for bad in [
        "",
        "3",
        "3.131072",
        "03.1",
        "3.1,",
        "-1.1",
        "1.1,1.1,1.1,1.1,1.1,1.1,1.1,1.1,1.1",
    ] {
        assert!(query(bad).is_err(), "{bad}");
    }
}
