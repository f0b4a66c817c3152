//! Records as the ledger counts them, and where in a day they belong.

use schemas::{
    stray::{LIVE_US, STEP_US},
    symbol::Symbol,
};

use crate::Day;

/// A quote as it is counted.
#[derive(Debug, Clone, Copy)]
pub struct Quote<'a> {
    /// The security.
    pub symbol: Symbol<'a>,
    /// Exchange time, microseconds since 1970 UTC; 0 when unknown.
    pub time_us: i64,
    /// When its source received it, microseconds since 1970 UTC; 0 when unknown.
    pub recv_time_us: i64,
    /// Close of the day before, CNY; 0 when unknown.
    pub pre_close: f64,
    /// First price of the day, CNY; 0 before the first trade.
    pub open: f64,
    /// Volume since the open, shares.
    pub volume: u64,
    /// Turnover since the open, CNY.
    pub amount: f64,
    /// It failed a rule of quality.
    pub is_doubtful: bool,
    /// Who gave it.
    pub source: &'a str,
    /// Its source goes round all securities again and again, so it gives a quiet one with its old
    /// time.
    pub is_polled: bool,
}

/// A closed bar as it is counted.
#[derive(Debug, Clone, Copy)]
pub struct ClosedBar<'a> {
    /// The security.
    pub symbol: Symbol<'a>,
    /// Its length, as `1m`.
    pub period: &'a str,
    /// Its own time, microseconds since 1970 UTC.
    pub time_us: i64,
    /// Shares.
    pub volume: u64,
    /// CNY.
    pub amount: f64,
    /// It failed a rule of quality.
    pub is_doubtful: bool,
    /// Who gave it.
    pub source: &'a str,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Counted {
    /// It counts.
    Yes,
    /// Its time has not come yet.
    Future,
    /// Nobody trades on its day.
    NoTradingDay,
    /// Its security is none of the three exchanges', or there are too many.
    Odd,
}

impl Counted {
    /// The reason under which the host counts what does not count; `None` for what does.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::Yes => None,
            Self::Future => Some("future"),
            Self::NoTradingDay => Some("no_trading_day"),
            Self::Odd => Some("odd_symbol"),
        }
    }
}

/// Where a quote counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Microseconds since 1970 UTC.
    pub moment_us: i64,
    /// It is of an earlier day: its source answered, and the security has not traded today.
    pub is_stale: bool,
}

impl Quote<'_> {
    /// The moment for which it speaks: that of the exchange, or for a quiet security of a polled
    /// source, which repeats what it knows, that of the answer.
    pub(crate) fn place(&self) -> Place {
        let (time_us, recv_us) = (self.time_us, self.recv_time_us);
        let is_old = recv_us.saturating_sub(time_us) > STEP_US;
        if time_us == 0 || recv_us != 0 && self.is_polled && is_old {
            let is_stale = time_us != 0 && Day::of(time_us) < Day::of(recv_us);
            return Place { moment_us: recv_us, is_stale };
        }
        Place { moment_us: time_us, is_stale: false }
    }
}

/// Whether a moment lies further ahead than clocks differ.
pub(crate) fn is_future(moment_us: i64, now_us: i64) -> bool {
    moment_us.saturating_sub(now_us) > LIVE_US
}

#[cfg(test)]
mod tests {
    use schemas::time::parse_exchange_time;

    use super::*;

    fn place(time: &str, recv: &str, is_polled: bool) -> (i64, bool) {
        let us = |text: &str| parse_exchange_time(text).unwrap_or(0);
        let quote = Quote {
            symbol: Symbol { market: "SH", code: "600000" },
            time_us: us(time),
            recv_time_us: us(recv),
            pre_close: 1.0,
            open: 1.0,
            volume: 1,
            amount: 1.0,
            is_doubtful: false,
            source: "qq",
            is_polled,
        };
        let Place { moment_us, is_stale } = quote.place();
        (moment_us, is_stale)
    }

    #[test]
    fn a_quiet_security_of_a_polled_source_speaks_for_the_moment_of_the_answer() {
        let us = |text| parse_exchange_time(text).unwrap();
        let traded = "2021-12-01 10:00:00";
        for (recv, is_polled, moment, is_stale) in [
            ("2021-12-01 10:00:02", true, traded, false),
            ("2021-12-01 10:00:59", true, traded, false),
            ("2021-12-01 10:05:00", true, "2021-12-01 10:05:00", false),
            ("2021-12-02 09:31:00", true, "2021-12-02 09:31:00", true),
            // a history, or a file
            ("2021-12-01 10:05:00", false, traded, false),
            ("2026-12-01 10:05:00", false, traded, false),
            ("", true, traded, false),
            // a clock that is behind
            ("2021-12-01 09:00:00", true, traded, false),
        ] {
            assert_eq!(place(traded, recv, is_polled), (us(moment), is_stale), "{recv}");
        }
        assert_eq!(place("", traded, false), (us(traded), false));
    }
}
