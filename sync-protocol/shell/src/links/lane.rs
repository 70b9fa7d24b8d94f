//! The two streams of a link: how they begin, how frames stand in them, reading and writing.

use bytes::{Buf, Bytes, BytesMut};
use quinn::{Connection, ConnectionError, ReadError, RecvStream, SendStream, WriteError};
use sync_protocol::wire::{FRAME_BYTES_MAX, Frame, WireError};

use super::limits::READ_BYTES_MAX;

/// Bytes before each frame: its length.
const LENGTH_BYTES: usize = 4;
/// Bytes at the beginning of each stream.
const BEGINNING_BYTES: usize = 1 + 8 + 8;

/// Which stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// For frames that must not wait.
    Live,
    /// For large frames.
    Bulk,
}

impl Lane {
    fn kind(self) -> u8 {
        match self {
            Lane::Live => 1,
            Lane::Bulk => 2,
        }
    }

    /// QUIC sends what has the higher priority first.
    fn priority(self) -> i32 {
        match self {
            Lane::Live => 1,
            Lane::Bulk => 0,
        }
    }
}

/// What an end says at the beginning of its streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Beginning {
    /// This start of the node.
    pub(super) start: [u8; 8],
    /// The how manieth connection the deciding end chose; 0 from the other end.
    pub(super) choice: u64,
}

/// Why a link cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum LaneFault {
    /// The connection is gone; it knows why.
    #[error(transparent)]
    Lost(#[from] ConnectionError),
    /// A stream that does not begin as it must.
    #[error("a stream does not begin as it must")]
    Beginning,
    /// The stream was given up by the other end.
    #[error("a stream was given up")]
    GivenUp,
    /// The stream ended inside a frame.
    #[error("a stream ended inside a frame")]
    CutShort,
    /// A length that no frame has.
    #[error("{0}")]
    TooLarge(WireError),
}

/// Both streams of one direction.
pub(super) struct Lanes<S> {
    pub(super) live: S,
    pub(super) bulk: S,
}

/// Opens both streams and says how this end begins.
pub(super) async fn open(
    connection: &Connection,
    beginning: Beginning,
) -> Result<Lanes<SendStream>, LaneFault> {
    Ok(Lanes {
        live: open_one(connection, Lane::Live, beginning).await?,
        bulk: open_one(connection, Lane::Bulk, beginning).await?,
    })
}

async fn open_one(
    connection: &Connection,
    lane: Lane,
    beginning: Beginning,
) -> Result<SendStream, LaneFault> {
    let mut stream = connection.open_uni().await?;
    let mut bytes = [0; BEGINNING_BYTES];
    bytes[0] = lane.kind();
    bytes[1..9].copy_from_slice(&beginning.start);
    bytes[9..].copy_from_slice(&beginning.choice.to_le_bytes());
    stream
        .set_priority(lane.priority())
        .map_err(|_| LaneFault::GivenUp)?;
    stream.write_all(&bytes).await?;
    Ok(stream)
}

/// Takes the other end's streams, and how it begins.
pub(super) async fn accept(connection: &Connection) -> Result<(Lanes<Reader>, Beginning), LaneFault> {
    let (live, beginning) = accept_one(connection, Lane::Live).await?;
    let (bulk, again) = accept_one(connection, Lane::Bulk).await?;
    if beginning != again {
        return Err(LaneFault::Beginning);
    }
    Ok((Lanes { live, bulk }, beginning))
}

async fn accept_one(connection: &Connection, lane: Lane) -> Result<(Reader, Beginning), LaneFault> {
    let mut stream = connection.accept_uni().await?;
    let mut bytes = [0; BEGINNING_BYTES];
    stream.read_exact(&mut bytes).await.map_err(|error| match error {
        quinn::ReadExactError::FinishedEarly(_) => LaneFault::Beginning,
        quinn::ReadExactError::ReadError(error) => error.into(),
    })?;
    let [kind, rest @ ..] = bytes;
    if kind != lane.kind() {
        return Err(LaneFault::Beginning);
    }
    let (start, choice) = rest.split_at(8);
    let beginning = Beginning {
        start: start.try_into().map_err(|_| LaneFault::Beginning)?,
        choice: u64::from_le_bytes(choice.try_into().map_err(|_| LaneFault::Beginning)?),
    };
    let reader = Reader {
        stream,
        buffer: BytesMut::new(),
    };
    Ok((reader, beginning))
}

/// A frame as it travels, its length before it; `None` if no peer would take one so large.
pub(super) fn message(frame: &Frame) -> Option<Bytes> {
    let encoded = frame.encode();
    let length = u32::try_from(encoded.len()).ok()?;
    if encoded.len() > FRAME_BYTES_MAX {
        return None;
    }
    let mut message = Vec::with_capacity(LENGTH_BYTES + encoded.len());
    message.extend_from_slice(&length.to_le_bytes());
    message.extend_from_slice(&encoded);
    Some(message.into())
}

/// Bytes of the frame in a message.
pub(super) fn frame_bytes(message: &Bytes) -> usize {
    message.len().saturating_sub(LENGTH_BYTES)
}

/// Reads frames from a stream.
pub(super) struct Reader {
    stream: RecvStream,
    buffer: BytesMut,
}

impl Reader {
    /// The next frame's bytes; `None` at the end of the stream.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, LaneFault> {
        loop {
            if let Some(frame) = self.take_frame()? {
                return Ok(Some(frame));
            }
            match self.stream.read_chunk(READ_BYTES_MAX, true).await? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk.bytes),
                None if self.buffer.is_empty() => return Ok(None),
                None => return Err(LaneFault::CutShort),
            }
        }
    }

    fn take_frame(&mut self) -> Result<Option<Bytes>, LaneFault> {
        let Some(length) = self.buffer.first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*length) as usize;
        if length > FRAME_BYTES_MAX {
            return Err(LaneFault::TooLarge(WireError::TooLarge(length)));
        }
        if self.buffer.len() < LENGTH_BYTES + length {
            self.buffer.reserve(LENGTH_BYTES + length - self.buffer.len());
            return Ok(None);
        }
        self.buffer.advance(LENGTH_BYTES);
        Ok(Some(self.buffer.split_to(length).freeze()))
    }
}

impl From<ReadError> for LaneFault {
    fn from(error: ReadError) -> LaneFault {
        match error {
            ReadError::ConnectionLost(error) => LaneFault::Lost(error),
            _ => LaneFault::GivenUp,
        }
    }
}

impl From<WriteError> for LaneFault {
    fn from(error: WriteError) -> LaneFault {
        match error {
            WriteError::ConnectionLost(error) => LaneFault::Lost(error),
            _ => LaneFault::GivenUp,
        }
    }
}
