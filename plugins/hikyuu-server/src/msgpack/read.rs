//! Reading values without copying them.

use std::{fmt, str};

/// Deepest nesting of arrays and maps that is read.
const DEEPEST: u32 = 64;

/// Why bytes cannot be read; a text for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// They are not one MessagePack value.
    Malformed(&'static str),
    /// A value has another type than is wanted here.
    Type {
        /// What is wanted.
        wanted: &'static str,
        /// What is there.
        found: &'static str,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => write!(f, "{what}"),
            Self::Type { wanted, found } => write!(f, "type must be {wanted}, but is {found}"),
        }
    }
}

/// What a value is, read from its first byte and what belongs to it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Head {
    Nil,
    Bool,
    /// Cut to a whole number.
    Number(i64),
    /// So many bytes follow.
    Text(usize),
    Binary(usize),
    Extension(usize),
    /// So many values follow.
    Array(usize),
    /// So many pairs follow.
    Map(usize),
}

impl Head {
    fn name(self) -> &'static str {
        match self {
            Self::Nil => "null",
            Self::Bool => "boolean",
            Self::Number(_) => "number",
            Self::Text(_) => "string",
            Self::Binary(_) => "binary",
            Self::Extension(_) => "extension",
            Self::Array(_) => "array",
            Self::Map(_) => "object",
        }
    }
}

/// Reads values one after the other.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the beginning of the bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Begins a map: gives the number of its pairs, which come next; `None` when the value is
    /// something else, which is passed over.
    ///
    /// # Errors
    /// When the bytes are no value.
    pub fn map(&mut self) -> Result<Option<usize>, Fault> {
        let mut ahead = *self;
        match ahead.head()? {
            Head::Map(pairs) => {
                *self = ahead;
                Ok(Some(pairs))
            }
            _ => self.skip().map(|()| None),
        }
    }

    /// Begins an array: gives the number of its values, which come next. A nil counts as an empty
    /// one, because that is how Hikyuu's client writes it.
    ///
    /// # Errors
    /// When the value is something else.
    pub fn array(&mut self) -> Result<usize, Fault> {
        match self.head()? {
            Head::Array(values) => Ok(values),
            Head::Nil => Ok(0),
            other => Err(Fault::Type { wanted: "array", found: other.name() }),
        }
    }

    /// A text.
    ///
    /// # Errors
    /// When the value is something else, or is not UTF-8.
    pub fn text(&mut self) -> Result<&'a str, Fault> {
        match self.head()? {
            Head::Text(len) => str::from_utf8(self.take(len)?)
                .map_err(|_| Fault::Malformed("a string is not valid UTF-8")),
            other => Err(Fault::Type { wanted: "string", found: other.name() }),
        }
    }

    /// A number, cut to a whole one; `None` when the value is something else, which is not passed
    /// over.
    ///
    /// # Errors
    /// When the bytes are no value.
    pub fn number(&mut self) -> Result<Option<i64>, Fault> {
        let mut ahead = *self;
        match ahead.head()? {
            Head::Number(number) => {
                *self = ahead;
                Ok(Some(number))
            }
            _ => Ok(None),
        }
    }

    /// Passes over one value with all that it holds, and gives its bytes.
    ///
    /// # Errors
    /// When the bytes are no value, or it is nested too deeply.
    pub fn raw(&mut self) -> Result<&'a [u8], Fault> {
        let before = self.rest;
        self.skip()?;
        Ok(&before[..before.len() - self.rest.len()])
    }

    fn skip(&mut self) -> Result<(), Fault> {
        self.skip_within(DEEPEST)
    }

    fn skip_within(&mut self, depth: u32) -> Result<(), Fault> {
        let deeper = || depth.checked_sub(1).ok_or(Fault::Malformed("it is nested too deeply"));
        match self.head()? {
            Head::Nil | Head::Bool | Head::Number(_) => Ok(()),
            Head::Text(len) | Head::Binary(len) | Head::Extension(len) => {
                self.take(len).map(|_| ())
            }
            Head::Array(values) => {
                let depth = deeper()?;
                (0..values).try_for_each(|_| self.skip_within(depth))
            }
            Head::Map(pairs) => {
                let depth = deeper()?;
                (0..pairs).try_for_each(|_| {
                    self.key()?;
                    self.skip_within(depth)
                })
            }
        }
    }

    /// The key of a pair, as bytes.
    ///
    /// # Errors
    /// When it is no string.
    pub fn key(&mut self) -> Result<&'a [u8], Fault> {
        match self.head()? {
            Head::Text(len) => self.take(len),
            _ => Err(Fault::Malformed("a key of a map is not a string")),
        }
    }

    fn head(&mut self) -> Result<Head, Fault> {
        let first = self.take(1)?[0];
        Ok(match first {
            0x00..=0x7f => Head::Number(i64::from(first)),
            0xe0..=0xff => Head::Number(i64::from(first.cast_signed())),
            0x80..=0x8f => Head::Map(usize::from(first & 0x0f)),
            0x90..=0x9f => Head::Array(usize::from(first & 0x0f)),
            0xa0..=0xbf => Head::Text(usize::from(first & 0x1f)),
            0xc0 => Head::Nil,
            0xc1 => return Err(Fault::Malformed("byte 0xc1 stands for nothing")),
            0xc2 | 0xc3 => Head::Bool,
            0xc4 => Head::Binary(self.length::<1>()?),
            0xc5 => Head::Binary(self.length::<2>()?),
            0xc6 => Head::Binary(self.length::<4>()?),
            0xc7 => Head::Extension(self.length::<1>()? + 1),
            0xc8 => Head::Extension(self.length::<2>()? + 1),
            0xc9 => Head::Extension(self.length::<4>()?.saturating_add(1)),
            0xca => Head::Number(whole(f64::from(f32::from_be_bytes(self.bytes()?)))),
            0xcb => Head::Number(whole(f64::from_be_bytes(self.bytes()?))),
            0xcc => Head::Number(i64::from(self.bytes::<1>()?[0])),
            0xcd => Head::Number(i64::from(u16::from_be_bytes(self.bytes()?))),
            0xce => Head::Number(i64::from(u32::from_be_bytes(self.bytes()?))),
            0xcf => {
                Head::Number(i64::try_from(u64::from_be_bytes(self.bytes()?)).unwrap_or(i64::MAX))
            }
            0xd0 => Head::Number(i64::from(i8::from_be_bytes(self.bytes()?))),
            0xd1 => Head::Number(i64::from(i16::from_be_bytes(self.bytes()?))),
            0xd2 => Head::Number(i64::from(i32::from_be_bytes(self.bytes()?))),
            0xd3 => Head::Number(i64::from_be_bytes(self.bytes()?)),
            0xd4..=0xd8 => Head::Extension((1 << (first - 0xd4)) + 1),
            0xd9 => Head::Text(self.length::<1>()?),
            0xda => Head::Text(self.length::<2>()?),
            0xdb => Head::Text(self.length::<4>()?),
            0xdc => Head::Array(self.length::<2>()?),
            0xdd => Head::Array(self.length::<4>()?),
            0xde => Head::Map(self.length::<2>()?),
            0xdf => Head::Map(self.length::<4>()?),
        })
    }

    fn length<const N: usize>(&mut self) -> Result<usize, Fault> {
        let bytes = self.take(N)?;
        Ok(bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) =
            self.rest.split_at_checked(len).ok_or(Fault::Malformed("it ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }
}

/// As C++ cuts a floating-point number, without its undefined cases.
#[allow(clippy::cast_possible_truncation)] // saturates, NaN gives 0
fn whole(number: f64) -> i64 {
    number as i64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut reader = Reader::new(&bytes);
            while !reader.is_empty() {
                let before = reader.rest.len();
                match reader.raw() {
                    Ok(raw) => prop_assert_eq!(raw.len(), before - reader.rest.len()),
                    Err(_) => break,
                }
            }
        }
    }

    #[test]
    fn every_kind_of_value_is_passed_over_as_a_whole() {
        let values: &[&[u8]] = &[
            &[0x05],
            &[0xff],
            &[0xc0],
            &[0xc2],
            &[0xa2, b'a', b'b'],
            &[0x92, 1, 2],
            &[0x81, 0xa1, b'k', 0x90],
            &[0xc4, 1, 9],
            &[0xc5, 0, 1, 9],
            &[0xc6, 0, 0, 0, 1, 9],
            &[0xc7, 1, 7, 9],
            &[0xc8, 0, 1, 7, 9],
            &[0xc9, 0, 0, 0, 1, 7, 9],
            &[0xca, 0, 0, 0, 0],
            &[0xcb, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0xcc, 200],
            &[0xcd, 1, 0],
            &[0xce, 0, 0, 0, 1],
            &[0xcf, 0, 0, 0, 0, 0, 0, 0, 1],
            &[0xd0, 0x80],
            &[0xd1, 0x80, 0],
            &[0xd2, 0, 0, 0, 1],
            &[0xd3, 0, 0, 0, 0, 0, 0, 0, 1],
            &[0xd4, 7, 9],
            &[0xd5, 7, 9, 9],
            &[0xd6, 7, 1, 2, 3, 4],
            &[0xd9, 1, b'a'],
            &[0xda, 0, 1, b'a'],
            &[0xdb, 0, 0, 0, 1, b'a'],
            &[0xdc, 0, 1, 1],
            &[0xdd, 0, 0, 0, 1, 1],
            &[0xde, 0, 1, 0xa1, b'k', 1],
            &[0xdf, 0, 0, 0, 1, 0xa1, b'k', 1],
        ];
        for value in values {
            let mut followed = value.to_vec();
            followed.push(0x2a);
            let mut reader = Reader::new(&followed);
            assert_eq!(reader.raw(), Ok(*value), "{value:x?}");
            assert_eq!(reader.number(), Ok(Some(42)));
            for len in 0..value.len() {
                let cut = Reader::new(&value[..len]).raw();
                assert_eq!(cut, Err(Fault::Malformed("it ends too early")), "{value:x?} to {len}");
            }
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let bomb = vec![0x91; 200_000];
        let fault = Reader::new(&bomb).raw().unwrap_err();
        assert_eq!(fault, Fault::Malformed("it is nested too deeply"));
        let mut deep = vec![0x91; DEEPEST as usize];
        deep.push(0xc0);
        assert!(Reader::new(&deep).raw().is_ok());
    }

    #[test]
    fn an_announced_length_costs_nothing() {
        let mut reader = Reader::new(&[0xdd, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(reader.raw(), Err(Fault::Malformed("it ends too early")));
    }

    #[test]
    fn numbers_are_cut_as_the_original_cuts_them() {
        let mut reader = Reader::new(&[0xcb, 0x40, 0x17, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9a]);
        assert_eq!(reader.number(), Ok(Some(5)), "5.9");
        assert_eq!(Reader::new(&[0xe0]).number(), Ok(Some(-32)));
        assert_eq!(Reader::new(&[0xa0]).number(), Ok(None));
    }
}
