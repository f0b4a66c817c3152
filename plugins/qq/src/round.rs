//! One pass over all symbols: which requests are open, and what was answered.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use crate::{client::Fault, workers::Job};

/// Pause before the first retry of a request; each further one doubles it.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(2);
/// Most requests of a round that are halved to find a symbol that brings them down.
const MOST_SPLITS: u32 = 64;
/// Most symbols that bring requests down and are asked for alone in a round; more take turns.
pub const MOST_ALONE: usize = 16;
/// How long after the limit of a round an answer is still awaited.
const GRACE: Duration = Duration::from_millis(500);

/// How requests of a round are made.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Symbols in a request.
    pub request_symbols: usize,
    /// Longest time of a request.
    pub timeout: Duration,
    /// How often one is tried again.
    pub retries: u32,
    /// No request goes on for longer than this after the start of its round.
    pub limit: Duration,
}

/// One request of a round.
#[derive(Debug)]
struct Request {
    /// Which of all symbols it asks for.
    symbols: Range<usize>,
    /// Those that were not answered, by their place in `symbols`.
    open: Vec<bool>,
    /// Where the next line is looked for first.
    cursor: usize,
    /// How often it was made.
    tries: u32,
    stage: Stage,
    origin: Origin,
}

/// Why there is a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Planned,
    /// Half of one that failed as a whole.
    Half,
    /// For a symbol that brought others down in earlier rounds.
    Alone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Asked,
    /// To be asked again then.
    Due(Instant),
    Done,
}

/// What a line of an answer is to its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The symbol of that number was asked for and had no answer yet.
    Yes(usize),
    /// It was asked for and answered already.
    Answered,
    /// Nobody asked for it.
    Never,
}

/// Numbers of a round.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Requests made, with retries.
    pub requests: u64,
    /// Requests that failed, one for each try.
    pub failures: u64,
    /// Requests made again.
    pub retries: u64,
    /// Records that left.
    pub records: u64,
    /// Symbols without an answer because their request failed in the end.
    pub unanswered: u64,
    /// Symbols without an answer that bring down every request.
    pub refused: u64,
    /// Lines that cannot be read and were set aside.
    pub set_aside: u64,
    /// Why the last request failed.
    pub reason: Option<String>,
}

impl Totals {
    /// Adds the numbers of a round; the reason stays the last one's.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.failures += other.failures;
        self.retries += other.retries;
        self.records += other.records;
        self.unanswered += other.unanswered;
        self.refused += other.refused;
        self.set_aside += other.set_aside;
    }
}

/// One pass over all symbols.
#[derive(Debug)]
pub struct Round {
    /// Number of the round, from 1.
    pub number: u64,
    /// When it started.
    pub started: Instant,
    /// Whether a batch of it has left.
    pub is_opened: bool,
    /// What happened in it.
    pub totals: Totals,
    /// The service has answered something.
    pub is_answered: bool,
    /// Symbols, by their number, whose request failed as a whole when they were alone in it, and why.
    pub blamed: Vec<(usize, String)>,
    requests: Vec<Request>,
    undone: usize,
    pace: Pace,
    splits_left: u32,
}

impl Round {
    /// A round over so many symbols, in which requests may be halved.
    #[cfg(test)]
    pub fn new(number: u64, symbols: usize, pace: Pace, now: Instant) -> Self {
        Self::without(number, symbols, &[], pace, now)
    }

    /// The same with those symbols apart, each in a request of its own: they bring down others.
    pub fn without(number: u64, symbols: usize, apart: &[usize], pace: Pace, now: Instant) -> Self {
        let request = |symbols: Range<usize>, open, tries, origin| Request {
            symbols,
            open,
            cursor: 0,
            tries,
            stage: Stage::Due(now),
            origin,
        };
        let starts = (0..symbols).step_by(pace.request_symbols);
        let planned = starts.map(|start| {
            let symbols = start..(start + pace.request_symbols).min(symbols);
            let open: Vec<_> =
                symbols.clone().map(|symbol| apart.binary_search(&symbol).is_err()).collect();
            request(symbols, open, 0, Origin::Planned)
        });
        let mut requests: Vec<_> = planned.filter(|it| it.open.contains(&true)).collect();
        // those that are too many take turns
        let turn = usize::try_from(number).unwrap_or(0).wrapping_mul(MOST_ALONE);
        let alone = apart.iter().cycle().skip(turn % apart.len().max(1));
        let alone = alone.take(apart.len().min(MOST_ALONE));
        requests
            .extend(alone.map(|at| request(*at..at + 1, vec![true], pace.retries, Origin::Alone)));
        let undone = requests.len();
        let refused = apart.len().saturating_sub(MOST_ALONE) as u64;
        let totals = Totals { refused, ..Totals::default() };
        Self {
            number,
            started: now,
            is_opened: false,
            totals,
            is_answered: false,
            blamed: Vec::new(),
            requests,
            undone,
            pace,
            splits_left: MOST_SPLITS,
        }
    }

    /// Has no request halved: the service answers nothing, whatever it is asked.
    pub fn keep_whole(&mut self) {
        self.splits_left = 0;
    }

    /// Whether requests were halved.
    pub fn is_split(&self) -> bool {
        self.requests.iter().any(|request| request.origin == Origin::Half)
    }

    /// Whether nothing is open any more.
    pub fn is_done(&self) -> bool {
        self.undone == 0
    }

    /// Whether that request is open.
    pub fn is_open(&self, request: usize) -> bool {
        self.requests.get(request).is_some_and(|it| it.stage != Stage::Done)
    }

    /// The requests that are due, with what is open of each.
    pub fn due_jobs(&mut self, symbols: &[String], now: Instant) -> Vec<Job> {
        let until = self.started + self.pace.limit;
        let mut jobs = Vec::new();
        for (number, request) in self.requests.iter_mut().enumerate() {
            if !matches!(request.stage, Stage::Due(at) if at <= now) {
                continue;
            }
            request.stage = Stage::Asked;
            request.tries += 1;
            request.cursor = 0;
            let open = request.symbols.clone().zip(&request.open).filter(|(_, open)| **open);
            let open: Vec<_> = open.map(|(symbol, _)| symbols[symbol].as_str()).collect();
            self.totals.requests += 1;
            self.totals.retries += u64::from(request.tries > 1 && request.origin != Origin::Alone);
            jobs.push(Job {
                round: self.number,
                request: number,
                symbols: open.join(","),
                timeout: self.pace.timeout,
                until,
            });
        }
        jobs
    }

    /// When something is to be done without an answer: a retry, or the end of all waiting.
    pub fn next_event(&self) -> Instant {
        let due = self.requests.iter().filter_map(|request| match request.stage {
            Stage::Due(at) => Some(at),
            _ => None,
        });
        due.chain([self.started + self.pace.limit + GRACE]).min().unwrap_or(self.started)
    }

    /// Whether answers that are still out are awaited no longer.
    pub fn is_overdue(&self, now: Instant) -> bool {
        now >= self.started + self.pace.limit + GRACE
    }

    /// Whether that request may be tried again, if it is after its usual pause.
    pub fn can_retry(&self, request: usize, now: Instant) -> bool {
        self.retry_at(request, None, now).is_some()
    }

    /// When that request is tried again; `None` when it had all its tries, or its time.
    fn retry_at(&self, request: usize, after: Option<Duration>, now: Instant) -> Option<Instant> {
        let tries = self.requests[request].tries;
        let backoff = FIRST_BACKOFF.saturating_mul(1 << tries.saturating_sub(1).min(8));
        let at = now + backoff.min(LONGEST_BACKOFF).max(after.unwrap_or_default());
        let limit = self.started + self.pace.limit;
        (tries <= self.pace.retries && at < limit).then_some(at)
    }

    /// What a line of an answer is to its request.
    pub fn wanted(&mut self, request: usize, symbol: &[u8], symbols: &[String]) -> Wanted {
        let request = &mut self.requests[request];
        let asked = &symbols[request.symbols.clone()];
        // answers keep the order of the question
        let ahead = asked[request.cursor..].iter().position(|it| it.as_bytes() == symbol);
        let place = match ahead {
            Some(ahead) => Some(request.cursor + ahead),
            None => asked[..request.cursor].iter().position(|it| it.as_bytes() == symbol),
        };
        let Some(place) = place else { return Wanted::Never };
        request.cursor = place + 1;
        if request.open[place] {
            Wanted::Yes(request.symbols.start + place)
        } else {
            Wanted::Answered
        }
    }

    /// Notes that the symbol of that number has its answer.
    pub fn answered(&mut self, request: usize, symbol: usize) {
        let request = &mut self.requests[request];
        request.open[symbol - request.symbols.start] = false;
    }

    /// Numbers of the symbols of that request that have no answer.
    pub fn open_symbols(&self, request: usize) -> impl Iterator<Item = usize> {
        let request = &self.requests[request];
        request.symbols.clone().zip(&request.open).filter(|(_, open)| **open).map(|(it, _)| it)
    }

    /// Has a request made again when there are tries and time for it, otherwise ends it. One that
    /// failed as a whole, and not only once, is halved until the symbol is found that is the cause.
    pub fn failed(&mut self, request: usize, fault: &Fault, now: Instant) {
        self.totals.failures += 1;
        let retry_at = self.retry_at(request, fault.retry_after, now);
        let is_stubborn = self.requests[request].tries > 1 || retry_at.is_none();
        if fault.is_whole && is_stubborn && self.split(request, now) {
            self.totals.reason = Some(fault.text.clone());
            return;
        }
        if let Some(at) = retry_at {
            self.totals.reason = Some(fault.text.clone());
            self.requests[request].stage = Stage::Due(at);
            return;
        }
        let open: Vec<_> = self.open_symbols(request).collect();
        if let ([symbol], true, Origin::Half) =
            (&open[..], fault.is_whole, self.requests[request].origin)
        {
            self.blamed.push((*symbol, fault.text.clone()));
        }
        self.give_up(request, &fault.text);
    }

    /// Makes two requests of one, each with half of its open symbols; false when it cannot be.
    fn split(&mut self, request: usize, now: Instant) -> bool {
        let open: Vec<_> = self.open_symbols(request).collect();
        if open.len() < 2 || self.splits_left == 0 || now >= self.started + self.pace.limit {
            return false;
        }
        self.splits_left -= 1;
        let Request { symbols, open: flags, .. } = &self.requests[request];
        let (start, middle, end) = (symbols.start, open[open.len() / 2], symbols.end);
        let halves = [start..middle, middle..end].map(|symbols| Request {
            open: flags[symbols.start - start..symbols.end - start].to_vec(),
            symbols,
            cursor: 0,
            // a half that fails is halved at once
            tries: 1,
            stage: Stage::Due(now),
            origin: Origin::Half,
        });
        self.done(request);
        self.undone += halves.len();
        self.requests.extend(halves);
        true
    }

    /// Ends a request that was not made, because its turn came too late.
    pub fn not_made(&mut self, request: usize) {
        self.totals.requests -= 1;
        let Request { tries, origin, .. } = self.requests[request];
        self.totals.retries -= u64::from(tries > 1 && origin != Origin::Alone);
        self.give_up(request, "its turn did not come within the time of the round");
    }

    /// Ends a request; what is open of it stays without an answer.
    pub fn give_up(&mut self, request: usize, reason: &str) {
        let open = self.open_symbols(request).count() as u64;
        if self.requests[request].origin == Origin::Alone {
            self.totals.refused += open; // which the operator knows
        } else {
            self.totals.reason = Some(reason.to_owned());
            self.totals.unanswered += open;
        }
        self.done(request);
    }

    /// Ends a request.
    pub fn done(&mut self, request: usize) {
        if std::mem::replace(&mut self.requests[request].stage, Stage::Done) != Stage::Done {
            self.undone -= 1;
        }
    }

    /// Ends all requests that are open.
    pub fn give_up_all(&mut self) {
        for request in 0..self.requests.len() {
            if self.is_open(request) {
                self.totals.failures += 1;
                self.give_up(request, "no answer within the time of the round");
            }
        }
    }
}
