//! Jobs that are broken off at any moment.

mod faults;
mod kills;

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap},
    path::Path,
    time::Duration,
};

use plugin_api::{
    Ask, BarRecord, Batch, PluginError, Round, SpotListEncoder, SpotRecord, Symbol, encode_bars,
    testing::bar_batch,
};

use super::*;

/// 2026-01-05 09:31 in Shanghai.
pub(super) const T: i64 = 1_767_576_660_000_000;
pub(super) const MINUTE_US: i64 = 60_000_000;

fn symbol(text: &str) -> Symbol<'_> {
    Symbol::parse(text, None).unwrap()
}

/// Bars of these securities, minutes after [`T`], and prices.
pub(super) fn bars(period: &str, given: &[(&str, i64, f64)]) -> Batch {
    let whole = bar_batch();
    let like = whole.bars().next().unwrap();
    let bars = given.iter().map(|(of, minute, price)| BarRecord {
        symbol: symbol(of),
        period,
        time_us: T + minute * MINUTE_US,
        open: *price,
        high: *price,
        low: *price,
        close: *price,
        ..like
    });
    Batch::from_bars(encode_bars(bars.collect::<Vec<_>>())).unwrap()
}

/// Quotes of these securities, minutes after [`T`].
pub(super) fn spots(given: &[(&str, i64)]) -> Batch {
    let mut encoder = SpotListEncoder::new(given.len());
    for (of, minute) in given {
        let Symbol { market, code } = symbol(of);
        let time_us = T + minute * MINUTE_US + 3_000_000;
        encoder.push(&SpotRecord { market, code, time_us, ..SpotRecord::default() }).unwrap();
    }
    Batch::from_spots(&mut encoder, Round::MIDDLE)
}

/// A piece with stretches in minutes after [`T`]; the last minute of each is in it to its end.
pub(super) fn piece(symbols: &[&str], spans: &[(i64, i64)], records: u64) -> Piece {
    let of_us = |(from, to): &(i64, i64)| (T + from * MINUTE_US, T + (to + 1) * MINUTE_US - 1);
    Piece {
        symbols: symbols.iter().map(|it| (*it).to_owned()).collect(),
        spans: spans.iter().map(of_us).collect(),
        records,
    }
}

/// Numbers that look like chance, from a seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end.max(1)
    }
}

/// What a source has: for each security the minutes of its bars after [`T`].
type Held = BTreeMap<String, Vec<i64>>;

/// Sources that answer from what they have, in batches of so many bars.
struct Past {
    by_source: HashMap<String, Held>,
    batch: usize,
    /// Each question: source and securities.
    asked: Vec<(String, Vec<String>)>,
    /// Sources that answer with nothing but that fault.
    away: HashMap<String, PluginError>,
    /// Whether what was not asked for comes along.
    lies: bool,
}

struct Rest(Vec<Result<Batch, PluginError>>);

impl Answer for Rest {
    fn next(&mut self) -> Result<Option<Batch>, PluginError> {
        if self.0.is_empty() { Ok(None) } else { self.0.remove(0).map(Some) }
    }
}

impl Past {
    fn of(by_source: &[(&str, Held)]) -> Self {
        let by_source = by_source.iter().map(|(id, held)| ((*id).to_owned(), held.clone()));
        Self {
            by_source: by_source.collect(),
            batch: 3,
            asked: Vec::new(),
            away: HashMap::new(),
            lies: false,
        }
    }
}

impl Sources for Past {
    fn ask(&mut self, source: &str, ask: &Ask) -> Result<Box<dyn Answer>, PluginError> {
        self.asked.push((source.to_owned(), ask.symbols.clone()));
        if let Some(fault) = self.away.get(source) {
            return Err(fault.clone());
        }
        let (held, asked) = (&self.by_source[source], ask.read()?);
        let mut answer = Vec::new();
        let all = || held.keys().cloned().collect();
        let symbols: Vec<_> = if self.lies { all() } else { asked.symbols };
        for of in symbols {
            let minutes = held.get(&of).map(Vec::as_slice).unwrap_or_default();
            let within = |minute: &&i64| {
                self.lies || (asked.from_us..=asked.to_us).contains(&(T + *minute * MINUTE_US))
            };
            let minutes: Vec<_> = minutes.iter().filter(within).collect();
            if minutes.is_empty() && self.lies {
                continue;
            }
            if minutes.is_empty() {
                answer.push(Err(PluginError::fatal(format!("nothing of {of}"))));
                break;
            }
            for some in minutes.chunks(self.batch) {
                let given: Vec<_> =
                    some.iter().map(|minute| (of.as_str(), **minute, 10.0)).collect();
                answer.push(Ok(bars("1m", &given)));
            }
        }
        Ok(Box::new(Rest(answer)))
    }
}

/// A record that a store has: security, end, source.
type Stored = (String, i64, String);

/// What outlives the host: records by key, and the last number of each source and epoch.
#[derive(Default)]
struct World {
    stored: Vec<Stored>,
    last: HashMap<(String, u64), u64>,
    most_pages: usize,
}

/// A store that knows numbers, as spools do, and has what it was given some batches later.
struct Store<'a> {
    world: &'a RefCell<World>,
    folder: &'a Folder,
    chance: RefCell<Chance>,
    sent: Cell<u64>,
    confirmed: Cell<u64>,
    /// Calls until the host is killed.
    life: Cell<u64>,
    /// Calls after which a store lets go of all that is under way, once.
    lets_go: Cell<u64>,
}

impl<'a> Store<'a> {
    fn new(world: &'a RefCell<World>, folder: &'a Folder, seed: u64, life: u64) -> Self {
        let (sent, confirmed) = Default::default();
        let (life, lets_go) = (Cell::new(life), Cell::new(u64::MAX));
        Self { world, folder, chance: RefCell::new(Chance(seed)), sent, confirmed, life, lets_go }
    }

    fn live(&self) -> Result<(), Halt> {
        let left = self.life.get();
        self.life.set(left.saturating_sub(1));
        self.lets_go.set(self.lets_go.get().saturating_sub(1));
        if left == 0 { Err(Halt::Stopping) } else { Ok(()) }
    }
}

impl Stores for Store<'_> {
    fn send(&self, batch: Batch) -> Result<(), Halt> {
        self.live()?;
        let mut world = self.world.borrow_mut();
        let provenance = batch.provenance();
        let (source, sequence) = (provenance.source().to_owned(), provenance.sequence);
        let last = world.last.entry((source.clone(), provenance.epoch)).or_default();
        if sequence > *last {
            *last = sequence;
            let stored =
                batch.bars().map(|bar| (bar.symbol.to_string(), bar.time_us, source.clone()));
            world.stored.extend(stored);
        }
        self.sent.set(self.sent.get() + 1);
        Ok(())
    }

    fn confirmed(&self) -> u64 {
        self.confirmed.get()
    }

    fn is_busy(&self) -> bool {
        self.confirmed.get() < self.sent.get() && self.lets_go.get() > 0
    }

    fn restart(&self) -> Result<(), Halt> {
        self.live()?;
        self.sent.set(0);
        self.confirmed.set(0);
        self.lets_go.set(u64::MAX);
        Ok(())
    }

    fn pause(&self, _: Duration) -> Result<(), Halt> {
        self.live()?;
        let mut world = self.world.borrow_mut();
        world.most_pages = world.most_pages.max(self.folder.pages().unwrap());
        let under_way = self.sent.get() - self.confirmed.get();
        if self.lets_go.get() > 0 {
            let more = self.chance.borrow_mut().below(under_way + 1);
            self.confirmed.set(self.confirmed.get() + more);
        }
        Ok(())
    }

    fn now_us(&self) -> i64 {
        T
    }
}

/// Runs a job on what is on disk until it ends.
fn run(
    root: &Path,
    world: &RefCell<World>,
    past: &mut Past,
    (seed, life): (u64, u64),
    lets_go: u64,
) -> Result<Tally, End> {
    let (folder, job) = unfinished(root).unwrap().unwrap();
    let store = Store::new(world, &folder, seed, life);
    store.lets_go.set(lets_go);
    let last = RefCell::new(Progress::default());
    let tell = |progress: &Progress| {
        assert!(progress.done >= last.borrow().done && progress.settled <= progress.asked);
        last.borrow_mut().clone_from(progress);
    };
    let run = Run { job: &job, folder: &folder, sources: past, stores: &store, tell: &tell };
    run.run()
}

/// A job for these pieces.
fn begin(root: &Path, sources: &[&str], pieces: Vec<Piece>) -> Job {
    let mut job = Job::new("2026-01-06_10-00-00".to_owned(), 7, Series::bars("1m"));
    job.sources = sources.iter().map(|it| (*it).to_owned()).collect();
    job.asked = pieces.iter().map(Piece::missing).sum();
    job.pieces = pieces;
    Folder::create(root, &job).unwrap();
    job
}
