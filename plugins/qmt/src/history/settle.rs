//! What comes of a request: page by page, until each security is settled.

use std::{sync::Arc, time::Instant};

use plugin_api::{Context, PluginError};

use super::{
    History,
    asking::Incoming,
    judge::Judge,
    page::{self, Part, Said},
    question::Request,
    row::Row,
};
use crate::{batches::Numbers, columns, queue::Arrival, tick::Coded};

/// Quotes of one batch.
const MOST_QUOTES: usize = 8_192;

impl History {
    /// Takes a part of an answer in.
    pub(super) fn take(&mut self, arrival: &Arrival) -> Result<(), PluginError> {
        let Some(asking) = &mut self.asking else { return Ok(()) };
        if asking.told != Some(arrival.spool) || asking.id != arrival.sequence {
            return Ok(()); // the answer to a question that was asked again since
        }
        self.last_sign = Instant::now();
        let said = page::read(&arrival.body).map_err(|fault| {
            self.context.dead_letter(&fault, &arrival.body);
            PluginError::bad_data(format!("a part of the answer was set aside: {fault}"))
        })?;
        match said {
            Said::Progress => {}
            Said::Refused(why) => self.give_up(&why),
            Said::End => self.finish_request(),
            Said::Missing(symbol, _) | Said::Rows(symbol, ..) if !asking.is_open(&symbol) => {
                self.context.dropped("other_security", 1);
            }
            Said::Missing(symbol, why) => self.settle(symbol, Some(why), Incoming::default()),
            Said::Rows(symbol, part, is_last) => {
                asking.incoming.add(&symbol, part);
                if is_last {
                    let incoming = std::mem::take(&mut asking.incoming);
                    self.settle(symbol, None, incoming);
                }
            }
        }
        Ok(())
    }

    /// All of a security has come, as far as the bridge has it.
    fn settle(&mut self, symbol: String, refusal: Option<String>, incoming: Incoming) {
        let Some(asking) = &mut self.asking else { return };
        asking.settled(&symbol);
        let (request, asked_us, is_last_try) =
            (asking.request.clone(), asking.asked_us, asking.is_last_try());
        let judge = Judge {
            question: &self.question,
            request: &request,
            calendar: &self.calendar,
            asked_us,
        };
        let mut faults: Vec<_> = refusal.into_iter().collect();
        if self.question.period.is_some() {
            if faults.is_empty() {
                let judged = judge.bars(&symbol, &incoming.rows, &incoming.of_days);
                faults = judged.faults;
                count(&self.context, judged.padding, judged.outside);
                if faults.is_empty() || is_last_try {
                    set_aside(&self.context, &symbol, &judged.damaged);
                    let symbol: Arc<str> = symbol.as_str().into();
                    let bars = judged.bars.into_iter().map(|bar| (Arc::clone(&symbol), bar));
                    self.bars.extend(bars);
                }
            }
        } else if faults.is_empty() {
            let quotes = self.settle_quotes(&symbol, &incoming, &request, asked_us, is_last_try);
            faults.extend(quotes.unwrap_or_else(Some));
        }
        if faults.is_empty() {
            return;
        }
        let reason = faults.join("; ");
        match &mut self.asking {
            Some(asking) if !is_last_try => asking.again.push((symbol, reason)),
            _ => self.missing.note(&symbol, &reason, &self.context),
        }
    }

    /// Gives the quotes of a day; why not all of them, or none, is an error or not.
    fn settle_quotes(
        &mut self,
        symbol: &str,
        incoming: &Incoming,
        request: &Request,
        asked_us: i64,
        is_last_try: bool,
    ) -> Result<Option<String>, String> {
        let (question, calendar) = (&self.question, &self.calendar);
        let judge = Judge { question, request, calendar, asked_us };
        let mut ticks = Vec::new();
        for page in &incoming.ticks {
            ticks.extend(columns::ticks(page)?);
        }
        let came = ticks.len();
        ticks.retain(|coded| coded.code == symbol);
        self.context_dropped("other_security", came - ticks.len());
        let volumes = ticks.iter().map(|coded| coded.tick.volume);
        let volume = volumes.fold(f64::NAN, f64::max);
        let fault = judge.quotes(symbol, volume, &incoming.of_days);
        if fault.is_some() {
            let blank = ticks.iter().filter(|coded| coded.tick.volume <= 0.0).count();
            count(&self.context, blank as u64, 0);
            if !is_last_try || volume <= 0.0 {
                return Ok(fault);
            }
        }
        let is_within =
            |coded: &Coded<'_>| is_within(coded, self.question.from_us, self.question.to_us);
        ticks.retain(is_within);
        ticks.sort_by(|one, other| one.tick.time.total_cmp(&other.tick.time));
        let received_us = self.context.now_us();
        for some in ticks.chunks(MOST_QUOTES) {
            let numbers = Numbers { first: self.given + 1, count: some.len() as u64 };
            self.given += some.len() as u64;
            let made = self.builder.make(some, numbers, received_us, &self.context);
            self.ready.extend(made.map_err(|error| error.message)?);
        }
        Ok(fault)
    }

    fn context_dropped(&self, reason: &str, records: usize) {
        if records > 0 {
            self.context.dropped(reason, records as u64);
        }
    }

    /// The bridge has said all; what is open still, it said nothing of.
    fn finish_request(&mut self) {
        let Some(asking) = &mut self.asking else { return };
        asking.close_open();
        if asking.again.is_empty() {
            self.asking = None;
            return;
        }
        if !asking.is_last_try() {
            self.context.count("qmt_asked_again_total", asking.again.len() as u64);
            asking.ask_again();
            return;
        }
        let again = std::mem::take(&mut asking.again);
        self.asking = None;
        for (symbol, reason) in again {
            self.missing.note(&symbol, &reason, &self.context);
        }
    }
}

fn count(context: &Context, padding: u64, outside: u64) {
    if padding > 0 {
        context.count("qmt_padding_total", padding);
    }
    if outside > 0 {
        context.dropped("outside", outside);
    }
}

fn set_aside(context: &Context, symbol: &str, damaged: &[(String, Row)]) {
    for (reason, row) in damaged {
        context.dead_letter(&format!("{symbol}: {reason}"), format!("{row:?}").as_bytes());
    }
    if !damaged.is_empty() {
        context.dropped("malformed", damaged.len() as u64);
    }
}

/// Whether a tick lies in the span; one without a time is refused later, and told.
#[allow(clippy::cast_precision_loss)] // milliseconds
fn is_within(coded: &Coded<'_>, from_us: i64, to_us: i64) -> bool {
    let time_us = coded.tick.time * 1_000.0;
    time_us.is_nan() || (from_us as f64 <= time_us && time_us <= to_us as f64)
}

impl Incoming {
    /// Adds what came of a security; what came of another that was not finished is of no use.
    fn add(&mut self, symbol: &str, part: Part) {
        if self.symbol != symbol {
            *self = Self { symbol: symbol.to_owned(), ..Self::default() };
        }
        match part {
            Part::Days(rows) => self.of_days.extend(rows),
            Part::Bars(rows) => self.rows.extend(rows),
            Part::Ticks(page) => self.ticks.push(page),
        }
    }
}
