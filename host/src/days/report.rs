//! What a ledger says of a day, as far as one security is concerned.

use ::days::{DayReport, Gap};

/// Stands for every security.
pub const WHOLE_MARKET: &str = "*";

/// The report with the gaps of that security alone, those of the whole market among them.
pub fn of_security(mut report: DayReport, symbol: &str) -> DayReport {
    report.gaps.retain(|gap| concerns(gap, symbol));
    report
}

fn concerns(gap: &Gap, symbol: &str) -> bool {
    gap.symbol == WHOLE_MARKET || gap.symbol.eq_ignore_ascii_case(symbol)
}
