use serde_json::{Value, json};

use super::*;
use crate::context;

const OB: &str = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json";

fn canonical_nquads(document: &Value) -> Result<String, RdfError> {
    super::canonical_nquads(document, &mut Budget::default())
}

fn lossless_quads(document: &Value) -> Result<Vec<Quad>, RdfError> {
    super::lossless_quads(document, &mut Budget::default())
}

fn credential() -> Value {
    json!({
        "@context": [context::CREDENTIALS_V2, OB],
        "id": "urn:uuid:7b0d6c1e-5b5e-4c58-9a3b-0f6f2a4d9a01",
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "name": "Applied Statistics",
        "issuer": {"id": "did:example:a", "type": ["Profile"], "name": "University A"},
        "validFrom": "2026-11-01T00:00:00Z",
        "credentialSubject": {
            "id": "did:example:b",
            "type": ["AchievementSubject"],
            "achievement": {
                "id": "https://university-a.example/1",
                "type": ["Achievement"],
                "name": "Applied Statistics",
                "description": "_:a text that looks like a label",
                "criteria": {"narrative": "@everyone: pass the test"},
                "creditsAvailable": 5.5,
                "tag": ["statistics", "mathematics"],
            }
        }
    })
}

/// Every built-in context as it is.
fn whole() -> BTreeMap<&'static str, Vec<u8>> {
    let contexts = context::BUILT_IN.iter();
    contexts
        .map(|context| (context.url, context.document.to_vec()))
        .collect()
}

fn lost(document: &Value) -> String {
    match canonical_nquads(document) {
        Err(RdfError::DataLoss { lost }) => lost,
        other => panic!("{other:?}"),
    }
}

fn achievement(document: &mut Value) -> &mut Value {
    &mut document["credentialSubject"]["achievement"]
}

/// Quads as sorted text with the generated blank node labels taken out.
fn shape(quads: &[Quad]) -> Vec<String> {
    let term = |text: String| {
        if text.starts_with("_:") {
            "_:".to_owned()
        } else {
            text
        }
    };
    let mut shape: Vec<_> = quads
        .iter()
        .map(|quad| {
            let terms = [
                quad.subject.to_string(),
                quad.predicate.to_string(),
                quad.object.to_string(),
                quad.graph_name.to_string(),
            ];
            terms.map(term).join(" ")
        })
        .collect();
    shape.sort();
    shape
}

#[test]
fn a_document_without_undefined_terms_gives_the_same_quads_without_the_sentinel() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/");
    let files = [
        "samples/01-valid-ob3-eddsa-rdfc-2022.json",
        "samples/02-valid-vc2-eddsa-jcs-2022.json",
        "samples/03-valid-ob3-eddsa-jcs-2022.json",
        "samples/status-list-revocation.json",
        "vectors/w3c-vc-di-eddsa/proof-set-chain/signedProofChain2.json",
        "vectors/w3c-vc-di-eddsa/proof-set-chain/signedProofSet2.json",
    ];
    let documents = files.map(|file| {
        serde_json::from_slice::<Value>(&std::fs::read(format!("{folder}{file}")).unwrap()).unwrap()
    });
    for document in documents.into_iter().chain([credential()]) {
        let (plain, _) = accounting::account(&document).unwrap();
        let with_sentinel = lossless_quads(&document).unwrap();
        let without = quads(&jsonld_text(&plain), whole()).unwrap();
        assert_eq!(shape(&with_sentinel), shape(&without));
        assert_eq!(
            canon::canonicalize(&with_sentinel, &mut Budget::default()),
            canon::canonicalize(&without, &mut Budget::default())
        );
    }
}

#[test]
fn an_undefined_term_is_named_wherever_it_stands() {
    for place in [
        json!({"added": "x"}),
        json!({"added": {"name": "x"}}),
        json!({"added": ["x", "y"]}),
        json!({"added": null}),
        json!({"added": []}),
        json!({"type": ["Achievement", "added"]}),
        json!({"alignment": [{"type": ["Alignment"], "added": 1}]}),
        json!({"criteria": {"narrative": {"@value": "x", "@type": "added"}}}),
    ] {
        let mut document = credential();
        for (name, value) in place.as_object().unwrap() {
            achievement(&mut document)[name] = value.clone();
        }
        assert!(lost(&document).contains("\"added\""), "{place}");
    }
}

/// The sentinel cannot see these: the JSON-LD processor drops them without a trace.
#[test]
fn whatever_is_dropped_silently_is_missed_in_the_account() {
    for (name, value) in [
        ("two words", json!("x")),
        ("<tag>", json!({"name": "x"})),
        ("type", json!(["Achievement", "two words"])),
        ("id", json!("relative/path")),
        ("id", json!("urn:x:with space")),
        ("image", json!({"id": "image.png", "type": "Image"})),
    ] {
        let mut document = credential();
        achievement(&mut document)[name] = value.clone();
        assert!(
            lost(&document).contains("covered by the signature"),
            "{name}: {value}"
        );
    }
}

#[test]
fn identifiers_that_would_be_replaced_or_dropped_are_refused() {
    for id in ["_:b0", "@someone"] {
        let mut document = credential();
        document["credentialSubject"]["id"] = json!(id);
        assert!(lost(&document).contains(id), "{id}");
    }
}

#[test]
fn contexts_that_switch_the_vocabulary_off_do_not_hide_terms() {
    // `verifiableCredential` nullifies all contexts for what is inside of it.
    let mut document = credential();
    document["evidence"] = json!({
        "type": "VerifiablePresentation",
        "verifiableCredential": {"https://a.example/x": "kept", "dropped": "x"},
    });
    assert!(lost(&document).contains("covered by the signature"));
}

#[test]
fn unknown_contexts_and_exotic_features_cannot_be_checked() {
    let mut document = credential();
    document["@context"] = json!([context::CREDENTIALS_V2, "https://unknown.example/v9"]);
    let unknown = RdfError::UnknownContext {
        url: "https://unknown.example/v9".into(),
    };
    assert_eq!(canonical_nquads(&document), Err(unknown.clone()));
    let mut document = credential();
    achievement(&mut document)["@context"] = json!("https://unknown.example/v9");
    assert_eq!(canonical_nquads(&document), Err(unknown));

    for (name, value) in [
        ("@graph", json!([])),
        ("@reverse", json!({})),
        ("@index", json!("x")),
    ] {
        let mut document = credential();
        achievement(&mut document)[name] = value;
        let refused = canonical_nquads(&document);
        assert!(
            matches!(refused, Err(RdfError::Unsupported { .. })),
            "{refused:?}"
        );
    }
    for inline in [
        json!({"@vocab": null}),
        json!({"@base": "https://a.example/"}),
        json!({"x": "@id"}),
        json!({"id": "https://a.example/id"}),
        json!({"name": null}),
        json!({"x": {"@id": "https://a.example/x", "@container": "@language"}}),
        json!({"x": {"@id": "https://a.example/x", "@type": "@json"}}),
        json!({"x": {"@reverse": "https://a.example/x"}}),
        json!(null),
    ] {
        let mut document = credential();
        document["@context"]
            .as_array_mut()
            .unwrap()
            .push(inline.clone());
        let refused = canonical_nquads(&document);
        assert!(
            matches!(refused, Err(RdfError::Unsupported { .. })),
            "{inline}: {refused:?}"
        );
    }
}

#[test]
fn a_plain_vocabulary_in_the_document_counts_also_when_it_is_wrapped_once_more() {
    let terms = json!({"score": {"@id": "https://a.example/score"}});
    let mut canonical = Vec::new();
    for inline in [
        terms.clone(),
        json!({ "@context": terms }),
        json!({"@context": [terms]}),
    ] {
        let mut document = credential();
        document["@context"].as_array_mut().unwrap().push(inline);
        achievement(&mut document)["score"] = json!(95);
        let nquads = canonical_nquads(&document).unwrap();
        assert!(
            nquads.contains("<https://a.example/score> \"95\""),
            "{nquads}"
        );
        canonical.push(nquads);
    }
    assert!(canonical.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn contexts_with_their_own_vocabulary_are_legal() {
    for url in [
        "https://www.w3.org/ns/credentials/examples/v2",
        "https://www.w3.org/ns/credentials/undefined-terms/v2",
    ] {
        let mut document = credential();
        document["@context"]
            .as_array_mut()
            .unwrap()
            .push(json!(url));
        document["credentialSubject"]["alumniOf"] = json!("The School of Examples");
        assert!(canonical_nquads(&document).unwrap().contains("alumniOf"));
    }
}

#[test]
fn ordered_lists_and_json_literals_are_counted_whole() {
    for values in [json!([]), json!(["one"]), json!(["one", "two", "one"])] {
        let mut document = credential();
        achievement(&mut document)["resultDescription"] = json!([{
            "id": "urn:uuid:5",
            "type": ["ResultDescription"],
            "name": "Level",
            "resultType": "Status",
            "allowedValue": values,
        }]);
        assert!(
            canonical_nquads(&document).is_ok(),
            "{:?}",
            canonical_nquads(&document)
        );
        achievement(&mut document)["resultDescription"][0]["two words"] = json!("x");
        assert!(lost(&document).contains("covered"));
    }
    let document = json!({
        "@context": [context::CREDENTIALS_V2],
        "id": "urn:x:1",
        "type": "JsonSchema",
        "jsonSchema": {"any thing": [1, {"@odd": null}]},
    });
    assert!(canonical_nquads(&document).unwrap().contains("any thing"));
}

#[test]
fn doubles_have_sixteen_significant_digits() {
    // JSON-LD 1.1 API section 8.6: as JavaScript's toExponential(15), without trailing zeros.
    for (number, literal) in [
        ("5.5", "\"5.5E0\""),
        ("0.1", "\"1.0E-1\""),
        ("0.30000000000000004", "\"3.0E-1\""),
        ("3.141592653589793", "\"3.141592653589793E0\""),
        ("95.0", "\"95\""),
        ("1e-7", "\"1.0E-7\""),
    ] {
        let mut document = credential();
        achievement(&mut document)["creditsAvailable"] = serde_json::from_str(number).unwrap();
        let nquads = canonical_nquads(&document).unwrap();
        assert!(nquads.contains(literal), "{number}: {nquads}");
    }
}

#[test]
fn symmetric_and_large_documents_are_refused_in_bounded_time() {
    let leaf = json!([{}, {}, {}, {}, {}, {}, {}, {}, {}, {}]);
    let branch = json!({ "https://a.example/part": leaf });
    let mut document = credential();
    document["evidence"] = json!([branch, branch]);
    let refused = canonical_nquads(&document);
    assert!(
        matches!(refused, Err(RdfError::TooComplex { .. })),
        "{refused:?}"
    );

    let mut document = credential();
    document["evidence"] = (0..4_000).map(|i| json!({"name": i.to_string()})).collect();
    let refused = canonical_nquads(&document);
    assert!(
        matches!(refused, Err(RdfError::TooComplex { .. })),
        "{refused:?}"
    );

    let mut document = credential();
    document["@context"] = json!(vec![context::CREDENTIALS_V2; 1_000]);
    let refused = canonical_nquads(&document);
    assert!(
        matches!(refused, Err(RdfError::TooComplex { .. })),
        "{refused:?}"
    );
}

/// A copy with another spelling of `validUntil` has the same quads, so the signature would hold,
/// and whoever reads the JSON would find no end of validity.
#[test]
fn nobody_can_respell_what_a_built_in_context_names() {
    let until = "https://www.w3.org/2018/credentials#validUntil";
    let date_time = "http://www.w3.org/2001/XMLSchema#dateTime";
    let typed = json!({"@value": "2027-11-01T00:00:00Z", "@type": date_time});
    let plain = typed["@value"].clone();
    let term = json!({"@id": until, "@type": date_time});
    let respelled = [
        (json!({}), until, typed.clone()),
        (json!({ "end": term }), "end", plain.clone()),
        (json!({ "end": until }), "end", typed.clone()),
        (
            json!({"@vocab": "https://www.w3.org/2018/credentials#valid"}),
            "Until",
            typed.clone(),
        ),
        (
            json!({"c": "https://www.w3.org/2018/credentials#"}),
            "c:validUntil",
            typed.clone(),
        ),
        (
            json!({"c": "https://www.w3.org/2018/", "d": "c:credentials#validUntil"}),
            "d",
            typed,
        ),
    ];
    for (inline, name, value) in respelled {
        let mut document = credential();
        document["@context"]
            .as_array_mut()
            .unwrap()
            .push(inline.clone());
        document[name] = value;
        let refused = canonical_nquads(&document);
        let unknown = matches!(refused, Err(RdfError::Unsupported { .. }));
        assert!(unknown, "{inline} {name}: {refused:?}");
    }
    let mut document = credential();
    let subject = document["credentialSubject"].as_object_mut().unwrap();
    let achievement = subject.remove("achievement").unwrap();
    subject.insert("Achievement".into(), achievement);
    assert!(matches!(
        canonical_nquads(&document),
        Err(RdfError::Unsupported { .. })
    ));
    for (term, keyword) in [("id", "@id"), ("type", "@type")] {
        let mut document = credential();
        let subject = document["credentialSubject"].as_object_mut().unwrap();
        let value = subject.remove(term).unwrap();
        subject.insert(keyword.into(), value);
        assert!(matches!(
            canonical_nquads(&document),
            Err(RdfError::Unsupported { .. })
        ));
    }
    // The end of validity, said of the same identifier in another place.
    let mut document = credential();
    document["credentialSubject"]["https://a.example/about"] = json!({
        "id": document["id"],
        "type": "VerifiableCredential",
        "validUntil": "2027-11-01T00:00:00Z",
    });
    assert!(matches!(
        canonical_nquads(&document),
        Err(RdfError::Unsupported { .. })
    ));
    // Words of its own are a document's right.
    let mut document = credential();
    let own = json!({"@vocab": "https://a.example/v#", "score": "https://a.example/score"});
    document["@context"].as_array_mut().unwrap().push(own);
    document["credentialSubject"]["score"] = json!(1);
    document["credentialSubject"]["place"] = json!("x");
    document["credentialSubject"]["https://b.example/x"] = json!("x");
    let nquads = canonical_nquads(&document).unwrap();
    assert!(nquads.contains("<https://a.example/v#place>"));
}

/// The vocabulary of the credentials by which the W3C test suites judge.
fn driving_licence(base: &str) -> Value {
    json!({
        "@context": [
            base,
            {
                "@protected": true,
                "DriverLicenseCredential": "urn:example:DriverLicenseCredential",
                "DriverLicense": {
                    "@id": "urn:example:DriverLicense",
                    "@context": {
                        "@protected": true,
                        "id": "@id",
                        "type": "@type",
                        "documentIdentifier": "urn:example:documentIdentifier",
                        "expirationDate": "urn:example:expiration",
                    }
                },
                "driverLicense": {"@id": "urn:example:driverLicense", "@type": "@id"}
            },
        ],
        "id": "urn:uuid:36245ee9-9074-4b05-a777-febff2e69757",
        "type": ["VerifiableCredential", "DriverLicenseCredential"],
        "issuer": "did:example:a",
        "credentialSubject": {
            "id": "urn:uuid:1a0e4ef5-091f-4060-842e-18e519ab9440",
            "driverLicense": {
                "type": "DriverLicense",
                "documentIdentifier": "T21387yc328c7y32h23f23",
                "expirationDate": "01-01-2030",
            }
        }
    })
}

#[test]
fn below_its_own_words_a_document_may_say_when_something_else_ends() {
    for base in [context::CREDENTIALS_V2, context::CREDENTIALS_V1] {
        let nquads = canonical_nquads(&driving_licence(base)).unwrap();
        assert!(
            nquads.contains("_:c14n0 <urn:example:expiration> \"01-01-2030\" ."),
            "{nquads}"
        );
    }
}

/// Of the credential itself, these words keep their meaning whatever a context of the document
/// says: else its end could be moved without breaking the signature.
#[test]
fn a_context_of_the_document_does_not_move_the_credential_s_own_period() {
    for (base, term) in [
        (context::CREDENTIALS_V2, "validUntil"),
        (context::CREDENTIALS_V1, "expirationDate"),
    ] {
        for (kind, protected) in [
            ("AlphaCredential", false),
            ("AlphaCredential", true),
            ("ZuluCredential", false),
            ("ZuluCredential", true),
        ] {
            let mut document = driving_licence(base);
            let scoped = json!({"@protected": protected, term: "urn:example:something"});
            document["@context"][1][kind] = json!({"@id": "urn:example:T", "@context": scoped});
            document["type"] = json!(["VerifiableCredential", kind]);
            document[term] = "2030-01-01T00:00:00Z".into();
            let iri = format!("<https://www.w3.org/2018/credentials#{term}>");
            let read = canonical_nquads(&document);
            let kept = read.as_ref().map_or(true, |nquads| nquads.contains(&iri));
            assert!(kept, "{base}, {kind}: {read:?}");
            // The built-in contexts are read last, and say what the term means.
            assert_eq!(
                read.is_ok(),
                kind == "AlphaCredential",
                "{base}, {protected}"
            );
        }
    }
}

#[test]
fn no_word_of_a_document_rewrites_identifiers() {
    for scheme in ["did", "http", "https", "urn"] {
        let mut document = credential();
        let context = json!([context::CREDENTIALS_V2, OB, {scheme: "https://a.example/"}]);
        document["@context"] = context;
        let refused = canonical_nquads(&document);
        assert!(
            matches!(refused, Err(RdfError::Unsupported { .. })),
            "{refused:?}"
        );
    }
}

#[test]
fn contexts_that_are_cut_down_give_the_statements_of_whole_ones() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
    let mut documents = vec![credential(), driving_licence(context::CREDENTIALS_V2)];
    for path in ["samples", "vectors/1edtech-clr", "vectors/w3c-vc-di-eddsa"] {
        for entry in std::fs::read_dir(format!("{folder}/{path}")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "json") {
                documents.push(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap());
            }
        }
    }
    let mut compared = 0;
    for document in documents {
        let text = jsonld_text(&document);
        let reduced = quads(&text, reduced::contexts(&document));
        let complete = quads(&text, whole());
        assert_eq!(reduced.is_ok(), complete.is_ok(), "{document}");
        if let (Ok(reduced), Ok(complete)) = (reduced, complete) {
            assert_eq!(shape(&reduced), shape(&complete), "{document}");
            compared += 1;
        }
    }
    assert!(compared > 20, "{compared}");
}

/// The canonical form is that of jsonld.js 8 with `rdfDirection: i18n-datatype`, as Digital
/// Bazaar's cryptosuites call it.
#[test]
fn a_text_with_a_direction_is_a_typed_literal() {
    let text = |value: Value| json!({"@context": [context::CREDENTIALS_V2], "id": "urn:x:1", "name": value});
    let quad = |value: Value| canonical_nquads(&text(value));
    for (value, literal) in [
        (
            json!({"@value": "Beispiel", "@language": "de-AT", "@direction": "ltr"}),
            "\"Beispiel\"^^<https://www.w3.org/ns/i18n#de-at_ltr>",
        ),
        (
            json!({"@value": "x", "@direction": "rtl"}),
            "\"x\"^^<https://www.w3.org/ns/i18n#_rtl>",
        ),
    ] {
        let expected = format!("<urn:x:1> <https://schema.org/name> {literal} .\n");
        assert_eq!(quad(value).as_deref(), Ok(&*expected));
    }
    for wrong in [
        json!({"@value": "x", "@direction": "up"}),
        json!({"@value": "x", "@direction": null}),
        json!({"@value": 1, "@direction": "ltr"}),
        json!({"@value": "x", "@direction": "ltr", "@language": "a>b"}),
        json!({"@value": "x", "@direction": "ltr", "@language": 1}),
        json!({"@value": "x", "@direction": "ltr", "@type": "https://example.org/t"}),
        // The same literal, spelled another way.
        json!({"@value": "x", "@type": "https://www.w3.org/ns/i18n#_ltr"}),
    ] {
        assert!(quad(wrong.clone()).is_err(), "{wrong}");
    }
}
