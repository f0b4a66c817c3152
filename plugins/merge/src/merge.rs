//! The transform: quotes of several sources in, one feed out.

use plugin_api::{
    Batch, Context, Output, PluginError, RecordKind, Round, SpotView, Transform,
    schemas::{
        stray::{Held, LIVE_US, Stamp, Verdict as Belief},
        time::DAY_US,
    },
};

use crate::{
    book::{Book, from_now_on},
    facts::{Facts, Kept},
    handover,
    options::{Options, Settings},
    outgoing::Outgoing,
    security::Verdict,
    sources::{Names, Source},
    tally::Tally,
};

/// When nothing has come for so long, quotes whose time is in doubt wait for others no longer.
const QUIET_US: i64 = 5 * 60 * 1_000_000;

/// While so few quotes of a source are in doubt, each new one is compared with them at once: a batch of
/// a whole day would wait for its end.
const FEW: usize = 16;

/// The `merge` transform.
pub struct Merge {
    context: Context,
    names: Names,
    /// By rank.
    sources: Vec<Source>,
    book: Book,
    time: Time,
    tally: Tally,
    outgoing: Outgoing,
    /// When the first quote was taken, by the clock.
    began_us: Option<i64>,
    /// When the last quotes came, microseconds since 1970 UTC.
    taken_us: i64,
}

/// What time it is for the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Time {
    /// The host's, microseconds since 1970 UTC.
    pub now_us: i64,
    /// When the newest believed quote of any source was made.
    pub newest_us: Option<i64>,
    /// The feed is of these minutes, so that the host's time counts.
    pub is_live: bool,
}

impl Time {
    /// The clock by which sources are measured.
    fn clock_us(self) -> i64 {
        self.newest_us.filter(|_| !self.is_live).unwrap_or(self.now_us)
    }
}

impl Transform for Merge {
    type Options = Options;

    fn check(options: &Options, context: &Context) -> Result<(), PluginError> {
        Settings::new(options, context).map(drop)
    }

    fn open(options: Options, context: Context) -> Result<Self, PluginError> {
        let settings = Settings::new(&options, &context)?;
        let names = Names::new(settings.prefer.clone());
        let sources = (0..names.ranks()).map(|_| Source::default()).collect();
        let taken_us = context.now_us();
        if let Some(warning) = settings.hours.warning(taken_us) {
            context.warn(&warning);
        }
        Ok(Self {
            context,
            names,
            sources,
            book: Book::new(settings),
            time: Time { now_us: taken_us, ..Time::default() },
            tally: Tally::default(),
            outgoing: Outgoing::default(),
            began_us: None,
            taken_us,
        })
    }

    fn apply(&mut self, batch: &Batch, output: &mut Output) -> Result<(), PluginError> {
        if batch.kind() != RecordKind::Spot {
            output.push(batch.clone());
            return Ok(());
        }
        self.begin();
        self.release();
        self.take(batch)?;
        for rank in 0..self.sources.len() {
            self.sources[rank].feed.settle();
            self.take_released(rank);
        }
        let merged = self.outgoing.of_batch(batch)?;
        self.report();
        if merged.records() > 0 || merged.round() != Round::MIDDLE {
            output.push(merged);
        }
        Ok(())
    }

    /// Lets go of what stood by for too long, for which no quote need come.
    fn tick(&mut self, output: &mut Output) -> Result<(), PluginError> {
        self.begin();
        if self.time.now_us.saturating_sub(self.taken_us) > QUIET_US {
            self.end_doubt();
        }
        self.release();
        self.finish(output)
    }

    fn export_state(&mut self) -> Result<Option<Vec<u8>>, PluginError> {
        let Time { newest_us, is_live, .. } = self.time;
        handover::write(&self.names, &self.sources, &self.book, newest_us, is_live).map(Some)
    }

    fn import_state(&mut self, state: &[u8]) -> Result<(), PluginError> {
        let settings = self.book.settings().clone();
        let read = handover::read(state, &self.names, settings)?;
        (self.sources, self.book) = (read.sources, read.book);
        (self.time.newest_us, self.time.is_live) = (read.newest_us, read.is_live);
        self.began_us = (self.book.len() > 0).then(|| self.time.clock_us());
        Ok(())
    }

    /// Lets go of all that waits: nothing follows that could be waited for.
    fn close(&mut self, output: &mut Output) -> Result<(), PluginError> {
        self.begin();
        self.end_doubt();
        let clock_us = self.time.clock_us();
        self.book.release_all(&mut self.sources, clock_us, |kept| {
            self.outgoing.push_waited(kept.batch);
        });
        self.finish(output)
    }
}

impl Merge {
    fn begin(&mut self) {
        self.outgoing.clear();
        self.time.now_us = self.context.now_us();
    }

    fn finish(&mut self, output: &mut Output) -> Result<(), PluginError> {
        let waited = self.outgoing.of_none()?;
        self.report();
        if let Some(waited) = waited {
            output.push(waited);
        }
        Ok(())
    }

    fn take(&mut self, batch: &Batch) -> Result<(), PluginError> {
        let component = batch.provenance().source();
        let of_batch = self.names.find(component);
        let received_us = match batch.provenance().received_at_us {
            0 => self.time.now_us,
            received_us => received_us,
        };
        for (at, spot) in batch.spots().iter().enumerate() {
            self.taken_us = self.time.now_us;
            let time_us = spot.time_us();
            if time_us == 0 || time_us > self.time.now_us.saturating_add(DAY_US) {
                self.tally.bad_time();
                continue;
            }
            let clock_us = self.time.clock_us();
            let Some(place) = self.book.find(spot.market(), spot.code(), clock_us) else {
                self.tally.no_room();
                continue;
            };
            let rank = self.names.rank(spot.source(), of_batch);
            if rank == self.names.named().len() {
                self.tally.unnamed(&self.context, spot.source(), component);
            }
            let latest_us = self.book.latest_us(place, rank);
            let stamp = Stamp { time_us, received_us, latest_us, counts: true };
            let facts = Facts::of(&spot, time_us);
            let feed = &mut self.sources[rank].feed;
            match feed.judge(&place, &stamp) {
                Belief::Believed => {
                    self.take_released(rank);
                    self.enter_own(place, rank, facts, (at, &spot), component)?;
                }
                belief => {
                    let kept = Kept::new(facts, &spot, component)?;
                    feed.hold(place, stamp, belief, kept);
                    if feed.held().len() <= FEW {
                        feed.settle();
                        self.take_released(rank);
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes a quote of the batch at hand whose time is believed.
    fn enter_own(
        &mut self,
        place: usize,
        rank: usize,
        facts: Facts,
        (at, spot): (usize, &SpotView<'_>),
        component: &str,
    ) -> Result<(), PluginError> {
        match self.enter(place, rank, facts) {
            Verdict::Passes => self.outgoing.push_own(at),
            Verdict::StandsBy { is_news: true } => {
                self.book.stand_by(place, rank, Kept::new(facts, spot, component)?);
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes the quotes of a source whose time others have confirmed.
    fn take_released(&mut self, rank: usize) {
        for Held { key: place, quote: kept, .. } in self.sources[rank].feed.released() {
            match self.enter(place, rank, kept.facts) {
                Verdict::Passes => self.outgoing.push_waited(kept.batch),
                Verdict::StandsBy { is_news: true } => self.book.stand_by(place, rank, kept),
                _ => {}
            }
        }
    }

    fn enter(&mut self, place: usize, rank: usize, facts: Facts) -> Verdict {
        self.note_time(facts.time_us);
        self.release();
        let clock_us = self.time.clock_us();
        self.began_us.get_or_insert(clock_us);
        let judged = self.book.take(place, rank, facts, &mut self.sources, clock_us);
        let name = self.book.name(place);
        self.tally.judged(&self.context, &self.names, name, rank, &facts, &judged);
        judged.verdict
    }

    /// Notes when a believed quote was made, and whether the feed is live.
    fn note_time(&mut self, time_us: i64) {
        let newest_us = self.time.newest_us.map_or(time_us, |it| it.max(time_us));
        self.time.newest_us = Some(newest_us);
        let is_live = newest_us.saturating_sub(self.time.now_us).saturating_abs() <= LIVE_US;
        if is_live != self.time.is_live {
            self.time.is_live = is_live;
            let clock_us = self.time.clock_us();
            self.began_us = Some(clock_us);
            self.book.restart_clock(clock_us);
            for source in &mut self.sources {
                source.lacks_us = from_now_on(source.lacks_us, clock_us);
                source.fresh_us = i64::MIN;
            }
        }
    }

    /// Lets go of what stood by and the source that serves has not brought in time.
    fn release(&mut self) {
        let clock_us = self.time.clock_us();
        self.book.release(&mut self.sources, clock_us, |kept, switch| {
            self.tally.switched(switch);
            if let Some(kept) = kept {
                self.outgoing.push_waited(kept.batch);
            }
        });
    }

    /// Takes in what waits for quotes that confirm its time, unless others refute it.
    fn end_doubt(&mut self) {
        for rank in 0..self.sources.len() {
            if !self.sources[rank].feed.held().is_empty() {
                self.sources[rank].feed.end();
                self.take_released(rank);
            }
        }
    }

    fn report(&mut self) {
        let strays = self.sources.iter_mut().map(|it| it.feed.take_strays()).sum();
        self.tally.report(&self.context, &self.names, strays);
        let Some(began_us) = self.began_us else { return };
        let clock_us = self.time.clock_us();
        let (has, others) = self.book.first_choice();
        let stale_after_us = self.book.settings().rules.stale_after_us;
        let first = &self.sources[0];
        let is_fresh = if first.is_known {
            !first.is_silent(clock_us, stale_after_us) && others * 2 <= has
        } else {
            clock_us.saturating_sub(began_us) <= stale_after_us
                || !self.book.is_in_session(clock_us)
        };
        self.tally.first_choice(&self.context, self.names.name(0), is_fresh, others);
    }
}
