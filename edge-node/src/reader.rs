//! A card reader that writes lines: one card a line, `entry` or `exit` after a blank if it knows.
//!
//! Invariant: no line, however long or broken, ends the gate; it is refused with a message and counted.

use std::io::{self, BufRead, BufReader, Read, Write};

use sync_protocol::fact::Direction;
use sync_protocol::id::{CardId, IdError};
use thiserror::Error;

/// Most bytes of one line, its end not counted.
pub const LINE_BYTES_MAX: usize = 128;

/// A card at a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The card.
    pub card: CardId,
    /// Which way, if the reader knows.
    pub direction: Option<Direction>,
}

/// Why a line is no card.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LineError {
    /// Over [`LINE_BYTES_MAX`].
    #[error("a line of more than {LINE_BYTES_MAX} bytes: one card a line, then entry or exit if known")]
    TooLong,
    /// Not text.
    #[error("a line that is no text: check the reader's protocol and its line speed")]
    Binary,
    /// Not a card.
    #[error(transparent)]
    Card(#[from] IdError),
    /// Something after the card that is no direction.
    #[error("{0:?} after the card: only entry or exit may stand there")]
    Direction(String),
}

/// Reads a line. An empty one is no reading.
///
/// # Errors
/// See [`LineError`].
pub fn parse(line: &[u8]) -> Result<Option<Reading>, LineError> {
    if line.len() > LINE_BYTES_MAX {
        return Err(LineError::TooLong);
    }
    let text = std::str::from_utf8(line).map_err(|_| LineError::Binary)?;
    if text
        .chars()
        .any(|letter| letter.is_control() && !letter.is_whitespace())
    {
        return Err(LineError::Binary);
    }
    let mut words = text.split_whitespace();
    let Some(card) = words.next() else {
        return Ok(None);
    };
    let card = CardId::from_reader(card)?;
    let direction = words.next().map(direction).transpose()?;
    match words.next() {
        Some(word) => Err(LineError::Direction(word.to_owned())),
        None => Ok(Some(Reading { card, direction })),
    }
}

/// A direction by name, in any case.
///
/// # Errors
/// Neither `entry` nor `exit`.
pub fn direction(word: &str) -> Result<Direction, LineError> {
    match word.to_ascii_lowercase().as_str() {
        "entry" => Ok(Direction::Entry),
        "exit" => Ok(Direction::Exit),
        _ => Err(LineError::Direction(word.chars().take(40).collect())),
    }
}

/// Reads lines until the end of `input`, and writes one line for each that is not empty: what `answer` makes of it.
///
/// # Errors
/// `input` cannot be read or `output` not written.
pub fn serve(
    input: impl Read,
    mut output: impl Write,
    mut answer: impl FnMut(Result<Reading, LineError>) -> String,
) -> io::Result<()> {
    let mut input = BufReader::new(input);
    let mut line = Vec::with_capacity(LINE_BYTES_MAX);
    while read_line(&mut input, &mut line)? {
        let told = match parse(&line) {
            Ok(None) => continue,
            Ok(Some(reading)) => answer(Ok(reading)),
            Err(error) => answer(Err(error)),
        };
        writeln!(output, "{told}")?;
        output.flush()?;
    }
    Ok(())
}

/// Reads one line without its end, of a longer one only so much that it shows. Returns false at the end.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut any = false;
    loop {
        let buffer = match input.fill_buf() {
            Ok(buffer) => buffer,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if buffer.is_empty() {
            return Ok(any);
        }
        any = true;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let part = &buffer[..end.unwrap_or(buffer.len())];
        let room = (LINE_BYTES_MAX + 1).saturating_sub(line.len());
        line.extend_from_slice(&part[..part.len().min(room)]);
        let used = end.map_or(buffer.len(), |end| end + 1);
        input.consume(used);
        if end.is_some() {
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(line: &[u8]) -> Result<Option<(String, Option<Direction>)>, LineError> {
        parse(line).map(|reading| reading.map(|reading| (reading.card.to_string(), reading.direction)))
    }

    #[test]
    fn a_line_is_a_card_and_maybe_a_direction() {
        assert_eq!(reading(b"CARD0001"), Ok(Some(("CARD0001".into(), None))));
        assert_eq!(
            reading(b"  card0001\tEXIT \r"),
            Ok(Some(("CARD0001".into(), Some(Direction::Exit))))
        );
        assert_eq!(reading(b" \t"), Ok(None));
        assert!(matches!(reading(b"CARD001"), Err(LineError::Card(_))));
        assert_eq!(reading(b"CARD0001 out"), Err(LineError::Direction("out".into())));
        assert_eq!(
            reading(b"CARD0001 exit now"),
            Err(LineError::Direction("now".into()))
        );
        assert_eq!(reading(b"CARD\xff001"), Err(LineError::Binary));
        assert_eq!(reading(b"CARD0001\x00"), Err(LineError::Binary));
        assert_eq!(reading(&[b'A'; 4_000]), Err(LineError::TooLong));
    }

    #[test]
    fn broken_lines_are_answered_and_the_next_ones_still_read() {
        let mut input = b"CARD0001 entry\n\n".to_vec();
        input.extend([b'X'; 3 * LINE_BYTES_MAX]);
        input.extend(b"\n\xff\xfe\r\nCARD0002\r\nCARD0003");
        let mut output = Vec::new();
        serve(&input[..], &mut output, |reading| match reading {
            Ok(reading) => format!("read {}", reading.card),
            Err(error) => format!("refused {}", matches!(error, LineError::TooLong)),
        })
        .unwrap();
        assert_eq!(
            String::from_utf8(output).unwrap(),
            "read CARD0001\nrefused true\nrefused false\nread CARD0002\nread CARD0003\n"
        );
    }

    #[test]
    fn a_line_without_end_takes_no_more_room_than_another() {
        let mut line = Vec::new();
        let endless = io::repeat(b'A').take(10 << 20);
        assert!(read_line(&mut BufReader::new(endless), &mut line).unwrap());
        assert_eq!(line.len(), LINE_BYTES_MAX + 1);
    }
}
