//! What is asked of a bridge: requests that it can answer one after the other.

use std::collections::{HashSet, VecDeque};

use kit::Faults;
use plugin_api::{
    Ask, RecordKind, options,
    schemas::{session::TradingCalendar, time::ExchangeTime},
    serde_json::json,
};

/// Securities of one request, which xtquant downloads at once.
const MOST_SECURITIES: usize = 500;

options! {
    /// What becomes of the bar of the opening auction.
    pub enum Auction {
        /// It is part of the first bar.
        FirstBar,
        /// It stays a bar.
        OwnBar,
        /// It is left out.
        Drop,
    }
}

/// Length of a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// So many minutes.
    Minutes(i64),
    /// A day.
    Day,
}

impl Period {
    const NAMES: &'static str = "1m, 5m or day";

    fn named(name: &str) -> Option<Self> {
        match name {
            "1m" => Some(Self::Minutes(1)),
            "5m" => Some(Self::Minutes(5)),
            "day" => Some(Self::Day),
            _ => None,
        }
    }

    /// The name that bars carry.
    pub fn name(self) -> &'static str {
        match self {
            Self::Minutes(5) => "5m",
            Self::Minutes(_) => "1m",
            Self::Day => "day",
        }
    }
}

/// What is asked, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Securities as `600000.SH`, each once.
    pub symbols: Vec<String>,
    /// First exchange time, microseconds since 1970 UTC.
    pub from_us: i64,
    /// Last exchange time, microseconds since 1970 UTC, inclusive.
    pub to_us: i64,
    /// Length of the bars; `None` for quotes.
    pub period: Option<Period>,
    /// What becomes of the opening auction.
    pub auction: Auction,
}

/// Whole days of some securities. Days are asked for as a whole, because only these can be proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// First day, counted from 1970 on the exchange's calendar.
    pub first_day: i64,
    /// Last day, inclusive.
    pub last_day: i64,
    /// Securities.
    pub symbols: Vec<String>,
}

impl Question {
    /// Checks what is asked.
    pub fn of(ask: &Ask, auction: Auction, faults: &mut Faults) -> Option<Self> {
        let asked = faults.keep(ask.read())?;
        let period = match (asked.kind, asked.period.as_deref()) {
            (RecordKind::Bar, name) => {
                let name = name.unwrap_or_default();
                let Some(period) = Period::named(name) else {
                    let text = format!("ask.period: no bars of \"{name}\"; use {}", Period::NAMES);
                    faults.push(text);
                    return None;
                };
                Some(period)
            }
            _ => None,
        };
        if asked.symbols.is_empty() {
            faults.push("ask.symbols: there is none; name the securities you want".to_owned());
        }
        let mut seen = HashSet::new();
        let symbols = asked.symbols.into_iter().filter(|it| seen.insert(it.clone())).collect();
        let (from_us, to_us) = (asked.from_us, asked.to_us);
        Some(Self { symbols, from_us, to_us, period, auction })
    }

    /// First and last day of the span.
    pub fn days(&self) -> (i64, i64) {
        let day = |us| ExchangeTime::from_utc_us(us).day;
        (day(self.from_us), day(self.to_us))
    }

    /// The requests in the order of time; none when no day of the span is a trading day.
    pub fn requests(&self, calendar: &TradingCalendar) -> VecDeque<Request> {
        let (first, last) = self.days();
        let step = self.days_of_request();
        let mut requests = VecDeque::new();
        let mut first_day = first;
        while first_day <= last {
            let last_day = last.min(first_day.saturating_add(step - 1));
            if (first_day..=last_day).any(|day| calendar.is_trading_day(day)) {
                for symbols in self.symbols.chunks(MOST_SECURITIES) {
                    let symbols = symbols.to_vec();
                    requests.push_back(Request { first_day, last_day, symbols });
                }
            }
            first_day = last_day + 1;
        }
        requests
    }

    /// Days of one request: what is held in memory of a security until it is proven.
    fn days_of_request(&self) -> i64 {
        match self.period {
            Some(Period::Minutes(1)) => 92,
            Some(Period::Minutes(_)) => 366,
            Some(Period::Day) => 36_525,
            None => 1,
        }
    }

    /// What is said to a bridge about a request, as JSON.
    pub fn said(&self, id: u64, request: &Request) -> Vec<u8> {
        let kind = if self.period.is_some() { RecordKind::Bar } else { RecordKind::Spot };
        let said = json!({
            "id": id,
            "symbols": request.symbols,
            "from": date(request.first_day, ""),
            "to": date(request.last_day, ""),
            "kind": kind.as_str(),
            "period": self.period.map(Period::name),
        });
        said.to_string().into_bytes()
    }
}

/// A day as text, with what stands between its parts.
pub fn date(day: i64, between: &str) -> String {
    let (year, month, day) = ExchangeTime { day, of_day_us: 0 }.date();
    format!("{year:04}{between}{month:02}{between}{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use plugin_api::schemas::time::parse_exchange_time;

    fn question(from: &str, to: &str, period: Option<Period>) -> Question {
        let us = |text| parse_exchange_time(text).unwrap();
        let symbols = (0..501).map(|code| format!("{:06}.SH", 600_000 + code)).collect();
        let auction = Auction::FirstBar;
        Question { symbols, from_us: us(from), to_us: us(to), period, auction }
    }

    #[test]
    fn spans_are_cut_into_requests_in_the_order_of_time() {
        let calendar = TradingCalendar::shipped();
        let days = |question: &Question| {
            let requests = question.requests(&calendar);
            let shown = |it: &Request| {
                format!(
                    "{} {} {}",
                    date(it.first_day, "-"),
                    date(it.last_day, "-"),
                    it.symbols.len()
                )
            };
            requests.iter().map(shown).collect::<Vec<_>>()
        };
        let minutes =
            question("2026-01-05 09:31:00", "2026-04-17 15:00:00", Some(Period::Minutes(1)));
        assert_eq!(
            days(&minutes),
            [
                "2026-01-05 2026-04-06 500",
                "2026-01-05 2026-04-06 1",
                "2026-04-07 2026-04-17 500",
                "2026-04-07 2026-04-17 1",
            ]
        );
        // quotes day by day, and nothing of a weekend
        let quotes = question("2026-01-09 00:00:00", "2026-01-12 23:00:00", None);
        assert_eq!(
            days(&quotes),
            [
                "2026-01-09 2026-01-09 500",
                "2026-01-09 2026-01-09 1",
                "2026-01-12 2026-01-12 500",
                "2026-01-12 2026-01-12 1",
            ]
        );
        let weekend = question("2026-01-10 00:00:00", "2026-01-11 23:00:00", Some(Period::Day));
        assert!(days(&weekend).is_empty());
    }
}
