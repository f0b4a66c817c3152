//! What is asked of the service, and under which key it answers.

use plugin_api::{options, schemas::time::ExchangeTime};

/// Minutes of trading in a day.
const TRADING_MINUTES: usize = 240;

/// Length of a bar, as the service has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// So many minutes.
    Minutes(u32),
    /// A day.
    Day,
}

options! {
    /// Whether prices are made comparable across dividends.
    pub enum Adjust {
        /// Prices as they were traded at.
        None,
        /// Former prices are changed, the last one stays: they move with every dividend to come.
        Qfq,
        /// Later prices are changed, the first one stays.
        Hfq,
    }
}

/// A question without its security and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// Length of the bars.
    pub period: Period,
    /// Of days alone; minutes are never adjusted.
    pub adjust: Adjust,
    /// Whether rows of days shall carry their turnover.
    pub turnover: bool,
}

impl Period {
    /// Those that there are, as bars name them.
    pub const NAMES: &'static str = "1m, 5m, 15m, 30m, 60m or day";

    /// The period that bars name so.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "1m" => Self::Minutes(1),
            "5m" => Self::Minutes(5),
            "15m" => Self::Minutes(15),
            "30m" => Self::Minutes(30),
            "60m" => Self::Minutes(60),
            "day" => Self::Day,
            _ => return None,
        })
    }

    /// The name that bars carry.
    pub fn name(self) -> &'static str {
        match self {
            Self::Minutes(5) => "5m",
            Self::Minutes(15) => "15m",
            Self::Minutes(30) => "30m",
            Self::Minutes(60) => "60m",
            Self::Minutes(_) => "1m",
            Self::Day => "day",
        }
    }

    /// Most bars of a day.
    pub fn bars_a_day(self) -> usize {
        match self {
            // one more where the opening auction has a bar of its own
            Self::Minutes(minutes) => TRADING_MINUTES / minutes.max(1) as usize + 1,
            Self::Day => 1,
        }
    }
}

impl Question {
    /// What follows the address of a host: a security such as `sh600000`, the last moment
    /// (microseconds since 1970 UTC, the newest rows without one) and the number of rows.
    ///
    /// Of the first day nothing is said: readings differ on what the service makes of it.
    pub fn path(&self, code: &str, end_us: Option<i64>, rows: usize) -> String {
        let end = end_us.map(|end_us| self.label(end_us)).unwrap_or_default();
        match self.period {
            Period::Minutes(minutes) => {
                format!("/appstock/app/kline/mkline?param={code},m{minutes},{end},{rows}")
            }
            Period::Day => {
                let service = if self.turnover { "newfqkline" } else { "fqkline" };
                // without the last comma no rows come
                let adjust = self.prefix();
                format!("/appstock/app/{service}/get?param={code},day,,{end},{rows},{adjust}")
            }
        }
    }

    /// The key of the rows that were asked for.
    pub fn key(&self) -> String {
        match self.period {
            Period::Minutes(minutes) => format!("m{minutes}"),
            Period::Day => format!("{}day", self.prefix()),
        }
    }

    /// The key of rows that are not adjusted although that was asked; `None` when it was not.
    pub fn plain_key(&self) -> Option<&'static str> {
        (self.period == Period::Day && self.adjust != Adjust::None).then_some("day")
    }

    /// Whether rows carry a turnover.
    pub fn tells_turnover(&self) -> bool {
        self.turnover && self.period == Period::Day
    }

    fn prefix(&self) -> &'static str {
        match self.adjust {
            Adjust::None => "",
            Adjust::Qfq => "qfq",
            Adjust::Hfq => "hfq",
        }
    }

    /// A moment as rows are labelled.
    fn label(&self, us: i64) -> String {
        let moment = ExchangeTime::from_utc_us(us);
        let (year, month, day) = moment.date();
        if self.period == Period::Day {
            return format!("{year:04}-{month:02}-{day:02}");
        }
        let minutes = moment.of_day_us / 60_000_000;
        format!("{year:04}{month:02}{day:02}{:02}{:02}", minutes / 60, minutes % 60)
    }
}
