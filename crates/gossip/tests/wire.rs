//! Properties of the bytes on the wire, and golden vectors.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may panic
#![allow(clippy::cast_possible_truncation)] // small numbers

use bytes::Bytes;
use credlog_gossip::wire::{self, Kind};
use credlog_gossip::{Request, Response};
use libp2p::futures::executor::block_on;
use libp2p::futures::io::Cursor;
use proptest::collection::vec;
use proptest::prelude::*;

fn request(bytes: &[u8]) -> std::io::Result<Request> {
    block_on(Request::read(&mut Cursor::new(bytes)))
}

fn response(bytes: &[u8]) -> std::io::Result<Response> {
    block_on(Response::read(&mut Cursor::new(bytes)))
}

#[test]
fn golden_vectors() {
    let ids = vec![[0xaa; 32], [0xbb; 32]];
    let both = format!("{}{}", "aa".repeat(32), "bb".repeat(32));
    let requests = [
        (Request::PendingIds, "01".to_owned()),
        (
            Request::PendingRecords(ids.clone()),
            format!("020002{both}"),
        ),
        (Request::Cosignatures, "03".to_owned()),
    ];
    for (message, expected) in requests {
        assert_eq!(hex::encode(message.to_bytes().unwrap()), expected);
        assert_eq!(request(&hex::decode(expected).unwrap()).unwrap(), message);
    }
    let batch = Bytes::from_static(b"\x00\x00\x00\x01x");
    let responses = [
        (Response::PendingIds(ids), format!("010002{both}")),
        (Response::PendingIds(Vec::new()), "010000".to_owned()),
        (
            Response::PendingRecords {
                served: 2,
                batch: batch.clone(),
            },
            "020002000000050000000178".to_owned(),
        ),
        (
            Response::Cosignatures(batch),
            "03000000050000000178".to_owned(),
        ),
    ];
    for (message, expected) in responses {
        assert_eq!(hex::encode(message.to_bytes().unwrap()), expected);
        assert_eq!(response(&hex::decode(expected).unwrap()).unwrap(), message);
    }
}

#[test]
fn lengths_over_a_limit_are_refused_before_anything_is_read() {
    // 513 ids asked for; 8,193 offered; a batch of 1 MiB and 1 byte. No byte of them follows,
    // so an error other than "unexpected end" shows that none was waited for.
    for (bytes, is_request) in [
        ([2, 0x02, 0x01].as_slice(), true),
        (&[1, 0x20, 0x01], false),
        (&[2, 0, 1, 0, 0x10, 0, 1], false),
        (&[3, 0xff, 0xff, 0xff, 0xff], false),
        (&[0], true),
        (&[4], false),
        (&[2, 0, 0], true),
    ] {
        let error = if is_request {
            request(bytes).unwrap_err()
        } else {
            response(bytes).unwrap_err()
        };
        assert_eq!(
            error.kind(),
            std::io::ErrorKind::InvalidData,
            "{bytes:02x?}"
        );
    }
}

#[test]
fn nothing_over_a_limit_is_written() {
    let ids = |count| vec![[0; 32]; count];
    assert!(
        Request::PendingRecords(ids(wire::REQUEST_IDS_MAX))
            .to_bytes()
            .is_ok()
    );
    assert!(
        Request::PendingRecords(ids(wire::REQUEST_IDS_MAX + 1))
            .to_bytes()
            .is_err()
    );
    assert!(Request::PendingRecords(ids(0)).to_bytes().is_err());
    assert!(
        Response::PendingIds(ids(wire::PENDING_IDS_MAX))
            .to_bytes()
            .is_ok()
    );
    assert!(
        Response::PendingIds(ids(wire::PENDING_IDS_MAX + 1))
            .to_bytes()
            .is_err()
    );
    assert!(Response::PendingIds(ids(70_000)).to_bytes().is_err());
    let batch = |bytes| Bytes::from(vec![0; bytes]);
    assert!(
        Response::Cosignatures(batch(wire::RESPONSE_BYTES_MAX))
            .to_bytes()
            .is_ok()
    );
    assert!(
        Response::Cosignatures(batch(wire::RESPONSE_BYTES_MAX + 1))
            .to_bytes()
            .is_err()
    );
}

fn cases() -> ProptestConfig {
    let long = std::env::var_os("CREDLOG_TEST_LONG").is_some();
    ProptestConfig::with_cases(if long { 20_000 } else { 500 })
}

fn packed(payloads: &[Vec<u8>]) -> Vec<u8> {
    let mut batch = Vec::new();
    for payload in payloads {
        batch.extend((payload.len() as u32).to_be_bytes());
        batch.extend(payload);
    }
    batch
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_batch_gives_its_payloads(payloads in vec(vec(any::<u8>(), 1..300), 0..40)) {
        let unpacked =
            wire::unpack(packed(&payloads).into(), Kind::Records, wire::MESSAGE_BYTES_MAX).unwrap();
        prop_assert_eq!(unpacked, payloads);
    }

    #[test]
    fn any_bytes_are_a_batch_of_just_these_bytes_or_an_error(bytes in vec(any::<u8>(), 0..600)) {
        if let Ok(payloads) = wire::unpack(bytes.clone().into(), Kind::Records, 600) {
            let payloads: Vec<_> = payloads.iter().map(|one| one.to_vec()).collect();
            prop_assert_eq!(packed(&payloads), bytes);
        }
    }

    #[test]
    fn a_changed_length_never_panics(
        payloads in vec(vec(any::<u8>(), 1..50), 1..20), at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = packed(&payloads);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = wire::unpack(bytes.into(), Kind::Cosignatures, wire::MESSAGE_BYTES_MAX);
    }

    #[test]
    fn requests_come_back(ids in vec(any::<[u8; 32]>(), 1..40)) {
        let message = Request::PendingRecords(ids);
        prop_assert_eq!(request(&message.to_bytes().unwrap()).unwrap(), message);
    }

    #[test]
    fn responses_come_back(
        ids in vec(any::<[u8; 32]>(), 0..40), served in any::<u16>(),
        batch in vec(any::<u8>(), 0..400),
    ) {
        let batch = Bytes::from(batch);
        for message in [
            Response::PendingIds(ids),
            Response::PendingRecords { served, batch: batch.clone() },
            Response::Cosignatures(batch),
        ] {
            prop_assert_eq!(response(&message.to_bytes().unwrap()).unwrap(), message);
        }
    }

    #[test]
    fn any_bytes_are_a_message_of_just_these_bytes_or_an_error(
        tag in 0_u8..5, rest in vec(any::<u8>(), 0..200),
    ) {
        let mut bytes = vec![tag];
        bytes.extend(rest);
        if let Ok(message) = request(&bytes) {
            prop_assert!(bytes.starts_with(&message.to_bytes().unwrap()));
        }
        if let Ok(message) = response(&bytes) {
            prop_assert!(bytes.starts_with(&message.to_bytes().unwrap()));
        }
    }
}
