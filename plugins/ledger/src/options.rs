//! What may stand in the table of a `ledger` sink.

use std::path::{Path, PathBuf};

use days::{Rules, Span};
use kit::{
    Faults, count, file,
    hours::{self, HolidaysFault},
};
use plugin_api::{Context, Duration, PluginError, options, schemas::time::SECOND_US};

use crate::universe;

options! {
    /// Options of the `ledger` sink.
    pub struct Options {
        /// The file, made when absent: one SQLite database. A relative path counts from
        /// pipeline.toml.
        pub path: PathBuf,
        /// Securities that are expected on every day, as `["600000.SH", "000001.SZ"]`. Default: those
        /// of `universe_file`; without that, every one that came on the day or on the last complete
        /// one of the three before it.
        #[serde(default)]
        pub universe: Vec<String>,
        /// File with a security a line, in the first column or in `symbol`, `ts_code`, or `market` and
        /// `code`; relative to pipeline.toml. Added to `universe`.
        #[serde(default)]
        pub universe_file: Option<PathBuf>,
        /// Times of trading days in which every security owes quotes, on the exchange's clock, in
        /// whole minutes. Default `["09:30-11:30", "13:00-15:00"]`.
        #[serde(default = "default_sessions")]
        pub sessions: Vec<String>,
        /// Times in which the market as a whole owes a quote a minute, and no single security does;
        /// `[]`: none, for a list of a few securities that are seldom traded. Default
        /// `["09:15-09:25"]`.
        #[serde(default = "default_auction")]
        pub auction: Vec<String>,
        /// How long a security without a quote is no gap yet, in whole minutes, 1m to 30m; more than
        /// 1m for feeds that give a security only when it changes. Default 1m.
        #[serde(default = "default_expect")]
        pub expect: Duration,
        /// How long a market without a quote is no gap yet, in whole seconds, 4s to 10m. Default: half
        /// as long again as its rounds usually are apart, so that every lost round is a gap.
        #[serde(default)]
        pub silence: Option<Duration>,
        /// File with a day a line (2027-01-01) on which nobody trades, added to the calendar;
        /// relative to pipeline.toml.
        #[serde(default)]
        pub holidays_file: Option<PathBuf>,
        /// Days that are kept besides today, 1 to 36500; older ones are deleted. A day of the whole
        /// market takes up to 3 MB. Default: all are kept.
        #[serde(default)]
        pub keep_days: Option<u32>,
        /// What came is written and confirmed at the latest so long after the first of it came; 0s =
        /// with every call, up to 1m. Default 5s.
        #[serde(default = "default_flush_interval")]
        pub flush_interval: Duration,
    }
}

const MINUTE_US: i64 = 60 * SECOND_US;
const EXPECT: std::ops::RangeInclusive<Duration> = seconds(60)..=seconds(1_800);
const SILENCE: std::ops::RangeInclusive<Duration> = seconds(4)..=seconds(600);
const FLUSH_INTERVALS: std::ops::RangeInclusive<Duration> = seconds(0)..=seconds(60);

const fn seconds(seconds: u64) -> Duration {
    Duration(std::time::Duration::from_secs(seconds))
}

fn default_sessions() -> Vec<String> {
    ["09:30-11:30", "13:00-15:00"].map(str::to_owned).into()
}

fn default_auction() -> Vec<String> {
    vec!["09:15-09:25".to_owned()]
}

fn default_expect() -> Duration {
    seconds(60)
}

fn default_flush_interval() -> Duration {
    seconds(5)
}

/// The options after their check.
#[derive(Debug)]
pub struct Settings {
    pub rules: Rules,
    /// As `600000.SH`; `None` when nothing says what is expected.
    pub universe: Option<Vec<String>>,
    pub keep_days: Option<u32>,
    pub flush_interval_us: i64,
}

impl Options {
    /// Checks the options and reports all faults at once.
    pub fn check(&self, context: &Context) -> Result<Settings, PluginError> {
        let mut faults = Faults::default();
        let sessions = spans("sessions", &self.sessions, &mut faults);
        if self.sessions.is_empty() {
            faults.push("`sessions` is empty; name the times in which quotes come".to_owned());
        }
        let auction = spans("auction", &self.auction, &mut faults);
        faults.within("`expect`", self.expect, EXPECT, "allowed is");
        if !self.expect.as_secs().is_multiple_of(60) {
            faults.push(format!("`expect` is {}; write whole minutes, e.g. 5m", self.expect));
        }
        if let Some(silence) = self.silence {
            faults.within("`silence`", silence, SILENCE, "allowed is");
        }
        if let Some(days) = self.keep_days {
            faults.within("`keep_days`", days, 1..=36_500, "allowed is");
        }
        faults.within("`flush_interval`", self.flush_interval, FLUSH_INTERVALS, "allowed is");
        let holidays = self.holidays(context);
        let holidays = faults.keep(holidays).unwrap_or_default();
        let universe = self.universe(context, &mut faults);
        faults.check()?;
        let rules = Rules {
            sessions,
            auction,
            expect_minutes: u16::try_from(self.expect.as_secs() / 60).unwrap_or(1),
            silence_s: self.silence.map(|it| u32::try_from(it.as_secs()).unwrap_or(u32::MAX)),
            holidays,
        };
        Ok(Settings {
            rules,
            universe,
            keep_days: self.keep_days,
            flush_interval_us: count::micros(self.flush_interval),
        })
    }

    /// The text of the file with holidays, found to be one.
    fn holidays(&self, context: &Context) -> Result<String, String> {
        let Some(path) = &self.holidays_file else { return Ok(String::new()) };
        let resolved = context.resolve(path);
        let in_file = |fault: HolidaysFault| {
            let remedy = match fault {
                HolidaysFault::Unreadable(_) => "; name a text file",
                HolidaysFault::Invalid(_) => "",
            };
            format!("`holidays_file` {}: {fault}{remedy}", path.display())
        };
        hours::calendar(Some(&resolved)).map_err(in_file)?;
        let bytes = file::read(&resolved).map_err(HolidaysFault::Unreadable).map_err(in_file)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn universe(&self, context: &Context, faults: &mut Faults) -> Option<Vec<String>> {
        let mut symbols = Vec::new();
        if let Err(error) = universe::add_all(&mut symbols, &self.universe) {
            faults.push(format!("`universe`: {error}"));
        }
        if let Some(path) = &self.universe_file
            && let Err(error) = add_file(&mut symbols, &context.resolve(path))
        {
            faults.push(format!("`universe_file` {}: {error}", path.display()));
        }
        (!self.universe.is_empty() || self.universe_file.is_some()).then_some(symbols)
    }
}

fn add_file(symbols: &mut Vec<String>, path: &Path) -> Result<(), String> {
    let bytes = file::read(path).map_err(|error| format!("{error}; name a csv or text file"))?;
    universe::add_file(symbols, &String::from_utf8_lossy(&bytes))
}

/// Phases in whole minutes.
fn spans(name: &str, texts: &[String], faults: &mut Faults) -> Vec<Span> {
    let phases = hours::phases(texts, |fault| faults.push(format!("`{name}`: {fault}")));
    let minute = |of_day_us: i64| u16::try_from(of_day_us / MINUTE_US).unwrap_or(0);
    let mut spans: Vec<_> = phases
        .iter()
        .map(|phase| {
            if phase.start_us() % MINUTE_US != 0 || phase.end_us() % MINUTE_US != 0 {
                faults
                    .push(format!("`{name}`: {phase} is not in whole minutes; leave seconds out"));
            }
            Span { from: minute(phase.start_us()), to: minute(phase.end_us()) }
        })
        .collect();
    spans.sort_by_key(|span| span.from);
    if spans.windows(2).any(|pair| pair[0].to > pair[1].from) {
        faults.push(format!("`{name}` overlap; write each time once"));
    }
    spans
}
