//! Writing values, and how long they will be.

/// Writes values one after the other, each in its shortest form.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

/// Place of a length that is filled in later.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct Length(usize);

impl Writer {
    /// Bytes of a number with a fraction.
    pub const FLOAT: usize = 9;

    /// Writes behind what is there.
    pub fn after(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    /// What was written.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// Makes room for so many more bytes.
    pub fn reserve(&mut self, bytes: usize) {
        self.bytes.reserve(bytes);
    }

    /// A map of at most 15 pairs, which come next.
    pub fn map(&mut self, pairs: u8) {
        self.bytes.push(0x80 | pairs.min(15));
    }

    /// An array of that many values, which come next.
    pub fn array(&mut self, values: usize) {
        match u32::try_from(values).unwrap_or(u32::MAX) {
            few @ 0..16 => self.bytes.push(0x90 | few.to_be_bytes()[3]),
            some @ 16..0x1_0000 => self.head::<2>(0xdc, some),
            many => self.head::<4>(0xdd, many),
        }
    }

    /// An array whose number of values is told by [`close`](Self::close).
    pub fn late_array(&mut self) -> Length {
        self.bytes.extend([0xdd, 0, 0, 0, 0]);
        Length(self.bytes.len() - 4)
    }

    /// Tells how many values an array has.
    pub fn close(&mut self, length: Length, values: usize) {
        let values = u32::try_from(values).unwrap_or(u32::MAX);
        self.bytes[length.0..length.0 + 4].copy_from_slice(&values.to_be_bytes());
    }

    /// A text.
    pub fn text(&mut self, text: &[u8]) {
        match u32::try_from(text.len()).unwrap_or(u32::MAX) {
            short @ 0..32 => self.bytes.push(0xa0 | short.to_be_bytes()[3]),
            len @ 32..0x100 => self.head::<1>(0xd9, len),
            len @ 0x100..0x1_0000 => self.head::<2>(0xda, len),
            len => self.head::<4>(0xdb, len),
        }
        self.bytes.extend_from_slice(text);
    }

    /// A whole number.
    pub fn integer(&mut self, number: u64) {
        match number {
            0..0x80 => self.bytes.push(number.to_be_bytes()[7]),
            0x80..0x1_0000_0000 => self.head::<4>(0xce, u32::try_from(number).unwrap_or(u32::MAX)),
            _ => {
                self.bytes.push(0xcf);
                self.bytes.extend(number.to_be_bytes());
            }
        }
    }

    /// Values that were written elsewhere.
    pub fn raw(&mut self, values: &[u8]) {
        self.bytes.extend_from_slice(values);
    }

    /// A number with a fraction; always as 64 bits, because Hikyuu keeps what 32 bits lose.
    pub fn float(&mut self, number: f64) {
        let mut value = [0xcb; Self::FLOAT];
        value[1..].copy_from_slice(&number.to_be_bytes());
        self.bytes.extend_from_slice(&value);
    }

    fn head<const N: usize>(&mut self, first: u8, length: u32) {
        self.bytes.push(first);
        self.bytes.extend_from_slice(&length.to_be_bytes()[4 - N..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msgpack::Reader;

    fn written(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer::default();
        write(&mut writer);
        writer.finish()
    }

    #[test]
    fn values_have_their_shortest_form() {
        assert_eq!(written(|it| it.map(2)), [0x82]);
        assert_eq!(written(|it| it.array(15)), [0x9f]);
        assert_eq!(written(|it| it.array(16)), [0xdc, 0, 16]);
        assert_eq!(written(|it| it.array(65_536)), [0xdd, 0, 1, 0, 0]);
        assert_eq!(written(|it| it.integer(127)), [0x7f]);
        assert_eq!(written(|it| it.integer(128)), [0xce, 0, 0, 0, 128]);
        assert_eq!(written(|it| it.integer(1 << 32)), [0xcf, 0, 0, 0, 1, 0, 0, 0, 0]);
        assert_eq!(written(|it| it.float(1.0)), [0xcb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0]);
        for len in [0, 31, 32, 255, 256, 65_535, 65_536] {
            let text = "x".repeat(len);
            let bytes = written(|it| it.text(text.as_bytes()));
            assert_eq!(Reader::new(&bytes).text(), Ok(text.as_str()));
        }
    }

    #[test]
    fn a_length_is_filled_in_later() {
        let bytes = written(|it| {
            let length = it.late_array();
            it.integer(7);
            it.close(length, 1);
        });
        assert_eq!(bytes, [0xdd, 0, 0, 0, 1, 7]);
    }
}
