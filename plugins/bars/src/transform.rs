//! The transform: quotes in, bars out.

use plugin_api::{
    Batch, Context, Output, PluginError, RecordKind, Round, Transform,
    schemas::stray::{Feed, LIVE_US},
};

use crate::{
    book::{Book, Skipped},
    checkpoint::Checkpoint,
    codec::{self, State},
    joining::{Brought, Joined},
    options::{Options, Settings},
};

/// When nothing has come for so long, quotes whose time is in doubt wait for others no longer.
const QUIET_US: i64 = 5 * 60 * 1_000_000;

/// When no history has come for so long, no more is expected.
const SETTLE_US: i64 = 60 * 1_000_000;

/// The `bars` transform.
pub struct Bars {
    context: Context,
    book: Book,
    checkpoint: Checkpoint,
    /// Something happened since the last checkpoint.
    is_changed: bool,
    /// Whether the feed is live, so that the clock may close its bars; unknown before the first quote.
    is_live: Option<bool>,
    /// When the last quotes came, microseconds since 1970 UTC.
    taken_us: i64,
    /// When history came that is not settled yet, microseconds since 1970 UTC.
    history_us: Option<i64>,
}

impl Transform for Bars {
    type Options = Options;

    fn check(options: &Options, _: &Context) -> Result<(), PluginError> {
        Settings::new(options).map(drop)
    }

    /// Goes on where the run before ended, if it left a checkpoint.
    fn open(options: Options, context: Context) -> Result<Self, PluginError> {
        let book = Book::new(Settings::new(&options)?);
        let checkpoint = Checkpoint::new(context.clone());
        let taken_us = context.now_us();
        let mut bars = Self {
            context,
            book,
            checkpoint,
            is_changed: false,
            is_live: None,
            taken_us,
            history_us: None,
        };
        if let Some(bytes) = bars.checkpoint.read()
            && !bars.restore(&bytes, true)
        {
            bars.checkpoint.is_damaged();
        }
        Ok(bars)
    }

    fn apply(&mut self, batch: &Batch, output: &mut Output) -> Result<(), PluginError> {
        if batch.kind() != RecordKind::Spot {
            if self.is_history(batch) {
                return self.take_history(batch, output);
            }
            output.push(batch.clone());
            return Ok(());
        }
        let now_us = self.context.now_us();
        let skipped = self.book.take(batch, now_us);
        if batch.records() > 0 {
            (self.is_changed, self.taken_us) = (true, now_us);
            self.note_time(now_us);
        }
        self.report(skipped);
        self.close_by_time(now_us);
        if let Some(bars) = self.bars(self.book.settings.updates)? {
            let bars = bars.with_round(batch.round());
            output.push(bars.with_provenance(batch.provenance().clone()));
        } else if batch.round() != Round::MIDDLE {
            let none = Batch::from_bars(plugin_api::encode_bars([]))?.with_round(batch.round());
            output.push(none.with_provenance(batch.provenance().clone()));
        }
        self.keep(now_us);
        Ok(())
    }

    /// Closes by the clock what a live feed left open.
    fn tick(&mut self, output: &mut Output) -> Result<(), PluginError> {
        let now_us = self.context.now_us();
        let waits = !self.book.feed.held().is_empty();
        if waits && now_us.saturating_sub(self.taken_us) > QUIET_US {
            self.end_doubt(now_us);
        }
        self.settle_history(now_us);
        self.close_by_time(now_us);
        if let Some(bars) = self.bars(self.book.settings.updates)? {
            output.push(bars);
        }
        self.keep(now_us);
        Ok(())
    }

    fn export_state(&mut self) -> Result<Option<Vec<u8>>, PluginError> {
        Ok(Some(self.state()))
    }

    fn import_state(&mut self, state: &[u8]) -> Result<(), PluginError> {
        self.book = Book::new(self.book.settings.clone());
        if self.restore(state, false) {
            return Ok(());
        }
        Err(PluginError::config(
            "the state of the instance before is of another form; restart the host instead",
        ))
    }

    /// For a recorded feed, which has ended: bars that its last quotes completed are closed, the
    /// others sent on as they are. A live feed goes on after a restart.
    fn close(&mut self, output: &mut Output) -> Result<(), PluginError> {
        let (updates, now_us) = (self.book.settings.updates, self.context.now_us());
        self.end_doubt(now_us);
        self.settle_history(i64::MAX);
        self.close_by_time(now_us);
        let is_recorded = self.is_live == Some(false);
        if is_recorded {
            self.book.close_ended();
            if !updates {
                self.book.show_open();
            }
        }
        if let Some(bars) = self.bars(updates || is_recorded)? {
            output.push(bars);
        }
        self.checkpoint.write(&self.state());
        Ok(())
    }
}

impl Bars {
    /// Whether a batch is of the source of history.
    fn is_history(&self, batch: &Batch) -> bool {
        let source = self.book.settings.history.as_deref();
        batch.kind() == RecordKind::Bar && source == Some(batch.provenance().source())
    }

    fn take_history(&mut self, batch: &Batch, output: &mut Output) -> Result<(), PluginError> {
        let now_us = self.context.now_us();
        let Brought { minutes, bad, no_room } = self.book.take_history(batch, now_us);
        (self.is_changed, self.history_us) = (true, Some(now_us));
        for (reason, records) in [("bad_history", bad), ("too_many_symbols", no_room)] {
            if records > 0 {
                self.context.dropped(reason, records);
            }
        }
        if minutes > 0 {
            self.context.count("bars_history_minutes_total", minutes);
        }
        self.close_by_time(now_us);
        if let Some(bars) = self.bars(self.book.settings.updates)? {
            output.push(bars.with_provenance(batch.provenance().clone()));
        }
        self.keep(now_us);
        Ok(())
    }

    /// Lets go of what waits for history when none has come for long, and tells how it joined.
    fn settle_history(&mut self, now_us: i64) {
        if self.history_us.is_none_or(|came_us| now_us.saturating_sub(came_us) <= SETTLE_US) {
            return;
        }
        self.history_us = None;
        let Joined { securities, with_gap, gap_minutes } = self.book.settle_history();
        let source = self.book.settings.history.as_deref().unwrap_or_default();
        if gap_minutes > 0 {
            self.context.count("bars_history_gap_minutes_total", gap_minutes);
            self.context.warn(&format!(
                "history of {source} ends before the first quotes: {gap_minutes} minutes of \
                 {with_gap} securities are missing, and their trades are in the next bar; a restart \
                 asks again"
            ));
        }
        if securities > 0 {
            self.context.info(&format!("history of {source} joined for {securities} securities"));
        }
    }

    fn state(&self) -> Vec<u8> {
        let Book { feed, securities, settings, origins, .. } = &self.book;
        codec::encode(feed, securities, &settings.periods, origins)
    }

    /// Puts the state of another instance in; false when it cannot be read.
    fn restore(&mut self, state: &[u8], is_loaded: bool) -> bool {
        let Some(State { newest_us, is_live, securities, held, origins }) =
            codec::decode(state, &self.book.settings.periods)
        else {
            return false;
        };
        for mut security in securities {
            security.is_loaded = is_loaded;
            self.book.restore(security);
        }
        let room = self.book.securities.len();
        let held = held.into_iter().filter(|it| it.key < room).collect();
        // how long the host was away is not known, nor what it reads now
        let newest_us = newest_us.filter(|_| !is_loaded);
        self.book.origins = origins;
        self.book.feed = Feed::restored(newest_us, is_live, held);
        true
    }

    /// Notes whether the feed is live.
    fn note_time(&mut self, now_us: i64) {
        if let Some(newest_us) = self.book.feed.newest_us() {
            self.is_live = Some(newest_us.saturating_sub(now_us).saturating_abs() <= LIVE_US);
        }
    }

    /// Takes in what waits for quotes that confirm its time, unless a live feed refutes it.
    fn end_doubt(&mut self, now_us: i64) {
        let skipped = self.book.end();
        self.note_time(now_us);
        self.report(skipped);
    }

    /// Closes the bars whose time is over.
    fn close_by_time(&mut self, now_us: i64) {
        let newest_us = self.book.newest_us();
        let time_us = if self.is_live == Some(true) { newest_us.max(now_us) } else { newest_us };
        self.book.close_until(time_us.saturating_sub(self.book.settings.close_after_us));
    }

    fn bars(&mut self, with_open: bool) -> Result<Option<Batch>, PluginError> {
        self.book.drain(with_open).map(Batch::from_bars).transpose()
    }

    fn report(&self, skipped: Skipped) {
        let dropped = [
            (
                "bad_time",
                skipped.bad_time,
                "they have no time, or one later than the clock's by a day",
            ),
            ("too_many_symbols", skipped.no_room, "raise max_symbols"),
        ];
        for (reason, records, remedy) in dropped {
            if records > 0 {
                self.context.dropped(reason, records);
                self.context.warn(&format!("{records} quotes enter no bar: {remedy}"));
            }
        }
        for (metric, count) in [
            ("outside_sessions_total", skipped.outside),
            ("late_for_bar_total", skipped.late),
            ("stray_times_total", skipped.strays),
        ] {
            if count > 0 {
                self.context.count(metric, count);
            }
        }
    }

    /// Writes a checkpoint when it is time.
    fn keep(&mut self, now_us: i64) {
        let Some(every_us) = self.book.settings.checkpoint_us else { return };
        let since_us = now_us.saturating_sub(self.checkpoint.written_us);
        // a clock that was put back must not stop them
        if self.is_changed && !(0..every_us).contains(&since_us) {
            self.is_changed = false;
            self.checkpoint.write(&self.state());
        }
    }
}
