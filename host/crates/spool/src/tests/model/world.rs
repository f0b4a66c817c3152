//! Sources, a spool and a sink, with a log of what each has seen.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    fs,
};

use plugin_api::{Batch, Provenance, Round, testing::spot_batch};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tempfile::TempDir;

use super::super::{flip, folder, segments, truncate};
use crate::{Appended, Spool};

/// Four segments, so that some come and go.
const ROOM: u64 = 256 << 10;
/// Batches of each source that can send again.
const BATCHES: u64 = 120;
const MAX_WORKERS: usize = 4;

/// What happens to the files when the host is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    None,
    /// The last segment loses bytes at its end.
    Tail,
    /// Any byte of any segment is spoilt.
    Segments,
    /// Any byte of the position is spoilt, or a file of it is gone.
    Position,
}

/// Place of a batch: source, run of a source that cannot send again, sequence.
type Place = (usize, u64, u64);

/// A source that sends again, from its checkpoint on.
struct Source {
    name: &'static str,
    writer: &'static str,
    sent: u64,
    most_sent: u64,
    checkpoint: u64,
    /// There was no room for what it wanted to send.
    is_blocked: bool,
    delivered: BTreeSet<u64>,
}

pub struct World {
    damage: Damage,
    random: StdRng,
    folder: TempDir,
    spool: Spool,
    now_us: i64,
    sources: Vec<Source>,
    /// The source that cannot send again counts anew after each start.
    run: u64,
    live_sent: u64,
    live_delivered: u64,
    live_total: u64,
    /// What is read or kept, and not offered.
    memory: VecDeque<u64>,
    /// Whether all that is in the spool is in memory.
    is_fully_read: bool,
    last_read: u64,
    place_of: HashMap<u64, Place>,
    offered: BTreeMap<u64, Place>,
    number_of: HashMap<Place, u64>,
    committed: BTreeSet<u64>,
    in_flight: Vec<Vec<u64>>,
    earlier_groups: Vec<Vec<u64>>,
}

impl World {
    pub fn new(damage: Damage, seed: u64) -> Self {
        let folder = folder();
        let spool = Spool::open(folder.path(), ROOM).unwrap().0;
        let source = |(name, writer)| Source {
            name,
            writer,
            sent: 0,
            most_sent: 0,
            checkpoint: 0,
            is_blocked: false,
            delivered: BTreeSet::new(),
        };
        Self {
            damage,
            random: StdRng::seed_from_u64(seed),
            folder,
            spool,
            now_us: 1_700_000_000_000_000,
            // one comes by two ways, as quotes and the bars made of them do
            sources: [("day", "clean"), ("day", "bars"), ("night", "clean")].map(source).into(),
            run: 1,
            live_sent: 0,
            live_delivered: 0,
            live_total: 0,
            memory: VecDeque::new(),
            is_fully_read: true,
            last_read: 0,
            place_of: HashMap::new(),
            offered: BTreeMap::new(),
            number_of: HashMap::new(),
            committed: BTreeSet::new(),
            in_flight: Vec::new(),
            earlier_groups: Vec::new(),
        }
    }

    /// Something happens.
    pub fn step(&mut self) {
        match self.random.random_range(0..100) {
            0..35 => {
                let source = self.random.random_range(0..=self.sources.len());
                self.send(source);
            }
            35..60 => self.read(),
            60..78 => self.offer(),
            78..95 => self.commit(),
            95..97 => self.spool.sync().unwrap(),
            _ => self.crash(),
        }
        self.stop_waiting_in_vain();
    }

    /// Sends, offers and commits until nothing is left, and checks the result.
    pub fn drain(&mut self) {
        for _ in 0..1_000 {
            (0..self.sources.len()).for_each(|source| self.send(source));
            (0..3).for_each(|_| self.read());
            self.offer();
            self.commit();
            self.stop_waiting_in_vain();
        }
        self.spool.end_of_input();
        for _ in 0..1_000 {
            self.read();
            self.offer();
            self.commit();
        }
        self.check_end();
    }

    fn batch(&mut self, source: &str, epoch: u64, sequence: u64, index: usize) -> Batch {
        // clocks are set back now and then
        self.now_us += self.random.random_range(-200..2_000);
        let mut provenance = Provenance::of_source(source);
        provenance.received_at_us = self.now_us;
        let records = usize::try_from(sequence * 7 % 40).unwrap() + 1;
        spot_batch(records, Round::WHOLE).with_provenance(provenance).numbered(
            epoch,
            sequence,
            index as u64,
        )
    }

    fn send(&mut self, index: usize) {
        let (place, writer, batch) = match self.sources.get(index) {
            Some(source) if source.sent >= BATCHES => return,
            Some(&Source { name, writer, sent, .. }) => {
                ((index, 0, sent + 1), writer, self.batch(name, 0, sent + 1, index))
            }
            None => {
                let (run, sequence) = (self.run, self.live_sent + 1);
                ((index, run, sequence), "clean", self.batch("live", run, sequence, index))
            }
        };
        let has_room = self.spool.has_room(writer, &batch);
        if let Some(source) = self.sources.get_mut(index) {
            source.is_blocked = !has_room;
        }
        if !has_room {
            return;
        }
        let keep = self.is_fully_read && self.random.random_bool(0.6);
        match self.spool.append(writer, &batch, keep).unwrap() {
            Appended::New(number) => {
                assert!(number > self.last_read && self.place_of.insert(number, place).is_none());
                if keep {
                    self.last_read = number;
                    self.memory.push_back(number);
                } else {
                    self.is_fully_read = false;
                }
            }
            Appended::Deferred(number) => {
                assert!(number > self.last_read);
                self.place_of.insert(number, place);
                self.is_fully_read = false;
            }
            Appended::Duplicate => assert!(index < self.sources.len(), "{place:?} was never sent"),
        }
        match self.sources.get_mut(index) {
            Some(source) => {
                source.sent += 1;
                source.most_sent = source.most_sent.max(source.sent);
            }
            None => {
                self.live_sent += 1;
                self.live_total += 1;
            }
        }
    }

    fn read(&mut self) {
        let batch = match self.spool.read_next().unwrap() {
            Some(batch) => batch,
            None => {
                self.is_fully_read = !self.spool.is_repairing();
                return;
            }
        };
        let (number, provenance) = (batch.delivery(), batch.provenance());
        let index = usize::try_from(provenance.part).unwrap();
        let place = (index, provenance.epoch, provenance.sequence);
        assert_eq!(u64::from(batch.records()), provenance.sequence * 7 % 40 + 1);
        assert!(number > self.last_read, "{number} after {}", self.last_read);
        assert_eq!(*self.place_of.entry(number).or_insert(place), place, "number {number}");
        self.last_read = number;
        self.memory.push_back(number);
    }

    /// A worker takes a group.
    fn offer(&mut self) {
        let Some(first) = self.memory.front().copied() else { return };
        if self.in_flight.len() >= MAX_WORKERS {
            return;
        }
        let group = self.spool.group_of(first);
        while self.memory.len() < group.unwrap_or(0) {
            let before = self.memory.len();
            self.read();
            assert!(self.memory.len() > before, "the group of {first} is not whole");
        }
        let most = self.random.random_range(1..=6).min(self.memory.len());
        let numbers: Vec<_> = self.memory.drain(..group.unwrap_or(most)).collect();
        self.check_group(&numbers, group.is_some());
        self.spool.offer(numbers.iter().copied()).unwrap();
        for number in &numbers {
            self.check_number(*number);
        }
        self.in_flight.push(numbers);
    }

    fn check_group(&mut self, numbers: &[u64], is_earlier: bool) {
        let found = self.earlier_groups.iter().position(|group| group.contains(&numbers[0]));
        let earlier = found.map(|at| self.earlier_groups.remove(at)).unwrap_or_default();
        if matches!(self.damage, Damage::None | Damage::Tail) {
            assert_eq!(is_earlier, found.is_some(), "{numbers:?}");
            let is_here = |number: &&u64| numbers.contains(number);
            let (here, missing): (Vec<u64>, Vec<u64>) =
                earlier.iter().partition(|number| is_here(number));
            assert!(!is_earlier || here == numbers, "{numbers:?} was offered as {earlier:?}");
            let is_live = |number: &u64| self.place_of[number].0 == self.sources.len();
            assert!(
                missing.is_empty() || (self.damage == Damage::Tail && missing.iter().all(is_live)),
                "{missing:?} is missing from {earlier:?}"
            );
        }
    }

    fn check_number(&mut self, number: u64) {
        let place = self.place_of[&number];
        let highest = self.offered.last_key_value().map_or(0, |(number, _)| *number);
        if self.damage == Damage::Position {
            self.offered.insert(number, place);
            return;
        }
        assert!(!self.committed.contains(&number), "{number} {place:?} is committed");
        match self.offered.insert(number, place) {
            Some(before) => assert_eq!(before, place, "number {number}"),
            None => assert!(number > highest, "{number} {place:?} is new, but below {highest}"),
        }
        let before = self.number_of.insert(place, number);
        let is_same = before.is_none_or(|before| before == number);
        assert!(is_same, "{place:?}: {before:?}, now {number}");
    }

    fn commit(&mut self) {
        if self.in_flight.is_empty() {
            return;
        }
        let at = self.random.random_range(0..self.in_flight.len());
        let group = &mut self.in_flight[at];
        // now and then a group is taken apart
        let done = if group.len() > 1 && self.random.random_bool(0.2) {
            vec![group.remove(self.random.random_range(0..group.len()))]
        } else {
            self.in_flight.swap_remove(at)
        };
        self.spool.commit(done.iter().copied()).unwrap();
        for number in done {
            self.committed.insert(number);
            let (index, _, sequence) = self.place_of[&number];
            match self.sources.get_mut(index) {
                Some(source) => {
                    source.delivered.insert(sequence);
                }
                None => self.live_delivered += 1,
            }
        }
    }

    /// The host is killed and started again.
    fn crash(&mut self) {
        for source in &mut self.sources {
            let confirmed = (1..).take_while(|it| source.delivered.contains(it)).count() as u64;
            source.checkpoint = self.random.random_range(source.checkpoint..=confirmed);
            source.sent = source.checkpoint;
            source.is_blocked = false;
        }
        self.memory.clear();
        self.is_fully_read = false;
        self.last_read = 0;
        self.run += 1;
        self.live_sent = 0;
        self.earlier_groups.append(&mut self.in_flight);
        // a new number may be used again as long as no sink has seen it
        self.place_of.retain(|number, _| self.offered.contains_key(number));
        // its files stay as they are: dropping writes nothing
        let empty = folder();
        self.spool = Spool::open(empty.path(), ROOM).unwrap().0;
        self.do_damage();
        self.spool = Spool::open(self.folder.path(), ROOM).unwrap().0;
    }

    fn do_damage(&mut self) {
        let paths = segments(self.folder.path());
        match self.damage {
            Damage::None => {}
            Damage::Tail => {
                if let Some(last) = paths.last() {
                    let length = fs::metadata(last).unwrap().len();
                    truncate(last, self.random.random_range(0..=length));
                }
            }
            Damage::Segments => {
                if paths.is_empty() {
                    return;
                }
                let path = &paths[self.random.random_range(0..paths.len())];
                let length = usize::try_from(fs::metadata(path).unwrap().len()).unwrap();
                flip(path, self.random.random_range(0..length));
            }
            Damage::Position => {
                let name = ["position.a", "position.b"][self.random.random_range(0..2)];
                let path = self.folder.path().join(name);
                match self.random.random_range(0..4) {
                    0 => fs::remove_file(path).unwrap(),
                    1 => fs::write(path, b"").unwrap(),
                    _ => flip(&path, self.random.random_range(0..2_000)),
                }
            }
        }
    }

    /// What is awaited of the source that cannot send again does not come.
    fn stop_waiting_in_vain(&mut self) {
        // one that has no room is past all that was offered
        let is_past = |source: &Source| source.is_blocked || source.sent >= source.most_sent;
        if self.sources.iter().all(is_past) {
            self.spool.end_of_input();
        }
    }

    fn check_end(&mut self) {
        assert!(self.memory.is_empty() && self.in_flight.is_empty());
        assert!(self.spool.is_idle());
        for (index, source) in self.sources.iter().enumerate() {
            let delivered: Vec<_> = source.delivered.iter().copied().collect();
            assert_eq!(delivered, (1..=BATCHES).collect::<Vec<_>>(), "source {index}");
            let in_order: Vec<_> =
                self.offered.values().filter(|it| it.0 == index).map(|it| it.2).collect();
            if matches!(self.damage, Damage::None | Damage::Tail) {
                assert_eq!(in_order, delivered, "source {index}");
            }
        }
        match self.damage {
            Damage::None => assert_eq!(self.live_delivered, self.live_total),
            Damage::Position => assert!(self.live_delivered >= self.live_total),
            Damage::Tail | Damage::Segments => assert!(self.live_delivered <= self.live_total),
        }
    }
}
