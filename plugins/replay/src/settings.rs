//! Options as they are checked.

use std::collections::HashSet;

use kit::Faults;
use plugin_api::{
    PluginError, Symbol,
    schemas::{
        encode::MAX_LEVELS,
        spot::market_name,
        time::{
            DAY_US, EXCHANGE_OFFSET_US, ExchangeTime, parse_date, parse_exchange_time,
            parse_time_of_day,
        },
    },
};

use crate::{
    config::{AmountUnit, Columns, Options, Units, VolumeUnit},
    row::symbol_key,
};

/// A day of the exchange's calendar.
pub type Date = (i32, u32, u32);

/// What readers of files need to know.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Exchange of codes that carry none.
    pub market: Option<&'static str>,
    /// Date of times that carry none.
    pub date: Option<Date>,
    pub units: Units,
    pub first_level: Option<u32>,
    pub levels: usize,
    pub columns: Option<Columns>,
    pub filter: Filter,
}

/// Which records are played.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Symbols as [`symbol_key`] writes them; all when empty.
    pub symbols: HashSet<String>,
    pub from: Option<Edge>,
    pub to: Option<Edge>,
    /// Only what is later than that, where a run goes on.
    pub after_us: Option<i64>,
}

/// One end of a range of time, itself within the range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// Microseconds since 1970 UTC.
    Moment(i64),
    /// Microseconds since midnight of every day.
    TimeOfDay(i64),
}

impl Filter {
    /// Whether records of that time are played.
    pub fn takes_time(&self, time_us: i64) -> bool {
        let of_day_us = || ExchangeTime::from_utc_us(time_us).of_day_us;
        let late_enough = match self.from {
            None => true,
            Some(Edge::Moment(from_us)) => time_us >= from_us,
            Some(Edge::TimeOfDay(from_us)) => of_day_us() >= from_us,
        };
        let early_enough = match self.to {
            None => true,
            Some(Edge::Moment(to_us)) => time_us <= to_us,
            Some(Edge::TimeOfDay(to_us)) => of_day_us() <= to_us,
        };
        late_enough && early_enough && self.after_us.is_none_or(|after_us| time_us > after_us)
    }

    /// Whether a file with records from `first_us` to `last_us` can hold any that are played.
    pub fn may_take(&self, first_us: i64, last_us: i64) -> bool {
        let too_early = matches!(self.from, Some(Edge::Moment(from_us)) if last_us < from_us);
        let too_late = matches!(self.to, Some(Edge::Moment(to_us)) if first_us > to_us);
        !too_early && !too_late && self.after_us.is_none_or(|after_us| last_us > after_us)
    }
}

impl Settings {
    /// Checks the options that readers depend on.
    ///
    /// # Errors
    /// `Config` with every fault found, one a line.
    pub fn check(options: &Options) -> Result<Self, PluginError> {
        let mut faults = Faults::default();
        if !options.speed.is_finite() || options.speed < 0.0 {
            faults.push(format!("speed is {}; give 0 or a positive number", options.speed));
        }
        if options.max_gap.is_zero() {
            faults.push("max_gap is 0; give a duration such as 5m".to_owned());
        }
        faults.within("levels", options.levels, 1..=MAX_LEVELS, "give");
        let market = options.market.as_deref().and_then(|text| {
            let known = market_name(text.trim());
            if known.is_none() {
                faults.push(format!("market is \"{text}\"; give SH, SZ or BJ"));
            }
            known
        });
        let date = options.date.as_deref().and_then(|text| {
            let date = parse_date(text).filter(|date| midnight_us(*date).is_some());
            if date.is_none() {
                faults.push(format!("date is \"{text}\"; give a day such as 2021-12-01"));
            }
            date
        });
        if options.date.is_some() && options.columns.as_ref().is_some_and(|map| map.date.is_some())
        {
            faults.push("both `date` and `columns.date` are given; keep one".to_owned());
        }
        let filter = check_filter(options, market, &mut faults);
        faults.check_by_line()?;
        Ok(Self {
            market,
            date,
            units: options.units.clone(),
            first_level: options.first_level,
            levels: options.levels,
            columns: options.columns.clone(),
            filter,
        })
    }

    /// Whether the symbols asked for include that one; `key` is room for its name.
    pub fn takes_symbol(&self, market: &str, code: &str, key: &mut String) -> bool {
        let symbols = &self.filter.symbols;
        if symbols.is_empty() {
            return true;
        }
        symbol_key(market, code, key);
        symbols.contains(key.as_str())
    }

    /// Shares in the unit of volume.
    pub fn shares_per_unit(&self) -> u32 {
        match self.units.volume {
            VolumeUnit::Shares => 1,
            VolumeUnit::Lots => 100,
        }
    }

    /// Power of ten of CNY in the unit of amount.
    pub fn amount_exponent(&self) -> u8 {
        match self.units.amount {
            AmountUnit::Cny => 0,
            AmountUnit::TenThousandCny => 4,
        }
    }
}

fn check_filter(options: &Options, market: Option<&'static str>, faults: &mut Faults) -> Filter {
    let mut filter = Filter::default();
    for text in &options.symbols {
        match Symbol::parse(text, market) {
            Some(symbol) => {
                let mut key = String::new();
                symbol_key(symbol.market, symbol.code, &mut key);
                filter.symbols.insert(key);
            }
            None => faults.push(format!(
                "symbol \"{text}\" names no exchange; write 600000.SH or sh600000, or set `market`"
            )),
        }
    }
    for (name, text, is_end) in [("from", &options.from, false), ("to", &options.to, true)] {
        let Some(text) = text else { continue };
        let edge = parse_edge(text, is_end);
        match edge {
            None => faults
                .push(format!("{name} is \"{text}\"; give 2021-12-01, 2021-12-01 09:30 or 09:30")),
            _ if is_end => filter.to = edge,
            _ => filter.from = edge,
        }
    }
    let is_empty = match (filter.from, filter.to) {
        (Some(Edge::Moment(from)), Some(Edge::Moment(to)))
        | (Some(Edge::TimeOfDay(from)), Some(Edge::TimeOfDay(to))) => from > to,
        _ => false,
    };
    if is_empty {
        let (from, to) = (options.from.as_deref(), options.to.as_deref());
        faults.push(format!(
            "from \"{}\" is later than to \"{}\"; exchange them",
            from.unwrap_or_default(),
            to.unwrap_or_default()
        ));
    }
    filter
}

fn parse_edge(text: &str, is_end: bool) -> Option<Edge> {
    if let Some(date) = parse_date(text) {
        let midnight_us = midnight_us(date)?;
        return Some(Edge::Moment(if is_end { midnight_us + DAY_US - 1 } else { midnight_us }));
    }
    if let Some(time) = parse_time_of_day(text) {
        // the first day of the calendar checks the ranges of hour, minute and second
        return Some(Edge::TimeOfDay(
            ExchangeTime::from_civil((1970, 1, 1), time)? + EXCHANGE_OFFSET_US,
        ));
    }
    parse_exchange_time(text).map(Edge::Moment)
}

fn midnight_us(date: Date) -> Option<i64> {
    ExchangeTime::from_civil(date, (0, 0, 0, 0))
}
