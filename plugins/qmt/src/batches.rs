//! Ticks into batches, with an account of what gave no quote.

use std::{collections::BTreeMap, fmt::Write};

use plugin_api::{Batch, Context, PluginError, Round, SpotListEncoder};

use crate::{
    quote::{Quote, Refusal},
    tick::{Coded, Tick},
};

/// Ticks of one batch that are set aside in full; more are only counted.
const MOST_SET_ASIDE: usize = 20;

/// Makes batches for one source.
pub struct BatchBuilder {
    encoder: SpotListEncoder,
    source: String,
}

/// How records are numbered.
#[derive(Debug, Clone, Copy)]
pub struct Numbers {
    /// Number of the first tick.
    pub first: u64,
    /// Ticks that were counted.
    pub count: u64,
}

impl BatchBuilder {
    /// For records that name that source.
    pub fn new(source: &str) -> Self {
        Self { encoder: SpotListEncoder::new(0), source: source.to_owned() }
    }

    /// A batch of all ticks that give a quote; `None` when none does.
    ///
    /// A tick that gives none leaves a hole in the numbers, so that the others keep theirs.
    ///
    /// # Errors
    /// `BadData` when the batch would be too large.
    pub fn make(
        &mut self,
        ticks: &[Coded<'_>],
        numbers: Numbers,
        received_us: i64,
        context: &Context,
    ) -> Result<Option<Batch>, PluginError> {
        let mut account = Account::default();
        for (coded, offset) in ticks.iter().zip(0_u64..) {
            let number = numbers.first.saturating_add(offset.min(numbers.count.saturating_sub(1)));
            match Quote::read(coded) {
                Ok(quote) => {
                    account.mended += u64::from(quote.is_amount_mended);
                    self.encoder.push(&quote.record(received_us, &self.source, number))?;
                }
                Err(refusal) => account.refuse(coded, refusal, context),
            }
        }
        account.tell(context);
        let is_empty = self.encoder.is_empty();
        Ok((!is_empty).then(|| Batch::from_spots(&mut self.encoder, Round::WHOLE)))
    }
}

/// What gave no quote.
#[derive(Default)]
struct Account {
    refused: BTreeMap<&'static str, u64>,
    /// The first odd tick, for the log.
    first_odd: Option<String>,
    set_aside: usize,
    mended: u64,
}

impl Account {
    fn refuse(&mut self, coded: &Coded<'_>, refusal: Refusal, context: &Context) {
        *self.refused.entry(refusal.reason()).or_default() += 1;
        if !refusal.is_odd() {
            return;
        }
        let reason = format!("{}: {refusal}", printable(&coded.code));
        if self.set_aside < MOST_SET_ASIDE {
            self.set_aside += 1;
            context.dead_letter(&reason, describe(&coded.tick).as_bytes());
        }
        self.first_odd.get_or_insert(reason);
    }

    fn tell(self, context: &Context) {
        let mut odd = 0;
        for (reason, records) in &self.refused {
            context.dropped(reason, *records);
            if ["no_time", "missing", "malformed"].contains(reason) {
                odd += records;
            }
        }
        if let Some(first) = self.first_odd {
            context.warn(&format!(
                "ticks that give no quote were set aside; the first: {first}; {odd} in this batch"
            ));
        }
        if self.mended > 0 {
            context.count("qmt_amounts_mended_total", self.mended);
        }
    }
}

/// The start of a text that may be anything.
fn printable(text: &str) -> String {
    text.chars().take(32).flat_map(char::escape_debug).collect()
}

/// A tick as text, for the dead letters.
fn describe(tick: &Tick<'_>) -> String {
    let mut text = String::new();
    let numbers = [
        ("time", tick.time),
        ("lastPrice", tick.last),
        ("open", tick.open),
        ("high", tick.high),
        ("low", tick.low),
        ("lastClose", tick.pre_close),
        ("amount", tick.amount),
        ("volume", tick.volume),
        ("pvolume", tick.pvolume),
        ("openInt", tick.phase),
    ];
    for (name, value) in numbers.into_iter().filter(|(_, value)| !value.is_nan()) {
        let _ = write!(text, "{name}={value} ");
    }
    let _ = write!(text, "time_text={:?}", tick.time_text);
    for (name, side) in ["askPrice", "bidPrice", "askVol", "bidVol"].iter().zip(&tick.book) {
        let _ = write!(text, " {name}={:?}", side.levels());
    }
    text
}
