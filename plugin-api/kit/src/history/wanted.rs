//! What is asked for, ready to be compared with rows.

use std::collections::HashSet;

use plugin_api::{Ask, Asked, PluginError, RecordKind};

/// Securities, a span of time, a kind and, of bars, a period.
#[derive(Debug, Clone)]
pub struct Wanted {
    asked: Asked,
    symbols: HashSet<String>,
}

impl Wanted {
    /// Reads what is asked for.
    ///
    /// # Errors
    /// `Config` when nothing is asked for, or what cannot be answered.
    pub fn read(ask: Option<&Ask>) -> Result<Self, PluginError> {
        let ask = ask.ok_or_else(|| {
            let text = "`ask` is missing, and without it nothing is read; name it in \
                        `[backfill] from` or ask it with `dataserver verify --store`";
            PluginError::config(text)
        })?;
        let asked = ask.read()?;
        let symbols = asked.symbols.iter().cloned().collect();
        Ok(Self { asked, symbols })
    }

    /// As it was asked.
    pub fn asked(&self) -> &Asked {
        &self.asked
    }

    /// What is asked for.
    pub fn kind(&self) -> RecordKind {
        self.asked.kind
    }

    /// Whether single securities are asked for.
    pub fn names_symbols(&self) -> bool {
        !self.symbols.is_empty()
    }

    /// Whether a security such as `600000.SH` is asked for.
    #[inline]
    pub fn takes_symbol(&self, symbol: &str) -> bool {
        self.symbols.is_empty() || self.symbols.contains(symbol)
    }

    /// Whether a time is asked for, microseconds since 1970 UTC.
    #[inline]
    pub fn takes_time(&self, time_us: i64) -> bool {
        (self.asked.from_us..=self.asked.to_us).contains(&time_us)
    }

    /// Whether bars of that period are asked for.
    #[inline]
    pub fn takes_period(&self, period: &str) -> bool {
        self.asked.period.as_deref().is_none_or(|asked| asked == period)
    }
}

#[cfg(test)]
mod tests {
    use plugin_api::{ErrorKind, serde_json::json, testing::options};

    use super::*;

    #[test]
    fn a_row_is_wanted_by_security_time_and_period() {
        let ask: Ask = options(json!({
            "symbols": ["sh600000"], "from": "2026-01-05 09:30:00", "to": "2026-01-05 15:00:00",
            "kind": "bar", "period": "1m",
        }))
        .unwrap();
        let wanted = Wanted::read(Some(&ask)).unwrap();
        let Asked { from_us, to_us, .. } = *wanted.asked();
        assert!(wanted.takes_symbol("600000.SH") && !wanted.takes_symbol("600001.SH"));
        assert!(wanted.takes_time(from_us) && wanted.takes_time(to_us));
        assert!(!wanted.takes_time(from_us - 1) && !wanted.takes_time(to_us + 1));
        assert!(wanted.takes_period("1m") && !wanted.takes_period("5m"));
        let all = Wanted::read(Some(&Ask { symbols: Vec::new(), ..ask })).unwrap();
        assert!(all.takes_symbol("600001.SH") && !all.names_symbols() && wanted.names_symbols());
    }

    #[test]
    fn nothing_asked_is_a_fault_of_the_options() {
        let error = Wanted::read(None).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Config);
        assert!(error.message.contains("`ask` is missing"), "{error}");
    }
}
