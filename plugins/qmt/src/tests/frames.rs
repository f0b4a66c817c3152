//! Frames and bodies that are damaged, cut, or no frames at all.

use std::io::{self, Read};

use proptest::{prelude::*, test_runner::Config};

use super::bridge::{batch, body};
use crate::{
    columns::{self, Head},
    frame::{Fault, Frame, FrameReader, HEADER_LEN, Kind},
    quote::Quote,
};

/// Gives bytes in pieces of that size, and then nothing.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let len = self.1.min(self.0.len()).min(buffer.len());
        let (now, later) = self.0.split_at(len);
        buffer[..len].copy_from_slice(now);
        self.0 = later;
        Ok(len)
    }
}

/// Frames until there is no more or a fault.
fn read(bytes: &[u8], piece: usize) -> (Vec<Frame>, Option<Fault>) {
    let (mut source, mut reader) = (Pieces(bytes, piece), FrameReader::new(1 << 20));
    let mut frames = Vec::new();
    loop {
        match reader.read_once(&mut source) {
            Ok(Some(frame)) => frames.push(frame),
            Ok(None) if source.0.is_empty() => return (frames, None),
            Ok(None) => {}
            Err(fault) => return (frames, Some(fault)),
        }
    }
}

fn frames() -> Vec<Frame> {
    let status = Frame::new(Kind::Status, b"{}".to_vec());
    vec![batch(1, 0), Frame::new(Kind::Heartbeat, Vec::new()), batch(2, 1), status]
}

fn wire() -> Vec<u8> {
    frames().iter().flat_map(Frame::encode).collect()
}

#[test]
fn frames_come_whole_in_whatever_pieces() {
    for piece in [1, 2, 16, 17, 18, 1_000, 1 << 20] {
        assert_eq!(read(&wire(), piece), (frames(), None), "pieces of {piece}");
    }
}

#[test]
fn a_frame_that_is_too_long_is_refused_before_its_body_comes() {
    let mut header = batch(1, 0).encode()[..HEADER_LEN].to_vec();
    header[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    let (frames, fault) = read(&header, 100);
    let Some(Fault::Garbage(text)) = fault else { panic!("{fault:?}") };
    assert!(frames.is_empty() && text.contains("4294967295") && text.contains("1048576"), "{text}");
}

proptest! {
    #![proptest_config(Config::with_cases(10_000))]

    #[test]
    fn ten_thousand_damaged_streams_never_give_a_frame_that_was_not_sent(
        at in 0_usize..2_000,
        bits in 1_u8..,
        cut in prop::option::of(0_usize..2_000),
        piece in 1_usize..400,
    ) {
        let (sent, mut bytes) = (frames(), wire());
        let at = at % bytes.len();
        bytes[at] ^= bits;
        bytes.truncate(cut.unwrap_or(usize::MAX));
        let (got, _) = read(&bytes, piece);
        // a prefix of what was sent, whole frames before the damage
        prop_assert!(got.len() <= sent.len());
        prop_assert_eq!(&got[..], &sent[..got.len()]);
    }

    #[test]
    fn ten_thousand_damaged_bodies_are_refused_or_read_without_a_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        len in prop::option::of(any::<prop::sample::Index>()),
        columns in any::<bool>(),
    ) {
        let mut bytes = if columns { columns_body() } else { body(0, 1, 1, super::EXAMPLE) };
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(len) = len {
            bytes.truncate(len.index(bytes.len()));
        }
        // a checksum lies above this: here it only matters that nothing breaks
        if let Ok((head, rest)) = Head::parse(&bytes)
            && let Ok(inner) = head.unpack(rest)
            && let Ok(ticks) = columns::ticks(&inner)
        {
            for coded in &ticks {
                if let Ok(quote) = Quote::read(coded) {
                    prop_assert!(quote.close.is_finite() && quote.amount_cny.is_finite());
                    prop_assert_eq!(quote.bid.as_slice().len(), quote.bid_volume.as_slice().len());
                }
            }
        }
    }
}

/// A body with three rows and one level of book, not packed.
fn columns_body() -> Vec<u8> {
    let rows = 3;
    let codes = b"600000.SH\n600001.SH\n600002.SH";
    let columns: Vec<f64> = [1_733_118_954_000.0, 11.39, 11.39, 11.4, 11.31, 11.38, 1_139.0, 1.0]
        .into_iter()
        .chain([100.0, 13.0, 11.4, 11.39, 7.0, 8.0])
        .flat_map(|value| [value; 3])
        .collect();
    let count = columns.len();
    let mut shuffled = vec![0; 8 * count];
    for (index, value) in columns.iter().enumerate() {
        for (place, byte) in value.to_le_bytes().into_iter().enumerate() {
            shuffled[place * count + index] = byte;
        }
    }
    let mut inner = u32::to_le_bytes(rows).to_vec();
    inner.extend([1; 4]);
    inner.extend(u32::try_from(codes.len()).unwrap().to_le_bytes());
    inner.extend([0; 8]);
    inner.extend(codes);
    inner.extend(shuffled);
    let mut body = Vec::new();
    for word in [0_u64, 1, 1_733_118_954_500_000] {
        body.extend(word.to_le_bytes());
    }
    body.extend(rows.to_le_bytes());
    body.push(0);
    body.extend(u32::try_from(inner.len()).unwrap().to_le_bytes());
    body.extend(inner);
    body
}

#[test]
fn columns_say_what_they_hold() {
    let bytes = columns_body();
    let (head, rest) = Head::parse(&bytes).unwrap();
    let inner = head.unpack(rest).unwrap();
    let ticks = columns::ticks(&inner).unwrap();
    assert_eq!(ticks.len(), 3);
    let quote = Quote::read(&ticks[2]).unwrap();
    assert_eq!((quote.symbol.code, quote.volume_shares), ("600002", 100));
    assert_eq!((quote.bid.as_slice(), quote.ask_volume.as_slice()), (&[11.39][..], &[700][..]));
}

#[test]
fn a_body_that_unpacks_to_more_than_it_says_is_refused() {
    use std::io::Write;
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(&vec![0; 8 << 20]).unwrap();
    let packed = packer.finish().unwrap();
    let mut bytes = body(0, 1, 1, "")[..28].to_vec();
    bytes.push(2);
    bytes.extend(20_u32.to_le_bytes());
    bytes.extend(packed);
    let (head, rest) = Head::parse(&bytes).unwrap();
    assert!(head.unpack(rest).unwrap_err().contains("20 bytes"));
    let mut huge = bytes.clone();
    huge[29..33].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(Head::parse(&huge).is_err());
}
