//! Securities that were not given, or not whole.

use std::collections::BTreeMap;

use plugin_api::{Context, PluginError, serde_json::json};

/// Most securities that the last fault names.
const MOST_NAMED: usize = 20;
/// Longest text about one security.
const MOST_REASON: usize = 300;

/// Why they were not, by security.
#[derive(Debug, Default)]
pub struct Missing {
    reason_by_symbol: BTreeMap<String, String>,
}

impl Missing {
    /// Takes note of one, and tells.
    pub fn note(&mut self, symbol: &str, reason: &str, context: &Context) {
        let letter = json!({ "symbol": symbol }).to_string();
        context.dead_letter(reason, letter.as_bytes());
        if self.len() < MOST_NAMED {
            context.warn(&format!("{symbol}: {reason}"));
        }
        match self.reason_by_symbol.get_mut(symbol) {
            Some(known) if known.len() < MOST_REASON => *known = format!("{known}; {reason}"),
            Some(_) => {}
            None => {
                context.count("qmt_missing_securities_total", 1);
                self.reason_by_symbol.insert(symbol.to_owned(), reason.to_owned());
            }
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.reason_by_symbol.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.reason_by_symbol.is_empty()
    }

    /// What the source ends with.
    pub fn fault(&self) -> PluginError {
        let named = self.reason_by_symbol.iter().take(MOST_NAMED);
        let mut named: Vec<_> =
            named.map(|(symbol, reason)| format!("{symbol} ({reason})")).collect();
        if self.len() > MOST_NAMED {
            named.push(format!("and {} more, see dead letters", self.len() - MOST_NAMED));
        }
        PluginError::fatal(format!(
            "{} securities could not be given, or not whole: {}",
            self.len(),
            named.join(", ")
        ))
    }
}
