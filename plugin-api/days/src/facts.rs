//! What the file has of one day.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::{
    Day, LedgerError,
    bits::Bits,
    cells::{BarCell, Cell, SpotCell, from_value},
    names::Names,
    totals::{self, Total},
};

/// Known days that are looked back for what a day should have.
pub const LOOK_BACK: i64 = 3;

/// Rows of bars by their minute.
pub type BarRows = BTreeMap<u16, Vec<BarCell>>;

/// What the file has of one day.
#[derive(Debug, Default)]
pub struct Facts {
    /// More came than a few strays.
    pub is_known: bool,
    /// Quotes by their minute.
    pub spots: BTreeMap<u16, Vec<SpotCell>>,
    /// Bars by the number of their period.
    pub bars: BTreeMap<u32, BarRows>,
    /// By the number of the security.
    pub totals: HashMap<u32, Total>,
    /// Seconds of the day in which quotes came.
    pub moments: Bits,
    /// Seconds of the day in which rounds ended.
    pub rounds: Bits,
    /// Securities that were to come.
    pub universe: Option<Bits>,
}

/// What a day should have by the days before it.
#[derive(Debug, Default)]
pub struct Before {
    /// Securities that were to come, or that came on a complete day.
    pub securities: Bits,
    /// Securities that did not trade on the last day.
    pub suspended: Bits,
    /// Quotes came.
    pub has_spots: bool,
    /// Periods of bars that came.
    pub periods: Vec<u32>,
    /// Quotes and bars of a day.
    pub records: u64,
}

impl Facts {
    /// Reads a day; `None` of one of which there is nothing.
    pub fn read(db: &Connection, path: &Path, day: Day) -> Result<Option<Self>, LedgerError> {
        let fault = LedgerError::sql(path);
        let head = "SELECT known, moments, rounds, universe FROM days WHERE day = ?1";
        let head = db.query_row(head, [day.0], |row| {
            let universe: Option<Vec<u8>> = row.get(3)?;
            Ok(Self {
                is_known: row.get(0)?,
                moments: Bits::from_bytes(row.get_ref(1)?.as_blob()?),
                rounds: Bits::from_bytes(row.get_ref(2)?.as_blob()?),
                universe: universe.as_deref().map(Bits::from_bytes),
                ..Self::default()
            })
        });
        let Some(mut facts) = head.optional().map_err(&fault)? else { return Ok(None) };
        facts.totals = totals::read(db, day.0).map_err(&fault)?;
        let spots = "SELECT 0, minute, cells FROM spots WHERE day = ?1";
        for ((_, minute), cells) in rows(db, path, spots, day)? {
            facts.spots.insert(minute, cells);
        }
        let bars = "SELECT period, minute, cells FROM bars WHERE day = ?1";
        for ((period, minute), cells) in rows(db, path, bars, day)? {
            facts.bars.entry(period).or_default().insert(minute, cells);
        }
        Ok(Some(facts))
    }

    /// Securities of which anything came.
    pub fn seen(&self) -> Bits {
        self.totals.keys().copied().collect()
    }
}

impl Before {
    /// What the known days before a day say.
    pub fn read(db: &Connection, path: &Path, day: Day) -> Result<Option<Self>, LedgerError> {
        let fault = LedgerError::sql(path);
        let mut statement = db
            .prepare(
                "SELECT day, verdict, universe, records FROM days WHERE day < ?1 AND known
                 ORDER BY day DESC LIMIT ?2",
            )
            .map_err(&fault)?;
        let rows = statement.query_map([day.0, LOOK_BACK], |row| {
            let (universe, records): (Option<Vec<u8>>, i64) = (row.get(2)?, row.get(3)?);
            Ok((row.get(0)?, row.get::<_, Option<String>>(1)?, universe, records.unsigned_abs()))
        });
        let days: Vec<(i64, _, _, u64)> = rows.and_then(Iterator::collect).map_err(&fault)?;
        let Some(last) = days.first() else { return Ok(None) };
        let is_complete = |verdict: &Option<String>| verdict.as_deref() == Some("complete");
        let complete = days.iter().find(|(_, verdict, ..)| is_complete(verdict));
        let model = complete.unwrap_or(last);
        let of_last = totals::read(db, last.0).map_err(&fault)?;
        let securities = match &last.2 {
            Some(universe) => Bits::from_bytes(universe),
            None => {
                // without a complete day, whoever came on any of them
                let of = if complete.is_some() { std::slice::from_ref(model) } else { &days };
                let mut securities = Bits::default();
                for (day, ..) in of {
                    securities
                        .add_all(&totals::read(db, *day).map_err(&fault)?.into_keys().collect());
                }
                securities
            }
        };
        let has_opened = totals::has_market_opened(&of_last);
        let suspended = of_last.iter().filter(|(_, total)| total.is_suspended(has_opened));
        let has_spots = "SELECT EXISTS (SELECT 1 FROM spots WHERE day = ?1)";
        let periods = "SELECT DISTINCT period FROM bars WHERE day = ?1";
        let mut statement = db.prepare(periods).map_err(&fault)?;
        let periods = statement.query_map([model.0], |row| row.get(0));
        Ok(Some(Self {
            securities,
            suspended: suspended.map(|(id, _)| *id).collect(),
            has_spots: db.query_row(has_spots, [model.0], |row| row.get(0)).map_err(&fault)?,
            periods: periods.and_then(Iterator::collect).map_err(&fault)?,
            records: model.3,
        }))
    }
}

type Rows<C> = Vec<((u32, u16), Vec<C>)>;

fn rows<C: Cell>(
    db: &Connection,
    path: &Path,
    read: &str,
    day: Day,
) -> Result<Rows<C>, LedgerError> {
    let fault = LedgerError::sql(path);
    let mut statement = db.prepare(read).map_err(&fault)?;
    let mut found = statement.query(params![day.0]).map_err(&fault)?;
    let mut rows = Vec::new();
    while let Some(row) = found.next().map_err(&fault)? {
        let key = (row.get(0).map_err(&fault)?, row.get(1).map_err(&fault)?);
        let value: Vec<u8> = row.get(2).map_err(&fault)?;
        let cells = from_value(&value).map_err(|why| LedgerError::Damaged {
            path: path.to_owned(),
            why: format!("{}: {why}", day.minute_text(key.1)),
        })?;
        rows.push((key, cells));
    }
    Ok(rows)
}

/// Names of a file that is read.
pub fn names(db: &Connection, path: &Path, table: &'static str) -> Result<Names, LedgerError> {
    Names::read(db, table).map_err(LedgerError::sql(path))
}
