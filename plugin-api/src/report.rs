//! What a plugin reports of itself beside its records.

use serde::{Deserialize, Serialize};

/// Something that whoever watches the host should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "snake_case")]
pub enum Report {
    /// How well the component does its work.
    Degraded {
        /// Why it works, but worse than it should; `None` when it works as it should again.
        reason: Option<String>,
    },
    /// Sources disagree about a security.
    Deviation {
        /// The security, e.g. `600000.SH`.
        symbol: String,
        /// Who disagrees, for people; the same text each time, so that it can be counted.
        text: String,
        /// How often since it was reported last.
        count: u64,
    },
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reports_are_written_by_their_names() {
        for (report, written) in [
            (Report::Degraded { reason: None }, json!({ "report": "degraded", "reason": null })),
            (
                Report::Deviation {
                    symbol: "600000.SH".to_owned(),
                    text: "x".to_owned(),
                    count: 2,
                },
                json!({ "report": "deviation", "symbol": "600000.SH", "text": "x", "count": 2 }),
            ),
        ] {
            assert_eq!(serde_json::to_value(&report).unwrap(), written);
            assert_eq!(serde_json::from_value::<Report>(written).unwrap(), report);
        }
    }
}
