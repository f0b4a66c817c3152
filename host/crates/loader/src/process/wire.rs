//! Frames between host and child, byte by byte as docs/PROCESS.md has them.
//!
//! All numbers are little-endian. What is read was written by somebody else: every length is checked.

use plugin_api::ErrorKind;

/// Version of all that is here.
pub(super) const PROTOCOL: u32 = 1;
/// Bytes before the body of a frame: its length, its kind, three that are 0.
pub(super) const HEADER: usize = 8;
/// Longest body, bytes.
pub(super) const MAX_BODY: usize = 16 << 20;

macro_rules! kinds {
    ($($name:ident = $number:literal),* $(,)?) => {
        /// What a frame is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Kind { $($name = $number),* }

        impl Kind {
            /// The kind of that number.
            pub fn numbered(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }
        }
    };
}

kinds! {
    // both ways
    Memory = 0x01,
    // calls of the host
    Open = 0x10, Check = 0x11, Command = 0x12, Next = 0x13, Confirm = 0x14, Apply = 0x15,
    Write = 0x16, Tick = 0x17, Flush = 0x18, ExportState = 0x19, ImportState = 0x1a,
    Readers = 0x1b, Act = 0x1c, Close = 0x1d,
    // told by the host, without an answer
    Stopping = 0x20,
    // what ends a call
    Hello = 0x40, Done = 0x41, Failed = 0x42, Answer = 0x43, State = 0x44,
    // told by the child
    Push = 0x60, Log = 0x61, Dropped = 0x62, Count = 0x63, Gauge = 0x64, Expect = 0x65,
    DeadLetter = 0x66,
}

/// One frame.
#[derive(Debug)]
pub(super) struct Frame {
    pub kind: Kind,
    pub body: Vec<u8>,
}

/// Why what came is no frame of this protocol.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Broken(pub String);

/// A body that is read from its beginning.
pub(super) struct Body<'a>(pub &'a [u8]);

impl<'a> Body<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        let (first, rest) = self.0.split_first_chunk().ok_or_else(|| short(N, self.0.len()))?;
        self.0 = rest;
        Ok(*first)
    }

    pub fn u8(&mut self) -> Result<u8, Broken> {
        self.take::<1>().map(|[byte]| byte)
    }

    pub fn u16(&mut self) -> Result<u16, Broken> {
        self.take().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, Broken> {
        self.take().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, Broken> {
        self.take().map(u64::from_le_bytes)
    }

    pub fn i64(&mut self) -> Result<i64, Broken> {
        self.take().map(i64::from_le_bytes)
    }

    pub fn f64(&mut self) -> Result<f64, Broken> {
        self.take().map(f64::from_le_bytes)
    }

    pub fn bytes(&mut self, len: usize) -> Result<&'a [u8], Broken> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or_else(|| short(len, self.0.len()))?;
        self.0 = rest;
        Ok(bytes)
    }

    /// Bytes that may be no text: a plugin's words are shown, not obeyed.
    pub fn text(&mut self, len: usize) -> Result<String, Broken> {
        Ok(String::from_utf8_lossy(self.bytes(len)?).into_owned())
    }

    /// All that is left.
    pub fn rest(&mut self) -> String {
        String::from_utf8_lossy(std::mem::take(&mut self.0)).into_owned()
    }

    /// Nothing may be left.
    pub fn end(&self) -> Result<(), Broken> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(Broken(format!("a frame has {} bytes too many", self.0.len())))
    }
}

fn short(wanted: usize, found: usize) -> Broken {
    Broken(format!("a frame ends where {wanted} bytes should be, {found} are left"))
}

/// Number of an error's kind.
pub(super) fn error_number(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Config => 1,
        ErrorKind::BadData => 2,
        ErrorKind::Retry => 3,
        ErrorKind::Fatal => 4,
        ErrorKind::Panic => 5,
    }
}

/// The kind of error of that number.
pub(super) fn error_kind(number: u8) -> Result<ErrorKind, Broken> {
    match number {
        1 => Ok(ErrorKind::Config),
        2 => Ok(ErrorKind::BadData),
        3 => Ok(ErrorKind::Retry),
        4 => Ok(ErrorKind::Fatal),
        5 => Ok(ErrorKind::Panic),
        other => Err(Broken(format!("an error has the kind {other}"))),
    }
}
