//! Badges in images: every sample goes into a PNG and an SVG and comes out as it was.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where it goes wrong"
)]

mod fixtures;

use std::io::Write;
use std::ops::Range;

use credlog_credential::Form;
use credlog_credential::bake::{BakeError, IMAGE_BYTES_MAX, PAYLOAD_BYTES_MAX, bake, unbake};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use proptest::prelude::*;

const JWS: &str = "eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJkaWQ6ZXhhbXBsZTphIn0.c2lnbmF0dXJl";
const SVG: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
    <!DOCTYPE svg PUBLIC \"-//W3C//DTD SVG 1.1//EN\" \
    \"http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd\">\n\
    <!-- a > b --><svg xmlns=\"http://www.w3.org/2000/svg\"\n  viewBox='0 0 8 8' >\n\
    <title>Über &amp; &#x41;</title><path d=\"M0 0h8v8H0z\"/>\n</svg>\n<!-- end -->\n";

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap().to_be_bytes();
    let body = [kind.as_slice(), data].concat();
    let sum = crc32fast::hash(&body).to_be_bytes();
    [&length, body.as_slice(), &sum].concat()
}

/// One grey pixel, with chunks of its own after the header.
fn png(own: &[Vec<u8>]) -> Vec<u8> {
    let header = [0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0];
    let mut image = b"\x89PNG\r\n\x1a\n".to_vec();
    image.extend(chunk(b"IHDR", &header));
    image.extend(own.concat());
    image.extend(chunk(b"IDAT", &zlib(&[0, 128])));
    image.extend(chunk(b"IEND", &[]));
    image
}

fn itxt(keyword: &str, flags: [u8; 2], text: &[u8]) -> Vec<u8> {
    let data = [keyword.as_bytes(), &[0], &flags, b"en\0Beleg\0", text].concat();
    chunk(b"iTXt", &data)
}

fn samples() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/samples");
    let names = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".json"));
    let read = |name: String| {
        let text = String::from_utf8(fixtures::read(&format!("samples/{name}"))).unwrap();
        (name, text.trim().to_owned())
    };
    names.map(read).collect()
}

#[test]
fn every_sample_comes_out_of_either_image_as_it_went_in() {
    let samples = samples();
    assert_eq!(samples.len(), 19, "17 credentials and 2 status lists");
    for (name, text) in &samples {
        for image in [png(&[]), SVG.as_bytes().to_vec()] {
            let baked = bake(&image, text).unwrap();
            assert_eq!(unbake(&baked).as_deref(), Ok(text.as_str()), "{name}");
            // Baking again replaces the credential and leaves nothing of it.
            let again = bake(&baked, JWS).unwrap();
            assert_eq!(unbake(&again).as_deref(), Ok(JWS), "{name}");
            assert_eq!(again, bake(&image, JWS).unwrap(), "{name}");
        }
    }
}

/// The images are those of another program: see the README beside them.
#[test]
fn images_of_another_program_are_read() {
    let text = String::from_utf8(fixtures::read("samples/01-valid-ob3-eddsa-rdfc-2022.json"));
    let expected: serde_json::Value = serde_json::from_str(&text.unwrap()).unwrap();
    for name in ["plain.png", "compressed.png", "spec.svg", "entities.svg"] {
        let unbaked = unbake(&fixtures::read(&format!("baked/{name}"))).unwrap();
        let unbaked: serde_json::Value = serde_json::from_str(&unbaked).unwrap();
        assert_eq!(unbaked, expected, "{name}");
    }
}

/// Written by hand from the specification: a change of what is written is seen here.
#[test]
fn baked_images_are_what_the_specification_says() {
    let baked = bake(&png(&[]), r#"{"a":1}"#).unwrap();
    let inserted = chunk(b"iTXt", b"openbadgecredential\0\0\0\0\0{\"a\":1}");
    assert_eq!(baked, png(&[inserted]));

    let image = |start: &str, inside: &str| format!("<svg a='>'{start}>{inside}<g/></svg>");
    let declared = " xmlns:openbadges=\"https://purl.imsglobal.org/ob/v3p0\"";
    let other = " xmlns:openbadges=\"http://openbadges.org\"";
    for (start, payload, start_after, element) in [
        (
            "",
            JWS,
            declared,
            format!("<openbadges:credential verify=\"{JWS}\"></openbadges:credential>"),
        ),
        (
            declared,
            r#"{"a":"]]>"}"#,
            declared,
            "<openbadges:credential><![CDATA[{\"a\":\"]]]]><![CDATA[>\"}]]>\
             </openbadges:credential>"
                .to_owned(),
        ),
        (
            other,
            "{}",
            other,
            format!("<openbadges:credential{declared}><![CDATA[{{}}]]></openbadges:credential>"),
        ),
    ] {
        let baked = bake(image(start, "").as_bytes(), payload).unwrap();
        let expected = image(start_after, &element);
        assert_eq!(String::from_utf8(baked.clone()).unwrap(), expected);
        assert_eq!(unbake(&baked).as_deref(), Ok(payload));
    }
}

#[test]
fn every_other_byte_of_the_image_is_kept() {
    let own = [
        chunk(b"tEXt", b"Software\0credlog"),
        chunk(b"iTXt", b"openbadges\0\0\0\0\0https://a.example/1"),
    ];
    let mut image = png(&own);
    image.extend(b"bytes behind the end");
    let with = png(&[&[itxt("openbadgecredential", [0, 0], b"{}")][..], &own].concat());
    assert_eq!(bake(&image, "{}").unwrap().len(), with.len() + 20 - 7);
    let baked = bake(&[with, b"bytes behind the end".to_vec()].concat(), "{}").unwrap();
    assert_eq!(baked, bake(&image, "{}").unwrap());
    let without = baked.len() - image.len();
    assert_eq!(baked[..33], image[..33]);
    assert_eq!(baked[33 + without..], image[33..]);

    for mark in ["", "\u{FEFF}"] {
        let image = format!("{mark}{SVG}");
        let baked = String::from_utf8(bake(image.as_bytes(), "{}").unwrap()).unwrap();
        let start_tag = "viewBox='0 0 8 8' ";
        let (before, after) = image.split_once(start_tag).unwrap();
        let after = after.strip_prefix('>').unwrap();
        assert!(baked.starts_with(&format!("{before}{start_tag} xmlns:openbadges=")));
        assert!(baked.ends_with(&format!("</openbadges:credential>{after}")));
    }
}

fn png_refusals() -> Vec<(&'static str, Vec<u8>, BakeError)> {
    let damaged = |reason| BakeError::Png { reason };
    let cut = damaged("it ends in the middle, without an end chunk (IEND)");
    let credential = || itxt("openbadgecredential", [0, 0], b"{}");
    let mut flipped = png(&[credential()]);
    flipped[60] ^= 1;
    let mut endless = png(&[]);
    endless[33..37].copy_from_slice(&u32::MAX.to_be_bytes());
    let bomb = zlib(&vec![b' '; PAYLOAD_BYTES_MAX + 1]);
    let old = |kind| chunk(kind, b"openbadges\0\0\0\0\0https://a.example/1");
    vec![
        ("image only", png(&[]), BakeError::NoCredential),
        (
            "Open Badges 2",
            png(&[old(b"iTXt")]),
            BakeError::OpenBadges2,
        ),
        ("a link", png(&[old(b"tEXt")]), BakeError::OpenBadges2),
        (
            "two",
            png(&[credential(), credential()]),
            BakeError::SeveralCredentials,
        ),
        (
            "a flipped bit",
            flipped,
            BakeError::Checksum {
                number: 2,
                kind: "iTXt".into(),
            },
        ),
        ("a long chunk", endless, cut.clone()),
        ("no end", png(&[credential()])[..100].to_vec(), cut),
        (
            "no header",
            [b"\x89PNG\r\n\x1a\n".as_slice(), &credential()].concat(),
            damaged("it does not begin with a header chunk (IHDR)"),
        ),
        (
            "a bomb",
            png(&[itxt("openbadgecredential", [1, 0], &bomb)]),
            BakeError::TooLarge {
                what: "credential in the image",
                bytes: PAYLOAD_BYTES_MAX + 1,
                bytes_max: PAYLOAD_BYTES_MAX,
            },
        ),
        (
            "not zlib",
            png(&[itxt("openbadgecredential", [1, 0], b"{}")]),
            damaged("the compressed text in its iTXt chunk cannot be unpacked"),
        ),
        (
            "unknown compression",
            png(&[itxt("openbadgecredential", [1, 1], b"{}")]),
            damaged("its iTXt chunk is compressed in an unknown way"),
        ),
        (
            "a short chunk",
            png(&[chunk(b"iTXt", b"openbadgecredential\0\0\0en")]),
            damaged("its iTXt chunk is cut short"),
        ),
        (
            "Latin-1",
            png(&[itxt("openbadgecredential", [0, 0], b"{\"a\":\"\xFC\"}")]),
            damaged("the text in its iTXt chunk is not UTF-8"),
        ),
        (
            "many chunks",
            png(&vec![chunk(b"tEXt", b"a\0b"); 10_000]),
            damaged("it has more than 10,000 chunks"),
        ),
        (
            "a large image",
            vec![0; IMAGE_BYTES_MAX + 1],
            BakeError::TooLarge {
                what: "image",
                bytes: IMAGE_BYTES_MAX + 1,
                bytes_max: IMAGE_BYTES_MAX,
            },
        ),
        (
            "a JPEG",
            b"\xFF\xD8\xFF\xE0".to_vec(),
            BakeError::NotAnImage,
        ),
        ("text", JWS.as_bytes().to_vec(), BakeError::NotAnImage),
    ]
}

#[test]
fn a_png_without_exactly_one_whole_credential_is_refused() {
    for (name, image, expected) in png_refusals() {
        assert_eq!(unbake(&image), Err(expected), "{name}");
    }
}

/// Two meanings of a prefix: a credential was baked under the first and looked for under the last.
#[test]
fn a_prefix_that_is_declared_twice_is_refused() {
    let start = "<svg xmlns:openbadges=\"https://purl.imsglobal.org/ob/v3p0\" \
                 xmlns:openbadges=\"https://purl2\">";
    let image = format!("{start}</svg>");
    for refused in [
        bake(image.as_bytes(), "{}").map(drop),
        unbake(image.as_bytes()).map(drop),
    ] {
        assert!(matches!(refused, Err(BakeError::Svg { .. })), "{refused:?}");
    }
}

/// An SVG around some content.
fn svg(content: &str) -> String {
    format!(
        "<svg xmlns:openbadges=\"https://purl.imsglobal.org/ob/v3p0\" \
         xmlns:old=\"http://openbadges.org\">{content}</svg>"
    )
}

#[test]
fn svg_spellings_of_one_credential_are_read() {
    for content in [
        "<openbadges:credential><![CDATA[\n{\"a\":\"<&\"}\n]]></openbadges:credential>",
        "<g><openbadges:credential> {\"a\":\"&lt;&#38;\"} </openbadges:credential></g>",
        "<credential xmlns=\"https://purl.imsglobal.org/ob/v3p0\" verify=\"\">{\"a\":\
         <!-- why --><![CDATA[\"<&\"}]]></credential>",
        "<b:credential xmlns:b='https://purl.imsglobal.org/spec/ob/v3p0/'>\
         <![CDATA[{\"a\":\"<&\"}]]></b:credential><old:credential/>",
    ] {
        let unbaked = unbake(svg(content).as_bytes());
        assert_eq!(unbaked.as_deref(), Ok("{\"a\":\"<&\"}"), "{content}");
    }
    let signed = format!("<openbadges:credential verify=' {JWS}&#10;'/>");
    assert_eq!(unbake(svg(&signed).as_bytes()).as_deref(), Ok(JWS));
}

#[test]
fn an_svg_without_exactly_one_plain_credential_is_refused() {
    let credential = "<openbadges:credential>{}</openbadges:credential>";
    let entities: String = (1..10)
        .map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10)))
        .collect();
    let laughs = format!(
        "<!DOCTYPE svg [<!ENTITY l0 \"lol\">{entities}]>{}",
        svg("<openbadges:credential>&l9;</openbadges:credential>")
    );
    let unread = |image: &str| match unbake(image.as_bytes()) {
        Err(BakeError::Svg { reason }) => reason,
        other => panic!("{image}: {other:?}"),
    };
    assert!(unread(&laughs).contains("entities"));
    for (content, reason) in [
        (
            "<openbadges:credential>&l9;</openbadges:credential>",
            "entity",
        ),
        ("<openbadges:credential verify='&l9;'/>", "l9"),
        (
            "<openbadges:credential verify='a' verify='b'/>",
            "duplicated",
        ),
        (
            "<openbadges:credential verify='a'>{}</openbadges:credential>",
            "both",
        ),
        (
            "<openbadges:credential><g/></openbadges:credential>",
            "text",
        ),
        (
            "<openbadges:credential>{}</openbadges:credentia>",
            "expected",
        ),
        ("<badge:credential>{}</badge:credential>", "declared"),
        ("<g>", "expected"),
    ] {
        let said = unread(&svg(content));
        assert!(said.contains(reason), "{content}: {said}");
    }
    for (image, reason) in [
        (format!("{}<svg></svg>", svg("")), "behind"),
        (format!("{}text", svg("")), "outside"),
        (svg("").replace("</svg>", ""), "middle"),
        ("<svg/>".to_owned(), "empty"),
        ("<?xml version='1.0'?>".to_owned(), "empty"),
        (svg(&"<g>".repeat(70_000)), "deep"),
        (
            (0..200)
                .map(|n| format!(" xmlns:p{n}='a'"))
                .fold("<svg".to_owned(), |a, b| a + &b)
                + "></svg>",
            "binding",
        ),
    ] {
        let said = unread(&image);
        assert!(said.contains(reason), "{said}");
    }
    for (content, expected) in [
        ("", BakeError::NoCredential),
        ("<old:assertion verify='a'/>", BakeError::OpenBadges2),
        (&*credential.repeat(2), BakeError::SeveralCredentials),
        (&*"<credential/>".repeat(101), BakeError::SeveralCredentials),
    ] {
        assert_eq!(unbake(svg(content).as_bytes()), Err(expected), "{content}");
    }
    assert_eq!(unbake(b"<html></html>"), Err(BakeError::NotAnImage));
    assert!(matches!(
        unbake(b"<svg>\xFF</svg>"),
        Err(BakeError::Svg { .. })
    ));
}

#[test]
fn only_a_json_object_or_a_compact_jws_is_baked() {
    for image in [png(&[]), SVG.as_bytes().to_vec()] {
        for payload in ["", "text", "[1]", "eyJ.a", "eyJ.a.b.c", "eyJ.<.>", "<svg/>"] {
            assert_eq!(
                bake(&image, payload),
                Err(BakeError::NotAPayload),
                "{payload}"
            );
        }
        for payload in ["{", "{\"a\":1,\"a\":2}"] {
            let refused = bake(&image, payload);
            assert!(
                matches!(refused, Err(BakeError::Json(_))),
                "{payload}: {refused:?}"
            );
        }
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(PAYLOAD_BYTES_MAX));
        assert!(bake(&image, &long).unwrap_err().is_too_large());
    }
    let full = png(&[chunk(b"tEXt", &vec![b'a'; IMAGE_BYTES_MAX - 100])]);
    let refused = bake(&full, JWS).unwrap_err();
    assert!(refused.is_too_large(), "{refused}");
    assert_eq!(bake(b"no image", JWS), Err(BakeError::NotAnImage));
}

fn json_text() -> impl Strategy<Value = String> {
    let inner = "[\\PC\t\n<>&'\"\\]\\[]{0,60}";
    let members = proptest::collection::btree_map("[a-z]{1,5}", inner, 0..5);
    members.prop_map(|members| serde_json::to_string_pretty(&members).unwrap())
}

fn cases(usual: u32) -> ProptestConfig {
    let long = std::env::var_os("CREDLOG_TEST_LONG").is_some();
    ProptestConfig {
        cases: if long { usual * 50 } else { usual },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Where bytes are overwritten, cut and doubled.
fn damage(image: &[u8], at: usize, with: &[u8], cut: usize) -> Vec<u8> {
    let at = at % (image.len() + 1);
    let rest = Range {
        start: (at + cut).min(image.len()),
        end: image.len(),
    };
    [&image[..at], with, &image[rest]].concat()
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn any_text_comes_out_as_it_went_in(text in json_text(), jws in "eyJ[a-zA-Z0-9_-]{0,40}\\.[a-z]{1,9}\\.[a-z]{1,9}") {
        for payload in [&text, &jws] {
            for image in [png(&[]), SVG.as_bytes().to_vec()] {
                let form = Form::sniff(&image);
                let baked = bake(&image, payload).unwrap();
                let unbaked = unbake(&baked).unwrap();
                prop_assert_eq!(&unbaked, payload);
                prop_assert_eq!(Form::sniff(&baked), form);
            }
        }
    }

    /// No panic; and what is still an image takes another credential and gives that one.
    #[test]
    fn damage_is_survived(
        at in any::<usize>(),
        with in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..12),
            "[<>/\"'&;=! \\[\\]]{1,4}".prop_map(String::into_bytes),
        ],
        cut in 0_usize..40,
    ) {
        for image in [png(&[itxt("openbadgecredential", [0, 0], b"{}")]), SVG.as_bytes().to_vec()] {
            let baked = bake(&image, JWS).unwrap();
            let damaged = damage(&baked, at, &with, cut);
            let _ = unbake(&damaged);
            if let Ok(again) = bake(&damaged, "{}") {
                let unbaked = unbake(&again).unwrap();
                prop_assert_eq!(&unbaked, "{}");
            }
        }
    }
}
