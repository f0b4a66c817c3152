//! Trading hours among the options: when a live source expects quotes.

use std::{fmt, io, path::Path, time::Duration};

use plugin_api::{
    Context,
    schemas::session::{CalendarError, Phase, Sessions, TradingCalendar},
};

use crate::{Faults, file};

/// Why a file with holidays is of no use; the text names no file.
#[derive(Debug)]
pub enum HolidaysFault {
    /// It cannot be read.
    Unreadable(io::Error),
    /// It is no list of days.
    Invalid(CalendarError),
}

impl fmt::Display for HolidaysFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => error.fmt(f),
            Self::Invalid(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for HolidaysFault {}

/// Reads phases such as `09:00-12:00`; what is none is handed to `fault`, with its remedy.
pub fn phases(texts: &[String], mut fault: impl FnMut(String)) -> Vec<Phase> {
    let read = |text: &String| text.parse::<Phase>().map_err(|error| fault(error.to_string())).ok();
    texts.iter().filter_map(read).collect()
}

/// The calendar of the release, with the days of a file besides.
///
/// # Errors
/// Why the file cannot be used.
pub fn calendar(holidays: Option<&Path>) -> Result<TradingCalendar, HolidaysFault> {
    let shipped = TradingCalendar::shipped();
    let Some(path) = holidays else { return Ok(shipped) };
    let bytes = file::read(path).map_err(HolidaysFault::Unreadable)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        HolidaysFault::Unreadable(io::Error::new(io::ErrorKind::InvalidData, error))
    })?;
    shipped.with_holidays(&text).map_err(HolidaysFault::Invalid)
}

/// The options that say when a feed is expected, as they are written; with the names under which the
/// plugin shows them.
#[derive(Debug, Clone, Copy)]
pub struct SessionOptions<'a> {
    /// Times of a day.
    pub phases: (&'a str, &'a [String]),
    /// A file with further days without trading.
    pub holidays: (&'a str, Option<&'a Path>),
    /// Sessions are on trading days only.
    pub ignore_weekend: bool,
}

impl SessionOptions<'_> {
    /// The sessions, or `None` with the faults of all these options.
    pub fn check(&self, context: &Context, faults: &mut Faults) -> Option<Sessions> {
        let (name, texts) = self.phases;
        let phases = phases(texts, |fault| faults.push(format!("{name}: {fault}")));
        let (name, file) = self.holidays;
        let path = file.map(|file| context.resolve(file));
        let calendar = calendar(path.as_deref())
            .map_err(|fault| format!("{name} {}: {fault}", path.unwrap_or_default().display()));
        let calendar = faults.keep(calendar)?;
        Some(Sessions::new(&phases, self.ignore_weekend, calendar))
    }
}

/// Tells the host whether silence is normal, and the operator when the calendar has ended.
#[derive(Debug)]
pub struct SilenceWatch {
    /// What the host was told last, `None` when that is not known.
    expected: Option<Option<Duration>>,
    is_warned: bool,
}

impl Default for SilenceWatch {
    /// For a host that was told nothing, which is that nothing is expected.
    fn default() -> Self {
        Self { expected: Some(None), is_warned: false }
    }
}

impl SilenceWatch {
    /// For a source that may take another's place, which has told the host something else.
    pub fn of_successor() -> Self {
        Self { expected: None, is_warned: false }
    }

    /// Tells what has changed; to be called before every wait. `stale_after` is the longest silence
    /// while the exchange is open, `None` where none matters.
    pub fn look(&mut self, sessions: &Sessions, stale_after: Option<Duration>, context: &Context) {
        let Some(stale_after) = stale_after else { return };
        let now_us = context.now_us();
        let expected = sessions.is_open(now_us).then_some(stale_after);
        if self.expected != Some(expected) {
            self.expected = Some(expected);
            context.expect_records(expected);
        }
        if !self.is_warned
            && let Some(warning) = sessions.warning(now_us)
        {
            self.is_warned = true;
            context.warn(&warning);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::Arc};

    use plugin_api::{
        schemas::time::{ExchangeTime, parse_exchange_time},
        testing::{self, TestHost},
    };

    use super::*;

    fn texts(phases: &[&str]) -> Vec<String> {
        phases.iter().map(|&text| text.to_owned()).collect()
    }

    /// Microseconds since 1970 UTC.
    fn us(time: &str) -> i64 {
        parse_exchange_time(time).unwrap()
    }

    #[test]
    fn phases_that_are_none_are_named_and_the_others_read() {
        let mut faults = Vec::new();
        let read = phases(&texts(&["9-10", "09:00-12:00", "x"]), |fault| faults.push(fault));
        assert_eq!(read.iter().map(ToString::to_string).collect::<Vec<_>>(), ["09:00-12:00"]);
        assert!(faults[0].contains("\"9-10\"") && faults[1].contains("\"x\""), "{faults:?}");
    }

    #[test]
    fn a_file_of_holidays_adds_to_the_calendar_or_says_what_is_wrong_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("holidays.txt");
        assert!(matches!(calendar(Some(&path)), Err(HolidaysFault::Unreadable(_))));
        fs::write(&path, "someday\nnever\n").unwrap();
        assert!(matches!(calendar(Some(&path)), Err(HolidaysFault::Invalid(_))));
        fs::write(&path, "2021-12-01\n").unwrap();
        let day = ExchangeTime::from_utc_us(us("2021-12-01 08:00")).day;
        assert!(calendar(Some(&path)).unwrap().is_added_holiday(day));
        assert!(!calendar(None).unwrap().is_added_holiday(day));
    }

    #[test]
    fn sessions_are_made_of_options_or_all_their_faults_are_named() {
        let context = testing::context(&Arc::<TestHost>::default(), Path::new("/base"));
        let (good, bad) = (texts(&["09:00-12:00"]), texts(&["9-10"]));
        let options = SessionOptions {
            phases: ("sessions", &good),
            holidays: ("holidays_file", None),
            ignore_weekend: true,
        };
        let mut faults = Faults::default();
        let sessions = options.check(&context, &mut faults).unwrap();
        assert!(sessions.is_open(us("2021-12-01 10:00")) && faults.is_empty());
        assert!(!sessions.is_open(us("2021-12-04 10:00")), "a Saturday");
        let absent = ("holidays_file", Some(Path::new("absent.txt")));
        let options = SessionOptions { phases: ("sessions", &bad), holidays: absent, ..options };
        assert!(options.check(&context, &mut faults).is_none());
        assert!(faults[0].starts_with("sessions: \"9-10\""), "{faults:?}");
        assert!(faults[1].starts_with("holidays_file /base/absent.txt: "), "{faults:?}");
    }

    #[test]
    fn the_host_hears_of_each_change_and_the_operator_once_of_the_calendars_end() {
        let host = Arc::<TestHost>::default();
        let context = testing::context(&host, Path::new("."));
        let phases = phases(&texts(&["09:00-12:00"]), |fault| panic!("{fault}"));
        let sessions = Sessions::new(&phases, true, calendar(None).unwrap());
        let stale_after = Some(Duration::from_secs(30));
        let mut watch = SilenceWatch::default();
        for time in ["2021-12-01 08:00", "2021-12-01 10:00", "2021-12-01 10:01", "2021-12-01 13:00"]
        {
            host.set_now_us(us(time));
            watch.look(&sessions, stale_after, &context);
        }
        assert_eq!(host.told().expectations, [stale_after, None]);
        assert_eq!(host.told().logs.len(), 0);
        for time in ["2121-12-01 08:00", "2121-12-01 08:01"] {
            host.set_now_us(us(time));
            watch.look(&sessions, None, &context);
            watch.look(&sessions, stale_after, &context);
        }
        let lines = host.told().logs;
        assert_eq!(lines.len(), 1);
        assert!(format!("{lines:?}").contains("the trading calendar ends"), "{lines:?}");
    }
}
