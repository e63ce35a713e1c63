//! Arbitrary records of every kind: well formed, though no ledger would take most of them.

use credlog_ledger::body::{
    Accredit, Achievement, Action, Body, Issue, Item, KeyChange, NewKey, Profile, Purposes, Reason,
    Registration, Scope, StatusChange,
};
use credlog_ledger::ids::{
    AchievementId, Digest, DisplayName, IssuerId, KeyId, LedgerId, ListNumber, MemberId, RecordId,
    StatusIndex, UnixMillis, WebUrl,
};
use credlog_ledger::key::{ProvenKey, PublicKey};
use credlog_ledger::member::{Member, MemberKeys};
use credlog_ledger::parameters::Parameter;
use credlog_ledger::record::{Author, AuthorId, Record};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;

fn text<T>(pattern: &str) -> impl Strategy<Value = T> + use<T>
where
    T: std::str::FromStr<Err: std::fmt::Debug> + std::fmt::Debug,
{
    proptest::string::string_regex(pattern)
        .unwrap()
        .prop_map(|text| text.parse().unwrap())
}

fn member_id() -> impl Strategy<Value = MemberId> {
    text("[a-z0-9][a-z0-9-]{0,39}")
}

fn issuer_id() -> impl Strategy<Value = IssuerId> {
    text("(did:web:[!\"$-.0->@-~]{1,60}|https://[!-~]{1,60})")
}

fn achievement_id() -> impl Strategy<Value = AchievementId> {
    text("(urn|https|x-1):[!-~]{1,60}")
}

fn name() -> impl Strategy<Value = DisplayName> {
    text("[ -~äöü漢字]{1,40}")
}

fn web_url() -> impl Strategy<Value = WebUrl> {
    text("https?://[!-~]{1,60}")
}

fn time() -> impl Strategy<Value = UnixMillis> {
    any::<u64>().prop_map(UnixMillis)
}

fn digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest)
}

fn record_id() -> impl Strategy<Value = RecordId> {
    any::<[u8; 32]>().prop_map(RecordId)
}

fn public_key() -> impl Strategy<Value = PublicKey> {
    vec(any::<u8>(), 0..120).prop_map(|bytes| PublicKey::from_multicodec(&bytes).unwrap())
}

fn proven() -> impl Strategy<Value = ProvenKey> {
    (public_key(), vec(any::<u8>(), 0..80))
        .prop_map(|(key, possession)| ProvenKey { key, possession })
}

fn new_key() -> impl Strategy<Value = NewKey> {
    (proven(), 1..4u8).prop_map(|(proven, bits)| NewKey {
        proven,
        purposes: Purposes {
            record: bits & 1 != 0,
            assertion: bits & 2 != 0,
        },
    })
}

fn key_change() -> impl Strategy<Value = KeyChange> {
    let retire = btree_set(any::<[u8; 16]>().prop_map(KeyId), 1..4);
    (vec(new_key(), 0..3), retire, option::of(time())).prop_map(
        |(add, retire, compromised_since)| KeyChange {
            add,
            retire: retire.into_iter().collect(),
            compromised_since,
        },
    )
}

fn scope() -> impl Strategy<Value = Scope> {
    prop_oneof![
        Just(Scope::All),
        btree_set(achievement_id(), 1..5)
            .prop_map(|ids| Scope::Achievements(ids.into_iter().collect())),
    ]
}

fn reason() -> impl Strategy<Value = Reason> {
    proptest::sample::select(Reason::ALL.to_vec())
}

fn member() -> impl Strategy<Value = Member> {
    let keys = (proven(), proven(), proven(), proven());
    let addresses = vec(text("/[!-~]{1,60}"), 0..4);
    (member_id(), name(), keys, addresses, option::of(web_url())).prop_map(
        |(id, name, (governance, consensus, cosigner, node), addresses, url)| Member {
            id,
            name,
            keys: MemberKeys {
                governance,
                consensus,
                cosigner,
                node,
            },
            addresses,
            url,
        },
    )
}

fn parameter() -> impl Strategy<Value = Parameter> {
    (0..7u8, any::<u32>()).prop_map(|(which, value)| match which {
        0 => Parameter::IssuersPerMember(value),
        1 => Parameter::AchievementsPerIssuer(value),
        2 => Parameter::ActiveKeysPerIssuer(value),
        3 => Parameter::OpenProposalsPerMember(value),
        4 => Parameter::RegistryEntryBytes(value),
        5 => Parameter::RecordsPerBlock(value),
        _ => Parameter::MinBlockIntervalMs(value),
    })
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        member().prop_map(|member| Action::AddMember { member }),
        (member_id(), option::of(member_id())).prop_map(|(member, transfer_to)| {
            Action::RemoveMember {
                member,
                transfer_to,
            }
        }),
        member().prop_map(|member| Action::ReplaceMemberKeys { member }),
        (member_id(), member_id())
            .prop_map(|(from, to)| Action::TransferAccreditations { from, to }),
        (member_id(), issuer_id(), time(), reason()).prop_map(|(member, issuer, from, reason)| {
            Action::WithdrawAccreditation {
                member,
                issuer,
                from,
                reason,
            }
        }),
        parameter().prop_map(|parameter| Action::SetParameter { parameter }),
    ]
}

fn accredit() -> impl Strategy<Value = Accredit> {
    let profile = (name(), option::of(web_url()));
    let registration =
        (profile, vec(new_key(), 1..3), proven()).prop_map(|((name, url), keys, recovery)| {
            Registration {
                profile: Profile { name, url },
                keys,
                recovery,
            }
        });
    let signature = vec(any::<u8>(), 64);
    (
        issuer_id(),
        option::of(registration),
        scope(),
        option::of(time()),
        signature,
    )
        .prop_map(|(issuer, registration, scope, until, signature)| Accredit {
            issuer,
            registration,
            scope,
            until,
            countersignature: signature.try_into().unwrap(),
        })
}

fn achievement() -> impl Strategy<Value = Achievement> {
    let links = || vec(achievement_id(), 0..4);
    (achievement_id(), digest(), name(), links(), links()).prop_map(
        |(id, definition, name, alignments, prerequisites)| Achievement {
            id,
            definition,
            name,
            alignments,
            prerequisites,
        },
    )
}

fn issue() -> impl Strategy<Value = Issue> {
    let items = btree_map(0..131_072u32, digest(), 1..20);
    let from = option::of(0..1u64 << 40);
    let until = option::of((1u64 << 40)..u64::MAX);
    (
        option::of(achievement_id()),
        any::<u64>(),
        from,
        until,
        items,
    )
        .prop_map(|(achievement, list, from, until, items)| Issue {
            achievement,
            list: ListNumber(list),
            valid_from: from.map(UnixMillis),
            valid_until: until.map(UnixMillis),
            items: items
                .into_iter()
                .map(|(index, digest)| Item {
                    index: StatusIndex(index),
                    digest,
                })
                .collect(),
        })
}

fn digests() -> impl Strategy<Value = Vec<Digest>> {
    btree_set(digest(), 1..20).prop_map(|all| all.into_iter().collect())
}

fn status_change() -> impl Strategy<Value = StatusChange> {
    (issuer_id(), digests(), reason()).prop_map(|(issuer, digests, reason)| StatusChange {
        issuer,
        digests,
        reason,
    })
}

pub(crate) fn body() -> impl Strategy<Value = Body> {
    prop_oneof![
        action().prop_map(|action| Body::Propose { action }),
        record_id().prop_map(|proposal| Body::Approve { proposal }),
        record_id().prop_map(|record| Body::Retract { record }),
        accredit().prop_map(Body::Accredit),
        (issuer_id(), scope(), option::of(time())).prop_map(|(issuer, scope, until)| {
            Body::AmendAccreditation {
                issuer,
                scope,
                until,
            }
        }),
        (issuer_id(), time(), reason()).prop_map(|(issuer, from, reason)| {
            Body::WithdrawAccreditation {
                issuer,
                from,
                reason,
            }
        }),
        (issuer_id(), key_change())
            .prop_map(|(issuer, change)| Body::ReplaceIssuerKeys { issuer, change }),
        key_change().prop_map(Body::RotateKeys),
        achievement().prop_map(Body::DefineAchievement),
        Just(Body::OpenStatusList {}),
        issue().prop_map(Body::Issue),
        status_change().prop_map(Body::Revoke),
        status_change().prop_map(Body::Suspend),
        (issuer_id(), record_id(), digests(), reason()).prop_map(
            |(issuer, suspension, digests, reason)| Body::Reinstate {
                issuer,
                suspension,
                digests,
                reason,
            }
        ),
        (issuer_id(), digest(), digest(), reason())
            .prop_filter("not itself", |(_, old, new, _)| old != new)
            .prop_map(|(issuer, old, new, reason)| Body::Supersede {
                issuer,
                old,
                new,
                reason
            }),
    ]
}

pub(crate) fn record() -> impl Strategy<Value = Record> {
    let author = prop_oneof![
        member_id().prop_map(AuthorId::Member),
        issuer_id().prop_map(AuthorId::Issuer),
    ];
    let envelope = (
        any::<[u8; 32]>(),
        author,
        any::<[u8; 16]>(),
        any::<[u8; 16]>(),
        time(),
    );
    (envelope, body(), vec(any::<u8>(), 64)).prop_map(
        |((ledger, id, key, nonce, expires_at), body, signature)| Record {
            version: 1,
            ledger: LedgerId(ledger),
            author: Author {
                id,
                key: KeyId(key),
            },
            nonce,
            expires_at,
            body,
            signature: signature.try_into().unwrap(),
        },
    )
}
