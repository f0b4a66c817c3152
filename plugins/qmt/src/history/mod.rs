//! What is past: asks a bridge, proves what comes, gives it and ends.
//!
//! Requests go out one at a time, as the [`Question`] cuts them. The bridge answers security by
//! security; the rows of one are held until all are there, and then the [`judge`] tells what they are
//! worth. Of what is not whole nothing is given: it is asked for again, as the terminal tells that a
//! download is done before its rows lie there, and only after the last time what there is leaves,
//! with a fault that names what is missing.

mod asking;
mod bar;
mod judge;
mod page;
mod question;
mod row;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use plugin_api::{
    Batch, Context, PluginError, Polled, Symbol, encode_bars, schemas::session::TradingCalendar,
    serde_json::json,
};

pub use question::{Auction, Question};

use crate::{
    batches::{BatchBuilder, Numbers},
    columns,
    frame::{Frame, Kind},
    progress::Progress,
    queue::Arrival,
    server::{ListenConfig, Server},
    tick::Coded,
};
use asking::{Asking, Incoming};
use bar::Bar;
use judge::Judge;
use page::{Part, Said};
use question::Request;
use row::Row;

/// Bars of one batch.
const MOST_BARS: usize = 2_000;
/// Quotes of one batch.
const MOST_QUOTES: usize = 8_192;
/// Most securities that the last fault names.
const MOST_NAMED: usize = 20;
/// Longest text about one security.
const MOST_REASON: usize = 300;

/// Gives what was asked for, and ends.
pub struct History {
    context: Context,
    question: Question,
    calendar: TradingCalendar,
    listen: ListenConfig,
    patience: Duration,
    /// None while the address cannot be had.
    server: Option<Server>,
    /// Why not.
    bind_fault: String,
    requests: VecDeque<Request>,
    asking: Option<Asking>,
    last_id: u64,
    /// When a bridge last gave a sign of being at it.
    last_sign: Instant,
    builder: BatchBuilder,
    /// Bars that wait for their batch, each with its security.
    bars: Vec<(Arc<str>, Bar)>,
    ready: VecDeque<Batch>,
    given: u64,
    /// Why securities are not given, or not whole.
    faults: BTreeMap<String, String>,
    has_ended: bool,
}

impl History {
    /// Asks that, once a bridge comes to the address.
    pub fn new(
        question: Question,
        calendar: TradingCalendar,
        listen: ListenConfig,
        patience: Duration,
        context: &Context,
    ) -> Self {
        let requests = question.requests(&calendar);
        let mut history = Self {
            context: context.clone(),
            calendar,
            listen,
            patience,
            server: None,
            bind_fault: String::new(),
            asking: None,
            last_id: 0,
            last_sign: Instant::now(),
            builder: BatchBuilder::new(context.instance()),
            bars: Vec::new(),
            ready: VecDeque::new(),
            given: 0,
            faults: BTreeMap::new(),
            has_ended: false,
            question,
            requests,
        };
        if history.requests.is_empty() {
            let (first, last) = history.question.days();
            let [first, last] = [first, last].map(|day| question::date(day, "-"));
            history.give_up(&format!("no day from {first} to {last} is a trading day"));
        }
        history.listen();
        history
    }

    /// The next batch, waiting at most so long.
    pub fn next(&mut self, wait: Duration) -> Result<Polled, PluginError> {
        let deadline = Instant::now() + wait;
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Polled::Batch(batch));
            }
            if self.bars.len() >= MOST_BARS || (self.has_ended && !self.bars.is_empty()) {
                return self.batch();
            }
            if self.has_ended {
                return Ok(Polled::End);
            }
            if self.asking.is_none() {
                self.ask_next();
                continue;
            }
            self.reach_bridge();
            if let Some(arrival) = self.arrival(deadline) {
                self.take(&arrival)?;
                continue;
            }
            if !self.bars.is_empty() {
                return self.batch();
            }
            if let Some(why) = self.is_hopeless() {
                self.give_up(&why);
                continue;
            }
            if Instant::now() >= deadline {
                return Ok(Polled::Idle);
            }
        }
    }

    /// Ends; a fault when not all could be given.
    pub fn close(&mut self) -> Result<(), PluginError> {
        self.server = None;
        if !self.has_ended || self.faults.is_empty() {
            return Ok(());
        }
        let named = self.faults.iter().take(MOST_NAMED);
        let mut named: Vec<_> =
            named.map(|(symbol, reason)| format!("{symbol} ({reason})")).collect();
        if self.faults.len() > MOST_NAMED {
            named.push(format!("and {} more, see dead letters", self.faults.len() - MOST_NAMED));
        }
        Err(PluginError::fatal(format!(
            "{} securities could not be given, or not whole: {}",
            self.faults.len(),
            named.join(", ")
        )))
    }

    fn listen(&mut self) {
        if self.server.is_some() {
            return;
        }
        let progress = Arc::new(Mutex::new(Progress::default()));
        match Server::start(self.listen.clone(), &self.context, progress) {
            Ok(server) => self.server = Some(server),
            Err(error) => {
                // another question may be under way at this address
                if self.bind_fault != error.message {
                    self.context.warn(&error.message);
                }
                self.bind_fault = error.message;
            }
        }
    }

    fn ask_next(&mut self) {
        match self.requests.pop_front() {
            Some(request) => self.asking = Some(Asking::new(request)),
            None => self.end(),
        }
    }

    /// Asks whoever is connected, unless it was.
    fn reach_bridge(&mut self) {
        self.listen();
        let connected = self.server.as_ref().and_then(Server::connected);
        let (Some(server), Some(asking)) = (&self.server, &mut self.asking) else { return };
        let Some(bridge) = connected.filter(|_| Instant::now() >= asking.not_before) else {
            return;
        };
        if asking.told != Some(bridge) {
            self.last_id += 1;
            asking.begin(bridge, self.last_id, self.context.now_us());
            let body = self.question.said(asking.id, &asking.request);
            server.say(&Frame { kind: Kind::Ask, sequence: asking.id, body });
            self.last_sign = Instant::now();
        }
    }

    fn arrival(&self, deadline: Instant) -> Option<Arrival> {
        let not_before = self.asking.as_ref().map(|asking| asking.not_before);
        // a question that has to wait is asked in time
        let until =
            not_before.filter(|it| *it > Instant::now()).map_or(deadline, |it| it.min(deadline));
        let Some(server) = &self.server else {
            thread::park_timeout(until.saturating_duration_since(Instant::now()));
            return None;
        };
        server.next(until)
    }

    /// Why nothing can be hoped for any more.
    fn is_hopeless(&self) -> Option<String> {
        if let Some(unfit) = self.server.as_ref().and_then(Server::unfit) {
            return Some(unfit);
        }
        let waits = self.asking.as_ref().is_some_and(|it| it.not_before > Instant::now());
        if waits || self.last_sign.elapsed() < self.patience {
            return None;
        }
        let (seconds, address) = (self.patience.as_secs(), &self.listen.address);
        Some(match self.server.as_ref().map(Server::connected) {
            None => self.bind_fault.clone(),
            Some(None) => format!(
                "no bridge came to {address} within {seconds} s; start qmt_bridge.py with this port \
                 as its history_port, or raise `answer_within`"
            ),
            Some(Some(_)) => format!(
                "the bridge said nothing for {seconds} s; look at its log, or raise `answer_within`"
            ),
        })
    }

    fn take(&mut self, arrival: &Arrival) -> Result<(), PluginError> {
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
            Said::Missing(symbol, why) => self.settle(symbol, Some(why), Incoming::default())?,
            Said::Rows(symbol, part, is_last) => {
                asking.incoming.add(&symbol, part);
                if is_last {
                    let incoming = std::mem::take(&mut asking.incoming);
                    self.settle(symbol, None, incoming)?;
                }
            }
        }
        Ok(())
    }

    /// All of a security has come, as far as the bridge has it.
    fn settle(
        &mut self,
        symbol: String,
        refusal: Option<String>,
        incoming: Incoming,
    ) -> Result<(), PluginError> {
        let Some(asking) = &mut self.asking else { return Ok(()) };
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
            faults = self.settle_quotes(&symbol, &incoming, &request, asked_us, is_last_try)?;
        }
        match faults.is_empty() {
            true => Ok(()),
            false if is_last_try => {
                self.is_missing(&symbol, &faults.join("; "));
                Ok(())
            }
            false => {
                if let Some(asking) = &mut self.asking {
                    asking.again.push((symbol, faults.join("; ")));
                }
                Ok(())
            }
        }
    }

    fn settle_quotes(
        &mut self,
        symbol: &str,
        incoming: &Incoming,
        request: &Request,
        asked_us: i64,
        is_last_try: bool,
    ) -> Result<Vec<String>, PluginError> {
        let (question, calendar) = (&self.question, &self.calendar);
        let judge = Judge { question, request, calendar, asked_us };
        let mut ticks = Vec::new();
        for page in &incoming.ticks {
            ticks.extend(columns::ticks(page).map_err(PluginError::bad_data)?);
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
                return Ok(fault.into_iter().collect());
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
            self.ready.extend(self.builder.make(some, numbers, received_us, &self.context)?);
        }
        Ok(fault.into_iter().collect())
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
            self.is_missing(&symbol, &reason);
        }
    }

    /// The bars that wait, as a batch.
    fn batch(&mut self) -> Result<Polled, PluginError> {
        let period = self.question.period.map_or("", question::Period::name);
        let records = self.bars.iter().filter_map(|(symbol, bar)| {
            let (code, market) = symbol.split_once('.')?;
            Some(bar.record(Symbol { market, code }, period, self.context.instance()))
        });
        let batch = Batch::from_bars(encode_bars(records))?;
        self.given += self.bars.len() as u64;
        self.bars.clear();
        Ok(Polled::Batch(batch))
    }

    /// Notes a security that is not given, or not whole.
    fn is_missing(&mut self, symbol: &str, reason: &str) {
        let letter = json!({ "symbol": symbol }).to_string();
        self.context.dead_letter(reason, letter.as_bytes());
        if self.faults.len() < MOST_NAMED {
            self.context.warn(&format!("{symbol}: {reason}"));
        }
        match self.faults.get_mut(symbol) {
            Some(known) if known.len() < MOST_REASON => *known = format!("{known}; {reason}"),
            Some(_) => {}
            None => {
                self.context.count("qmt_missing_securities_total", 1);
                self.faults.insert(symbol.to_owned(), reason.to_owned());
            }
        }
    }

    /// Nothing more comes: all that is open is missing.
    fn give_up(&mut self, why: &str) {
        let mut open: Vec<(String, String)> = Vec::new();
        let here = |symbol: String| (symbol, why.to_owned());
        match self.asking.take() {
            Some(mut asking) => {
                open.append(&mut asking.again);
                open.extend(asking.open.into_iter().map(here));
            }
            None if self.requests.is_empty() => {
                open.extend(self.question.symbols.iter().cloned().map(here));
            }
            None => {}
        }
        for request in std::mem::take(&mut self.requests) {
            open.extend(request.symbols.into_iter().map(here));
        }
        for (symbol, reason) in open {
            self.is_missing(&symbol, &reason);
        }
        self.end();
    }

    fn end(&mut self) {
        let given = self.given + self.bars.len() as u64;
        let what = if self.question.period.is_some() { "bars" } else { "quotes" };
        let missing = self.faults.len();
        self.context.info(&format!("{given} {what} given, {missing} securities not whole"));
        self.has_ended = true;
    }

    /// Where it listens.
    #[cfg(test)]
    pub fn address(&self) -> std::net::SocketAddr {
        self.server.as_ref().unwrap().address()
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
