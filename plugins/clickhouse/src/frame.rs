//! ClickHouse's own compression, which its servers undo faster than any of HTTP's.
//!
//! ```text
//! checksum of what follows (CityHash128 1.0.2) │ 0x82 │ length from here on back to 0x82 │ length
//! of the plain bytes │ LZ4 block
//! ```

use lz4_flex::block::{CompressTable, compress_into_with_table, get_maximum_output_size};

/// Plain bytes in a frame; what ClickHouse itself takes at most.
const PLAIN_BYTES: usize = 1 << 20;
const CHECKSUM_LEN: usize = 16;
const HEAD_LEN: usize = 9;
const LZ4: u8 = 0x82;

/// Frames that follow each other; their memory is kept for the next ones.
pub struct Frames {
    table: CompressTable,
    buffer: Vec<u8>,
    len: usize,
}

impl Default for Frames {
    fn default() -> Self {
        Self { table: CompressTable::large(), buffer: Vec::new(), len: 0 }
    }
}

impl Frames {
    /// Adds frames of those bytes.
    pub fn push(&mut self, plain: &[u8]) {
        for chunk in plain.chunks(PLAIN_BYTES) {
            self.len += self.push_frame(self.len, chunk);
        }
    }

    /// All frames since the last [`clear`](Self::clear).
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[..self.len]
    }

    /// Starts anew.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Writes a frame at that place and returns its length.
    fn push_frame(&mut self, at: usize, chunk: &[u8]) -> usize {
        let room = at + CHECKSUM_LEN + HEAD_LEN + get_maximum_output_size(chunk.len());
        if self.buffer.len() < room {
            self.buffer.resize(room, 0);
        }
        let frame = &mut self.buffer[at..];
        let (checksum, rest) = frame.split_at_mut(CHECKSUM_LEN);
        let packed = compress_into_with_table(chunk, &mut rest[HEAD_LEN..], &mut self.table)
            .expect("there is room for the longest outcome");
        let len = HEAD_LEN + packed;
        rest[0] = LZ4;
        rest[1..5].copy_from_slice(&short(len));
        rest[5..9].copy_from_slice(&short(chunk.len()));
        // the hash's first half stands in its upper bits
        let hash = cityhash_rs::cityhash_102_128(&rest[..len]).rotate_right(64);
        checksum.copy_from_slice(&hash.to_le_bytes());
        CHECKSUM_LEN + len
    }
}

fn short(len: usize) -> [u8; 4] {
    u32::try_from(len).expect("a frame is about a megabyte").to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Undoes frames, checking every sum.
    fn plain(mut frames: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        while !frames.is_empty() {
            let word = |at: usize| u32::from_le_bytes(frames[at..at + 4].try_into().unwrap());
            let (packed, len) = (word(17) as usize, word(21) as usize);
            assert_eq!(frames[16], 0x82);
            let body = &frames[16..16 + packed];
            let sum = cityhash_rs::cityhash_102_128(body).rotate_right(64);
            assert_eq!(frames[..16], sum.to_le_bytes());
            plain.extend(lz4_flex::block::decompress(&body[9..], len).unwrap());
            frames = &frames[16 + packed..];
        }
        plain
    }

    #[test]
    fn frames_hold_what_went_in() {
        let mut frames = Frames::default();
        let mut state = fixtures::seed(0x9e37_79b9_7f4a_7c15);
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_le_bytes()[7]
        })
        .take(PLAIN_BYTES + 5)
        .collect();
        for bytes in [&b""[..], b"x", &[0; 3 * PLAIN_BYTES], &noise, &noise[..PLAIN_BYTES], b"end"]
        {
            frames.push(bytes);
            frames.push(b"more");
            assert!(plain(frames.bytes()) == [bytes, b"more"].concat(), "{} bytes", bytes.len());
            frames.clear();
        }
    }

    /// Read from the column file of a table of ClickHouse 18.16.
    #[test]
    fn a_frame_is_the_one_that_clickhouse_makes() {
        let made = [
            0x25, 0x96, 0xca, 0x10, 0xce, 0xf0, 0x85, 0x24, 0x7e, 0x67, 0x6b, 0xc7, 0x18, 0xd0,
            0x27, 0x1d, 0x82, 0x15, 0, 0, 0, 0x0b, 0, 0, 0, 0xb0, 0x0a, b'd', b'a', b't', b'a',
            b's', b'e', b'r', b'v', b'e', b'r',
        ];
        let mut frames = Frames::default();
        frames.push(b"\x0adataserver");
        assert_eq!(frames.bytes(), made);
    }
}
