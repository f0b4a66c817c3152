//! The sink: counts records, commits them.
//!
//! Two rules keep a record from being lost or counted twice. A call that fails has taken nothing: the
//! commit that failed before comes first, and a fault after records were taken is returned by the next
//! call. A commit writes all that was counted, with the mark of what that was, or nothing.

use std::collections::BTreeMap;

use days::{ClosedBar, Counted, Ledger, LedgerError, Mark, Quote, Writer};
use plugin_api::{
    Ack, Batch, Context, Delivery, PluginError, RecordKind, Sink,
    schemas::{spot::SpotView, time::SECOND_US},
};

use crate::{
    options::{Options, Settings},
    rounds::Rounds,
};

/// How often it is noted that the host is there, though nothing comes.
const HEARTBEAT_US: i64 = 30 * SECOND_US;

/// How often it is looked for days that are over.
const TIDY_US: i64 = 60 * SECOND_US;

/// A ledger that counts what a pipeline gives it.
pub struct LedgerSink {
    settings: Settings,
    context: Context,
    writer: Writer,
    rounds: Rounds,
    /// How far this instance and those before it have come in what was offered.
    taken: Mark,
    /// The same for batches whose numbers do not outlive the host.
    passing: Mark,
    /// When the first of what waits came; `None` when nothing waits.
    held_since_us: Option<i64>,
    /// The last commit failed, so the next call begins with another.
    is_stalled: bool,
    is_calendar_told: bool,
    last_seen_us: i64,
    tidied_us: i64,
    /// More days are over than were sealed so far.
    is_untidy: bool,
}

impl Sink for LedgerSink {
    type Options = Options;

    const DELIVERY: Delivery = Delivery::Store;

    fn check(options: &Options, context: &Context) -> Result<(), PluginError> {
        options.check(context)?;
        match Ledger::read(&context.resolve(&options.path)) {
            Ok(_) | Err(LedgerError::Absent(_)) => Ok(()),
            // it is set aside when the sink starts
            Err(LedgerError::Damaged { .. }) => Ok(()),
            Err(error) => Err(open_error(&error)),
        }
    }

    fn open(options: Options, context: Context) -> Result<Self, PluginError> {
        let settings = options.check(&context)?;
        let path = context.resolve(&options.path);
        let holder = format!("sink `{}`", context.instance());
        let mut writer =
            Ledger::open(&path, &holder, &settings.rules).map_err(|error| open_error(&error))?;
        if let Some(aside) = writer.set_aside() {
            context.count("damaged_files_total", 1);
            context.error(&format!(
                "the ledger {} was damaged ({}) and lies as {} now; counting begins anew, what was \
                 known of earlier days is in backups alone",
                path.display(),
                aside.why,
                aside.path.display()
            ));
        }
        if let Some(universe) = &settings.universe {
            writer.expect(universe);
        }
        let now_us = context.now_us();
        writer.resume(now_us).map_err(|error| open_error(&error))?;
        Ok(Self {
            taken: writer.mark(),
            settings,
            context,
            writer,
            rounds: Rounds::default(),
            passing: Mark::default(),
            held_since_us: None,
            is_stalled: false,
            is_calendar_told: false,
            last_seen_us: now_us,
            tidied_us: 0,
            is_untidy: false,
        })
    }

    fn write(&mut self, batches: &[Batch]) -> Result<Ack, PluginError> {
        if self.is_stalled {
            self.commit()?;
        }
        let now_us = self.context.now_us();
        let mut left_out = BTreeMap::new();
        let mut known = 0;
        for batch in batches {
            known += self.take(batch, now_us, &mut left_out).map_err(|error| {
                // what was taken of this call is lost with the instance, and offered again
                PluginError::fatal(error.to_string())
            })?;
        }
        self.tell(known, &left_out);
        self.settle(now_us).or_else(|error| self.postpone(error))
    }

    fn tick(&mut self) -> Result<Ack, PluginError> {
        let now_us = self.context.now_us();
        if now_us.saturating_sub(self.last_seen_us) >= HEARTBEAT_US {
            self.commit()?;
        }
        let ack = self.settle(now_us)?;
        if self.is_untidy || self.is_tidying_due(now_us) {
            self.tidy(now_us);
        }
        Ok(ack)
    }

    fn flush(&mut self) -> Result<(), PluginError> {
        self.commit()
    }

    fn close(&mut self) -> Result<(), PluginError> {
        self.commit()
    }
}

impl LedgerSink {
    /// Counts the records of a batch that are not counted yet; tells how many were.
    fn take(
        &mut self,
        batch: &Batch,
        now_us: i64,
        left_out: &mut BTreeMap<&'static str, u64>,
    ) -> Result<u64, LedgerError> {
        let (part, records) = (batch.provenance().part, u64::from(batch.records()));
        let (mark, number) = match batch.lasting_delivery() {
            0 => (&mut self.passing, batch.delivery()),
            number => (&mut self.taken, number),
        };
        let known = mark.counted_of(number, part, records);
        mark.pass(number, part, records);
        if known > 0 && known == records {
            return Ok(known);
        }
        self.held_since_us.get_or_insert(now_us);
        let first = usize::try_from(known).unwrap_or(usize::MAX);
        let mut note = |counted: Counted| {
            if let Some(reason) = counted.reason() {
                *left_out.entry(reason).or_default() += 1;
            }
        };
        match batch.kind() {
            RecordKind::Spot => {
                self.take_spots(batch, first, now_us, &mut note)?;
            }
            RecordKind::Bar => {
                let source = batch.provenance().source();
                for bar in batch.bars().skip(first).filter(|bar| bar.closed) {
                    let bar = ClosedBar {
                        symbol: bar.symbol,
                        period: bar.period,
                        time_us: bar.time_us,
                        volume: bar.volume_shares,
                        amount: finite(bar.amount_cny),
                        is_doubtful: is_doubtful(bar.quality_score),
                        source,
                    };
                    note(self.writer.count_bar(&bar, now_us)?);
                }
            }
            // a kind that this release does not know is nothing that it expects
            _ => {}
        }
        Ok(known)
    }

    fn take_spots(
        &mut self,
        batch: &Batch,
        first: usize,
        now_us: i64,
        note: &mut impl FnMut(Counted),
    ) -> Result<(), LedgerError> {
        let (source, round) = (batch.provenance().source(), batch.round());
        let is_polled = self.rounds.follow(source, round);
        let mut latest_us = 0;
        for spot in batch.spots().iter().skip(first) {
            let quote = quote_of(&spot, source, is_polled);
            let counted = self.writer.count_quote(&quote, now_us)?;
            if counted == Counted::Yes {
                latest_us = latest_us.max(seen_us(&quote));
            }
            note(counted);
        }
        if let Some(at_us) = self.rounds.end(source, round, latest_us) {
            self.writer.count_round(at_us, now_us)?;
        }
        Ok(())
    }

    fn tell(&mut self, known: u64, left_out: &BTreeMap<&'static str, u64>) {
        if known > 0 {
            self.context.count("offered_again_total", known);
            self.context
                .info(&format!("{known} records that are counted already were offered again"));
        }
        for (reason, records) in left_out {
            self.context.count(&format!("ledger_{reason}_total"), *records);
        }
        for damage in self.writer.take_damage() {
            self.context.error(&format!("the ledger is damaged: {damage}"));
        }
    }

    /// Commits what is due.
    fn settle(&mut self, now_us: i64) -> Result<Ack, PluginError> {
        let Some(since_us) = self.held_since_us else { return Ok(Ack::Delivered) };
        let held_us = now_us.saturating_sub(since_us);
        // a clock that was put back must not keep records waiting
        if !(0..self.settings.flush_interval_us).contains(&held_us) || self.writer.is_full() {
            self.commit()?;
            if self.is_tidying_due(now_us) {
                self.tidy(now_us);
            }
            return Ok(Ack::Delivered);
        }
        Ok(Ack::Held)
    }

    /// After records were taken, a fault of the disk waits for the next call.
    fn postpone(&mut self, error: PluginError) -> Result<Ack, PluginError> {
        if !self.is_stalled {
            return Err(error);
        }
        self.context.warn(&format!("counts wait in memory: {error}"));
        Ok(Ack::Held)
    }

    fn commit(&mut self) -> Result<(), PluginError> {
        let now_us = self.context.now_us();
        let result = self.writer.commit(self.taken, now_us);
        self.is_stalled = result.as_ref().is_err_and(LedgerError::may_pass);
        result.map_err(|error| run_error(&error))?;
        self.held_since_us = None;
        self.last_seen_us = now_us;
        Ok(())
    }

    fn is_tidying_due(&self, now_us: i64) -> bool {
        !(0..TIDY_US).contains(&now_us.saturating_sub(self.tidied_us))
    }

    /// Looks after a day that is over, and tells once that the calendar has ended. Nothing that was
    /// counted depends on it, so a fault is told and it is tried again.
    fn tidy(&mut self, now_us: i64) {
        self.tidied_us = now_us;
        if !self.is_calendar_told
            && let Some(warning) = self.writer.calendar().warning(now_us)
        {
            self.is_calendar_told = true;
            self.context.warn(&warning);
        }
        let tidied = self.writer.tidy(now_us, self.settings.keep_days);
        self.is_untidy = *tidied.as_ref().unwrap_or(&false);
        if let Err(error) = tidied {
            self.context.warn(&format!("a day that is over could not be closed yet: {error}"));
        }
    }
}

fn quote_of<'a>(spot: &SpotView<'a>, source: &'a str, is_polled: bool) -> Quote<'a> {
    Quote {
        symbol: spot.symbol(),
        time_us: spot.time_us(),
        recv_time_us: spot.recv_time_us(),
        pre_close: spot.pre_close(),
        open: spot.open(),
        volume: spot.volume_shares(),
        amount: finite(spot.amount_cny()),
        is_doubtful: is_doubtful(spot.quality_score()),
        source: if spot.source().is_empty() { source } else { spot.source() },
        is_polled,
    }
}

/// When a quote of a round was seen: when it was received, if that was on its day.
fn seen_us(quote: &Quote<'_>) -> i64 {
    let is_same_day = days::Day::of(quote.recv_time_us) == days::Day::of(quote.time_us);
    if quote.recv_time_us > 0 && is_same_day { quote.recv_time_us } else { quote.time_us }
}

fn is_doubtful(score: Option<f32>) -> bool {
    score.is_some_and(|score| score < 1.0)
}

fn finite(amount: f64) -> f64 {
    if amount.is_finite() { amount } else { 0.0 }
}

fn open_error(error: &LedgerError) -> PluginError {
    match error {
        _ if error.may_pass() => PluginError::retry(error.to_string()),
        LedgerError::Damaged { .. } => PluginError::fatal(error.to_string()),
        _ => PluginError::config(error.to_string()),
    }
}

fn run_error(error: &LedgerError) -> PluginError {
    if error.may_pass() {
        PluginError::retry(error.to_string())
    } else {
        PluginError::fatal(error.to_string())
    }
}
