//! Whatever is changed in a receipt, it is refused, for the right reason.

use credlog_ledger::ids::{Height, IssuerNumber, LedgerId, ListNumber, UnixMillis};
use credlog_tlog::{Hash, Note};
use credlog_verify::receipt::{
    Base64, CheckOptions, HashText, Receipt, RefusalCode, Trust, Wanted, make,
};
use serde_json::Value;

use crate::support::{digest, issuer_id, key, member, origin};
use crate::world::{LATE, REINSTATED, REVOKED, SUSPENDED, VALID, World, cosigner, issued_at};
use crate::{ANY_AGE, golden, refused, wanted};

/// What a verifier of a golden receipt trusts, and the time it asks about.
pub(crate) fn verifier(name: &str, receipt: &Receipt) -> (Trust, CheckOptions) {
    let (small, changed) = (World::small(), World::changed());
    let trusted = |world: &World, number| {
        let first = world.make(&wanted(&[number])).unwrap();
        let proven = first.check(&world.trust(), &ANY_AGE).unwrap();
        proven.trust.unwrap()
    };
    let trust = match name {
        "since" => golden::trust_between(),
        "consistency" => trusted(&small, VALID),
        "older" => trusted(&changed, LATE),
        _ => small.trust(),
    };
    let options = CheckOptions {
        at: receipt.at,
        ..ANY_AGE
    };
    (trust, options)
}

/// What changing bytes makes of a receipt: at each place another bit, and another character that
/// may stand there.
pub(crate) fn changed_bytes(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let long = std::env::var("CREDLOG_TEST_LONG").is_ok_and(|value| value == "1");
    let step = if long { 1 } else { 10 };
    let offset = bytes.len() % step;
    (offset..bytes.len()).step_by(step).flat_map(move |at| {
        let other = match bytes[at] {
            b'9' | b'z' | b'Z' => bytes[at] - 1,
            byte => byte.wrapping_add(1),
        };
        let put = |byte: u8| {
            let mut changed = bytes.to_vec();
            changed[at] = byte;
            changed
        };
        [put(bytes[at] ^ 1 << (at % 7)), put(other)]
    })
}

#[test]
fn every_byte_counts() {
    for (name, receipt) in golden::all() {
        let bytes = receipt.to_bytes().unwrap();
        let (trust, options) = verifier(name, &receipt);
        let mut seen = std::collections::BTreeMap::new();
        for changed in changed_bytes(&bytes) {
            let checked = Receipt::parse(&changed).and_then(|one| one.check(&trust, &options));
            match checked {
                Ok(_) => panic!("{name}: {}", String::from_utf8_lossy(&changed)),
                Err(refusal) => *seen.entry(refusal.code).or_insert(0) += 1,
            }
        }
        // Not all of them fail for being no receipt.
        assert!(seen.len() >= 4, "{name}: {seen:?}");
        for cut in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            assert!(Receipt::parse(&bytes[..cut]).is_err());
        }
        for more in [&b" "[..], b"\n", b"{}", b"\0"] {
            assert!(Receipt::parse(&[&bytes, more].concat()).is_err());
            assert!(Receipt::parse(&[more, &bytes].concat()).is_err());
        }
    }
}

/// Each value of a JSON document, with how to put another one in its place.
pub(crate) fn changed_fields(document: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    walk(document, &mut String::new(), &mut |path, changed| {
        let mut whole = document.clone();
        *whole.pointer_mut(path.0).unwrap() = changed;
        found.push((format!("{} {}", path.0, path.1), whole));
    });
    found
}

type Show<'a> = dyn FnMut((&str, &str), Value) + 'a;

fn walk(value: &Value, path: &mut String, show: &mut Show<'_>) {
    match value {
        Value::Object(members) => {
            for name in members.keys() {
                let mut less = members.clone();
                less.remove(name);
                show((path, &format!("without {name}")), Value::Object(less));
                let mut null = members.clone();
                null.insert(name.clone(), Value::Null);
                show((path, &format!("null {name}")), Value::Object(null));
            }
            let mut more = members.clone();
            more.insert("extra".to_owned(), Value::from(1));
            show((path, "with another member"), Value::Object(more));
            for (name, inner) in members {
                let length = path.len();
                path.push_str(&format!("/{name}"));
                walk(inner, path, show);
                path.truncate(length);
            }
        }
        Value::Array(items) => {
            for at in 0..items.len() {
                let mut less = items.clone();
                less.remove(at);
                show((path, &format!("without {at}")), less.into());
                let mut twice = items.clone();
                twice.insert(at, items[at].clone());
                show((path, &format!("twice {at}")), twice.into());
                if at > 0 {
                    let mut swapped = items.clone();
                    swapped.swap(at - 1, at);
                    if swapped != *items {
                        show((path, &format!("swapped {at}")), swapped.into());
                    }
                }
            }
            for (at, inner) in items.iter().enumerate() {
                let length = path.len();
                path.push_str(&format!("/{at}"));
                walk(inner, path, show);
                path.truncate(length);
            }
        }
        Value::Number(number) => {
            let number = number.as_u64().unwrap();
            show((path, "one more"), (number + 1).into());
            show((path, "as text"), number.to_string().into());
            show((path, "beyond"), ((1_u64 << 53) + number).into());
            if number > 0 {
                show((path, "one less"), (number - 1).into());
                show((path, "zero"), 0.into());
            }
        }
        Value::String(text) => {
            show((path, "empty"), "".into());
            show((path, "longer"), format!("{text}A").into());
            if let Some(first) = text.chars().next() {
                let other = if first == 'A' || first == 'a' {
                    'b'
                } else {
                    'a'
                };
                show(
                    (path, "another first"),
                    text.replacen(first, &other.to_string(), 1).into(),
                );
            }
        }
        Value::Bool(_) | Value::Null => unreachable!("a receipt has none"),
    }
}

/// A mutant as bytes: JCS form, as a forger would write it.
pub(crate) fn bytes_of(document: &Value) -> Vec<u8> {
    serde_json_canonicalizer::to_vec(document).unwrap()
}

#[test]
fn every_field_counts() {
    for (name, receipt) in golden::all() {
        let document = serde_json::from_slice(&receipt.to_bytes().unwrap()).unwrap();
        let (trust, options) = verifier(name, &receipt);
        let mut count = 0;
        for (what, changed) in changed_fields(&document) {
            let bytes = bytes_of(&changed);
            let checked = Receipt::parse(&bytes).and_then(|one| one.check(&trust, &options));
            // Without the comparison with the trusted log it advances no trust; that is all.
            let less = what == " without consistency";
            let doubted = checked.as_ref().is_ok_and(|proven| proven.trust.is_none());
            // A receipt that says less about fewer credentials is another receipt.
            let fewer = what.starts_with("/credentials without");
            assert!(
                checked.is_err() || fewer || (less && doubted),
                "{name}: {what}"
            );
            count += 1;
        }
        assert!(count > 100, "{name}: {count}");
    }
}

/// A named lie with the reason for which it has to be refused.
pub(crate) struct Lie {
    pub(crate) name: &'static str,
    pub(crate) receipt: Receipt,
    pub(crate) code: RefusalCode,
}

fn of_a(number: u64) -> Wanted {
    let mut one = wanted(&[number]);
    one.credentials[0].1 = Some(issuer_id("a"));
    one
}

/// What the issue names, and more of the kind.
pub(crate) fn named_lies() -> Vec<Lie> {
    let world = World::changed();
    let small = World::small();
    let good = |number| world.make(&of_a(number)).unwrap();
    let at = |number, time: u64| {
        world
            .make(&Wanted {
                at: Some(UnixMillis(time)),
                ..of_a(number)
            })
            .unwrap()
    };
    let mut lies = Vec::new();
    let mut lie = |name, code, mut receipt: Receipt, change: &dyn Fn(&mut Receipt)| {
        change(&mut receipt);
        lies.push(Lie {
            name,
            receipt,
            code,
        });
    };
    let (valid, revoked) = (good(VALID), good(REVOKED));
    let (issued, sealed) = issued_at(&world, SUSPENDED);
    let past = at(SUSPENDED, sealed.0 + 500);
    let far = good(REINSTATED);
    let of_b = world.make(&wanted(&[77])).unwrap();
    use RefusalCode as Code;

    lie(
        "the path of another leaf",
        Code::Path,
        valid.clone(),
        &|r| {
            let path = r.leaves[1].path.clone();
            r.leaves[0].path = path;
        },
    );
    lie(
        "the leaf of another record",
        Code::Path,
        valid.clone(),
        &|r| {
            r.leaves[0].leaf = of_b.leaves[1].leaf.clone();
        },
    );
    lie(
        "an empty chunk of another list",
        Code::Status,
        revoked.clone(),
        &|r| {
            r.chunks[0].bits = of_b.chunks[0].bits;
            r.chunks[0].path = of_b.chunks[0].path.clone();
        },
    );
    lie(
        "an empty chunk of the same list",
        Code::Status,
        revoked.clone(),
        &|r| {
            r.chunks[0].bits = far.chunks[0].bits;
            r.chunks[0].path = far.chunks[0].path.clone();
        },
    );
    lie(
        "an empty chunk under its own number",
        Code::Status,
        revoked.clone(),
        &|r| {
            r.chunks[0] = far.chunks[0].clone();
        },
    );
    lie("bits cleared", Code::Status, revoked.clone(), &|r| {
        r.chunks[0].bits = HashText(Hash([0; 32]));
    });
    lie(
        "a list that there is not",
        Code::Status,
        revoked.clone(),
        &|r| {
            r.chunks[0].list = ListNumber(1 << 50);
        },
    );
    lie(
        "an earlier seal for now",
        Code::WrongSeal,
        past.clone(),
        &|r| {
            r.at = None;
            r.next = None;
            let last = r.leaves.last().unwrap().index;
            let next = past.next.unwrap();
            r.leaves
                .retain(|leaf| leaf.index != next || leaf.index == last);
        },
    );
    lie(
        "an earlier seal and its next for now",
        Code::WrongSeal,
        past.clone(),
        &|r| {
            r.at = None;
        },
    );
    // The seal after next: everything that lies between is hidden.
    let seal_at = |height: Height| {
        let row = world.ledger.state().seal(height).unwrap().unwrap();
        row.size - 1
    };
    let after_next = seal_at(Height(issued.0 + 2));
    let later = at(SUSPENDED, sealed.0 + 1_500);
    lie("the seal after next", Code::WrongSeal, past.clone(), &|r| {
        let next = past.next.unwrap();
        let last = r.leaves.last().unwrap().index;
        r.leaves
            .retain(|leaf| leaf.index != next || leaf.index == last);
        let proof = later
            .leaves
            .iter()
            .find(|leaf| leaf.index == after_next)
            .unwrap();
        r.leaves.push(proof.clone());
        r.leaves.sort_by_key(|leaf| leaf.index);
        r.leaves.dedup_by_key(|leaf| leaf.index);
        r.next = Some(after_next);
        r.at = Some(UnixMillis(sealed.0 + 1_500));
    });
    lie(
        "a time before the seal",
        Code::WrongSeal,
        past.clone(),
        &|r| {
            r.at = Some(UnixMillis(sealed.0 - 1));
        },
    );
    lie(
        "a time at the next seal",
        Code::WrongSeal,
        past.clone(),
        &|r| {
            r.at = Some(UnixMillis(sealed.0 + 1_000));
        },
    );
    lie("an older checkpoint", Code::Path, valid.clone(), &|r| {
        let older = world.attested_at(Height(world.height().0 - 1), 1_760_000_100);
        r.checkpoint = older.note().to_owned();
        // The newest leaf cannot be under it.
        let last = older.size().0 - 1;
        if !r.leaves.iter().any(|leaf| leaf.index == last) {
            let mut proof = r.leaves.last().unwrap().clone();
            proof.index = last;
            r.leaves.insert(r.leaves.len() - 1, proof);
        }
        r.leaves.retain(|leaf| leaf.index <= last);
        r.seal = last;
        for entry in &mut r.entries {
            if entry.seal > last {
                entry.seal = last;
            }
        }
    });
    lie(
        "a line of the note twice",
        Code::Malformed,
        valid.clone(),
        &|r| {
            let line = r.checkpoint.lines().last().unwrap().to_owned();
            r.checkpoint.push_str(&line);
            r.checkpoint.push('\n');
        },
    );
    let head = world.height();
    let checkpoint = world.checkpoint_at(head);
    let lines = world.cosign(head, 1_760_000_200);
    let note = |lines: Vec<credlog_tlog::NoteSignature>| {
        Note::new(&checkpoint.body(), lines).unwrap().to_string()
    };
    lie(
        "one cosignature twice, with two times",
        Code::Malformed,
        valid.clone(),
        &|r| {
            // A note that is put together keeps one of a key: so by hand.
            let other = &world.cosign(head, 1_760_000_300)[0];
            let two = note(lines[..2].to_vec());
            r.checkpoint = format!("{two}{other}\n");
        },
    );
    lie("a quorum less one", Code::Quorum, valid.clone(), &|r| {
        r.checkpoint = note(lines[..2].to_vec());
    });
    lie("a quorum and one", Code::Quorum, valid.clone(), &|r| {
        r.checkpoint = note(lines.clone());
    });
    let founders = world.members_at(Height(0));
    lie(
        "a removed member's cosignature",
        Code::UnknownSigner,
        valid.clone(),
        &|r| {
            let gone = cosigner(&founders.members()[0]).cosign(&checkpoint, 1_760_000_200);
            r.checkpoint = note(vec![gone, lines[0].clone(), lines[1].clone()]);
        },
    );
    lie("only the removed set", Code::Members, valid.clone(), &|r| {
        let gone = founders.members()[..3].iter();
        let gone = gone.map(|seat| cosigner(seat).cosign(&checkpoint, 1_760_000_200));
        r.checkpoint = note(gone.collect());
        r.members.clear();
    });
    lie(
        "one member under another's name",
        Code::Cosignature,
        valid.clone(),
        &|r| {
            // Name and key id of m2, signed by m1.
            let honest = lines[1].to_string();
            let (name, _) = honest.rsplit_once(' ').unwrap();
            let other = cosigner(&world.members_at(head).members()[0]);
            let mut bytes = lines[1].key_id().0.to_vec();
            bytes.extend_from_slice(other.cosign(&checkpoint, 1_760_000_200).bytes());
            let forged = format!("{name} {}", base64(&bytes)).parse().unwrap();
            r.checkpoint = note(vec![lines[0].clone(), forged, lines[2].clone()]);
        },
    );
    lie(
        "the cosignature of another checkpoint",
        Code::Cosignature,
        valid.clone(),
        &|r| {
            let other = world.cosign(Height(head.0 - 1), 1_760_000_200);
            r.checkpoint = note(vec![lines[0].clone(), lines[1].clone(), other[2].clone()]);
        },
    );
    lie(
        "a node's own signature beside",
        Code::UnknownSigner,
        valid.clone(),
        &|r| {
            let node = credlog_tlog::NoteSigner::new(origin().as_str(), key("m1/0/node")).unwrap();
            let own = node.sign(&checkpoint.body()).unwrap();
            r.checkpoint = note(vec![own, lines[0].clone(), lines[1].clone()]);
        },
    );
    lie(
        "another ledger's id",
        Code::OtherLedger,
        valid.clone(),
        &|r| {
            r.ledger = LedgerId([7; 32]);
        },
    );
    lie(
        "another ledger's origin",
        Code::OtherLedger,
        valid.clone(),
        &|r| {
            r.checkpoint = r
                .checkpoint
                .replacen(origin().as_str(), "other.example/credlog", 1);
        },
    );
    lie(
        "a change of members left out",
        Code::Members,
        valid.clone(),
        &|r| {
            r.members.pop();
        },
    );
    lie(
        "changes of members in another order",
        Code::Members,
        valid.clone(),
        &|r| {
            r.members.swap(0, 1);
        },
    );
    lie(
        "a member added to the list",
        Code::Members,
        valid.clone(),
        &|r| {
            let set =
                credlog_ledger::member::MemberSet::from_bytes(&r.members[1].members.0).unwrap();
            let mut seats = Vec::from(set);
            seats.push(credlog_ledger::member::SeatedMember {
                member: member("m9", 0),
                cosigner_number: 0,
            });
            let set = credlog_ledger::member::MemberSet::new(seats);
            r.members[1].members = Base64(set.to_bytes().unwrap());
        },
    );
    lie(
        "the certificate of another height",
        Code::Members,
        valid.clone(),
        &|r| {
            r.members[1].certificate = r.members[0].certificate.clone();
        },
    );
    lie("another issuer's entry", Code::Entry, valid.clone(), &|r| {
        for (own, other) in r.entries.iter_mut().zip(&of_b.entries) {
            own.entry = other.entry.clone();
            own.path = other.path.clone();
        }
    });
    lie("another issuer", Code::Issue, valid.clone(), &|r| {
        r.credentials[0].issuer = IssuerNumber(1);
        for (own, other) in r.entries.iter_mut().zip(&of_b.entries) {
            *own = other.clone();
        }
    });
    lie("another digest", Code::Issue, valid.clone(), &|r| {
        r.credentials[0].digest = digest(4_711);
    });
    lie(
        "the seal of another block",
        Code::WrongSeal,
        valid.clone(),
        &|r| {
            let other = r.seal;
            let before = r.credentials[0].issue_seal;
            r.credentials[0].issue_seal = other;
            r.leaves.retain(|leaf| leaf.index != before);
            r.entries.retain(|entry| entry.seal != before);
        },
    );
    lie(
        "revoked without a record",
        Code::StatusRecord,
        revoked.clone(),
        &|r| {
            let one = &mut r.credentials[0];
            let (status, seal) = (one.status.take(), one.status_seal.take());
            r.leaves
                .retain(|leaf| Some(leaf.index) != status && Some(leaf.index) != seal);
        },
    );
    let suspended = good(SUSPENDED);
    lie(
        "the record of another change",
        Code::StatusRecord,
        revoked.clone(),
        &|r| {
            let one = &mut r.credentials[0];
            let (status, seal) = (one.status.take(), one.status_seal.take());
            r.leaves
                .retain(|leaf| Some(leaf.index) != status && Some(leaf.index) != seal);
            let other = &suspended.credentials[0];
            one.status = other.status;
            one.status_seal = other.status_seal;
            r.leaves.extend(suspended.leaves.iter().cloned());
            r.leaves.sort_by_key(|leaf| leaf.index);
            r.leaves.dedup_by_key(|leaf| leaf.index);
        },
    );
    lie(
        "consistency with itself",
        Code::Consistency,
        valid.clone(),
        &|r| {
            r.consistency = Some(credlog_verify::receipt::ConsistencyProof {
                path: credlog_verify::receipt::Path(vec![]),
                root: HashText(checkpoint.root()),
                size: checkpoint.size().0,
            });
        },
    );
    let trusted = Wanted {
        trusted: Some(small.attested().size()),
        ..of_a(LATE)
    };
    let compared = world.make(&trusted).unwrap();
    lie(
        "consistency with another root",
        Code::Consistency,
        compared,
        &|r| {
            r.consistency.as_mut().unwrap().root = HashText(Hash([1; 32]));
        },
    );
    let old = world.attested_at(small.height(), 1_760_000_100);
    let mixed = make(&world, &old, &of_a(VALID)).unwrap().0;
    lie(
        "changes behind the checkpoint",
        Code::Members,
        mixed,
        &|r| {
            r.members = valid.members.clone();
        },
    );
    lies
}

fn base64(bytes: &[u8]) -> String {
    let json = serde_json::to_value(Base64(bytes.to_vec())).unwrap();
    json.as_str().unwrap().to_owned()
}

#[test]
fn each_lie_is_refused_for_its_reason() {
    let trust = World::small().trust();
    for lie in named_lies() {
        assert_eq!(refused(&lie.receipt, &trust), lie.code, "{}", lie.name);
    }
}
