//! What an instance knows as JSON, for the one that comes after it.
//!
//! Sources go by their names, so that a successor may prefer others or another order.

use plugin_api::{
    Batch, PluginError, Round,
    schemas::stray::{Feed, Held, Stamp},
    serde::{Deserialize, Serialize},
    serde_json,
};

use crate::{
    book::Book,
    facts::{Facts, Kept},
    options::Settings,
    security::{Security, Slot},
    sources::{Names, Source},
};

const VERSION: u32 = 1;

/// What was read.
#[derive(Debug)]
pub struct Read {
    /// By rank.
    pub sources: Vec<Source>,
    pub book: Book,
    /// When the newest believed quote was made.
    pub newest_us: Option<i64>,
    pub is_live: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(crate = "plugin_api::serde")]
struct State {
    version: u32,
    /// The sources by rank, but for the last one, which has no name.
    named: Vec<String>,
    newest_us: Option<i64>,
    is_live: bool,
    sources: Vec<SourceState>,
    securities: Vec<SecurityState>,
}

#[derive(Serialize, Deserialize)]
#[serde(crate = "plugin_api::serde")]
struct SourceState {
    newest_us: Option<i64>,
    is_live: bool,
    lacks_us: i64,
    fresh_us: i64,
    is_known: bool,
    held: Vec<HeldState>,
}

#[derive(Serialize, Deserialize)]
#[serde(crate = "plugin_api::serde")]
struct HeldState {
    place: usize,
    received_us: i64,
    latest_us: Option<i64>,
    is_behind: bool,
    quote: KeptState,
}

#[derive(Serialize, Deserialize)]
#[serde(crate = "plugin_api::serde")]
struct KeptState {
    facts: Facts,
    list: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(crate = "plugin_api::serde")]
struct SecurityState {
    name: String,
    out: Option<(Facts, usize)>,
    server: Option<usize>,
    news: Option<Facts>,
    since_us: i64,
    standby: Option<(KeptState, usize)>,
    slots: Vec<Slot>,
}

/// Writes what is known.
///
/// # Errors
/// Never in practice: everything in it can be written.
pub fn write(
    names: &Names,
    sources: &[Source],
    book: &Book,
    newest_us: Option<i64>,
    is_live: bool,
) -> Result<Vec<u8>, PluginError> {
    let state = State {
        version: VERSION,
        named: names.named().to_vec(),
        newest_us,
        is_live,
        sources: sources.iter().map(SourceState::of).collect(),
        securities: book.securities().map(|(it, slots)| SecurityState::of(it, slots)).collect(),
    };
    serde_json::to_vec(&state).map_err(|error| PluginError::bad_data(format!("the state: {error}")))
}

/// Reads what another instance knew, for those sources and settings.
///
/// # Errors
/// `Config` when it is of another form.
pub fn read(bytes: &[u8], names: &Names, settings: Settings) -> Result<Read, PluginError> {
    let refused = |why: &str| {
        PluginError::config(format!("the state of the earlier instance {why}; restart the host"))
    };
    let state: State = serde_json::from_slice(bytes)
        .map_err(|error| refused(&format!("cannot be read: {error}")))?;
    if state.version != VERSION {
        return Err(refused(&format!("is of version {}, not {VERSION}", state.version)));
    }
    if !state.is_sound() {
        return Err(refused("speaks of sources and securities that it does not have"));
    }
    let ranks = Ranks::new(&state.named, names);
    let mut book = Book::new(settings);
    for security in state.securities {
        let (security, slots) =
            security.read(&ranks).ok_or_else(|| refused("has a quote that is none"))?;
        book.restore(security, &slots);
    }
    let mut sources: Vec<_> = (0..names.ranks()).map(|_| Source::default()).collect();
    for (rank, source) in state.sources.into_iter().enumerate() {
        let source = source.read(book.len()).ok_or_else(|| refused("has a quote that is none"))?;
        if let Some(rank) = ranks.now(rank) {
            sources[rank] = source;
        }
    }
    Ok(Read { sources, book, newest_us: state.newest_us, is_live: state.is_live })
}

/// Which rank a source has now, by the one that it had.
struct Ranks(Vec<Option<usize>>);

impl Ranks {
    fn new(before: &[String], now: &Names) -> Self {
        let last = now.named().len();
        let named = before.iter().map(|name| Some(now.find(name)).filter(|rank| *rank < last));
        Self(named.chain([Some(last)]).collect())
    }

    fn now(&self, before: usize) -> Option<usize> {
        self.0.get(before).copied().flatten()
    }

    /// The rank of those that are not named.
    fn last(&self) -> usize {
        self.0.last().copied().flatten().unwrap_or(0)
    }
}

impl State {
    /// Whether every rank is one of a source.
    fn is_sound(&self) -> bool {
        let ranks = self.named.len() + 1;
        let is_rank = |rank: Option<usize>| rank.is_none_or(|rank| rank < ranks);
        self.sources.len() == ranks
            && self.securities.iter().all(|it| {
                it.slots.len() == ranks
                    && is_rank(it.server)
                    && is_rank(it.out.map(|(_, rank)| rank))
                    && is_rank(it.standby.as_ref().map(|(_, rank)| *rank))
            })
    }
}

impl SourceState {
    fn of(source: &Source) -> Self {
        let held = source.feed.held().iter().map(|held| HeldState {
            place: held.key,
            received_us: held.stamp.received_us,
            latest_us: held.stamp.latest_us,
            is_behind: held.is_behind,
            quote: KeptState::of(&held.quote),
        });
        Self {
            newest_us: source.feed.newest_us(),
            is_live: source.feed.is_live(),
            lacks_us: source.lacks_us,
            fresh_us: source.fresh_us,
            is_known: source.is_known,
            held: held.collect(),
        }
    }

    /// The source, with quotes that wait of so many securities.
    fn read(self, securities: usize) -> Option<Source> {
        let held = self.held.into_iter().filter(|held| held.place < securities).map(|held| {
            let quote = held.quote.read()?;
            let HeldState { place, received_us, latest_us, is_behind, .. } = held;
            let time_us = quote.facts.time_us;
            let stamp = Stamp { time_us, received_us, latest_us, counts: true };
            Some(Held::new(place, stamp, is_behind, quote))
        });
        let held = held.collect::<Option<Vec<_>>>()?;
        Some(Source {
            feed: Feed::restored(self.newest_us, self.is_live, held),
            lacks_us: self.lacks_us,
            fresh_us: self.fresh_us,
            is_known: self.is_known,
        })
    }
}

impl KeptState {
    fn of(kept: &Kept) -> Self {
        Self { facts: kept.facts, list: kept.batch.payload().to_vec() }
    }

    fn read(self) -> Option<Kept> {
        let batch = Batch::from_untrusted_spots(self.list, Round::MIDDLE).ok()?;
        (batch.records() == 1).then_some(Kept { facts: self.facts, batch })
    }
}

impl SecurityState {
    fn of(security: &Security, slots: &[Slot]) -> Self {
        let standby = security.standby.as_ref();
        Self {
            name: security.name.clone().into(),
            out: security.out,
            server: security.server,
            news: security.news,
            since_us: security.since_us,
            standby: standby.map(|(kept, rank)| (KeptState::of(kept), *rank)),
            slots: slots.to_vec(),
        }
    }

    /// The security and its slots by the ranks of now; what is of a source that is not known any more
    /// is left out.
    fn read(self, ranks: &Ranks) -> Option<(Security, Vec<Slot>)> {
        let last = ranks.last();
        let mut slots = vec![Slot::default(); last + 1];
        for (before, slot) in self.slots.into_iter().enumerate() {
            if let Some(rank) = ranks.now(before) {
                slots[rank] = slot;
            }
        }
        let server = self.server.and_then(|rank| ranks.now(rank));
        let standby = match self.standby {
            Some((kept, rank)) => Some(kept.read()?).zip(ranks.now(rank)),
            None => None,
        };
        let security = Security {
            name: self.name.into(),
            out: self.out.map(|(facts, rank)| (facts, ranks.now(rank).unwrap_or(last))),
            server,
            news: self.news,
            since_us: self.since_us,
            standby: standby.filter(|_| server.is_some()),
            is_due: false,
        };
        Some((security, slots))
    }
}
