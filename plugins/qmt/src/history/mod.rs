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
mod missing;
mod page;
mod question;
mod row;
mod settle;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use kit::history::Bar;
use plugin_api::{
    Batch, Context, PluginError, Polled, Symbol, encode_bars, schemas::session::TradingCalendar,
};

pub use question::{Auction, Question};

use crate::{
    batches::BatchBuilder,
    frame::{Frame, Kind},
    progress::Progress,
    queue::Arrival,
    server::{ListenConfig, Server},
};
use asking::Asking;
use missing::Missing;
use question::Request;

/// Bars of one batch.
const MOST_BARS: usize = 2_000;
/// Longest wait for a part of an answer until it is looked who is connected.
const STEP: Duration = Duration::from_millis(50);

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
    missing: Missing,
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
            missing: Missing::default(),
            has_ended: false,
            question,
            requests,
        };
        history.listen();
        if history.requests.is_empty() {
            let (first, last) = history.question.days();
            let [first, last] = [first, last].map(|day| question::date(day, "-"));
            history.give_up(&format!("no day from {first} to {last} is a trading day"));
        }
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
            if let Some(why) = self.is_hopeless() {
                self.give_up(&why);
                continue;
            }
            if Instant::now() >= deadline {
                return if self.bars.is_empty() { Ok(Polled::Idle) } else { self.batch() };
            }
        }
    }

    /// Ends; a fault when not all could be given.
    pub fn close(&mut self) -> Result<(), PluginError> {
        self.server = None;
        if !self.has_ended || self.missing.is_empty() {
            return Ok(());
        }
        Err(self.missing.fault())
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
        // a bridge that comes meanwhile is asked soon
        let until = deadline.min(Instant::now() + STEP);
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

    /// Nothing more comes: all that is open is missing.
    fn give_up(&mut self, why: &str) {
        let mut open: BTreeMap<String, String> = BTreeMap::new();
        let here = |symbol: String| (symbol, why.to_owned());
        match self.asking.take() {
            Some(mut asking) => {
                open.extend(std::mem::take(&mut asking.again));
                open.extend(asking.open.into_iter().map(here));
            }
            None if self.requests.is_empty() => {
                open.extend(self.question.symbols.iter().cloned().map(here));
            }
            None => {}
        }
        for request in std::mem::take(&mut self.requests) {
            for symbol in request.symbols {
                open.entry(symbol).or_insert_with(|| why.to_owned());
            }
        }
        for (symbol, reason) in open {
            self.missing.note(&symbol, &reason, &self.context);
        }
        self.end();
    }

    fn end(&mut self) {
        let given = self.given + self.bars.len() as u64;
        let what = if self.question.period.is_some() { "bars" } else { "quotes" };
        let missing = self.missing.len();
        self.context.info(&format!("{given} {what} given, {missing} securities not whole"));
        self.has_ended = true;
    }

    /// Where it listens.
    #[cfg(test)]
    pub fn address(&self) -> std::net::SocketAddr {
        self.server.as_ref().unwrap().address()
    }
}
