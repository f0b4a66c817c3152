//! What is read of a ledger.

use ::days::{Day, DayReport, DaySummary, Gap, Ledger, LedgerError, SecurityDay, Verdict};
use plugin_api::schemas::symbol::Symbol;
use serde::Serialize;

use super::range::Range;

/// Stands for every security.
pub const WHOLE_MARKET: &str = "*";

/// A day, or what concerns one security of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shown {
    /// The day; its lists are those of the security.
    #[serde(flatten)]
    pub report: DayReport,
    /// The security that was asked for, if something came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security: Option<SecurityDay>,
}

/// Days of a calendar.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calendar {
    /// In their order.
    pub days: Vec<DaySummary>,
}

/// Days of one security.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SecurityCalendar<'a> {
    /// Which one.
    pub symbol: &'a str,
    /// In their order.
    pub days: &'a [SecurityDays],
}

/// A day of one security.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SecurityDays {
    /// Which one.
    pub date: Day,
    /// What is thought of it for this security; `None` when nothing came of it and nothing is missing.
    pub verdict: Option<Verdict>,
    /// Quotes that came.
    pub records: u64,
    /// Records that are missing, about.
    pub missing: u64,
    /// What is missing of it.
    pub gaps: Vec<Gap>,
}

/// A security as it is asked for, in the spelling of the ledger.
///
/// # Errors
/// When it is none.
pub fn parse_symbol(text: &str) -> Result<String, String> {
    let symbol = Symbol::parse(text.trim(), None).map(|symbol| symbol.to_string());
    symbol.ok_or_else(|| format!("\"{text}\" is no security; write e.g. 600000.SH"))
}

/// The days of a range, from the first one on of which something is known.
///
/// # Errors
/// When the ledger cannot be read.
pub fn calendar(
    ledger: &Ledger,
    range: Range,
    now_us: i64,
) -> Result<Vec<DaySummary>, LedgerError> {
    let Some(range) = range.known(ledger.span()?) else { return Ok(Vec::new()) };
    ledger.calendar(range.from, range.to, now_us)
}

/// A day, or what concerns that security of it.
///
/// # Errors
/// When the ledger cannot be read.
pub fn day(
    ledger: &Ledger,
    day: Day,
    symbol: Option<&str>,
    now_us: i64,
) -> Result<Shown, LedgerError> {
    let report = ledger.day(day, now_us)?;
    let Some(symbol) = symbol else { return Ok(Shown { report, security: None }) };
    let securities = ledger.securities(day)?;
    let security = securities.into_iter().find(|security| security.symbol == symbol);
    Ok(Shown { report: of_security(report, symbol), security })
}

/// A day of one security, of what was read of it.
pub fn security_days(shown: Shown) -> SecurityDays {
    let Shown { report, security } = shown;
    let verdict = match report.verdict {
        verdict @ (Verdict::Holiday | Verdict::NoHost) => Some(verdict),
        _ if !report.gaps.is_empty() => Some(Verdict::Incomplete),
        _ => security.as_ref().map(|_| Verdict::Complete),
    };
    SecurityDays {
        date: report.date,
        verdict,
        records: security.map_or(0, |security| security.records),
        missing: report.gaps.iter().map(|gap| gap.records).sum(),
        gaps: report.gaps,
    }
}

/// The report with the lists of that security; its figures stay those of the day.
fn of_security(mut report: DayReport, symbol: &str) -> DayReport {
    report.gaps.retain(|gap| gap.symbol == symbol || gap.symbol == WHOLE_MARKET);
    report.sums.retain(|sum| sum.symbol == symbol);
    report.doubtful.retain(|(doubtful, _)| doubtful == symbol);
    report.deviations.retain(|deviation| deviation.symbol == symbol);
    report
}

#[cfg(test)]
mod tests {
    use ::days::Rounds;

    use super::*;

    fn gap(symbol: &str, records: u64) -> Gap {
        let [symbol, kind] = [symbol, "spot"].map(str::to_owned);
        let [from, to] = ["2026-01-05T09:31+08:00", "2026-01-05T09:32+08:00"].map(str::to_owned);
        Gap { symbol, kind, from, to, records, period: None }
    }

    fn report(verdict: Verdict, gaps: Vec<Gap>) -> DayReport {
        DayReport {
            date: "2026-01-05".parse().unwrap(),
            verdict,
            expected: 3,
            seen: 3,
            complete: 1,
            gaps,
            open: false,
            rounds: Rounds::default(),
            outages: Vec::new(),
            sources: Vec::new(),
            sums: Vec::new(),
            doubtful: vec![("600000.SH".to_owned(), 1), ("600001.SH".to_owned(), 2)],
            backfills: Vec::new(),
            deviations: Vec::new(),
        }
    }

    fn security(symbol: &str) -> SecurityDay {
        SecurityDay {
            symbol: symbol.to_owned(),
            records: 4_800,
            first: None,
            last: None,
            longest_silence_s: 3,
            doubtful: 0,
            volume: 1,
            amount: 1.0,
            sources: Vec::new(),
        }
    }

    #[test]
    fn a_day_of_a_security_has_its_own_lists_and_what_the_whole_market_lacks() {
        let gaps = vec![gap("*", 40), gap("600000.SH", 2), gap("600001.SH", 3)];
        let report = of_security(report(Verdict::Incomplete, gaps), "600000.SH");
        let symbols: Vec<_> = report.gaps.iter().map(|gap| gap.symbol.as_str()).collect();
        assert_eq!((symbols, report.doubtful.len()), (vec!["*", "600000.SH"], 1));
        let shown = Shown { report, security: Some(security("600000.SH")) };
        let json = serde_json::to_value(&shown).unwrap();
        assert_eq!(
            (&json["date"], &json["security"]["records"]),
            (&"2026-01-05".into(), &4_800.into())
        );
        let day = security_days(shown);
        assert_eq!((day.verdict, day.records, day.missing), (Some(Verdict::Incomplete), 4_800, 42));
    }

    #[test]
    fn a_security_is_complete_on_a_day_on_which_others_are_not() {
        let shown = |verdict, security| Shown { report: report(verdict, Vec::new()), security };
        let verdict = |day, security| security_days(shown(day, security)).verdict;
        let known = || Some(security("600002.SH"));
        assert_eq!(verdict(Verdict::Incomplete, known()), Some(Verdict::Complete));
        assert_eq!(verdict(Verdict::Incomplete, None), None, "nobody knows it");
        assert_eq!(verdict(Verdict::Holiday, None), Some(Verdict::Holiday));
        assert_eq!(verdict(Verdict::NoHost, None), Some(Verdict::NoHost));
    }

    #[test]
    fn a_security_is_asked_for_in_any_spelling() {
        for text in ["600000.SH", "sh600000", "600000.XSHG", " SH.600000 "] {
            assert_eq!(parse_symbol(text).unwrap(), "600000.SH", "{text}");
        }
        assert!(parse_symbol("600000").unwrap_err().contains("600000.SH"));
    }
}
