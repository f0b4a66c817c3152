//! Counters of every round, and a line of the log when something changes.

use plugin_api::Context;

use crate::round::{Round, Totals};

/// What was logged last about a symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SymbolStatus {
    /// Nothing: it is answered.
    Known,
    /// The service does not know it.
    Unknown,
    /// Answers lack it, without a reason.
    LeftOut,
    /// Its line has nothing in it.
    Empty,
    /// It brings down every request.
    Refused,
}

/// Remembers what was logged.
pub struct Report {
    context: Context,
    /// Status of each symbol, by its number.
    status: Vec<SymbolStatus>,
    /// Symbols to be named at the end of the round.
    to_name: Vec<usize>,
    /// Rounds in a row with symbols that had no answer.
    bad_rounds: u64,
    /// Rounds that have ended, and what happened in them.
    rounds: u64,
    totals: Totals,
    /// Why the last request failed that one symbol brought down.
    reason: String,
}

impl Report {
    /// Without a line about any of so many symbols.
    pub fn new(context: Context, symbols: usize) -> Self {
        Self {
            context,
            status: vec![SymbolStatus::Known; symbols],
            to_name: Vec::new(),
            bad_rounds: 0,
            rounds: 0,
            totals: Totals::default(),
            reason: String::new(),
        }
    }

    /// Notes that the service knows the symbol of that number.
    pub fn is_known(&mut self, symbol: usize) {
        self.status[symbol] = SymbolStatus::Known;
    }

    /// Whether it is no surprise that an answer lacks the symbol of that number.
    pub fn was_missing(&self, symbol: usize) -> bool {
        matches!(self.status[symbol], SymbolStatus::Unknown | SymbolStatus::LeftOut)
    }

    /// Notes that the service does not know the symbol of that number.
    pub fn is_unknown(&mut self, symbol: usize) {
        self.say(symbol, SymbolStatus::Unknown);
    }

    /// Notes that whole answers lacked the symbol of that number, without a reason.
    pub fn is_left_out(&mut self, symbol: usize) {
        self.say(symbol, SymbolStatus::LeftOut);
    }

    /// Notes that the service has nothing to say of the symbol of that number.
    pub fn is_empty(&mut self, symbol: usize) {
        self.say(symbol, SymbolStatus::Empty);
    }

    /// The symbols that bring down every request, by number.
    pub fn refused(&self) -> Vec<usize> {
        (0..self.status.len())
            .filter(|symbol| self.status[*symbol] == SymbolStatus::Refused)
            .collect()
    }

    fn say(&mut self, symbol: usize, what: SymbolStatus) {
        if std::mem::replace(&mut self.status[symbol], what) != what {
            self.to_name.push(symbol);
        }
    }

    /// Says what happened in a round that has ended.
    #[allow(clippy::cast_precision_loss)]
    pub fn round_ended(&mut self, round: &Round, symbols: &[String]) {
        let totals = &round.totals;
        let context = &self.context;
        context.gauge("qq_round_seconds", round.started.elapsed().as_secs_f64());
        context.gauge("securities_expected", symbols.len() as f64);
        context.gauge("securities_seen", totals.records as f64);
        for (metric, by) in [
            ("qq_rounds_total", 1),
            ("qq_requests_total", totals.requests),
            ("qq_failures_total", totals.failures),
            ("qq_retries_total", totals.retries),
        ] {
            context.count(metric, by);
        }
        let lost = totals.unanswered + totals.refused;
        if lost > 0 {
            context.dropped("unanswered", lost);
        }
        // where nothing is answered, no symbol is to blame
        if round.is_answered {
            for (symbol, reason) in &round.blamed {
                self.say(*symbol, SymbolStatus::Refused);
                self.reason.clone_from(reason);
            }
        }
        self.rounds += 1;
        self.totals.add(totals);
        self.name(symbols);
        self.tell_of_failures(round, symbols.len());
    }

    /// Says what happened in all rounds.
    pub fn ended(&self) {
        let Totals { requests, failures, retries, records, set_aside, .. } = self.totals;
        let unanswered = self.totals.unanswered + self.totals.refused;
        self.context.info(&format!(
            "{} rounds: {records} records, {requests} requests, {failures} failures, {retries} \
             retries, {unanswered} unanswered, {set_aside} set aside",
            self.rounds
        ));
    }

    fn name(&mut self, symbols: &[String]) {
        let to_name = std::mem::take(&mut self.to_name);
        for (what, counter) in [
            (SymbolStatus::Unknown, "qq_unknown_total"),
            (SymbolStatus::LeftOut, "qq_left_out_total"),
            (SymbolStatus::Empty, "qq_empty_symbols_total"),
            (SymbolStatus::Refused, "qq_refused_total"),
        ] {
            let names = to_name.iter().filter(|it| self.status[**it] == what);
            let names: Vec<_> = names.map(|it| symbols[*it].as_str()).collect();
            if names.is_empty() {
                continue;
            }
            self.context.count(counter, names.len() as u64);
            let (count, all, names) = (names.len(), symbols.len(), names.join(", "));
            match what {
                SymbolStatus::Known => {}
                SymbolStatus::Unknown => self.context.warn(&format!(
                    "the service does not know {count} of {all} symbols: {names}; take them off the \
                     list if they will not be listed"
                )),
                SymbolStatus::LeftOut => self.context.warn(&format!(
                    "answers lack {count} of {all} symbols, and do not say that they are unknown: \
                     {names}; they are asked for in every round"
                )),
                SymbolStatus::Empty => self.context.info(&format!(
                    "the service has nothing to say of {count} of {all} symbols: {names}; they are \
                     asked for in every round"
                )),
                SymbolStatus::Refused => self.context.warn(&format!(
                    "requests with {count} of {all} symbols in them fail as a whole ({}): {names}; \
                     they are asked for alone from now on: take them off the list",
                    self.reason
                )),
            }
        }
    }

    /// A line when rounds begin to lack symbols, and one when they are whole again.
    fn tell_of_failures(&mut self, round: &Round, symbols: usize) {
        let totals = &round.totals;
        if totals.unanswered == 0 {
            if self.bad_rounds > 0 {
                let bad = self.bad_rounds;
                let which = if totals.refused == 0 { "symbol" } else { "other symbol" };
                self.context
                    .info(&format!("every {which} is answered again, after {bad} bad rounds"));
            }
            self.bad_rounds = 0;
            return;
        }
        let reason = totals.reason.as_deref().unwrap_or("no reason was given");
        let text = format!(
            "round {}: {} of {symbols} symbols without an answer, {} of {} requests failed, at last: \
             {reason}; they are asked for again in the next round",
            round.number, totals.unanswered, totals.failures, totals.requests
        );
        if self.bad_rounds == 0 {
            self.context.warn(&text);
        } else {
            self.context.debug(&text);
        }
        self.bad_rounds += 1;
    }
}
