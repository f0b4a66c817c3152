//! What was counted and does not stand in the file yet, with what it adds to.

use std::collections::{HashMap, HashSet, hash_map::Entry};

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::{
    Day, Rules,
    bits::Bits,
    cells::{BarCell, BarState, Cell, SpotCell, cell_of, from_value, to_value},
    day::{minute_of, second_of},
    facts::LOOK_BACK,
    names::Names,
    record::{ClosedBar, Place, Quote},
    totals::Total,
};

/// Minutes in the memory after which they are to be written, whole rows of some thousand cells.
const MOST_MINUTES: usize = 1_000;
/// Minutes before the newest that stay in the memory.
const KEPT_MINUTES: u16 = 2;
/// Minutes with quotes from which on a day counts as one and not as a few strays.
const ENOUGH_MINUTES: usize = 3;
/// Cents in a yuan.
const FEN: f64 = 100.0;

/// Cells of a minute in the memory.
#[derive(Debug, Default)]
struct Row<C> {
    cells: Vec<C>,
    is_changed: bool,
}

/// A day in the memory.
#[derive(Debug, Default)]
struct DayTally {
    records: u64,
    is_known: bool,
    has_universe: bool,
    moments: Bits,
    rounds: Bits,
    totals: HashMap<u32, Total>,
    changed_totals: Bits,
    is_changed: bool,
}

/// What was counted.
#[derive(Debug, Default)]
pub struct Tally {
    spots: HashMap<(i64, u16), Row<SpotCell>>,
    bars: HashMap<(i64, u32, u16), Row<BarCell>>,
    days: HashMap<i64, DayTally>,
    /// Damage that was met.
    pub told: Vec<String>,
}

/// Why something could not be counted or written.
#[derive(Debug)]
pub enum TallyError {
    /// The database.
    Sql(rusqlite::Error),
    /// A value that cannot be made.
    Value(String),
}

impl From<rusqlite::Error> for TallyError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<String> for TallyError {
    fn from(error: String) -> Self {
        Self::Value(error)
    }
}

impl Tally {
    /// Counts a quote of that security and source at its place.
    pub fn add_quote(
        &mut self,
        db: &Connection,
        quote: &Quote<'_>,
        place: Place,
        security: u32,
        source: u32,
    ) -> Result<(), TallyError> {
        let day = Day::of(place.moment_us).0;
        let (minute, second) = (minute_of(place.moment_us), second_of(place.moment_us));
        let volume = if place.is_stale { 0 } else { quote.volume };
        let tally = day_of(&mut self.days, db, day)?;
        tally.records += 1;
        tally.is_changed = true;
        tally.moments.add(second);
        let total = tally.totals.entry(security).or_default();
        if total.add_quote(quote, place) {
            tally.changed_totals.add(security);
        }
        let row = row_of(&mut self.spots, (day, minute), &mut self.told, || {
            let read = "SELECT cells FROM spots WHERE day = ?1 AND minute = ?2";
            db.query_row(read, params![day, minute], |row| row.get(0)).optional()
        })?;
        let second = u8::try_from(second % 60).unwrap_or(0);
        cell_of(&mut row.cells, security).add(second, volume, quote.is_doubtful, source);
        row.is_changed = true;
        Ok(())
    }

    /// Counts a closed bar; one that comes again takes the place of the one before.
    pub fn add_bar(
        &mut self,
        db: &Connection,
        bar: &ClosedBar<'_>,
        (security, period, source): (u32, u32, u32),
    ) -> Result<(), TallyError> {
        let (day, minute) = (Day::of(bar.time_us).0, minute_of(bar.time_us));
        let tally = day_of(&mut self.days, db, day)?;
        tally.is_known = true;
        tally.is_changed = true;
        let row = row_of(&mut self.bars, (day, period, minute), &mut self.told, || {
            let read = "SELECT cells FROM bars WHERE day = ?1 AND period = ?2 AND minute = ?3";
            db.query_row(read, params![day, period, minute], |row| row.get(0)).optional()
        })?;
        row.is_changed = true;
        let cell = cell_of(&mut row.cells, security);
        let is_new = cell.state != BarState::There;
        *cell = BarCell {
            state: BarState::There,
            is_doubtful: bar.is_doubtful,
            sources: cell.sources | 1 << source.min(crate::cells::SOURCES - 1),
            volume: bar.volume,
            fen: fen(bar.amount),
        };
        let total = tally.totals.entry(security).or_default();
        total.add_bar(bar, is_new);
        tally.changed_totals.add(security);
        tally.records += u64::from(is_new);
        Ok(())
    }

    /// Counts a round of the market that ended then.
    pub fn add_round(&mut self, db: &Connection, at_us: i64) -> Result<(), TallyError> {
        let tally = day_of(&mut self.days, db, Day::of(at_us).0)?;
        tally.rounds.add(second_of(at_us));
        tally.is_changed = true;
        Ok(())
    }

    /// Whether so much lies in the memory that it should be written.
    pub fn is_full(&self) -> bool {
        self.spots.len() + self.bars.len() >= MOST_MINUTES
    }

    /// Whether nothing waits to be written.
    pub fn is_empty(&self) -> bool {
        self.days.values().all(|day| !day.is_changed)
    }

    /// Writes everything that changed, within the caller's transaction.
    pub fn write(
        &mut self,
        db: &Connection,
        rules: &Rules,
        universe: Option<&Bits>,
        now_us: i64,
    ) -> Result<(), TallyError> {
        let mut put = db.prepare("INSERT OR REPLACE INTO spots VALUES (?1, ?2, ?3)")?;
        for ((day, minute), row) in self.spots.iter().filter(|(_, row)| row.is_changed) {
            put.execute(params![day, minute, to_value(&row.cells)?])?;
        }
        let mut put = db.prepare("INSERT OR REPLACE INTO bars VALUES (?1, ?2, ?3, ?4)")?;
        for ((day, period, minute), row) in self.bars.iter().filter(|(_, row)| row.is_changed) {
            put.execute(params![day, period, minute, to_value(&row.cells)?])?;
        }
        let today = Day::of(now_us).0;
        for (day, tally) in self.days.iter_mut().filter(|(_, tally)| tally.is_changed) {
            tally.is_known |= session_minutes(&tally.moments, rules) >= ENOUGH_MINUTES;
            tally.write(db, *day, now_us)?;
            if let Some(universe) = universe.filter(|_| *day == today || !tally.has_universe) {
                db.execute(
                    "UPDATE days SET universe = ?2 WHERE day = ?1",
                    params![day, universe.to_bytes()],
                )?;
            }
        }
        Ok(())
    }

    /// After what was written holds: forgets what is not likely to be needed again.
    pub fn written(&mut self) {
        let changed: HashSet<i64> =
            self.days.iter().filter(|(_, it)| it.is_changed).map(|(day, _)| *day).collect();
        self.days.retain(|day, _| changed.contains(day));
        for tally in self.days.values_mut() {
            tally.is_changed = false;
            tally.has_universe = true;
            tally.changed_totals = Bits::default();
        }
        let newest = self.spots.keys().copied().max();
        self.spots.retain(|(day, minute), _| {
            newest.is_some_and(|newest| *day == newest.0 && minute + KEPT_MINUTES >= newest.1)
        });
        self.spots.values_mut().for_each(|row| row.is_changed = false);
        self.bars.clear();
    }

    /// Forgets a day that does not wait to be written, as somebody else changes it.
    pub fn forget(&mut self, day: i64) {
        self.days.remove(&day);
        self.spots.retain(|key, _| key.0 != day);
        self.bars.retain(|key, _| key.0 != day);
    }

    /// Whether something of a day waits to be written.
    pub fn has(&self, day: i64) -> bool {
        self.days.get(&day).is_some_and(|tally| tally.is_changed)
    }
}

impl DayTally {
    fn read(db: &Connection, day: i64) -> rusqlite::Result<Self> {
        let read =
            "SELECT records, known, moments, rounds, universe IS NOT NULL FROM days WHERE day = ?1";
        let found = db.query_row(read, [day], |row| {
            Ok(Self {
                records: row.get::<_, i64>(0)?.unsigned_abs(),
                is_known: row.get(1)?,
                moments: Bits::from_bytes(row.get_ref(2)?.as_blob()?),
                rounds: Bits::from_bytes(row.get_ref(3)?.as_blob()?),
                has_universe: row.get(4)?,
                ..Self::default()
            })
        });
        let totals = crate::totals::read(db, day)?;
        Ok(Self { totals, ..found.optional()?.unwrap_or_default() })
    }

    fn write(&self, db: &Connection, day: i64, now_us: i64) -> rusqlite::Result<()> {
        db.execute(
            "INSERT INTO days (day, date, records, known, sealed, touched_us, moments, rounds)
             VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6, ?7)
             ON CONFLICT (day) DO UPDATE SET records = ?3, known = ?4, sealed = 0, touched_us = ?5,
             moments = ?6, rounds = ?7, verdict = NULL, expected = NULL, seen = NULL,
             complete = NULL, missing = NULL",
            params![
                day,
                Day(day).to_string(),
                i64::try_from(self.records).unwrap_or(i64::MAX),
                self.is_known,
                now_us,
                self.moments.to_bytes(),
                self.rounds.to_bytes(),
            ],
        )?;
        // what a day has says what the next ones should have
        db.execute(
            "UPDATE days SET verdict = NULL WHERE day > ?1 AND day IN
             (SELECT day FROM days WHERE day > ?1 ORDER BY day LIMIT ?2)",
            params![day, LOOK_BACK],
        )?;
        let changed = self.changed_totals.iter();
        let changed = changed.filter_map(|id| Some((id, self.totals.get(&id)?)));
        crate::totals::write(db, day, changed)
    }
}

/// A day, read from the file when it is not in the memory.
fn day_of<'a>(
    days: &'a mut HashMap<i64, DayTally>,
    db: &Connection,
    day: i64,
) -> rusqlite::Result<&'a mut DayTally> {
    match days.entry(day) {
        Entry::Occupied(entry) => Ok(entry.into_mut()),
        Entry::Vacant(entry) => Ok(entry.insert(DayTally::read(db, day)?)),
    }
}

/// The row of a minute, read from the file when it is not in the memory.
fn row_of<'a, K: std::hash::Hash + Eq + std::fmt::Debug + Copy, C: Cell>(
    rows: &'a mut HashMap<K, Row<C>>,
    key: K,
    told: &mut Vec<String>,
    read: impl FnOnce() -> rusqlite::Result<Option<Vec<u8>>>,
) -> rusqlite::Result<&'a mut Row<C>> {
    match rows.entry(key) {
        Entry::Occupied(entry) => Ok(entry.into_mut()),
        Entry::Vacant(entry) => {
            let cells = read()?.map_or(Ok(Vec::new()), |value| from_value(&value));
            let cells = cells.unwrap_or_else(|error| {
                told.push(format!("what was counted at {key:?} is lost: {error}"));
                Vec::new()
            });
            Ok(entry.insert(Row { cells, is_changed: false }))
        }
    }
}

/// In how many minutes of the sessions the moments lie.
fn session_minutes(moments: &Bits, rules: &Rules) -> usize {
    let minutes = moments.iter().map(|second| u16::try_from(second / 60).unwrap_or(0));
    let minutes: HashSet<_> = minutes.filter(|minute| rules.is_session(*minute)).collect();
    minutes.len()
}

/// An amount in whole cents.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a cast saturates
fn fen(amount: f64) -> u64 {
    (amount * FEN).round().max(0.0) as u64
}

/// Names of a ledger that counts.
#[derive(Debug)]
pub struct AllNames {
    /// As `600000.SH`.
    pub securities: Names,
    /// Of records, and of components where records do not say.
    pub sources: Names,
    /// As `1m`.
    pub periods: Names,
}

impl AllNames {
    /// All names of the file.
    pub fn read(db: &Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            securities: Names::read(db, "securities")?,
            sources: Names::read(db, "sources")?,
            periods: Names::read(db, "periods")?,
        })
    }

    /// Writes those that are new.
    pub fn write(&self, db: &Connection) -> rusqlite::Result<()> {
        [&self.securities, &self.sources, &self.periods].into_iter().try_for_each(|it| it.write(db))
    }

    /// After what was written holds.
    pub fn written(&mut self) {
        self.securities.written();
        self.sources.written();
        self.periods.written();
    }
}
