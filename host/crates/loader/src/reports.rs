//! What plugins report of themselves, taken within bounds. It crosses the boundary as JSON in every
//! carrier.

use plugin_api::{HostServices, Report};

/// Longest text that is read, bytes.
const MAX_TEXT: usize = 16 << 10;

/// Reads a report; `None` of one that this host does not know.
pub(crate) fn read(told: &str) -> Option<Report> {
    if told.len() > MAX_TEXT {
        tracing::debug!(bytes = told.len(), "a report is too long, the most is {MAX_TEXT} bytes");
        return None;
    }
    let report = serde_json::from_str(told);
    report.inspect_err(|error| tracing::debug!("a report is not known here: {error}")).ok()
}

/// Gives a report to the host, with what may not be shown in its texts covered.
pub(crate) fn give(report: &Report, host: &dyn HostServices, cover: impl Fn(&str) -> String) {
    host.report(&match report {
        Report::Degraded { reason } => Report::Degraded { reason: reason.as_deref().map(cover) },
        Report::Deviation { symbol, text, count } => {
            Report::Deviation { symbol: cover(symbol), text: cover(text), count: *count }
        }
    });
}

#[cfg(test)]
mod tests {
    use plugin_api::testing::TestHost;

    use super::*;

    fn degraded(reason: &str) -> Report {
        Report::Degraded { reason: Some(reason.to_owned()) }
    }

    #[test]
    fn what_is_known_is_read_and_everything_else_passed_over() {
        let long = format!("{{\"report\":\"degraded\",\"reason\":\"{}\"}}", "x".repeat(MAX_TEXT));
        for told in ["", "{}", "{\"report\":\"weather\"}", &long] {
            assert_eq!(read(told), None);
        }
        let newer = "{\"report\":\"degraded\",\"reason\":\"slow\",\"since\":1}";
        assert_eq!(read(newer), Some(degraded("slow")));
    }

    #[test]
    fn every_text_of_a_report_is_covered() {
        let host = TestHost::default();
        let deviation = |text: &str| {
            let (symbol, text) = (text.to_owned(), text.to_owned());
            Report::Deviation { symbol, text, count: 2 }
        };
        for report in [degraded("secret"), Report::Degraded { reason: None }, deviation("secret")] {
            give(&report, &host, |text| text.replace("secret", "***"));
        }
        let expected = [degraded("***"), Report::Degraded { reason: None }, deviation("***")];
        assert_eq!(host.told().reports, expected);
    }
}
