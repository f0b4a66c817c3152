//! The table of the host's metrics in docs/METRICS.md.

use std::iter;

use super::table::{BUILD, ROWS, Row};

/// The host's metrics as Markdown.
pub fn reference_markdown() -> String {
    let mut out = "| name | type, unit | further labels | what it is | what it tells |\n\
                   |---|---|---|---|---|\n"
        .to_owned();
    for row in iter::once(&BUILD).chain(ROWS) {
        let Row { name, metric_type, unit, further_labels, meaning, use_of_it } = row;
        let suffix = match *metric_type {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let gap = if further_labels.is_empty() { "" } else { " " };
        out.push_str(&format!(
            "| `{name}{suffix}` | {metric_type}, {unit} |{gap}{further_labels} | {meaning} | \
             {use_of_it} |\n"
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With `UPDATE_EXPECTED` set, it is written anew.
    #[test]
    fn the_reference_lists_the_metrics_that_are_registered() {
        fixtures::check_part("METRICS.md", "metrics of the host", &reference_markdown());
    }
}
