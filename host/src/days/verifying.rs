//! A day counted anew in a store, against what the ledger counted when it came.

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use ::days::{Day, Ledger, LedgerError, SumFault};
use plugin_api::{Ask, RecordKind};
use serde::Serialize;

use super::{
    asking::{AskError, History},
    prices::{PriceFault, Prices},
    sums::{DayFault, Sums},
    tally::{Difference, Placing, Series, Tally},
};

/// What a store has of a day.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verified {
    /// The day.
    pub date: Day,
    /// Id of the component that keeps it.
    pub store: String,
    /// What was compared.
    pub series: Vec<Compared>,
    /// Where the store has another number of records, by series, security and time.
    pub differences: Vec<Difference>,
    /// Securities whose 1m bars in the store do not add up to their day.
    pub sums: Vec<SumFault>,
    /// Bars of the day that are others than those that came.
    pub days: Vec<DayFault>,
    /// Bars whose prices do not fit together.
    pub prices: Vec<PriceFault>,
}

/// Records of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// Their kind.
    #[serde(flatten)]
    pub series: Series,
    /// Those that the ledger counted.
    pub counted: u64,
    /// Those that the store has; as far as it could be read.
    pub stored: u64,
    /// Why it could not be read to its end, if so; where nothing could, nothing was compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The first thing in it that could not be read, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

/// Why nothing can be compared.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The ledger cannot be read.
    #[error("{0}")]
    Ledger(#[from] LedgerError),
    /// The store cannot be asked.
    #[error("{0}")]
    Ask(#[from] AskError),
    /// There is nothing to compare with.
    #[error("the ledger knows of no records of {0}{1}; `dataserver days` lists the days it knows")]
    Unknown(Day, String),
}

impl VerifyError {
    /// Whether the pipeline file has to be changed for it to work.
    pub fn is_config(&self) -> bool {
        matches!(self, Self::Ask(error) if error.is_config())
    }
}

impl Verified {
    /// Whether the store has what came, and this adds up.
    pub fn is_sound(&self) -> bool {
        let is_read = |it: &Compared| it.error.is_none() && it.unreadable.is_none();
        let is_same = self.differences.is_empty() && self.days.is_empty();
        let adds_up = self.sums.is_empty() && self.prices.is_empty();
        is_same && adds_up && self.series.iter().all(is_read)
    }
}

/// Counts a day in a store, of one kind or of all that the ledger counted; `tell` hears what is read
/// and how many records of how many were. Blocks for as long as the store takes.
///
/// # Errors
/// When nothing can be compared; a store that fails while it is read is told by series.
pub fn verify(
    history: &History,
    ledger: &Ledger,
    day: Day,
    kind: Option<RecordKind>,
    tell: &mut dyn FnMut(&Series, u64, u64),
) -> Result<Verified, VerifyError> {
    let counted = counted(ledger, day)?;
    let is_asked = |series: &Series| kind.is_none_or(|kind| series.kind == kind.as_str());
    let all: Vec<_> = counted.series().into_iter().filter(|(it, _)| is_asked(it)).collect();
    if all.is_empty() {
        let kind = kind.map(|kind| format!(" that are {}", kind.plural())).unwrap_or_default();
        return Err(VerifyError::Unknown(day, kind));
    }
    let idle = idle(ledger, day)?;
    let (mut sums, mut prices) = (Sums::default(), Prices::default());
    let (mut compared, mut differences) = (Vec::new(), Vec::new());
    for (series, total) in all {
        let mut found = [Tally::default(), Tally::default()];
        let read = read(history, day, &series, |batch, records| {
            found[0].add(day, Placing::Own, batch);
            if series.period.is_none() {
                found[1].add(day, Placing::Answer, batch);
            }
            sums.add(day, batch);
            prices.add(day, batch);
            tell(&series, records, total);
        });
        let (error, unreadable) = match read {
            Ok(unreadable) => (None, unreadable),
            Err(error @ AskError::Stopped { .. }) => return Err(error.into()),
            Err(error) if error.is_config() => return Err(error.into()),
            Err(error) => (Some(error.to_string()), None),
        };
        let stored = found[0].records_of(&series);
        if error.is_none() || stored > 0 {
            let ways = if series.period.is_none() { &found[..] } else { &found[..1] };
            let known: HashSet<_> = found[0].symbols_of(&series).collect();
            let differs = counted.differences(day, &series, ways);
            let counts =
                |it: &Difference| known.contains(it.symbol.as_str()) || !idle.contains(&it.symbol);
            differences.extend(differs.into_iter().filter(counts));
        }
        compared.push(Compared { series, counted: total, stored, error, unreadable });
    }
    // of minutes that were not read to their end the sum says nothing
    let is_whole = compared.iter().all(|it| it.error.is_none());
    let days = sums.day_faults(ledger.day_bars(day)?);
    let sums = if is_whole { sums.faults() } else { Vec::new() };
    let (store, prices) = (history.id().to_owned(), prices.faults(day));
    Ok(Verified { date: day, store, series: compared, differences, sums, days, prices })
}

/// Reads all that a store has of a series of a day; gives what it could not read of it.
fn read(
    history: &History,
    day: Day,
    series: &Series,
    mut each: impl FnMut(&plugin_api::Batch, u64),
) -> Result<Option<String>, AskError> {
    let ask = Ask {
        symbols: Vec::new(),
        from: format!("{day} 00:00:00"),
        to: format!("{day} 23:59:59.999999"),
        kind: series.kind.clone(),
        period: series.period.clone(),
    };
    let mut answer = history.ask(&ask)?;
    let mut records = 0;
    while let Some(batch) = answer.next_batch()? {
        records += u64::from(batch.records());
        each(&batch, records);
    }
    Ok(answer.refused().map(str::to_owned))
}

/// Securities that did not trade on a day. Sources that go round may have given them with the time of
/// an earlier day, under which stores have them.
fn idle(ledger: &Ledger, day: Day) -> Result<HashSet<String>, LedgerError> {
    let securities = ledger.securities(day)?.into_iter();
    Ok(securities.filter(|it| it.volume == 0).map(|it| it.symbol).collect())
}

/// What the ledger counted on a day.
fn counted(ledger: &Ledger, day: Day) -> Result<Tally, LedgerError> {
    let mut tally = Tally::default();
    ledger.counts(day, &mut |it| {
        let (kind, period) = (it.kind.to_owned(), it.period.map(str::to_owned));
        tally.set(&Series { kind, period }, it.symbol, it.minute, it.records);
    })?;
    Ok(tally)
}
