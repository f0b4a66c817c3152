//! `dataserver reload`

use std::process::ExitCode;

use clap::Args;

use super::{EXIT_CONFIG, Format, PipelineFile, client::Client, output};
use crate::reload::report::{Outcome, Report};

/// Arguments of `reload`.
#[derive(Debug, Args)]
pub struct Reload {
    #[command(flatten)]
    file: PipelineFile,
    /// How the outcome is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

impl Reload {
    /// Asks the host that runs to reload, and prints what came of it.
    pub fn run(&self) -> ExitCode {
        let parsed = match self.file.load() {
            Ok(parsed) => parsed,
            Err(faults) => return output::show_faults(&faults),
        };
        let Some(client) = Client::new(parsed.host()) else {
            return output::complain(
                "the pipeline has no `[host] http`, over which the host could be asked; send it \
                 SIGHUP instead (`systemctl reload dataserver`)",
            );
        };
        let report = match ask(&client) {
            Ok(report) => report,
            Err(text) => return output::complain(&text),
        };
        let printed = match self.format {
            Format::Json => output::print_json(&serde_json::json!(report)),
            Format::Text => output::print(&text(&report)),
        };
        match report.outcome {
            Outcome::Done | Outcome::Unchanged => printed,
            Outcome::Refused => ExitCode::from(EXIT_CONFIG),
            Outcome::Failed => ExitCode::FAILURE,
        }
    }
}

fn ask(client: &Client) -> Result<Report, String> {
    let answer = client.post("/api/reload")?;
    let answer =
        answer.ok_or("no host runs that listens on `[host] http` of this file; start it")?;
    answer.json()
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    if let Some(plan) = &report.plan {
        let changed = plan.changed.iter().map(|it| format!("{} ({})", it.id, it.what.join(", ")));
        for (name, ids) in [
            ("added", plan.added.clone()),
            ("changed", changed.collect()),
            ("rerouted", plan.rerouted.clone()),
            ("kept", plan.kept.clone()),
            ("removed", plan.removed.clone()),
            ("settings", plan.settings.clone()),
        ] {
            if !ids.is_empty() {
                text += &format!("{name:<9} {}\n", ids.join(", "));
            }
        }
    }
    if let Some(reason) = &report.reason {
        text += reason;
        text += "\n";
    }
    for component in &report.left_behind {
        text += &format!("{component} is removed, but its plugin does not come back from a call\n");
    }
    text + &match report.outcome {
        Outcome::Done => {
            #[allow(clippy::cast_precision_loss)]
            let gap_ms = report.gap_us as f64 / 1000.0;
            format!("reloaded in {} ms; longest gap {gap_ms:.1} ms\n", report.duration_ms)
        }
        Outcome::Unchanged => "nothing to reload: all is as it was\n".to_owned(),
        Outcome::Refused | Outcome::Failed => {
            "not reloaded; the pipeline goes on as it was\n".to_owned()
        }
    }
}
