//! What the `bars` transform can be told.

use std::{collections::BTreeMap, time};

use kit::{Faults, count};
use plugin_api::{Duration, PluginError, options};

use crate::{
    hours::Hours,
    period::Period,
    shape::{AfterHours, Auction, EmptyMinutes, Label, Shape, trades_after_hours},
};

/// Most securities that can be allowed; each takes about 150 bytes a period.
const MOST_SYMBOLS: usize = 1_000_000;
/// Longest wait for quotes of a bar that is over.
const LONGEST_CLOSE_AFTER: Duration = Duration(time::Duration::from_secs(3_600));

options! {
    /// Options of the `bars` transform.
    #[serde(default)]
    pub struct Options {
        /// Periods to make bars of. Default `["1m", "5m", "15m", "30m", "60m", "day"]`.
        pub periods: Vec<Period>,
        /// Also pass on a bar each time it changes, with `closed = false`; false: only when it is
        /// complete, which is enough for stores. Default true.
        pub updates: bool,
        /// A bar without further quotes is closed so long after its end, by the time of other
        /// securities' quotes or, in a live feed, by the clock. What comes later still is added, and
        /// the bar passed on again. Up to 1h. Default 30s.
        pub close_after: Duration,
        /// Sessions of a trading day, on the exchange's clock: quotes outside of them enter no bar,
        /// those of the 30 seconds after each still do. [] = open all day. Default
        /// `["09:30-11:30", "13:00-15:00"]`.
        pub sessions: Vec<String>,
        /// Sessions of single markets, e.g. `{ HK = ["09:30-12:00", "13:00-16:00"] }`. Default: none.
        pub market_sessions: BTreeMap<String, Vec<String>>,
        /// Leave quotes of Saturdays and Sundays out, as Hikyuu does. Default true.
        pub ignore_weekend: bool,
        /// Most securities, 1 to 1000000; quotes of further ones are dropped. Default 20000.
        pub max_symbols: usize,
        /// By which of its ends a bar within a day is named. Longer ones have their last day. Default
        /// end.
        pub label: Label,
        /// What a stretch of the sessions gives of which no quote came, in all periods within a day.
        /// It is told when its time is over, or when a later quote shows the gap. Default none.
        pub empty_minutes: EmptyMinutes,
        /// Where the trades of the opening auction are, which quotes from 09:25 to 09:30 tell. Default
        /// first_bar.
        pub auction: Auction,
        /// Where the fixed-price trades of STAR (688, 689) and ChiNext (300, 301) after the close are;
        /// unless dropped, days and longer have them, too. Default drop.
        pub after_hours: AfterHours,
        /// Id of a source that can be asked for history. The minutes of today before the first quote
        /// come from it, and bars of all periods within the day join them to the live ones. Default:
        /// none.
        pub history: Option<String>,
        /// How often what was seen is kept on disk for a restart, besides at the end; 0s for only
        /// then. Default 10s.
        pub checkpoint: Duration,
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            periods: vec![
                Period::Minute,
                Period::Minutes5,
                Period::Minutes15,
                Period::Minutes30,
                Period::Minutes60,
                Period::Day,
            ],
            updates: true,
            close_after: Duration(time::Duration::from_secs(30)),
            sessions: ["09:30-11:30", "13:00-15:00"].map(str::to_owned).into(),
            market_sessions: BTreeMap::new(),
            ignore_weekend: true,
            max_symbols: 20_000,
            label: Label::default(),
            empty_minutes: EmptyMinutes::default(),
            auction: Auction::default(),
            after_hours: AfterHours::default(),
            history: None,
            checkpoint: Duration(time::Duration::from_secs(10)),
        }
    }
}

/// The options, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// At least one, none twice.
    pub periods: Vec<Period>,
    pub updates: bool,
    /// Microseconds.
    pub close_after_us: i64,
    hours: Hours,
    /// Markets with hours of their own.
    of_markets: Vec<(String, Hours)>,
    /// Hours of the securities that trade after the close, by market.
    late: Vec<(&'static str, Hours)>,
    pub shape: Shape,
    /// Id of the source of history.
    pub history: Option<String>,
    pub ignore_weekend: bool,
    pub max_symbols: usize,
    /// Microseconds between checkpoints; `None` for only at the end.
    pub checkpoint_us: Option<i64>,
}

/// What the bars of one security are made by.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    pub periods: &'a [Period],
    pub hours: &'a Hours,
    pub shape: Shape,
}

impl Settings {
    /// Checks the options.
    ///
    /// # Errors
    /// `Config` that names every fault.
    pub fn new(options: &Options) -> Result<Self, PluginError> {
        let mut faults = Faults::default();
        let mut periods: Vec<Period> = Vec::new();
        for &period in &options.periods {
            if periods.contains(&period) {
                faults.push(format!("periods names {} twice; drop one", period.as_str()));
            } else {
                periods.push(period);
            }
        }
        if periods.is_empty() {
            faults.push("periods is empty; name one, e.g. \"1m\"".to_owned());
        }
        let mut hours_of = |name: &str, texts: &[String]| {
            Hours::parse(texts).unwrap_or_else(|fault| {
                faults.push(format!("{name}: {fault}"));
                Hours::always()
            })
        };
        let hours = hours_of("sessions", &options.sessions);
        let of_markets = options.market_sessions.iter().map(|(market, texts)| {
            (market.to_uppercase(), hours_of(&format!("market_sessions.{market}"), texts))
        });
        let mut of_markets: Vec<_> = of_markets.collect();
        faults.at_most("close_after", options.close_after, LONGEST_CLOSE_AFTER, "use at most");
        faults.within("max_symbols", options.max_symbols, 1..=MOST_SYMBOLS, "use");
        if options.history.as_ref().is_some_and(|id| id.trim().is_empty()) {
            faults.push("history is empty; name a source that can be asked, or drop it".to_owned());
        }
        faults.check()?;
        let Options { label, empty_minutes, auction, after_hours, .. } = *options;
        let shape = Shape { label, empty_minutes, auction, after_hours };
        let late = ["SH", "SZ"]
            .map(|market| (market, of_market(&of_markets, market, &hours).drawn(shape, true)));
        let hours = hours.drawn(shape, false);
        for (_, hours) in &mut of_markets {
            *hours = hours.drawn(shape, false);
        }
        Ok(Self {
            periods,
            shape,
            late: late.into(),
            history: options.history.clone(),
            updates: options.updates,
            close_after_us: count::micros(options.close_after),
            hours,
            of_markets,
            ignore_weekend: options.ignore_weekend,
            max_symbols: options.max_symbols,
            checkpoint_us: Some(count::micros(options.checkpoint)).filter(|us| *us > 0),
        })
    }

    /// When a security trades.
    pub fn hours_of(&self, market: &str, code: &str) -> &Hours {
        if self.shape.after_hours != AfterHours::Drop
            && trades_after_hours(market, code)
            && let Some((_, hours)) = self.late.iter().find(|(name, _)| *name == market)
        {
            return hours;
        }
        of_market(&self.of_markets, market, &self.hours)
    }

    /// What the bars of a security are made by.
    pub fn rules(&self, market: &str, code: &str) -> Rules<'_> {
        Rules { periods: &self.periods, hours: self.hours_of(market, code), shape: self.shape }
    }

    /// Whether stretches without quotes have bars.
    pub fn fills(&self) -> bool {
        self.shape.empty_minutes == EmptyMinutes::Previous
    }
}

fn of_market<'a>(of_markets: &'a [(String, Hours)], market: &str, others: &'a Hours) -> &'a Hours {
    let own = of_markets.iter().find(|(name, _)| name == market);
    own.map_or(others, |(_, hours)| hours)
}

#[cfg(test)]
mod tests {
    use plugin_api::{
        ErrorKind,
        serde_json::{Value, json},
        testing,
    };

    use super::*;

    fn settings(options: Value) -> Result<Settings, PluginError> {
        Settings::new(&testing::options(options)?)
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let error = settings(json!({
            "periods": ["1m", "5m", "1m"],
            "close_after": "2h",
            "sessions": ["9-10"],
            "market_sessions": { "hk": ["x"] },
            "max_symbols": 0,
            "history": " ",
        }))
        .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Config);
        let expected = [
            "1m twice",
            "close_after is 2h",
            "sessions: \"9-10\"",
            "market_sessions.hk: \"x\"",
            "max_symbols is 0",
            "history is empty",
        ];
        for text in expected {
            assert!(error.message.contains(text), "{text} is missing in: {error}");
        }
        assert!(settings(json!({ "periods": [] })).unwrap_err().message.contains("is empty"));
        assert!(settings(json!({ "periods": ["7m"] })).is_err());
    }

    #[test]
    fn markets_can_have_hours_of_their_own() {
        let settings = settings(json!({ "market_sessions": { "hk": ["09:30-16:00"] } })).unwrap();
        let noon_us = 12 * 3_600 * 1_000_000;
        assert!(settings.hours_of("HK", "00700").counts(noon_us));
        assert!(!settings.hours_of("SH", "600000").counts(noon_us));
    }
}
