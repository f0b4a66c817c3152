//! The options, checked and laid out for a lookup per record that allocates nothing.

use std::collections::HashSet;

use plugin_api::{
    PluginError, RecordKind, SpotView, Symbol,
    schemas::{market_phase::MarketPhase, spot::market_name},
};

use crate::options::Options;

/// Codes of one exchange.
type Codes = HashSet<Box<str>>;

/// Which records pass.
#[derive(Debug)]
pub struct Selection {
    /// No kind at all means every kind.
    kinds: Vec<RecordKind>,
    /// No exchange at all means every exchange.
    markets: Vec<&'static str>,
    /// Codes by exchange, at most one entry each; no entry at all means every security.
    codes_by_market: Vec<(&'static str, Codes)>,
    /// No phase at all means every phase.
    phases: Vec<MarketPhase>,
}

impl Selection {
    /// Checks the options.
    ///
    /// # Errors
    /// `Config` that names every symbol and exchange that cannot be read.
    pub fn new(options: &Options) -> Result<Self, PluginError> {
        let mut faults = Vec::new();
        let mut selection = Self {
            kinds: options.kinds.iter().copied().map(RecordKind::from).collect(),
            markets: Vec::new(),
            codes_by_market: Vec::new(),
            phases: options.phases.iter().copied().map(MarketPhase::from).collect(),
        };
        for text in &options.markets {
            match market_name(text.trim()) {
                Some(market) => selection.markets.push(market),
                None => faults.push(format!("market \"{text}\" is none of SH, SZ, BJ")),
            }
        }
        for text in &options.symbols {
            match Symbol::parse(text, None).and_then(canonical) {
                Some((market, code)) => selection.add(market, code),
                None => faults.push(format!(
                    "symbol \"{text}\" cannot be read; write it with its exchange, e.g. 600000.SH \
                     or sh600000"
                )),
            }
        }
        if faults.is_empty() { Ok(selection) } else { Err(PluginError::config(faults.join("; "))) }
    }

    fn add(&mut self, market: &'static str, code: &str) {
        let known = self.codes_by_market.iter().position(|(other, _)| *other == market);
        let index = known.unwrap_or_else(|| {
            self.codes_by_market.push((market, Codes::new()));
            self.codes_by_market.len() - 1
        });
        self.codes_by_market[index].1.insert(code.into());
    }

    /// Symbols that `markets` shuts out, as `600000.SH`, in order.
    pub fn unreachable(&self) -> Vec<String> {
        let shut_out = |market: &str| !self.markets.is_empty() && !self.markets.contains(&market);
        let mut symbols: Vec<_> = self
            .codes_by_market
            .iter()
            .filter(|(market, _)| shut_out(market))
            .flat_map(|(market, codes)| {
                codes.iter().map(|code| Symbol { market, code }.to_string())
            })
            .collect();
        symbols.sort_unstable();
        symbols
    }

    /// Whether every record of that kind passes, so that nobody need look.
    pub fn takes_all_of(&self, kind: RecordKind) -> bool {
        let has_phase = kind == RecordKind::Spot && self.asks_for_phases();
        self.takes_kind(kind)
            && self.markets.is_empty()
            && self.codes_by_market.is_empty()
            && !has_phase
    }

    /// Whether quotes of some parts of the day do not pass.
    pub fn asks_for_phases(&self) -> bool {
        !self.phases.is_empty()
    }

    /// Whether quotes of that part of the day pass.
    pub fn takes_phase(&self, spot: &SpotView<'_>) -> bool {
        self.phases.is_empty() || spot.phase().is_some_and(|phase| self.phases.contains(&phase))
    }

    /// Whether a record passes. Its exchange may be in any case, as other publishers send it.
    pub fn takes(&self, kind: RecordKind, market: &str, code: &str) -> bool {
        let is_market = |other: &&'static str| other.eq_ignore_ascii_case(market);
        self.takes_kind(kind)
            && (self.markets.is_empty() || self.markets.iter().any(is_market))
            && (self.codes_by_market.is_empty()
                || self
                    .codes_by_market
                    .iter()
                    .any(|(other, codes)| is_market(other) && codes.contains(code)))
    }

    fn takes_kind(&self, kind: RecordKind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }
}

/// The symbol with its exchange's static name.
fn canonical(symbol: Symbol<'_>) -> Option<(&'static str, &str)> {
    Some((market_name(symbol.market)?, symbol.code))
}
