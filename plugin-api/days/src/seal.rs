//! What happens to days that are at rest: they are judged once and for all, shrink, and are deleted.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use crate::{
    Day, LedgerError, Writer,
    bits::Bits,
    calendar::Judged,
    cells::{BarCell, BarState, Cell, SpotCell, cell_of, to_value},
    day::MINUTE_US,
    facts::Facts,
    totals,
};

/// A day to which nothing was added for so long is at rest.
const REST_US: i64 = 10 * MINUTE_US;
/// Pages that are given back to the disk at once.
const PAGES: u32 = 4_096;
/// Cents in a yuan.
const FEN: f64 = 100.0;

impl Writer {
    /// Seals one day that is over and at rest, and deletes what is older than so many days; whether
    /// there may be more to do. To be called now and then.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn tidy(&mut self, now_us: i64, keep_days: Option<u32>) -> Result<bool, LedgerError> {
        if let Some(keep_days) = keep_days {
            self.delete_before(Day(Day::of(now_us).0 - i64::from(keep_days)))?;
        }
        let read = "SELECT day FROM days WHERE (sealed = 0 OR verdict IS NULL) AND touched_us <= ?1
                    ORDER BY day LIMIT 2";
        let fault = self.ledger.fault();
        let mut statement = self.ledger.db.prepare(read).map_err(&fault)?;
        let rows = statement.query_map([now_us - REST_US], |row| row.get(0));
        let days: Vec<i64> = rows.and_then(Iterator::collect).map_err(&fault)?;
        drop(statement);
        let over = |day: &&i64| now_us >= self.rules.over_us(Day(**day)) && !self.tally.has(**day);
        let Some(day) = days.iter().find(over).copied() else { return Ok(false) };
        self.seal(Day(day), now_us)?;
        Ok(days.len() > 1)
    }

    /// Deletes the days before that one.
    fn delete_before(&mut self, first: Day) -> Result<(), LedgerError> {
        let fault = self.ledger.fault();
        let oldest = "SELECT 1 FROM days WHERE day < ?1 LIMIT 1";
        let db = &mut self.ledger.db;
        if db.query_row(oldest, [first.0], |_| Ok(())).optional().map_err(&fault)?.is_none() {
            return Ok(());
        }
        let transaction =
            db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&fault)?;
        for table in ["spots", "bars", "totals", "deviations", "days"] {
            let delete = format!("DELETE FROM {table} WHERE day < ?1");
            transaction.execute(&delete, [first.0]).map_err(&fault)?;
        }
        transaction
            .execute("DELETE FROM backfills WHERE last < ?1", [first.0])
            .and_then(|_| {
                transaction.execute("DELETE FROM outages WHERE to_us < ?1", [first.start_us()])
            })
            .map_err(&fault)?;
        transaction.commit().map_err(&fault)?;
        self.shrink()
    }

    /// Gives free pages back to the disk.
    fn shrink(&self) -> Result<(), LedgerError> {
        let fault = self.ledger.fault();
        let pragma = format!("PRAGMA incremental_vacuum({PAGES})");
        let mut statement = self.ledger.db.prepare(&pragma).map_err(&fault)?;
        let mut rows = statement.query([]).map_err(&fault)?;
        // a page for each step
        while rows.next().map_err(&fault)?.is_some() {}
        Ok(())
    }

    /// Writes down what is thought of a day, and lets go of its volumes.
    fn seal(&mut self, day: Day, now_us: i64) -> Result<(), LedgerError> {
        let fault = self.ledger.fault();
        let names = (&self.names.securities, &self.names.periods);
        let judged = self.ledger.judged(day, now_us, &self.rules, names.0, names.1)?;
        let path = self.ledger.path.clone();
        let value = |why: String| LedgerError::Damaged { path: path.clone(), why };
        let Judged { mut facts, finding, verdict, .. } = judged;
        let missing: u64 = finding.gaps.iter().map(|gap| gap.records).sum();
        let summary =
            [finding.expected.count(), facts.totals.len() as u64, finding.complete, missing];
        let summary = summary.map(|number| i64::try_from(number).unwrap_or(i64::MAX));
        note_traded(&mut facts);
        note_sums(&mut facts, self.names.periods.find("1m"));
        note_excused(&mut facts, &finding.excused);
        let spots = values(&mut facts.spots, |cell: &mut SpotCell| cell.volume = 0);
        let spots = spots.map_err(&value)?;
        let mut bars = Vec::new();
        for (period, rows) in &mut facts.bars {
            let values = values(rows, |cell: &mut BarCell| (cell.volume, cell.fen) = (0, 0));
            bars.extend(values.map_err(&value)?.into_iter().map(|(at, it)| (*period, at, it)));
        }
        let immediate = TransactionBehavior::Immediate;
        let transaction = self.ledger.db.transaction_with_behavior(immediate).map_err(&fault)?;
        write(&transaction, day, &spots, &bars)
            .and_then(|()| {
                totals::write(&transaction, day.0, facts.totals.iter().map(|(id, it)| (*id, it)))
            })
            .and_then(|()| {
                let [expected, seen, complete, missing] = summary;
                transaction.execute(
                    "UPDATE days SET sealed = 1, verdict = ?2, expected = ?3, seen = ?4,
                     complete = ?5, missing = ?6 WHERE day = ?1",
                    params![day.0, verdict.as_str(), expected, seen, complete, missing],
                )
            })
            .map_err(&fault)?;
        transaction.commit().map_err(&fault)?;
        self.tally.forget(day.0);
        self.shrink()
    }
}

/// What a minute's row is in the file.
type Values = Vec<(u16, Vec<u8>)>;

fn values<C: Cell>(
    rows: &mut BTreeMap<u16, Vec<C>>,
    mut forget: impl FnMut(&mut C),
) -> Result<Values, String> {
    let value = |(minute, cells): (&u16, &mut Vec<C>)| {
        cells.iter_mut().for_each(&mut forget);
        Ok((*minute, to_value(cells)?))
    };
    rows.iter_mut().map(value).collect()
}

fn write(
    db: &Connection,
    day: Day,
    spots: &Values,
    bars: &[(u32, u16, Vec<u8>)],
) -> rusqlite::Result<()> {
    let mut put = db.prepare("INSERT OR REPLACE INTO spots VALUES (?1, ?2, ?3)")?;
    for (minute, value) in spots {
        put.execute(params![day.0, minute, value])?;
    }
    let mut put = db.prepare("INSERT OR REPLACE INTO bars VALUES (?1, ?2, ?3, ?4)")?;
    for (period, minute, value) in bars {
        put.execute(params![day.0, period, minute, value])?;
    }
    Ok(())
}

/// Marks the minutes in which volumes grew.
fn note_traded(facts: &mut Facts) {
    let mut known: HashMap<usize, u64> = HashMap::new();
    for cells in facts.spots.values_mut() {
        for (id, cell) in cells.iter_mut().enumerate().filter(|(_, cell)| cell.volume > 0) {
            let before = known.insert(id, cell.volume).unwrap_or(0);
            cell.traded |= cell.volume > before;
        }
    }
}

/// Sums the 1m bars of a day that was not sealed before.
#[allow(clippy::cast_precision_loss)] // cents of a day
fn note_sums(facts: &mut Facts, minute: Option<u32>) {
    let Some(rows) = minute.and_then(|period| facts.bars.get(&period)) else { return };
    let mut sums: HashMap<u32, (u64, u64)> = HashMap::new();
    for cells in rows.values() {
        for (cell, id) in cells.iter().zip(0..).filter(|(cell, _)| cell.state == BarState::There) {
            let sum = sums.entry(id).or_default();
            *sum = (sum.0.saturating_add(cell.volume), sum.1.saturating_add(cell.fen));
        }
    }
    for (id, (volume, fen)) in sums {
        if let Some(total) = facts.totals.get_mut(&id).filter(|total| total.minutes.is_none()) {
            total.minutes = Some((volume, fen as f64 / FEN));
        }
    }
}

fn note_excused(facts: &mut Facts, excused: &[(u32, u16, u32)]) {
    let mut absent: BTreeMap<(u32, u16), Bits> = BTreeMap::new();
    for (period, minute, id) in excused {
        absent.entry((*period, *minute)).or_default().add(*id);
    }
    for ((period, minute), ids) in absent {
        let cells = facts.bars.entry(period).or_default().entry(minute).or_default();
        for id in ids.iter() {
            cell_of(cells, id).state = BarState::Excused;
        }
    }
}
