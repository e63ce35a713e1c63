//! What a witness answers: a cosignature, the size that it knows, or nothing of use.

use credlog_tlog::{Checkpoint, NoteSignature, VerifierKey};

/// Most lines that are looked at.
const LINES_MAX: usize = 64;

/// Why a checkpoint is not cosigned by a witness.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("it does not answer; is it running, and is its url right? (more with log level debug)")]
    Unreachable,
    #[error("{}", status(*.0))]
    Status(u16),
    #[error("its answer is not one of C2SP tlog-witness: {0}; is the url right?")]
    Malformed(String),
    #[error("its answer has no cosignature by its public_key; ask its operator for the key")]
    OtherKey,
    #[error("its cosignature does not verify; nothing of it is served")]
    BadSignature,
    #[error(
        "it has cosigned {size} leaves of this log already, more than this node has attested; \
         another node was faster, or this one is behind"
    )]
    Ahead { size: u64 },
    #[error("it says each time that it knows another size; several nodes may ask it at a time")]
    Unsteady,
    #[error(
        "it knows another root of this log at the size that it cosigned last: it was shown \
         another history, or has lost its own; compare with its operator at once"
    )]
    OtherHistory,
    #[error("this node cannot make the request: {0}")]
    Here(String),
}

fn status(status: u16) -> String {
    let meaning = match status {
        300..400 => "it redirects, which is not followed: set url to where it leads",
        403 => "it trusts none of the keys: its operator has to add those of GET /v1/policy",
        404 => "it does not know this log: its operator has to add the origin",
        422 => {
            "it says that the log did not grow from what it knows: it was shown another history, \
             or has lost its own; compare with its operator at once"
        }
        429 => "it is asked too often",
        500.. => "it fails",
        _ => "its operator may know why",
    };
    format!("it answers with status {status}: {meaning}")
}

impl Fault {
    /// Whether it passes by itself where several nodes ask one witness.
    pub(super) fn is_brief(&self) -> bool {
        matches!(self, Self::Ahead { .. } | Self::Unsteady)
    }

    /// Whether the ledger may have forked.
    pub(super) fn is_alarm(&self) -> bool {
        matches!(self, Self::OtherHistory | Self::Status(422))
    }
}

/// The size in a 409: decimal digits and a newline.
pub(super) fn known_size(answer: &[u8]) -> Result<u64, Fault> {
    let text = std::str::from_utf8(answer).ok();
    let text = text.map(|text| text.strip_suffix('\n').unwrap_or(text));
    let digits = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let size = digits.and_then(|digits| digits.parse().ok());
    size.ok_or_else(|| Fault::Malformed("status 409 without a size".to_owned()))
}

/// The newest cosignature by the key, with its second. Lines of other keys are passed over.
pub(super) fn cosignature(
    answer: &[u8],
    key: &VerifierKey,
    checkpoint: &Checkpoint,
) -> Result<(u64, NoteSignature), Fault> {
    let malformed = |reason: &str| Fault::Malformed(reason.to_owned());
    let text = std::str::from_utf8(answer).map_err(|_| malformed("it is not UTF-8"))?;
    let lines = text.strip_suffix('\n');
    let lines = lines.ok_or_else(|| malformed("its last line has no newline"))?;
    let body = checkpoint.body();
    let mut newest: Option<(u64, NoteSignature)> = None;
    for (number, line) in lines.split('\n').enumerate() {
        if number == LINES_MAX {
            return Err(malformed("it has too many lines"));
        }
        let signature: NoteSignature = line
            .parse()
            .map_err(|_| malformed("a line is no signature"))?;
        if signature.name() != key.name() || signature.key_id() != key.id() {
            continue;
        }
        let second = signature.verify(key, &body).ok().flatten();
        let second = second.filter(|second| i64::try_from(*second).is_ok());
        let second = second.ok_or(Fault::BadSignature)?;
        if newest.as_ref().is_none_or(|(known, _)| *known < second) {
            newest = Some((second, signature));
        }
    }
    newest.ok_or(Fault::OtherKey)
}

#[cfg(test)]
mod tests {
    use credlog_tlog::{CosignatureSigner, Hash, TreeSize};
    use ed25519_dalek::SigningKey;

    use super::*;

    fn cosigner(name: &str, seed: u8) -> CosignatureSigner {
        CosignatureSigner::new(name, SigningKey::from_bytes(&[seed; 32])).unwrap()
    }

    fn checkpoint(size: u64) -> Checkpoint {
        Checkpoint::new("o", TreeSize(size), Hash([7; 32])).unwrap()
    }

    #[test]
    fn only_the_witnesss_own_cosignature_of_this_checkpoint_counts() {
        let (w, stranger) = (cosigner("w", 1), cosigner("x", 2));
        let key = w.verifier_key();
        let line = |signer: &CosignatureSigner, size, time| {
            format!("{}\n", signer.cosign(&checkpoint(size), time))
        };
        let read = |answer: &str| cosignature(answer.as_bytes(), key, &checkpoint(5));
        let good = line(&w, 5, 70);
        let second = |answer: &str| read(answer).map(|(second, _)| second);
        assert_eq!(second(&good), Ok(70));
        let several = format!("{}{}{good}", line(&stranger, 9, 99), line(&w, 5, 60));
        assert_eq!(second(&several), Ok(70));
        assert_eq!(second(&line(&w, 5, u64::MAX)), Err(Fault::BadSignature));
        assert_eq!(second(&line(&w, 6, 70)), Err(Fault::BadSignature));
        let also_bad = format!("{good}{}", line(&w, 6, 71));
        assert_eq!(second(&also_bad), Err(Fault::BadSignature));
        assert_eq!(
            second(&line(&cosigner("w", 3), 5, 70)),
            Err(Fault::OtherKey)
        );
        assert_eq!(second(&line(&stranger, 5, 70)), Err(Fault::OtherKey));
        for bad in [
            "",
            "\n",
            "x\n",
            good.trim_end(),
            &format!("{good}\n"),
            "\u{2014} w AAAA\n",
        ] {
            assert!(matches!(read(bad), Err(Fault::Malformed(_))), "{bad:?}");
        }
        let many = line(&stranger, 5, 1).repeat(LINES_MAX + 1);
        assert!(matches!(read(&many), Err(Fault::Malformed(_))));
        let result = cosignature(b"\xff\n", key, &checkpoint(5));
        assert!(matches!(result, Err(Fault::Malformed(_))));
    }

    #[test]
    fn a_size_is_digits() {
        assert_eq!(known_size(b"17\n"), Ok(17));
        assert_eq!(known_size(b"0"), Ok(0));
        let bad: [&[u8]; 7] = [
            b"",
            b"\n",
            b"+1\n",
            b"-1",
            b"1\n\n",
            b"99999999999999999999",
            b"\xff",
        ];
        for bad in bad {
            assert!(known_size(bad).is_err(), "{bad:?}");
        }
    }
}
