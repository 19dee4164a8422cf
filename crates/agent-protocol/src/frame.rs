//! Frames: `length | id | header length | header (JSON) | payload`, numbers as 32 bits little
//! endian, `length` counting everything behind itself.
//!
//! The whole is stuffed (COBS): it contains no zero byte, and a zero byte ends it. So whatever was
//! lost or damaged before, the byte after the next zero begins a frame. A plain length prefix
//! cannot do that, and a machine saved while it was writing leaves half a frame behind.

use serde::{Serialize, de::DeserializeOwned};

/// Longest header in bytes.
pub const MAX_HEADER: usize = 256 * 1024;
/// Longest payload in bytes.
pub const MAX_PAYLOAD: usize = 4 * 1024 * 1024;
/// Payload of one frame when a stream of data is cut into frames: a frame of this size is one
/// write of Linux's virtio console driver (32 KiB).
pub const CHUNK: usize = 32_000;

const PREFIX: usize = 12;
const MAX_BODY: usize = PREFIX + MAX_HEADER + MAX_PAYLOAD;
/// Stuffing costs one byte in 254, and one.
const MAX_STUFFED: usize = MAX_BODY + MAX_BODY / 254 + 2;

/// Why bytes are no frame. The stream goes on behind it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// More than any frame can have came without an end.
    #[error("a frame is longer than {MAX_BODY} bytes")]
    TooLong,
    /// The stuffing is broken.
    #[error("a frame is damaged")]
    Stuffing,
    /// The lengths inside do not agree with the frame.
    #[error("a frame says that it has {stated} bytes, but it has {actual}")]
    Length {
        /// By its prefix.
        stated: usize,
        /// Truly.
        actual: usize,
    },
    /// The header is not the JSON of a known message.
    #[error("unknown message: {0}")]
    Header(String),
    /// A message that is too large to be sent.
    #[error("a message of {header} bytes with {payload} bytes of data is too large to be sent")]
    TooLarge {
        /// Bytes of the header.
        header: usize,
        /// Bytes of the payload.
        payload: usize,
    },
}

/// A frame whose header was not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawFrame {
    /// The request that it belongs to; 0: none.
    pub id: u32,
    /// JSON.
    pub header: Vec<u8>,
    /// Data as it is.
    pub payload: Vec<u8>,
}

impl RawFrame {
    /// Reads the header.
    pub fn message<M: DeserializeOwned>(&self) -> Result<M, FrameError> {
        serde_json::from_slice(&self.header).map_err(|error| FrameError::Header(error.to_string()))
    }
}

/// The bytes of a message, from the zero that ends whatever came before to the zero that ends it.
pub fn encode<M: Serialize>(id: u32, message: &M, payload: &[u8]) -> Result<Vec<u8>, FrameError> {
    let header =
        serde_json::to_vec(message).map_err(|error| FrameError::Header(error.to_string()))?;
    if header.len() > MAX_HEADER || payload.len() > MAX_PAYLOAD {
        return Err(FrameError::TooLarge {
            header: header.len(),
            payload: payload.len(),
        });
    }
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
    let mut stuffer = Stuffer::with_capacity(PREFIX + header.len() + payload.len());
    stuffer.push(&number(PREFIX - 4 + header.len() + payload.len()));
    stuffer.push(&id.to_le_bytes());
    stuffer.push(&number(header.len()));
    stuffer.push(&header);
    stuffer.push(payload);
    Ok(stuffer.finish())
}

/// Replaces zero bytes: every group of up to 254 bytes without a zero is preceded by its length
/// plus one; a group shorter than 254 stands for itself and a zero.
struct Stuffer {
    out: Vec<u8>,
    /// Where the length of the current group stands.
    code: usize,
}

impl Stuffer {
    fn with_capacity(bytes: usize) -> Self {
        let mut out = Vec::with_capacity(bytes + bytes / 254 + 4);
        out.extend_from_slice(&[0, 0]);
        Self { out, code: 1 }
    }

    fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = 254 - (self.out.len() - self.code - 1);
            let window = &bytes[..room.min(bytes.len())];
            match window.iter().position(|&byte| byte == 0) {
                Some(at) => {
                    self.out.extend_from_slice(&window[..at]);
                    self.close();
                    bytes = &bytes[at + 1..];
                }
                None => {
                    self.out.extend_from_slice(window);
                    bytes = &bytes[window.len()..];
                    if window.len() == room {
                        self.close();
                    }
                }
            }
        }
    }

    fn close(&mut self) {
        // At most 254 bytes stand behind the code.
        self.out[self.code] = (self.out.len() - self.code) as u8;
        self.code = self.out.len();
        self.out.push(0);
    }

    fn finish(mut self) -> Vec<u8> {
        self.close();
        // `close` opened a new group: its place is the terminator.
        self.out
    }
}

fn unstuff(stuffed: &[u8]) -> Result<Vec<u8>, FrameError> {
    let mut out = Vec::with_capacity(stuffed.len());
    let mut rest = stuffed;
    while let Some((&code, tail)) = rest.split_first() {
        let length = usize::from(code)
            .checked_sub(1)
            .ok_or(FrameError::Stuffing)?;
        if length > tail.len() {
            return Err(FrameError::Stuffing);
        }
        let (group, tail) = tail.split_at(length);
        out.extend_from_slice(group);
        if code < 255 && !tail.is_empty() {
            out.push(0);
        }
        rest = tail;
    }
    Ok(out)
}

/// Cuts a stream of bytes into frames.
#[derive(Debug, Default)]
pub struct Decoder {
    pending: Vec<u8>,
    /// How much of `pending` is known to hold no zero.
    searched: usize,
    /// Everything up to the next zero is to be thrown away.
    skipping: bool,
}

impl Decoder {
    /// An empty decoder; it takes the first byte for the beginning of a frame.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes that were read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// Forgets a frame that has begun.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// The next whole frame; `None`: more bytes are needed. After an error the next call goes on
    /// behind the damage.
    pub fn next_frame(&mut self) -> Option<Result<RawFrame, FrameError>> {
        loop {
            let found = self.pending[self.searched..]
                .iter()
                .position(|&byte| byte == 0);
            let Some(at) = found.map(|at| at + self.searched) else {
                self.searched = self.pending.len();
                if self.skipping {
                    self.pending.clear();
                    self.searched = 0;
                } else if self.pending.len() > MAX_STUFFED {
                    self.pending = Vec::new();
                    self.searched = 0;
                    self.skipping = true;
                    return Some(Err(FrameError::TooLong));
                }
                return None;
            };
            let skipped = std::mem::take(&mut self.skipping);
            let frame = (!skipped && at > 0).then(|| parse(&self.pending[..at]));
            self.pending.drain(..=at);
            self.searched = 0;
            if frame.is_some() {
                return frame;
            }
        }
    }
}

fn parse(stuffed: &[u8]) -> Result<RawFrame, FrameError> {
    if stuffed.len() > MAX_STUFFED {
        return Err(FrameError::TooLong);
    }
    let body = unstuff(stuffed)?;
    let number = |at: usize| {
        body.get(at..at + 4)
            .and_then(|bytes| bytes.try_into().ok())
            .map(u32::from_le_bytes)
            .ok_or(FrameError::Length {
                stated: PREFIX,
                actual: body.len(),
            })
    };
    let (length, id, header) = (number(0)? as usize, number(4)?, number(8)? as usize);
    if length + 4 != body.len() || PREFIX + header > body.len() {
        return Err(FrameError::Length {
            stated: length.max(PREFIX - 4 + header),
            actual: body.len() - 4,
        });
    }
    Ok(RawFrame {
        id,
        header: body[PREFIX..PREFIX + header].to_vec(),
        payload: body[PREFIX + header..].to_vec(),
    })
}
