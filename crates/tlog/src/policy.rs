//! Whom to trust: logs, witnesses and how many of them (C2SP tlog-policy).

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::hash::decimal;
use crate::key::{KeyError, KeyId, SignatureKind, VerifierKey};
use crate::note::{Note, NoteError};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// The longest policy that is read, in bytes.
pub const POLICY_BYTES_MAX: usize = 256 * 1024;

/// The most logs, the most witnesses and the most groups of a policy.
pub const POLICY_LINES_MAX: usize = 256;

/// What the quorum is called when nobody has to cosign.
const NONE: &str = "none";

/// Which logs may sign a checkpoint, and which of the witnesses have to cosign it.
///
/// ```text
/// log ledger.example/2026+52249859+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c
/// witness a ledger.example/2026/university-a/1+face3ab3+BIE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU
/// group members 1 a
/// quorum members
/// ```
///
/// `Display` writes logs, witnesses, groups and the quorum in this order, single spaces between
/// words. [`Policy::from_str`] also reads comments, empty lines, `any` and `all`, and lines in any
/// order that defines names before they are used; it wants UTF-8, which the specification only
/// recommends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<PolicyGroup>,
    quorum: Option<String>,
}

/// A log whose signature counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyLog {
    /// Its key, under the origin's name.
    pub key: VerifierKey,
    /// Where the log is, if that is said.
    pub url: Option<String>,
}

/// A witness whose cosignature counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyWitness {
    /// What groups and the quorum call it; not the name in its key.
    pub name: String,
    /// Its key.
    pub key: VerifierKey,
    /// Where the witness is, if that is said.
    pub url: Option<String>,
}

/// Several witnesses or groups, of which some suffice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyGroup {
    /// What other groups and the quorum call it.
    pub name: String,
    /// How many of its members it takes, at least 1.
    pub threshold: usize,
    /// Names of witnesses and of earlier groups.
    pub members: Vec<String>,
}

impl Policy {
    /// A policy. `quorum` names a witness or a group; without it nobody has to cosign.
    ///
    /// # Errors
    /// [`PolicyError`] for what no policy file could say.
    pub fn new(
        logs: Vec<PolicyLog>,
        witnesses: Vec<PolicyWitness>,
        groups: Vec<PolicyGroup>,
        quorum: Option<&str>,
    ) -> Result<Self, PolicyError> {
        let mut reader = Reader::default();
        logs.into_iter().try_for_each(|log| reader.log(log))?;
        for witness in witnesses {
            reader.witness(witness)?;
        }
        groups
            .into_iter()
            .try_for_each(|group| reader.group(group))?;
        reader.quorum(quorum.unwrap_or(NONE))?;
        let policy = reader.finish()?;
        let bytes = policy.to_string().len();
        if bytes > POLICY_BYTES_MAX {
            return Err(PolicyError::TooLong { bytes });
        }
        Ok(policy)
    }

    /// The logs, any of which may have signed.
    #[must_use]
    pub fn logs(&self) -> &[PolicyLog] {
        &self.logs
    }

    /// The witnesses.
    #[must_use]
    pub fn witnesses(&self) -> &[PolicyWitness] {
        &self.witnesses
    }

    /// The groups.
    #[must_use]
    pub fn groups(&self) -> &[PolicyGroup] {
        &self.groups
    }

    /// The witness or group that has to cosign.
    #[must_use]
    pub fn quorum(&self) -> Option<&str> {
        self.quorum.as_deref()
    }

    /// The checkpoint of a note that a log of this policy signed and the quorum cosigned. Times of
    /// cosignatures are not looked at.
    ///
    /// # Errors
    /// [`PolicyError`] when the note is no checkpoint, a signature by a key of the policy is wrong,
    /// no log under the checkpoint's origin signed, or the quorum did not cosign.
    pub fn accept(&self, note: &Note) -> Result<Checkpoint, PolicyError> {
        let checkpoint = Checkpoint::parse(note.text())?;
        let signed = self.signers(note)?;
        let signed_by = |key: &VerifierKey| signed.contains(&key);
        let is_log = |log: &PolicyLog| log.key.name() == checkpoint.origin() && signed_by(&log.key);
        if !self.logs.iter().any(is_log) {
            let origin = checkpoint.origin().to_owned();
            return Err(PolicyError::NoLog { origin });
        }
        let witnesses = self.witnesses.iter();
        let mut witnessed: BTreeSet<&str> = witnesses
            .filter(|witness| signed_by(&witness.key))
            .map(|witness| witness.name.as_str())
            .collect();
        for group in &self.groups {
            let members = group.members.iter();
            let count = members.filter(|name| witnessed.contains(name.as_str()));
            if count.count() >= group.threshold {
                witnessed.insert(&group.name);
            }
        }
        match &self.quorum {
            Some(quorum) if !witnessed.contains(quorum.as_str()) => Err(PolicyError::NoQuorum {
                quorum: quorum.clone(),
            }),
            _ => Ok(checkpoint),
        }
    }
    /// The keys of the policy that signed the note. Key ids are short, and all logs have one name:
    /// whoever makes a key whose id is that of another must not stop the other's signatures.
    fn signers(&self, note: &Note) -> Result<Vec<&VerifierKey>, PolicyError> {
        let logs = self.logs.iter().map(|log| &log.key);
        let keys = logs.chain(self.witnesses.iter().map(|witness| &witness.key));
        let mut known: BTreeMap<(&str, KeyId), Vec<&VerifierKey>> = BTreeMap::new();
        for key in keys {
            known.entry((key.name(), key.id())).or_default().push(key);
        }
        let mut signers = Vec::new();
        for signature in note.signatures() {
            let Some(keys) = known.get(&(signature.name(), signature.key_id())) else {
                continue;
            };
            let mut bad = None;
            let signer = keys.iter().find(|key| {
                let verified = signature.verify(key, note.text());
                verified.map_err(|error| bad = Some(error)).is_ok()
            });
            match (signer, bad) {
                (Some(signer), _) => signers.push(*signer),
                (None, Some(error)) => return Err(error.into()),
                (None, None) => {}
            }
        }
        Ok(signers)
    }
}

impl FromStr for Policy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        if text.len() > POLICY_BYTES_MAX {
            return Err(PolicyError::TooLong { bytes: text.len() });
        }
        let refused = |byte: u8| (byte < b' ' && byte != b'\t' && byte != b'\n') || byte == 0x7f;
        if let Some(offset) = text.bytes().position(refused) {
            return Err(PolicyError::ControlCharacter { offset });
        }
        let lines = text.strip_suffix('\n').ok_or(PolicyError::LineNotEnded)?;
        let mut reader = Reader::default();
        for (number, line) in lines.split('\n').enumerate() {
            let words = line.split([' ', '\t']).filter(|word| !word.is_empty());
            let words: Vec<&str> = words.collect();
            let read = reader.line(&words);
            read.map_err(|error| PolicyError::Line {
                line: number + 1,
                error: Box::new(error),
            })?;
        }
        reader.finish()
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = |url: &Option<String>| match url {
            Some(url) => format!(" {url}"),
            None => String::new(),
        };
        for log in &self.logs {
            writeln!(f, "log {}{}", log.key, url(&log.url))?;
        }
        for witness in &self.witnesses {
            let (name, key) = (&witness.name, &witness.key);
            writeln!(f, "witness {name} {key}{}", url(&witness.url))?;
        }
        for group in &self.groups {
            let (name, members) = (&group.name, group.members.join(" "));
            writeln!(f, "group {name} {} {members}", group.threshold)?;
        }
        writeln!(f, "quorum {}", self.quorum().unwrap_or(NONE))
    }
}

/// A policy as far as it is read.
#[derive(Default)]
struct Reader {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<PolicyGroup>,
    quorum: Option<String>,
    log_keys: BTreeSet<[u8; 32]>,
    witness_keys: BTreeSet<[u8; 32]>,
    /// Witnesses and groups, and whether they are members of a group already.
    names: BTreeMap<String, bool>,
}

impl Reader {
    fn line(&mut self, words: &[&str]) -> Result<(), PolicyError> {
        let url = |words: &[&str]| words.first().map(|url| (*url).to_owned());
        match words {
            [] => Ok(()),
            [first, ..] if first.starts_with('#') => Ok(()),
            ["log", key, rest @ ..] if rest.len() < 2 => {
                let (key, url) = (key.parse()?, url(rest));
                self.log(PolicyLog { key, url })
            }
            ["witness", name, key, rest @ ..] if rest.len() < 2 => {
                let (name, key, url) = ((*name).to_owned(), key.parse()?, url(rest));
                self.witness(PolicyWitness { name, key, url })
            }
            ["group", name, threshold, members @ ..] => {
                let threshold = match *threshold {
                    "any" => 1,
                    "all" => members.len(),
                    number => {
                        let number = decimal(number).ok_or(PolicyError::Threshold)?;
                        usize::try_from(number).map_err(|_| PolicyError::Threshold)?
                    }
                };
                self.group(PolicyGroup {
                    name: (*name).to_owned(),
                    threshold,
                    members: members.iter().map(|member| (*member).to_owned()).collect(),
                })
            }
            ["quorum", name] => self.quorum(name),
            _ => Err(PolicyError::Unknown),
        }
    }

    fn log(&mut self, log: PolicyLog) -> Result<(), PolicyError> {
        check_kind(&log.key, SignatureKind::Ed25519)?;
        check_url(log.url.as_deref())?;
        check_count(self.logs.len())?;
        if !self.log_keys.insert(*log.key.public_key()) {
            return Err(PolicyError::KeyTwice);
        }
        self.logs.push(log);
        Ok(())
    }

    fn witness(&mut self, witness: PolicyWitness) -> Result<(), PolicyError> {
        check_kind(&witness.key, SignatureKind::CosignatureV1)?;
        check_url(witness.url.as_deref())?;
        check_count(self.witnesses.len())?;
        if !self.witness_keys.insert(*witness.key.public_key()) {
            return Err(PolicyError::KeyTwice);
        }
        self.define(&witness.name)?;
        self.witnesses.push(witness);
        Ok(())
    }

    fn group(&mut self, group: PolicyGroup) -> Result<(), PolicyError> {
        check_count(self.groups.len())?;
        if !(1..=group.members.len()).contains(&group.threshold) {
            return Err(PolicyError::Threshold);
        }
        for member in &group.members {
            match self.names.get_mut(member) {
                None => return Err(undefined(member)),
                Some(true) => return Err(PolicyError::MemberTwice(member.clone())),
                Some(member) => *member = true,
            }
        }
        self.define(&group.name)?;
        self.groups.push(group);
        Ok(())
    }

    fn quorum(&mut self, name: &str) -> Result<(), PolicyError> {
        if self.quorum.is_some() {
            return Err(PolicyError::QuorumTwice);
        }
        if name != NONE && !self.names.contains_key(name) {
            return Err(undefined(name));
        }
        self.quorum = Some(name.to_owned());
        Ok(())
    }

    fn define(&mut self, name: &str) -> Result<(), PolicyError> {
        if !is_word(name) || name == NONE || self.names.contains_key(name) {
            return Err(PolicyError::Name(name.to_owned()));
        }
        self.names.insert(name.to_owned(), false);
        Ok(())
    }

    fn finish(self) -> Result<Policy, PolicyError> {
        let quorum = self.quorum.ok_or(PolicyError::NoQuorumLine)?;
        Ok(Policy {
            logs: self.logs,
            witnesses: self.witnesses,
            groups: self.groups,
            quorum: (quorum != NONE).then_some(quorum),
        })
    }
}

fn check_kind(key: &VerifierKey, kind: SignatureKind) -> Result<(), PolicyError> {
    if key.kind() != kind || !is_word(key.name()) {
        return Err(PolicyError::Kind {
            wanted: kind.byte(),
        });
    }
    Ok(())
}

fn check_url(url: Option<&str>) -> Result<(), PolicyError> {
    match url {
        Some(url) if !is_word(url) => Err(PolicyError::Url),
        _ => Ok(()),
    }
}

fn check_count(count: usize) -> Result<(), PolicyError> {
    if count == POLICY_LINES_MAX {
        return Err(PolicyError::TooMany);
    }
    Ok(())
}

/// Whether a text can stand between white space.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte > b' ' && byte != 0x7f)
}

fn undefined(name: &str) -> PolicyError {
    PolicyError::Undefined(name.to_owned())
}

/// Why a text is no policy, or a note does not meet one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The policy is longer than the limit.
    #[error("the policy has {bytes} bytes, the limit is {POLICY_BYTES_MAX}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// More logs, witnesses or groups than the limit.
    #[error("a policy has at most {POLICY_LINES_MAX} logs, witnesses and groups each")]
    TooMany,
    /// A control character.
    #[error("the policy has a control character at byte {offset}; tab and newline are allowed")]
    ControlCharacter {
        /// Where it stands.
        offset: usize,
    },
    /// The last line has no newline.
    #[error("each line of a policy must end in a newline")]
    LineNotEnded,
    /// A line cannot be read.
    #[error("line {line} of the policy: {error}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        error: Box<PolicyError>,
    },
    /// A line that means nothing.
    #[error(
        "write `log <key> [<url>]`, `witness <name> <key> [<url>]`, \
         `group <name> <number, any or all> <member>…` or `quorum <name>`"
    )]
    Unknown,
    /// A key that cannot be read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A key of another type than belongs there.
    #[error(
        "this key has another type than {wanted:#04x}; logs sign with 0x01, witnesses with 0x04"
    )]
    Kind {
        /// The type's byte.
        wanted: u8,
    },
    /// One public key in two lines.
    #[error("this public key stands in an earlier line")]
    KeyTwice,
    /// An address with white space.
    #[error("an address in a policy has no white space or control character and is not empty")]
    Url,
    /// A name that cannot be defined, or is.
    #[error("the name {0:?} is none, reserved, or defined in an earlier line")]
    Name(String),
    /// A name that no earlier line defines.
    #[error("no earlier line defines {0:?}")]
    Undefined(String),
    /// Several groups, or one several times, have the same member.
    #[error("{0:?} is a member of a group already; it may count once only")]
    MemberTwice(String),
    /// A group asks for fewer than one member or more than it has.
    #[error("a group needs a number from 1 to that of its members, any, or all")]
    Threshold,
    /// Two quorum lines.
    #[error("a policy has one quorum line")]
    QuorumTwice,
    /// No quorum line.
    #[error("the policy has no line `quorum <name>`")]
    NoQuorumLine,
    /// The note is no checkpoint.
    #[error("the note is no checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// A signature under the name and id of a key of the policy is wrong.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// No log of the policy signed.
    #[error("no log {origin} of the policy signed the checkpoint")]
    NoLog {
        /// The origin that the checkpoint names.
        origin: String,
    },
    /// Too few cosigned.
    #[error("the quorum {quorum} did not cosign the checkpoint")]
    NoQuorum {
        /// Name of the witness or group.
        quorum: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::{TreeSize, leaf_hash};
    use crate::signer::{CosignatureSigner, NoteSigner};
    use ed25519_dalek::SigningKey;

    fn log(name: &str, seed: u8) -> NoteSigner {
        NoteSigner::new(name, SigningKey::from_bytes(&[seed; 32])).unwrap()
    }

    fn cosigner(seed: u8) -> CosignatureSigner {
        let name = format!("w{seed}");
        CosignatureSigner::new(&name, SigningKey::from_bytes(&[seed; 32])).unwrap()
    }

    fn witness(seed: u8) -> String {
        let key = cosigner(seed).verifier_key().clone();
        format!("witness W{seed} {key}\n")
    }

    fn parse(text: &str) -> Result<Policy, PolicyError> {
        text.parse()
    }

    #[test]
    fn a_nested_policy_wants_its_quorum() {
        let text = format!(
            "# who may sign\n\tlog  {}\thttps://log.example/\n \n{}{}{}{}group X 2 W1 W2 W3\n\
             group Y any W4\ngroup XY all X Y\nquorum XY\n",
            log("o", 9).verifier_key(),
            witness(1),
            witness(2),
            witness(3),
            witness(4)
        );
        let policy = parse(&text).unwrap();
        assert_eq!(policy.groups()[2].threshold, 2);
        assert_eq!(parse(&policy.to_string()), Ok(policy.clone()));
        let checkpoint = Checkpoint::new("o", TreeSize(1), leaf_hash(b"a")).unwrap();
        let accepted = |origin: &str, key: u8, cosigners: &[u8]| {
            let own = log(origin, key).sign(&checkpoint.body()).unwrap();
            let cosigned = cosigners
                .iter()
                .map(|one| cosigner(*one).cosign(&checkpoint, 7));
            let lines = [own].into_iter().chain(cosigned).collect();
            policy.accept(&Note::new(&checkpoint.body(), lines).unwrap())
        };
        for good in [&[1, 2, 4][..], &[1, 2, 3, 4], &[3, 4, 2, 8]] {
            assert_eq!(accepted("o", 9, good), Ok(checkpoint.clone()), "{good:?}");
        }
        let few = PolicyError::NoQuorum {
            quorum: "XY".to_owned(),
        };
        for bad in [&[1, 2, 3][..], &[4], &[1, 4], &[1, 1, 4], &[]] {
            assert_eq!(accepted("o", 9, bad), Err(few.clone()), "{bad:?}");
        }
        let stranger = PolicyError::NoLog {
            origin: "o".to_owned(),
        };
        assert_eq!(accepted("o", 8, &[1, 2, 4]), Err(stranger.clone()));
        assert_eq!(accepted("p", 9, &[1, 2, 4]), Err(stranger));
    }

    #[test]
    fn a_wrong_cosignature_is_not_ignored() {
        let (own, w) = (log("o", 9), cosigner(1));
        let text = format!("log {}\n{}quorum none\n", own.verifier_key(), witness(1));
        let checkpoint = |size| Checkpoint::new("o", TreeSize(size), leaf_hash(b"a")).unwrap();
        let body = checkpoint(1).body();
        let lines = vec![own.sign(&body).unwrap(), w.cosign(&checkpoint(2), 7)];
        let note = Note::new(&body, lines).unwrap();
        let result = parse(&text).unwrap().accept(&note);
        assert!(matches!(
            result,
            Err(PolicyError::Note(NoteError::BadSignature { .. }))
        ));
    }

    #[test]
    fn each_fault_has_its_error() {
        let (own, w1, w2) = (log("o", 9), witness(1), witness(2));
        let (own, named_none) = (own.verifier_key(), w1.replace("W1", "none"));
        let fault = |text: &str| match parse(text).unwrap_err() {
            PolicyError::Line { error, .. } => *error,
            error => error,
        };
        let name = |name: &str| PolicyError::Name(name.to_owned());
        assert_eq!(fault(""), PolicyError::LineNotEnded);
        assert_eq!(fault("quorum none"), PolicyError::LineNotEnded);
        assert_eq!(fault("\n"), PolicyError::NoQuorumLine);
        assert_eq!(
            fault("quorum none\nquorum none\n"),
            PolicyError::QuorumTwice
        );
        assert_eq!(fault("quorum W1\n"), undefined("W1"));
        assert_eq!(fault(&format!("quorum W1\n{w1}")), undefined("W1"));
        assert_eq!(
            fault("quorum none\r\n"),
            PolicyError::ControlCharacter { offset: 11 }
        );
        assert_eq!(
            fault("#\u{7f}\n"),
            PolicyError::ControlCharacter { offset: 1 }
        );
        for line in [
            "quorum",
            "quorum none none",
            "log",
            "logs x",
            "witness W",
            "group",
            "group g",
        ] {
            assert_eq!(fault(&format!("{line}\n")), PolicyError::Unknown, "{line}");
        }
        assert_eq!(fault("log x\n"), PolicyError::Key(KeyError::Form));
        assert_eq!(fault(&format!("log {own} a b\n")), PolicyError::Unknown);
        assert_eq!(
            fault(&format!("log {own}\nlog {own}\n")),
            PolicyError::KeyTwice
        );
        assert_eq!(
            fault(&format!("{w1}{}", w1.replace("W1", "W2"))),
            PolicyError::KeyTwice
        );
        let swapped = fault(&format!("witness W {own}\n"));
        assert_eq!(swapped, PolicyError::Kind { wanted: 4 });
        assert_eq!(
            fault(&format!("{w1}{}", w2.replace("W2", "W1"))),
            name("W1")
        );
        assert_eq!(fault(&named_none), name("none"));
        let group = |line: &str| fault(&format!("{w1}{w2}{line}\n"));
        for line in [
            "group g 0 W1",
            "group g 2 W1",
            "group g 01 W1",
            "group g all",
            "group g x W1",
        ] {
            assert_eq!(group(line), PolicyError::Threshold, "{line}");
        }
        let twice = PolicyError::MemberTwice("W1".to_owned());
        assert_eq!(group("group g 1 W1 W1"), twice);
        assert_eq!(group("group g 1 W1\ngroup h 1 W1"), twice);
        assert_eq!(group("group g 1 none"), undefined("none"));
        assert_eq!(group("group g 1 g"), undefined("g"));
        assert_eq!(group("group W1 1 W2"), name("W1"));
    }

    #[test]
    fn what_is_made_can_be_read_and_has_limits() {
        let key = cosigner(1).verifier_key().clone();
        let make = |name: &str, url: Option<&str>| {
            let witness = PolicyWitness {
                name: name.to_owned(),
                key: key.clone(),
                url: url.map(str::to_owned),
            };
            Policy::new(vec![], vec![witness], vec![], Some(name))
        };
        let made = make("w\u{e9}", Some("https://w.example/")).unwrap();
        assert_eq!(parse(&made.to_string()), Ok(made));
        for bad in ["", "a b", "a\nquorum", "a\t", "a\u{7f}", "none"] {
            assert_eq!(
                make(bad, None),
                Err(PolicyError::Name(bad.to_owned())),
                "{bad:?}"
            );
        }
        assert_eq!(make("w", Some("a b")), Err(PolicyError::Url));
        let long = make(&"w".repeat(POLICY_BYTES_MAX), None);
        assert!(matches!(long, Err(PolicyError::TooLong { .. })));
        let bytes = POLICY_BYTES_MAX + 1;
        let long = parse(&"\n".repeat(bytes));
        assert_eq!(long, Err(PolicyError::TooLong { bytes }));
        let group = |n: usize| PolicyGroup {
            name: format!("g{n}"),
            threshold: 1,
            members: vec![if n == 0 {
                "w".to_owned()
            } else {
                format!("g{}", n - 1)
            }],
        };
        let w = make("w", None).unwrap().witnesses()[0].clone();
        let chain = |count: usize| {
            let groups = (0..count).map(group).collect();
            Policy::new(vec![], vec![w.clone()], groups, None)
        };
        assert!(chain(POLICY_LINES_MAX).is_ok());
        assert_eq!(chain(POLICY_LINES_MAX + 1), Err(PolicyError::TooMany));
    }
}
