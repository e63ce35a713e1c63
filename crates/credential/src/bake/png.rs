//! The iTXt chunk of a baked PNG (Open Badges v3.0 section 5.3.1; PNG third edition, sections 5
//! and 11.3.3.4).

use std::io::Read;

use crc32fast::Hasher;
use flate2::read::ZlibDecoder;

use super::{BakeError, PAYLOAD_BYTES_MAX, check_size};

/// What every PNG begins with.
pub(crate) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

const KEYWORD: &[u8] = b"openbadgecredential";
/// The keyword of Open Badges 2.0, in iTXt or tEXt.
const KEYWORD_2: &[u8] = b"openbadges";

/// Chunks of one image at most; 8 MiB in pieces of 1 KiB have less.
const CHUNKS_MAX: usize = 10_000;

/// Bytes of a chunk around its data: length, type and checksum.
const FRAME_BYTES: usize = 12;

pub(super) fn unbake(image: &[u8]) -> Result<String, BakeError> {
    let chunks = chunks(image)?;
    let mut baked = chunks.iter().filter(|chunk| chunk.is_baked());
    match (baked.next(), baked.next()) {
        (Some(chunk), None) => text(chunk.data),
        (Some(_), Some(_)) => Err(BakeError::SeveralCredentials),
        (None, _) if chunks.iter().any(Chunk::is_open_badges_2) => Err(BakeError::OpenBadges2),
        (None, _) => Err(BakeError::NoCredential),
    }
}

/// The credential stands right behind the image's header, where a reader finds it before any
/// pixel.
pub(super) fn bake(image: &[u8], payload: &str) -> Result<Vec<u8>, BakeError> {
    let chunks = chunks(image)?;
    let mut baked = Vec::with_capacity(image.len() + payload.len() + 64);
    baked.extend_from_slice(SIGNATURE);
    let mut end = SIGNATURE.len();
    for (number, chunk) in chunks.iter().enumerate() {
        end += chunk.bytes.len();
        if !chunk.is_baked() {
            baked.extend_from_slice(chunk.bytes);
        }
        if number == 0 {
            append_itxt(&mut baked, payload)?;
        }
    }
    // Some programs leave bytes of their own behind the end of the image.
    baked.extend_from_slice(&image[end..]);
    Ok(baked)
}

/// Uncompressed, without language and translation.
fn append_itxt(image: &mut Vec<u8>, payload: &str) -> Result<(), BakeError> {
    let data = [KEYWORD, &[0, 0, 0, 0, 0], payload.as_bytes()].concat();
    let length = u32::try_from(data.len()).map_err(|_| damaged("a chunk is too long"))?;
    image.extend_from_slice(&length.to_be_bytes());
    image.extend_from_slice(b"iTXt");
    image.extend_from_slice(&data);
    image.extend_from_slice(&checksum(*b"iTXt", &data).to_be_bytes());
    Ok(())
}

/// One chunk, whose checksum fits.
struct Chunk<'a> {
    kind: [u8; 4],
    data: &'a [u8],
    /// With length, type and checksum.
    bytes: &'a [u8],
}

impl Chunk<'_> {
    fn is_baked(&self) -> bool {
        self.kind == *b"iTXt" && self.keyword() == Some(KEYWORD)
    }

    fn is_open_badges_2(&self) -> bool {
        matches!(&self.kind, b"iTXt" | b"tEXt") && self.keyword() == Some(KEYWORD_2)
    }

    fn keyword(&self) -> Option<&[u8]> {
        Some(until_zero(self.data)?.0)
    }
}

/// All chunks from IHDR to IEND.
fn chunks(image: &[u8]) -> Result<Vec<Chunk<'_>>, BakeError> {
    let mut rest = image
        .strip_prefix(SIGNATURE)
        .ok_or(damaged("it does not begin as a PNG does"))?;
    let mut chunks = Vec::new();
    loop {
        if chunks.len() == CHUNKS_MAX {
            return Err(damaged("it has more than 10,000 chunks"));
        }
        let (chunk, behind) = chunk(rest, chunks.len() + 1)?;
        rest = behind;
        if chunks.is_empty() && (chunk.kind != *b"IHDR" || chunk.data.len() != 13) {
            return Err(damaged("it does not begin with a header chunk (IHDR)"));
        }
        let is_last = chunk.kind == *b"IEND";
        chunks.push(chunk);
        if is_last {
            return Ok(chunks);
        }
    }
}

fn chunk(rest: &[u8], number: usize) -> Result<(Chunk<'_>, &[u8]), BakeError> {
    let cut = damaged("it ends in the middle, without an end chunk (IEND)");
    let (length, behind) = rest.split_first_chunk::<4>().ok_or(cut.clone())?;
    let (kind, behind) = behind.split_first_chunk::<4>().ok_or(cut.clone())?;
    let length = u32::from_be_bytes(*length) as usize;
    let (data, behind) = behind.split_at_checked(length).ok_or(cut.clone())?;
    let (sum, behind) = behind.split_first_chunk::<4>().ok_or(cut)?;
    if !kind.iter().all(u8::is_ascii_alphabetic) {
        return Err(damaged("a chunk's type is not four letters"));
    }
    if checksum(*kind, data) != u32::from_be_bytes(*sum) {
        let kind = kind.iter().map(|letter| char::from(*letter)).collect();
        return Err(BakeError::Checksum { number, kind });
    }
    let chunk = Chunk {
        kind: *kind,
        data,
        bytes: &rest[..FRAME_BYTES + length],
    };
    Ok((chunk, behind))
}

fn checksum(kind: [u8; 4], data: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&kind);
    hasher.update(data);
    hasher.finalize()
}

/// The text of an iTXt chunk: keyword, compression flag and method, language, translated keyword,
/// text. A badge's must not be compressed; some are.
fn text(data: &[u8]) -> Result<String, BakeError> {
    let short = damaged("its iTXt chunk is cut short");
    let (_, data) = until_zero(data).ok_or(short.clone())?;
    let (compression, data) = data.split_first_chunk::<2>().ok_or(short.clone())?;
    let (_language, data) = until_zero(data).ok_or(short.clone())?;
    let (_translation, text) = until_zero(data).ok_or(short)?;
    let bytes = match compression {
        [0, _] => {
            check_size("credential in the image", text.len(), PAYLOAD_BYTES_MAX)?;
            text.to_vec()
        }
        [1, 0] => inflate(text)?,
        _ => return Err(damaged("its iTXt chunk is compressed in an unknown way")),
    };
    String::from_utf8(bytes).map_err(|_| damaged("the text in its iTXt chunk is not UTF-8"))
}

fn inflate(packed: &[u8]) -> Result<Vec<u8>, BakeError> {
    let mut bytes = Vec::new();
    ZlibDecoder::new(packed)
        .take(PAYLOAD_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|_| damaged("the compressed text in its iTXt chunk cannot be unpacked"))?;
    check_size("credential in the image", bytes.len(), PAYLOAD_BYTES_MAX)?;
    Ok(bytes)
}

/// The bytes before the first zero, and those behind it.
fn until_zero(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|byte| *byte == 0)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

fn damaged(reason: &'static str) -> BakeError {
    BakeError::Png { reason }
}
