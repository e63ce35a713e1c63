//! A small file that is written over and never lost: two slots, each with its own check.
//!
//! ```text
//! file = slot ‖ slot                        8,192 bytes, always
//! slot = line, zeros to 2,048 bytes ‖ the same again
//! line = {…,"check":"<64 hex>"}\n           check = BLAKE3 of the object without it
//! ```
//!
//! A new value goes over the older slot, so that a torn write leaves the newer whole; of two
//! whole slots the greater value counts, since no value is ever less than the one before. The
//! file never changes its size, so one `fdatasync` of one block makes a value durable, where a
//! new file and a rename would take two commits of the file system's journal.
//!
//! Each slot holds its line twice: else one bit flipped in the newer slot would quietly bring
//! back the value before.

use std::fs::OpenOptions;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use credlog_ledger::ids::Root;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::folder;

/// Bytes of a slot: no disk tears what lies 4,096 bytes away.
const SLOT_BYTES: usize = 4_096;
const SLOTS: usize = 2;
/// A slot holds its line this many times.
const COPIES: usize = 2;

/// What can stand in such a file.
pub(crate) trait Slot: Clone + Serialize + DeserializeOwned {
    /// What it is, in words: "the watermark".
    const NAME: &'static str;

    /// Tells the newer of two values; never falls from one value to the next.
    type Order: Ord;

    /// The value's place in that order.
    fn order(&self) -> Self::Order;
}

#[derive(Serialize, Deserialize)]
struct Checked<S> {
    #[serde(flatten)]
    value: S,
    check: Root,
}

/// Makes a file with a value in both slots.
pub(crate) fn create<S: Slot>(path: &Path, value: &S) -> io::Result<()> {
    folder::write_durably(path, &to_slot(value)?.repeat(SLOTS))
}

/// Writes a value over the older one of a file; durable when this returns.
pub(crate) fn write<S: Slot>(path: &Path, value: &S) -> io::Result<()> {
    let older = parse::<S>(&std::fs::read(path)?)
        .map_err(io::Error::other)?
        .older;
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.seek(SeekFrom::Start((older * SLOT_BYTES) as u64))?;
    file.write_all(&to_slot(value)?)?;
    file.sync_data()
}

/// Reads a file; nothing if there is none.
pub(crate) fn read<S: Slot>(path: &Path) -> Result<Option<S>, Fault> {
    match std::fs::read(path) {
        Ok(bytes) => parse(&bytes)
            .map(|slots| Some(slots.newest))
            .map_err(Fault::Damaged),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Fault::of_io("reading a file beside sled", &error)),
    }
}

/// A value as a line with its check.
pub(crate) fn to_line<S: Slot>(value: &S) -> io::Result<Vec<u8>> {
    let check = Root(*blake3::hash(&serde_json::to_vec(value)?).as_bytes());
    let mut line = serde_json::to_vec(&Checked {
        value: value.clone(),
        check,
    })?;
    line.push(b'\n');
    Ok(line)
}

/// The value of a line.
pub(crate) fn from_line<S: Slot>(line: &[u8]) -> Result<S, String> {
    let read: Checked<S> = serde_json::from_slice(line).map_err(|_| damaged::<S>())?;
    // One spelling only: what was not written by `to_line` is no line.
    match to_line(&read.value) {
        Ok(written) if written == line => Ok(read.value),
        _ => Err(damaged::<S>()),
    }
}

fn damaged<S: Slot>() -> String {
    format!("{} is damaged", S::NAME)
}

fn to_slot<S: Slot>(value: &S) -> io::Result<Vec<u8>> {
    let mut slot = to_line(value)?;
    if slot.len() > SLOT_BYTES / COPIES {
        return Err(io::Error::other(format!("{} is too long", S::NAME)));
    }
    slot.resize(SLOT_BYTES / COPIES, 0);
    Ok(slot.repeat(COPIES))
}

/// What the slots hold.
struct Slots<S> {
    newest: S,
    /// The slot that the next one goes to.
    older: usize,
}

fn parse<S: Slot>(file: &[u8]) -> Result<Slots<S>, String> {
    if file.len() != SLOTS * SLOT_BYTES {
        return Err(damaged::<S>());
    }
    let copies = file.chunks_exact(SLOT_BYTES / COPIES).enumerate();
    let whole = copies.filter_map(|(at, copy)| {
        let end = copy.iter().rposition(|byte| *byte != 0)? + 1;
        Some((from_line::<S>(&copy[..end]).ok()?, at / COPIES))
    });
    let (newest, at) = whole
        .max_by_key(|(value, _)| value.order())
        .ok_or_else(damaged::<S>)?;
    Ok(Slots {
        newest,
        older: (at + 1) % SLOTS,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Number {
        number: u64,
    }

    impl Slot for Number {
        const NAME: &'static str = "the number";
        type Order = u64;

        fn order(&self) -> u64 {
            self.number
        }
    }

    #[test]
    fn every_changed_byte_of_a_line_is_noticed() {
        let line = to_line(&Number { number: 12 }).unwrap();
        assert_eq!(from_line(&line), Ok(Number { number: 12 }));
        for at in 0..line.len() {
            for bit in 0..8 {
                let mut changed = line.clone();
                changed[at] ^= 1 << bit;
                assert!(from_line::<Number>(&changed).is_err(), "{at} {bit}");
            }
            assert!(from_line::<Number>(&line[..at]).is_err());
        }
    }

    #[test]
    fn a_torn_write_leaves_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("number");
        let at = |number| Number { number };
        create(&path, &at(0)).unwrap();
        for number in 1..6 {
            let before = std::fs::read(&path).unwrap();
            write(&path, &at(number)).unwrap();
            let after = std::fs::read(&path).unwrap();
            assert_eq!(read(&path), Ok(Some(at(number))));
            assert_eq!(after.len(), 2 * SLOT_BYTES);
            // One slot alone was written.
            let slot = (0..2).filter(|slot| {
                let range = slot * SLOT_BYTES..(slot + 1) * SLOT_BYTES;
                before[range.clone()] != after[range]
            });
            let slot: Vec<usize> = slot.collect();
            assert_eq!(slot.len(), 1, "{number}");
            for torn in [1, 15, 50, 70] {
                let mut bytes = before.clone();
                let start = slot[0] * SLOT_BYTES;
                bytes[start..start + torn].copy_from_slice(&after[start..start + torn]);
                // The line is there twice: tear both.
                let second = start + SLOT_BYTES / COPIES;
                bytes[second..second + torn].copy_from_slice(&after[second..second + torn]);
                std::fs::write(&path, &bytes).unwrap();
                // The first value also overwrites a copy of the one before.
                assert_eq!(read(&path), Ok(Some(at(number - 1))));
                // The next goes over the torn one.
                write(&path, &at(number)).unwrap();
                assert_eq!(read(&path), Ok(Some(at(number))));
            }
            std::fs::write(&path, &after).unwrap();
        }
        for damaged in [vec![], vec![0; 2 * SLOT_BYTES], vec![b'x'; 8_191]] {
            std::fs::write(&path, damaged).unwrap();
            assert!(matches!(read::<Number>(&path), Err(Fault::Damaged(_))));
        }
    }

    /// With one copy a slot, a bit flipped in the newer slot brought back the older value.
    #[test]
    fn a_flipped_bit_never_brings_back_an_older_value() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("number");
        create(&path, &Number { number: 1 }).unwrap();
        write(&path, &Number { number: 2 }).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for at in (0..whole.len()).filter(|at| at % 2_048 < 110) {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            std::fs::write(&path, &changed).unwrap();
            assert_eq!(read(&path), Ok(Some(Number { number: 2 })), "byte {at}");
        }
    }
}
