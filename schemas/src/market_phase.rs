//! What the exchange does at a moment: which part of its day a quote is of.
//!
//! Level-1 quotes say it in a code that vendors leave out, so it follows from exchange time and
//! security, which both always have. A phase begins with its first moment and ends before the next
//! one's; holidays and halts of single securities are not told.
//!
//! | phase | from | to | what |
//! |---|---|---|---|
//! | `pre_open` | 00:00 | 09:15 | nothing trades yet |
//! | `auction` | 09:15 | 09:25 | opening auction: prices of the book are virtual |
//! | `pre_open` | 09:25 | 09:30 | the opening price is known, nothing trades |
//! | `continuous` | 09:30 | 11:30 | orders match as they come |
//! | `break` | 11:30 | 13:00 | noon |
//! | `continuous` | 13:00 | 14:57 | |
//! | `closing_auction` | 14:57 | 15:00 | prices of the book are virtual; Shanghai since 2018-08-20, Shenzhen since 2006-07-03, `continuous` before |
//! | `closed` | 15:00 | 24:00 | the closing price comes within seconds |
//! | `after_hours` | 15:05 | 15:30 | trades at the closing price: STAR since 2019-07-22, ChiNext since 2020-08-24 |
//!
//! Recorded quotes agree but for the very second of a change: at 09:25:00 and 14:57:00 some securities of
//! Shenzhen still send what the phase before ended with. Bonds and repos, some of which trade until
//! 15:30, are told the hours of shares.

use crate::{
    symbol::Symbol,
    time::{ExchangeTime, SECOND_US},
};

/// A part of the exchanges' day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MarketPhase {
    /// Before the opening auction, and between it and continuous trading.
    PreOpen,
    /// The opening auction.
    Auction,
    /// Orders match as they come.
    Continuous,
    /// Noon.
    Break,
    /// The closing auction.
    ClosingAuction,
    /// Nothing trades any more.
    Closed,
    /// Trades at the closing price.
    AfterHours,
}

use MarketPhase::{AfterHours, Auction, Break, Closed, ClosingAuction, Continuous, PreOpen};

/// Microseconds since midnight at which each phase begins.
const BEGINS: [(i64, MarketPhase); 10] = [
    (of_day(0, 0), PreOpen),
    (of_day(9, 15), Auction),
    (of_day(9, 25), PreOpen),
    (of_day(9, 30), Continuous),
    (of_day(11, 30), Break),
    (of_day(13, 0), Continuous),
    (of_day(14, 57), ClosingAuction),
    (of_day(15, 0), Closed),
    (of_day(15, 5), AfterHours),
    (of_day(15, 30), Closed),
];

/// First days with a closing auction, counted from 1970-01-01: 2018-08-20 and 2006-07-03.
const CLOSING_AUCTION_SH: i64 = 17_763;
const CLOSING_AUCTION_SZ: i64 = 13_332;
/// First days with trading after hours: 2019-07-22 on STAR, 2020-08-24 on ChiNext.
const AFTER_HOURS_STAR: i64 = 18_099;
const AFTER_HOURS_CHINEXT: i64 = 18_498;

impl MarketPhase {
    /// Every phase, in the order of a day.
    pub const ALL: [Self; 7] =
        [PreOpen, Auction, Continuous, Break, ClosingAuction, Closed, AfterHours];

    /// The phase of a security at a moment, microseconds since 1970 UTC; `None` when that is 0, which
    /// stands for an unknown one.
    #[inline]
    pub fn of(symbol: Symbol<'_>, time_us: i64) -> Option<Self> {
        (time_us != 0).then(|| Self::at(symbol, ExchangeTime::from_utc_us(time_us)))
    }

    /// The phase of a security at a moment on the exchange's clock.
    #[inline]
    pub fn at(symbol: Symbol<'_>, time: ExchangeTime) -> Self {
        let begun = BEGINS.iter().rev().find(|(begin_us, _)| time.of_day_us >= *begin_us);
        match begun.map_or(PreOpen, |(_, phase)| *phase) {
            ClosingAuction if !has_closing_auction(symbol, time.day) => Continuous,
            AfterHours if !has_after_hours(symbol, time.day) => Closed,
            phase => phase,
        }
    }

    /// Its name in stores and options.
    pub const fn as_str(self) -> &'static str {
        match self {
            PreOpen => "pre_open",
            Auction => "auction",
            Continuous => "continuous",
            Break => "break",
            ClosingAuction => "closing_auction",
            Closed => "closed",
            AfterHours => "after_hours",
        }
    }

    /// The phase of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == name)
    }

    /// Whether orders are gathered for one price, so that the book shows a virtual match: best bid
    /// and best ask are that price, and what is left over stands in a second level without one.
    pub const fn is_auction(self) -> bool {
        matches!(self, Auction | ClosingAuction)
    }
}

const fn of_day(hour: i64, minute: i64) -> i64 {
    (hour * 3_600 + minute * 60) * SECOND_US
}

fn is_in(symbol: Symbol<'_>, market: &str) -> bool {
    symbol.market.eq_ignore_ascii_case(market)
}

/// Beijing, which opened in 2021, had one from its first day on.
fn has_closing_auction(symbol: Symbol<'_>, day: i64) -> bool {
    day >= CLOSING_AUCTION_SH
        || !is_in(symbol, "SH") && (day >= CLOSING_AUCTION_SZ || !is_in(symbol, "SZ"))
}

fn has_after_hours(symbol: Symbol<'_>, day: i64) -> bool {
    let is_star = || symbol.code.starts_with("688") || symbol.code.starts_with("689");
    day >= AFTER_HOURS_STAR && is_in(symbol, "SH") && is_star()
        || day >= AFTER_HOURS_CHINEXT && is_in(symbol, "SZ") && symbol.code.starts_with("30")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::parse_exchange_time;

    const PUFA: Symbol<'_> = Symbol { market: "SH", code: "600000" };
    const STAR: Symbol<'_> = Symbol { market: "SH", code: "688001" };
    const CDR: Symbol<'_> = Symbol { market: "SH", code: "689009" };
    const PINGAN: Symbol<'_> = Symbol { market: "SZ", code: "000001" };
    const CHINEXT: Symbol<'_> = Symbol { market: "SZ", code: "301203" };
    const BEIJING: Symbol<'_> = Symbol { market: "BJ", code: "920002" };

    fn at(symbol: Symbol<'_>, time: &str) -> &'static str {
        let time_us = parse_exchange_time(time).unwrap_or_else(|| panic!("{time}"));
        MarketPhase::of(symbol, time_us).unwrap().as_str()
    }

    #[test]
    fn each_phase_begins_with_its_first_microsecond_and_ends_before_the_next() {
        // time of day, of all; after hours STAR and ChiNext differ
        let table = [
            ("00:00:00", "pre_open"),
            ("09:14:59.999999", "pre_open"),
            ("09:15:00", "auction"),
            ("09:24:59.999999", "auction"),
            ("09:25:00", "pre_open"),
            ("09:29:59.999999", "pre_open"),
            ("09:30:00", "continuous"),
            ("11:29:59.999999", "continuous"),
            ("11:30:00", "break"),
            ("12:59:59.999999", "break"),
            ("13:00:00", "continuous"),
            ("14:56:59.999999", "continuous"),
            ("14:57:00", "closing_auction"),
            ("14:59:59.999999", "closing_auction"),
            ("15:00:00", "closed"),
            ("15:00:03", "closed"),
            ("15:04:59.999999", "closed"),
            ("15:05:00", "after_hours"),
            ("15:29:59.999999", "after_hours"),
            ("15:30:00", "closed"),
            ("23:59:59.999999", "closed"),
        ];
        for (time, phase) in table {
            let time = format!("2026-09-02 {time}");
            for symbol in [STAR, CDR, CHINEXT] {
                assert_eq!(at(symbol, &time), phase, "{symbol} {time}");
            }
            let phase = if phase == "after_hours" { "closed" } else { phase };
            for symbol in [PUFA, PINGAN, BEIJING] {
                assert_eq!(at(symbol, &time), phase, "{symbol} {time}");
            }
        }
    }

    #[test]
    fn auctions_and_trading_after_hours_exist_since_their_first_day() {
        // security, moment, phase
        let table = [
            (PUFA, "2018-08-17 14:58:00", "continuous"),
            (PUFA, "2018-08-20 14:58:00", "closing_auction"),
            (PUFA, "2018-08-17 15:00:00", "closed"),
            (PINGAN, "2018-08-17 14:58:00", "closing_auction"),
            (PINGAN, "2006-06-30 14:58:00", "continuous"),
            (PINGAN, "2006-07-03 14:58:00", "closing_auction"),
            (BEIJING, "2021-11-15 14:58:00", "closing_auction"),
            (STAR, "2019-07-22 15:10:00", "after_hours"),
            (CHINEXT, "2020-08-21 15:10:00", "closed"),
            (CHINEXT, "2020-08-24 15:10:00", "after_hours"),
            (Symbol { market: "sh", ..STAR }, "2020-08-24 15:10:00", "after_hours"),
            (Symbol { market: "SZ", code: "688001" }, "2020-08-24 15:10:00", "closed"),
        ];
        for (symbol, time, phase) in table {
            assert_eq!(at(symbol, time), phase, "{symbol} {time}");
        }
        let star = ExchangeTime { day: AFTER_HOURS_STAR - 1, of_day_us: of_day(15, 10) };
        assert_eq!(MarketPhase::at(STAR, star), Closed);
    }

    #[test]
    fn phases_are_found_by_their_names_and_only_known_times_have_one() {
        for phase in MarketPhase::ALL {
            assert_eq!(MarketPhase::named(phase.as_str()), Some(phase));
        }
        assert_eq!(MarketPhase::named("lunch"), None);
        assert_eq!(MarketPhase::of(PUFA, 0), None);
        for time_us in [i64::MIN, -1, 1, i64::MAX] {
            assert!(MarketPhase::of(PUFA, time_us).is_some());
        }
    }
}
