//! What a source of history is asked for.
//!
//! A plugin is such a source when its options have a key `ask` of type `Option<Ask>`. With it, an
//! instance gives the records that were asked for and nothing else, in the order of time for each
//! security, and ends with [`Polled::End`](crate::Polled::End). It answers a security of which it
//! has nothing with a fault (`Retry` when a later try may find something, else a fatal end), never
//! with silence, as nobody could tell that from a security that did not trade. A store that is read
//! back answers what it has, which may be nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    PluginError, RecordKind,
    schemas::{
        symbol::Symbol,
        time::{DAY_US, parse_date, parse_exchange_time},
    },
};

/// Securities, a span of time and a kind of record.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Securities, e.g. `["600000.SH"]`; [] = every one that a store has.
    pub symbols: Vec<String>,
    /// First exchange time, e.g. `2026-01-05 09:30:00`.
    pub from: String,
    /// Last exchange time; a record of that very time is asked for, too. A day alone, e.g.
    /// `2026-01-05`, is that day to its end.
    pub to: String,
    /// `spot` or `bar`.
    pub kind: String,
    /// Period of bars: `1m`, `5m`, `15m`, `30m`, `60m` or `day`; of quotes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<String>,
}

/// An [`Ask`] that can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Securities as `600000.SH`, in the order asked.
    pub symbols: Vec<String>,
    /// First exchange time, microseconds since 1970 UTC.
    pub from_us: i64,
    /// Last exchange time, microseconds since 1970 UTC, inclusive.
    pub to_us: i64,
    /// What is asked for.
    pub kind: RecordKind,
    /// Period of bars.
    pub period: Option<String>,
}

impl Ask {
    /// Reads it.
    ///
    /// # Errors
    /// `Config` that names the first key that cannot be answered.
    pub fn read(&self) -> Result<Asked, PluginError> {
        let no_time = |key: &str, text: &str| {
            let fault = format!("ask.{key}: \"{text}\" is no time; write e.g. 2026-01-05 09:30:00");
            PluginError::config(fault)
        };
        let time = |key, text: &str| parse_exchange_time(text).ok_or_else(|| no_time(key, text));
        let (from_us, mut to_us) = (time("from", &self.from)?, time("to", &self.to)?);
        if parse_date(&self.to).is_some() {
            to_us += DAY_US - 1;
        }
        if from_us > to_us {
            let fault = format!("ask.from {} is after ask.to {}; swap them", self.from, self.to);
            return Err(PluginError::config(fault));
        }
        let kind = RecordKind::named(&self.kind).ok_or_else(|| {
            PluginError::config(format!("ask.kind: no kind \"{}\"; use spot or bar", self.kind))
        })?;
        if self.period.is_some() != (kind == RecordKind::Bar) {
            let fault = "ask.period: bars have one, e.g. 1m, and quotes have none";
            return Err(PluginError::config(fault.to_owned()));
        }
        let symbol = |text: &String| {
            let symbol = Symbol::parse(text, None).map(|symbol| symbol.to_string());
            symbol.ok_or_else(|| {
                let fault = format!("ask.symbols: \"{text}\" is no security; write e.g. 600000.SH");
                PluginError::config(fault)
            })
        };
        let symbols = self.symbols.iter().map(symbol).collect::<Result<_, _>>()?;
        Ok(Asked { symbols, from_us, to_us, kind, period: self.period.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask() -> Ask {
        Ask {
            symbols: vec!["sh600000".to_owned()],
            from: "2026-01-05 09:30:00".to_owned(),
            to: "2026-01-05 15:00:00".to_owned(),
            kind: "bar".to_owned(),
            period: Some("1m".to_owned()),
        }
    }

    #[test]
    fn what_is_asked_is_read_in_exchange_time() {
        let asked = ask().read().unwrap();
        assert_eq!(asked.symbols, ["600000.SH"]);
        assert_eq!(asked.to_us - asked.from_us, 5 * 3_600_000_000 + 1_800_000_000);
        assert_eq!((asked.kind, asked.period.as_deref()), (RecordKind::Bar, Some("1m")));
    }

    #[test]
    fn a_day_is_asked_for_from_its_first_moment_to_its_last() {
        let day = |text: &str| Ask { from: text.to_owned(), to: text.to_owned(), ..ask() };
        for text in ["2026-01-05", "20260105"] {
            let Asked { from_us, to_us, .. } = day(text).read().unwrap();
            assert_eq!(to_us - from_us, DAY_US - 1, "{text}");
        }
        let Asked { from_us, to_us, .. } = day("2026-01-05 00:00:00").read().unwrap();
        assert_eq!(from_us, to_us, "a moment");
    }

    #[test]
    fn what_cannot_be_answered_is_named() {
        let faulty = [
            ("ask.from", Ask { from: "soon".to_owned(), ..ask() }),
            ("swap", Ask { to: "2026-01-05 09:29:59".to_owned(), ..ask() }),
            ("ask.kind", Ask { kind: "tick".to_owned(), ..ask() }),
            ("ask.period", Ask { kind: "spot".to_owned(), ..ask() }),
            ("ask.symbols", Ask { symbols: vec!["600000".to_owned()], ..ask() }),
        ];
        for (part, ask) in faulty {
            let fault = ask.read().unwrap_err().to_string();
            assert!(fault.contains(part), "{part}: {fault}");
        }
    }
}
