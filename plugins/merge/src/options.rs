//! What the `merge` transform can be told.

use std::{path::PathBuf, time};

use kit::{Faults, count, hours::SessionOptions};
use plugin_api::{Context, Duration, PluginError, options};

use crate::hours::Hours;

/// Most sources that can be named; each takes 48 bytes a security.
const MOST_SOURCES: usize = 16;
/// Most securities that can be allowed.
const MOST_SYMBOLS: usize = 1_000_000;
const SECOND: Duration = Duration(time::Duration::from_secs(1));
const HOUR: Duration = Duration(time::Duration::from_secs(3_600));

options! {
    /// Options of the `merge` transform.
    pub struct Options {
        /// Sources in order of preference, up to 16: what the quotes name as their source, or else the
        /// id of the source component that took them in. Sources that are not named here come last.
        pub prefer: Vec<String>,
        /// How long a source may lack what another one has brought before it counts as stale, 1s to 1h.
        /// Default 6s.
        #[serde(default = "six_seconds")]
        pub stale_after: Duration,
        /// How long a better source has to be fresh again before it takes over from one that is fresh, up
        /// to 1h. Default 30s.
        #[serde(default = "half_a_minute")]
        pub hold: Duration,
        /// How far the prices of two sources may be apart at the same exchange time, or at the same
        /// volume of the day, before they are counted as a deviation; a share of the price, 0.0001 to 1.
        /// Default 0.005.
        #[serde(default = "half_a_percent")]
        pub tolerance: f64,
        /// When a source can become stale, on the exchange's clock; each session lasts 30 seconds longer
        /// for its last quotes. [] = always. Default `["09:15-11:30", "13:00-15:00"]`.
        #[serde(default = "usual_sessions")]
        pub sessions: Vec<String>,
        /// Sessions are on trading days only. Default true.
        #[serde(default = "yes")]
        pub ignore_weekend: bool,
        /// File with holidays that the shipped calendar does not know, one date a line.
        #[serde(default)]
        pub holidays_file: Option<PathBuf>,
        /// Most securities, 1 to 1000000; quotes of further ones are dropped. Default 20000.
        #[serde(default = "twenty_thousand")]
        pub max_symbols: usize,
    }
}

/// The options, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// At least one, none twice.
    pub prefer: Vec<String>,
    pub rules: Rules,
    pub hours: Hours,
    pub max_symbols: usize,
}

/// What a security is served by.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Microseconds.
    pub stale_after_us: i64,
    /// Microseconds.
    pub hold_us: i64,
    /// Share of the price.
    pub tolerance: f64,
}

impl Settings {
    /// Checks the options.
    ///
    /// # Errors
    /// `Config` that names every fault.
    pub fn new(options: &Options, context: &Context) -> Result<Self, PluginError> {
        let mut faults = Faults::default();
        check_names(&options.prefer, &mut faults);
        faults.within("stale_after", options.stale_after, SECOND..=HOUR, "use");
        faults.at_most("hold", options.hold, HOUR, "use at most");
        faults.within("tolerance", options.tolerance, 0.0001..=1.0, "use");
        faults.within("max_symbols", options.max_symbols, 1..=MOST_SYMBOLS, "use");
        let sessions = SessionOptions {
            phases: ("sessions", &options.sessions),
            holidays: ("holidays_file", options.holidays_file.as_deref()),
            ignore_weekend: options.ignore_weekend,
        };
        let sessions = sessions.check(context, &mut faults);
        let sessions = faults.check_made(sessions)?;
        Ok(Self {
            prefer: options.prefer.clone(),
            rules: Rules {
                stale_after_us: count::micros(options.stale_after),
                hold_us: count::micros(options.hold),
                tolerance: options.tolerance,
            },
            hours: Hours::new(sessions),
            max_symbols: options.max_symbols,
        })
    }
}

fn check_names(prefer: &[String], faults: &mut Faults) {
    const EXAMPLE: &str = "e.g. [\"qmt\", \"qq\"]";
    if prefer.is_empty() {
        faults.push(format!("prefer is empty; name the sources, the best first, {EXAMPLE}"));
    }
    faults.at_most("the number of sources in prefer", prefer.len(), MOST_SOURCES, "name at most");
    for (place, name) in prefer.iter().enumerate() {
        if name.is_empty() {
            faults.push(format!("prefer has an empty name; name a source, {EXAMPLE}"));
        } else if prefer[..place].contains(name) {
            faults.push(format!("prefer names {name} twice; drop one"));
        }
    }
}

fn six_seconds() -> Duration {
    Duration(time::Duration::from_secs(6))
}

fn half_a_minute() -> Duration {
    Duration(time::Duration::from_secs(30))
}

fn half_a_percent() -> f64 {
    0.005
}

fn usual_sessions() -> Vec<String> {
    ["09:15-11:30", "13:00-15:00"].map(str::to_owned).into()
}

fn yes() -> bool {
    true
}

fn twenty_thousand() -> usize {
    20_000
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::Arc};

    use plugin_api::{
        ErrorKind,
        serde_json::{Value, json},
        testing,
    };

    use super::*;

    fn settings(options: Value) -> Result<Settings, PluginError> {
        let context = testing::context(&Arc::default(), Path::new("/base"));
        Settings::new(&testing::options(options)?, &context)
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let error = settings(json!({
            "prefer": ["qmt", "", "qmt"],
            "stale_after": "500ms",
            "hold": "2h",
            "tolerance": 2.0,
            "sessions": ["9-10"],
            "holidays_file": "absent.txt",
            "max_symbols": 0,
        }));
        let error = error.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Config);
        for text in [
            "prefer names qmt twice; drop one",
            "prefer has an empty name",
            "stale_after is 500ms; use 1s to 1h",
            "hold is 2h; use at most 1h",
            "tolerance is 2; use 0.0001 to 1",
            "sessions: \"9-10\" is no phase",
            "holidays_file /base/absent.txt: ",
            "max_symbols is 0; use 1 to 1000000",
        ] {
            assert!(error.message.contains(text), "{text} is missing in: {error}");
        }
    }

    #[test]
    fn who_is_preferred_must_be_said() {
        assert!(settings(json!({})).unwrap_err().message.contains("prefer"));
        let none = settings(json!({ "prefer": [] })).unwrap_err();
        assert!(none.message.contains("[\"qmt\", \"qq\"]"), "{none}");
        let many: Vec<_> = (0..17).map(|it| it.to_string()).collect();
        let many = settings(json!({ "prefer": many })).unwrap_err();
        assert!(many.message.contains("is 17; name at most 16"), "{many}");
    }

    #[test]
    fn what_is_left_out_has_the_documented_default() {
        let Settings { rules, max_symbols, .. } = settings(json!({ "prefer": ["a"] })).unwrap();
        assert_eq!((rules.stale_after_us, rules.hold_us), (6_000_000, 30_000_000));
        assert!((rules.tolerance - 0.005).abs() < 1e-12);
        assert_eq!(max_symbols, 20_000);
    }
}
