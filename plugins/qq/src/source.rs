//! The source: rounds by the clock, answers as they come.

use std::{
    sync::mpsc::RecvTimeoutError,
    time::{Duration, Instant},
};

use kit::hours::SilenceWatch;
use plugin_api::{
    Batch, Context, PluginError, Polled, Round as Marks, Source,
    serde_json::{self, json},
    shown_address,
};

use crate::{
    answer::{self, Answer, NonRecords, Reader},
    client::{Client, Fault},
    options::{Options, Settings},
    report::Report,
    round::{Pace, Round},
    workers::{Outcome, Workers},
};

/// Requests that wait at most beyond those that were planned.
const MOST_HALVES: usize = 128;
/// A round that starts at most so long after its time counts as started in time.
const PUNCTUAL_US: i64 = 500_000;

/// Polls the quote service.
pub struct Qq {
    settings: Settings,
    context: Context,
    pace: Pace,
    workers: Workers,
    reader: Reader,
    report: Report,
    /// The round that is under way.
    round: Option<Round>,
    /// Rounds that were started.
    rounds: u64,
    last_start_us: Option<i64>,
    /// When the next round is due, as it was last known.
    due_us: Option<i64>,
    silence: SilenceWatch,
    /// The last round whose requests were halved had no answer at all.
    is_mute: bool,
}

impl Source for Qq {
    type Options = Options;

    fn check(options: &Options, context: &Context) -> Result<(), PluginError> {
        let settings = options.check(context)?;
        let first = &settings.listing.symbols()[0];
        let asked = Client::new(&settings.client).ask(first, settings.timeout);
        match asked.and_then(|bytes| answer::check(&bytes)) {
            Ok(()) => Ok(()),
            Err(Fault { text, .. }) => Err(PluginError::retry(format!(
                "{} for {first}: {text}; look at the network, `url` and `proxy`",
                shown_address(&settings.client.url)
            ))),
        }
    }

    fn open(options: Options, context: Context) -> Result<Self, PluginError> {
        let settings = options.check(&context)?;
        let symbols = settings.listing.symbols().len();
        let requests = symbols.div_ceil(settings.request_symbols);
        let client = Client::new(&settings.client);
        // a round that was given up may leave as many behind, and others are halved or asked alone
        let most_jobs = 2 * requests + MOST_HALVES;
        let workers =
            Workers::start(&client, settings.concurrency.min(requests), most_jobs, &context)?;
        let foreign = settings.listing.foreign();
        if !foreign.is_empty() {
            context.count("qq_foreign_total", foreign.len() as u64);
            context.warn(&format!(
                "not asked for, as they are not of Shanghai, Shenzhen or Beijing: {}",
                foreign.join(", ")
            ));
        }
        context.info(&format!("{symbols} symbols in {requests} requests a round"));
        Ok(Self {
            pace: Pace {
                request_symbols: settings.request_symbols,
                timeout: settings.timeout,
                retries: settings.retries,
                limit: settings.interval.max(settings.timeout),
            },
            workers,
            reader: Reader::new(context.instance(), settings.request_symbols),
            report: Report::new(context.clone(), symbols),
            round: None,
            rounds: 0,
            last_start_us: None,
            due_us: None,
            silence: SilenceWatch::default(),
            is_mute: false,
            settings,
            context,
        })
    }

    fn next(&mut self, wait: Duration) -> Result<Polled, PluginError> {
        let until = Instant::now() + wait;
        loop {
            let batch = match self.round.take() {
                Some(round) => self.go_on(round, until)?,
                None if self.settings.rounds > 0 && self.rounds == self.settings.rounds => {
                    return Ok(Polled::End);
                }
                None => {
                    self.await_round(until)?;
                    None
                }
            };
            match batch {
                Some(batch) => return Ok(Polled::Batch(batch)),
                None if Instant::now() >= until => return Ok(Polled::Idle),
                None => {}
            }
        }
    }

    fn close(&mut self) -> Result<(), PluginError> {
        self.report.ended();
        Ok(())
    }

    fn export_state(&mut self) -> Result<Option<Vec<u8>>, PluginError> {
        let state =
            json!({ "sequence": self.reader.sequence, "last_start_us": self.last_start_us });
        Ok(Some(state.to_string().into_bytes()))
    }

    fn import_state(&mut self, state: &[u8]) -> Result<(), PluginError> {
        let state: serde_json::Value = serde_json::from_slice(state).map_err(|error| {
            PluginError::config(format!("the state before is no JSON: {error}"))
        })?;
        self.reader.sequence = state["sequence"].as_u64().unwrap_or(0);
        self.last_start_us = state["last_start_us"].as_i64();
        Ok(())
    }
}

impl Qq {
    /// Waits for the time of the next round, at most until then, and starts it.
    fn await_round(&mut self, until: Instant) -> Result<(), PluginError> {
        let now_us = self.context.now_us();
        let sessions = &self.settings.sessions;
        self.silence.look(sessions, Some(self.settings.stale_after), &self.context);
        let next = sessions.next_round(now_us, self.last_start_us, self.settings.interval);
        let left_us = next.map_or(i64::MAX, |next| next.at_us - now_us);
        if left_us > 0 {
            self.due_us = next.map(|next| next.at_us);
            let left = Duration::from_micros(left_us.unsigned_abs());
            let at = Instant::now() + left.min(until.saturating_duration_since(Instant::now()));
            // nothing is asked now; what comes is late
            return match self.workers.outcome(at) {
                Ok(_) | Err(RecvTimeoutError::Timeout) => Ok(()),
                Err(RecvTimeoutError::Disconnected) => Err(no_workers()),
            };
        }
        // what the wait took too long must not add up
        let due_us = self.due_us.take();
        let start_us = due_us.filter(|due_us| (0..PUNCTUAL_US).contains(&(now_us - due_us)));
        self.last_start_us = Some(start_us.unwrap_or(now_us));
        self.rounds += 1;
        let symbols = self.settings.listing.symbols().len();
        let refused = self.report.refused();
        let mut round = Round::without(self.rounds, symbols, &refused, self.pace, Instant::now());
        if self.is_mute {
            round.keep_whole();
        }
        self.round = Some(round);
        Ok(())
    }

    /// Goes on with a round until it has a batch or the time is over; keeps it unless it has ended.
    fn go_on(&mut self, mut round: Round, until: Instant) -> Result<Option<Batch>, PluginError> {
        for job in round.due_jobs(self.settings.listing.symbols(), Instant::now()) {
            let request = job.request;
            if !self.workers.ask(job) {
                round.give_up(request, "requests of earlier rounds are still under way");
            }
        }
        if !round.is_done() {
            match self.workers.outcome(until.min(round.next_event())) {
                Ok(outcome) if outcome.round == round.number && round.is_open(outcome.request) => {
                    self.take(&mut round, outcome)?;
                }
                // of a round that was given up
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) if round.is_overdue(Instant::now()) => {
                    round.give_up_all();
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(no_workers()),
            }
        }
        let is_last = round.is_done();
        let batch = (self.reader.len() > 0 || is_last).then(|| {
            let marks = Marks { first: !round.is_opened, last: is_last };
            round.is_opened = true;
            round.totals.records += self.reader.len() as u64;
            self.reader.batch(marks)
        });
        if is_last {
            self.is_mute = !round.is_answered && (self.is_mute || round.is_split());
            self.report.round_ended(&round, self.settings.listing.symbols());
        } else {
            self.round = Some(round);
        }
        Ok(batch)
    }

    /// Reads what came of a request, and decides whether it is made again.
    fn take(&mut self, round: &mut Round, outcome: Outcome) -> Result<(), PluginError> {
        let (request, now) = (outcome.request, Instant::now());
        let bytes = match outcome.answer {
            Some(Ok(bytes)) => bytes,
            Some(Err(fault)) => {
                round.failed(request, &fault, now);
                return Ok(());
            }
            None => {
                round.not_made(request);
                return Ok(());
            }
        };
        if let Err(fault) = answer::check(&bytes) {
            let is_empty = bytes.trim_ascii().is_empty();
            let metric =
                if is_empty { "qq_empty_answers_total" } else { "qq_strange_answers_total" };
            self.context.count(metric, 1);
            round.failed(request, &fault, now);
            return Ok(());
        }
        round.is_answered = true;
        let can_retry = round.can_retry(request, now);
        let answer = Answer {
            request,
            bytes: &bytes,
            symbols: self.settings.listing.symbols(),
            received_us: outcome.received_us,
            is_last_try: !can_retry,
        };
        let rest = self.reader.read(&answer, round, &mut self.report, &self.context)?;
        self.count(&rest);
        // a part of the answer may be missing: only the service itself can say that it knows no more
        let is_surprise = |symbol: usize| !(rest.none_match || self.report.was_missing(symbol));
        let lacks = round.open_symbols(request).any(|it| rest.damaged > 0 || is_surprise(it));
        if lacks && (can_retry || rest.damaged > 0) {
            let text =
                if rest.damaged > 0 { "an answer was damaged" } else { "an answer lacked symbols" };
            round.failed(request, &Fault::new(text), now);
            return Ok(());
        }
        let open: Vec<_> = round.open_symbols(request).collect();
        for symbol in open {
            if rest.none_match {
                self.report.is_unknown(symbol);
            } else if !self.report.was_missing(symbol) {
                self.report.is_left_out(symbol);
            }
        }
        if lacks {
            round.give_up(request, "answers lacked symbols");
        }
        round.done(request);
        Ok(())
    }

    /// Counts what an answer had besides records.
    fn count(&self, rest: &NonRecords) {
        if rest.damaged > 0 {
            self.context.count("qq_damaged_lines_total", rest.damaged);
        }
        if rest.foreign > 0 {
            self.context.count("qq_foreign_total", rest.foreign);
        }
        if rest.empty > 0 {
            self.context.count("qq_empty_lines_total", rest.empty);
        }
        if rest.unasked > 0 {
            self.context.dropped("unasked", rest.unasked);
        }
    }
}

fn no_workers() -> PluginError {
    PluginError::fatal("the threads that ask have ended; this is a fault of the plugin")
}
