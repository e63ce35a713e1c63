//! Reading tables and lines that others wrote, a piece at a time.

use std::cell::Cell;
use std::io::{BufRead, Read};
use std::rc::Rc;

/// A source of which no more is read than there is room for, until somebody makes room: a quote that
/// is never closed makes one row of all the rest.
pub(crate) struct Bounded<R> {
    from: R,
    room: Room,
}

/// How much of a [`Bounded`] source may still be read.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    left: Rc<Cell<u64>>,
    bytes_max: u64,
}

impl Room {
    /// Lets the next piece be read.
    pub(crate) fn make(&self) {
        // Readers read ahead.
        self.left.set(2 * self.bytes_max);
    }
}

impl<R> Bounded<R> {
    /// A source of pieces of at most so many bytes.
    pub(crate) fn new(from: R, bytes_max: u64) -> (Self, Room) {
        let left = Rc::default();
        let room = Room { left, bytes_max };
        room.make();
        let bounded = Self {
            from,
            room: room.clone(),
        };
        (bounded, room)
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = self.room.left.get();
        if left == 0 {
            return Err(std::io::Error::other(format!(
                "a row is longer than {} bytes; is a quotation mark not closed?",
                self.room.bytes_max
            )));
        }
        let read = self.from.read(buffer)?;
        self.room.left.set(left.saturating_sub(read as u64));
        Ok(read)
    }
}

/// The next line without its end, or how long it is if that is more than `bytes_max`; `None` at the
/// end.
pub(crate) fn line(
    from: &mut impl BufRead,
    bytes_max: usize,
) -> std::io::Result<Option<Result<Vec<u8>, usize>>> {
    let mut line = Vec::new();
    let mut length = 0;
    loop {
        let available = from.fill_buf()?;
        if available.is_empty() {
            break;
        }
        let end = available.iter().position(|byte| *byte == b'\n');
        let piece = &available[..end.unwrap_or(available.len())];
        length += piece.len();
        if length <= bytes_max {
            line.extend_from_slice(piece);
        }
        let consumed = piece.len() + usize::from(end.is_some());
        from.consume(consumed);
        if end.is_some() {
            return Ok(Some(whole(line, length, bytes_max)));
        }
    }
    Ok((length > 0).then(|| whole(line, length, bytes_max)))
}

fn whole(mut line: Vec<u8>, length: usize, bytes_max: usize) -> Result<Vec<u8>, usize> {
    if length > bytes_max {
        return Err(length);
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_is_passed_over() {
        let text = b"one\r\n\nlonger than ten\nlast";
        let mut from = std::io::BufReader::with_capacity(4, text.as_slice());
        let mut lines = Vec::new();
        while let Some(line) = line(&mut from, 10).unwrap() {
            lines.push(line.map(|bytes| String::from_utf8(bytes).unwrap()));
        }
        let ok = |text: &str| Ok(text.to_owned());
        assert_eq!(lines, [ok("one"), ok(""), Err(15), ok("last")]);
    }

    #[test]
    fn a_piece_that_does_not_end_is_not_read_to_the_end() {
        let endless = std::io::repeat(b'x');
        let (mut bounded, room) = Bounded::new(endless, 100);
        let mut buffer = [0; 64];
        for _ in 0..4 {
            bounded.read_exact(&mut buffer[..50]).unwrap();
        }
        assert!(bounded.read_exact(&mut buffer).is_err());
        room.make();
        bounded.read_exact(&mut buffer).unwrap();
    }
}
