//! The bytes of positions and their changes.
//!
//! What a sink was offered is noted for every batch, so it is written in few bytes: numbers as
//! their distance from the one before, streams by their index in a table that both sides build.

use std::collections::HashMap;

use super::{
    bytes::{Reader, put_short, put_text},
    gaps::Gap,
    position::{Offered, Position},
    streams::{ProducerStream, SeqNo},
};

const SNAPSHOT: u8 = 0;
const OFFER: u8 = 1;
const COMMIT: u8 = 2;

/// Streams that were named before, each with its last sequence.
#[derive(Debug, Default)]
pub(super) struct Coder {
    streams: Vec<(ProducerStream, u64)>,
    index: HashMap<ProducerStream, usize>,
}

impl Coder {
    /// A whole position; without what is in flight when that has no room.
    pub fn snapshot(&mut self, position: &Position, with_offered: bool) -> Vec<u8> {
        let mut bytes = vec![SNAPSHOT];
        put_short(&mut bytes, position.committed);
        put_short(&mut bytes, position.floor);
        let streams = position.streams.by_use();
        put_short(&mut bytes, streams.len() as u64);
        for (stream, seq) in streams {
            self.put_place(&mut bytes, stream, seq);
        }
        put_short(&mut bytes, position.gaps.iter().len() as u64);
        for gap in position.gaps.iter() {
            put_short(&mut bytes, gap.refilled.len() as u64);
            for seq in [&gap.after, &gap.before].into_iter().chain(&gap.refilled) {
                self.put_place(&mut bytes, &gap.stream, *seq);
            }
        }
        let offered = position.offered.iter().take(if with_offered { usize::MAX } else { 0 });
        put_short(&mut bytes, offered.len() as u64);
        let mut previous = position.committed;
        for (number, offered) in offered {
            put_short(&mut bytes, number.wrapping_sub(previous));
            previous = *number;
            // whether it is done stands in the lowest bit
            put_short(&mut bytes, offered.group << 1 | u64::from(offered.done));
            self.put_place(&mut bytes, &offered.stream, offered.seq);
        }
        bytes
    }

    /// Batches that were offered in one group, as the position has them by now.
    pub fn offer(&mut self, position: &Position, group: u64, numbers: &[u64]) -> Vec<u8> {
        let mut bytes = vec![OFFER];
        put_short(&mut bytes, group);
        let offered = |number: &u64| Some((*number, position.offered.get(number)?));
        let batches: Vec<_> = numbers.iter().filter_map(offered).collect();
        put_short(&mut bytes, batches.len() as u64);
        let mut previous = position.committed;
        for (number, offered) in batches {
            put_short(&mut bytes, number.wrapping_sub(previous));
            previous = number;
            self.put_place(&mut bytes, &offered.stream, offered.seq);
        }
        bytes
    }

    /// Batches that were delivered, and up to which number all are.
    pub fn commit(committed: u64, done: &[u64]) -> Vec<u8> {
        let mut bytes = vec![COMMIT];
        put_short(&mut bytes, committed);
        put_short(&mut bytes, done.len() as u64);
        let mut previous = committed;
        for number in done {
            put_distance(&mut bytes, previous, *number);
            previous = *number;
        }
        bytes
    }

    /// Reads what begins with a snapshot.
    pub fn read_snapshot(&mut self, bytes: &[u8]) -> Option<Position> {
        let reader = &mut Reader::new(bytes);
        (reader.u8()? == SNAPSHOT).then_some(())?;
        let mut position =
            Position { committed: reader.short()?, floor: reader.short()?, ..Position::default() };
        for _ in 0..reader.short()? {
            let (stream, seq) = self.take_place(reader)?;
            position.streams.advance(&stream, seq);
        }
        for _ in 0..reader.short()? {
            let there = reader.short()?;
            let (stream, after) = self.take_place(reader)?;
            let mut gap = Gap::new(stream, after, self.take_place(reader)?.1);
            for _ in 0..there {
                gap.refilled.insert(self.take_place(reader)?.1);
            }
            position.gaps.open(gap);
        }
        let mut number = position.committed;
        for _ in 0..reader.short()? {
            number = number.wrapping_add(reader.short()?);
            let word = reader.short()?;
            let (stream, seq) = self.take_place(reader)?;
            position.offer(number, Offered { group: word >> 1, stream, seq, done: word & 1 == 1 });
        }
        Some(position)
    }

    /// Applies a change.
    pub fn apply(&mut self, position: &mut Position, bytes: &[u8]) -> Option<()> {
        let reader = &mut Reader::new(bytes);
        match reader.u8()? {
            OFFER => {
                let (group, mut number) = (reader.short()?, position.committed);
                for _ in 0..reader.short()? {
                    number = number.wrapping_add(reader.short()?);
                    let (stream, seq) = self.take_place(reader)?;
                    position.offer(number, Offered { group, stream, seq, done: false });
                }
            }
            COMMIT => {
                let (committed, count) = (reader.short()?, reader.short()?);
                let (mut done, mut number) = (Vec::new(), committed);
                for _ in 0..count {
                    number = take_distance(reader, number)?;
                    done.push(number);
                }
                position.commit(&done, committed);
            }
            _ => return None,
        }
        Some(())
    }

    fn put_place(&mut self, bytes: &mut Vec<u8>, stream: &ProducerStream, seq: SeqNo) {
        let place = match self.index.get(stream) {
            Some(place) => {
                put_short(bytes, *place as u64 + 1);
                *place
            }
            None => {
                put_short(bytes, 0);
                put_text(bytes, &stream.writer);
                put_text(bytes, &stream.source);
                put_short(bytes, stream.epoch);
                self.index.insert(stream.clone(), self.streams.len());
                self.streams.push((stream.clone(), 0));
                self.streams.len() - 1
            }
        };
        let last = &mut self.streams[place].1;
        put_distance(bytes, *last, seq.sequence);
        *last = seq.sequence;
        put_short(bytes, seq.part);
    }

    fn take_place(&mut self, reader: &mut Reader<'_>) -> Option<(ProducerStream, SeqNo)> {
        let place = match reader.short()? {
            0 => {
                let (writer, source) = (reader.text()?, reader.text()?);
                let stream = ProducerStream { writer, source, epoch: reader.short()? };
                self.index.insert(stream.clone(), self.streams.len());
                self.streams.push((stream, 0));
                self.streams.len() - 1
            }
            place => usize::try_from(place - 1).ok()?,
        };
        let (stream, last) = self.streams.get_mut(place)?;
        *last = take_distance(reader, *last)?;
        Some((stream.clone(), SeqNo { sequence: *last, part: reader.short()? }))
    }
}

/// Appends how far it is from one number to another, in few bytes if that is near, before or behind.
fn put_distance(bytes: &mut Vec<u8>, from: u64, to: u64) {
    let distance = to.wrapping_sub(from).cast_signed();
    put_short(bytes, (distance << 1 ^ distance >> 63).cast_unsigned());
}

fn take_distance(reader: &mut Reader<'_>, from: u64) -> Option<u64> {
    let word = reader.short()?;
    Some(from.wrapping_add((word >> 1) ^ (word & 1).wrapping_neg()))
}
