//! Mutations: what a careless wire or a hostile peer does to bytes that were valid.

use rand::Rng;
use rand::rngs::StdRng;

/// Longest input given to a target, above every decoder's limit but the credential's.
const INPUT_BYTES_MAX: usize = 1 << 17;

/// Values that sit at the edges of length and count fields.
const EDGES: [u64; 8] = [
    0,
    1,
    0x7f,
    0xff,
    0xffff,
    0x7fff_ffff,
    u32::MAX as u64,
    u64::MAX,
];

/// A few mutations of `seed`, or now and then bytes out of nothing.
pub(crate) fn mutate(seed: &[u8], other: &[u8], rng: &mut StdRng) -> Vec<u8> {
    let mut bytes = if rng.gen_ratio(1, 64) {
        (0..rng.gen_range(0..512)).map(|_| rng.r#gen()).collect()
    } else {
        seed.to_vec()
    };
    for _ in 0..rng.gen_range(1..=4) {
        step(&mut bytes, other, rng);
    }
    bytes.truncate(INPUT_BYTES_MAX);
    bytes
}

fn step(bytes: &mut Vec<u8>, other: &[u8], rng: &mut StdRng) {
    if bytes.is_empty() {
        bytes.push(rng.r#gen());
        return;
    }
    let at = rng.gen_range(0..bytes.len());
    let end = rng.gen_range(at..=bytes.len().min(at + 64));
    match rng.gen_range(0..8) {
        0 => bytes[at] ^= 1 << rng.gen_range(0..8),
        1 => bytes[at] = rng.r#gen(),
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(at..end)),
        4 => {
            let copy = bytes[at..end].to_vec();
            bytes.splice(at..at, copy);
        }
        5 => {
            let edge = EDGES[rng.gen_range(0..EDGES.len())].to_be_bytes();
            let width = [1, 2, 4, 8][rng.gen_range(0..4)];
            for (byte, value) in bytes[at..].iter_mut().zip(&edge[8 - width..]) {
                *byte = *value;
            }
        }
        6 if !other.is_empty() => {
            let from = rng.gen_range(0..other.len());
            let to = rng.gen_range(from..=other.len().min(from + 256));
            bytes.splice(at..end, other[from..to].iter().copied());
        }
        _ => {
            let token = TOKENS[rng.gen_range(0..TOKENS.len())];
            bytes.splice(at..at, token.bytes());
        }
    }
}

/// Pieces of the text formats, so that mutations reach past the first byte of a parser.
const TOKENS: [&str; 30] = [
    "\"",
    "{",
    "}",
    "[[[[[[[[[[[[[[[[",
    "]",
    ",",
    ":",
    "null",
    "1e309",
    "-0",
    "\\ud800",
    "\u{2014} ",
    "\n\n",
    "\n",
    "@context",
    "z6Mk",
    "did:key:",
    "9007199254740993",
    "eyJ",
    ".",
    "\"type\":",
    "\"VerifiablePresentation\"",
    "\"vp\":",
    "\"proof\":",
    "<svg>",
    "</svg>",
    "<openbadges:credential verify=\"",
    "</openbadges:credential>",
    "<![CDATA[",
    "&#x41;&lt;&l9;",
];
