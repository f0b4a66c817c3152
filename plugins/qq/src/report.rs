//! What the operator hears: counters of every round, and a line when something changes.

use plugin_api::Context;

use crate::round::{Round, Totals};

/// Remembers what was said.
pub struct Report {
    context: Context,
    /// Symbols that were named as unknown, by their number, and did not come since.
    named: Vec<bool>,
    /// Those to be named at the end of the round.
    to_name: Vec<usize>,
    /// Rounds in a row with symbols that had no answer.
    bad_rounds: u64,
    /// Rounds that have ended, and what happened in them.
    rounds: u64,
    totals: Totals,
}

impl Report {
    /// Nothing was said about so many symbols.
    pub fn new(context: Context, symbols: usize) -> Self {
        Self {
            context,
            named: vec![false; symbols],
            to_name: Vec::new(),
            bad_rounds: 0,
            rounds: 0,
            totals: Totals::default(),
        }
    }

    /// Notes that the service knows the symbol of that number.
    pub fn is_known(&mut self, symbol: usize) {
        self.named[symbol] = false;
    }

    /// Whether the symbol of that number is known to be unknown.
    pub fn was_unknown(&self, symbol: usize) -> bool {
        self.named[symbol]
    }

    /// Notes that the service does not know the symbol of that number.
    pub fn is_unknown(&mut self, symbol: usize) {
        if !std::mem::replace(&mut self.named[symbol], true) {
            self.to_name.push(symbol);
        }
    }

    /// Says what happened in a round that has ended.
    pub fn round_ended(&mut self, round: &Round, symbols: &[String]) {
        let totals = &round.totals;
        let context = &self.context;
        context.gauge("qq_round_seconds", round.started.elapsed().as_secs_f64());
        for (metric, by) in [
            ("qq_rounds_total", 1),
            ("qq_requests_total", totals.requests),
            ("qq_failures_total", totals.failures),
            ("qq_retries_total", totals.retries),
        ] {
            context.count(metric, by);
        }
        if totals.unanswered > 0 {
            context.dropped("unanswered", totals.unanswered);
        }
        self.rounds += 1;
        self.totals.add(totals);
        self.name_unknown(symbols);
        self.tell_of_failures(round, symbols.len());
    }

    /// Says what happened in all rounds.
    pub fn ended(&self) {
        let Totals { requests, failures, retries, records, unanswered, set_aside, .. } =
            self.totals;
        self.context.info(&format!(
            "{} rounds: {records} records, {requests} requests, {failures} failures, {retries} \
             retries, {unanswered} unanswered, {set_aside} set aside",
            self.rounds
        ));
    }

    fn name_unknown(&mut self, symbols: &[String]) {
        if self.to_name.is_empty() {
            return;
        }
        let names: Vec<_> = self.to_name.iter().map(|it| symbols[*it].as_str()).collect();
        self.context.count("qq_unknown_total", names.len() as u64);
        self.context.warn(&format!(
            "the service does not know {} of {} symbols: {}; take them off the list if they will not \
             be listed",
            names.len(),
            symbols.len(),
            names.join(", ")
        ));
        self.to_name.clear();
    }

    /// A line when rounds begin to lack symbols, and one when they are whole again.
    fn tell_of_failures(&mut self, round: &Round, symbols: usize) {
        let totals = &round.totals;
        if totals.unanswered == 0 {
            if self.bad_rounds > 0 {
                let bad = self.bad_rounds;
                self.context
                    .info(&format!("every symbol is answered again, after {bad} bad rounds"));
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
