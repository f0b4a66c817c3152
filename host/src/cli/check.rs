//! `dataserver check`

use std::{io::IsTerminal, path::PathBuf, process::ExitCode};

use clap::Args;
use dataserver_config::{Component, Faults, Pipeline};
use dataserver_loader::PluginCatalog;
use plugin_api::{PluginError, terminal};
use serde_json::{Value, json};

use super::{EXIT_CONFIG, Format, PipelineFile, output, resting};

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    file: PipelineFile,
    /// How findings are printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Do not ask components whether what they need is there.
    #[arg(long)]
    offline: bool,
}

/// All that was found.
#[derive(Default)]
struct Findings {
    faults: Option<Faults>,
    warnings: Option<Faults>,
    /// Plugin folders and files that others could change, with the reason.
    exposed: Vec<(PathBuf, String)>,
    /// Components that could not start, with the reason.
    unready: Vec<(String, PluginError)>,
}

impl Check {
    /// Checks a pipeline and prints what was found.
    pub fn run(self) -> ExitCode {
        let findings = self.find();
        let printed = match self.format {
            // its colors are our own
            Format::Text => output::print_safe(&self.text(&findings)),
            Format::Json => output::print_json(&findings.json()),
        };
        if findings.is_fine() { printed } else { ExitCode::from(EXIT_CONFIG) }
    }

    fn find(&self) -> Findings {
        let parsed = match self.file.load() {
            Ok(parsed) => parsed,
            Err(faults) => return Findings { faults: Some(faults), ..Findings::default() },
        };
        let catalog = PluginCatalog::of(parsed.host());
        let warnings = Some(parsed.warnings());
        let exposed = catalog.exposed().to_vec();
        match parsed.resolve(&catalog) {
            Err(faults) => {
                Findings { faults: Some(faults), warnings, exposed, unready: Vec::new() }
            }
            Ok(pipeline) => {
                let unready = if self.offline { Vec::new() } else { ask(&pipeline, &catalog) };
                Findings { faults: None, warnings, exposed, unready }
            }
        }
    }

    fn text(&self, findings: &Findings) -> String {
        let color = std::io::stdout().is_terminal();
        let mut text = String::new();
        for found in [&findings.faults, &findings.warnings].into_iter().flatten() {
            text += &output::rendered(found, color);
        }
        for (path, why) in &findings.exposed {
            text += &format!("warning: {} {why}\n", path.display());
        }
        for (component, error) in &findings.unready {
            let line = format!("error: {component} could not start: {error}\n");
            text += &terminal::escaped(&line);
        }
        if findings.is_fine() {
            let line = format!("{} is fine\n", self.file.path().display());
            text += &terminal::escaped(&line);
        }
        text
    }
}

impl Findings {
    fn is_fine(&self) -> bool {
        self.faults.is_none() && self.unready.is_empty()
    }

    fn json(&self) -> Value {
        let mut all = Vec::new();
        for found in [&self.faults, &self.warnings].into_iter().flatten() {
            all.extend(found.to_json().as_array().cloned().unwrap_or_default());
        }
        for (path, why) in &self.exposed {
            all.push(json!({ "severity": "warning", "file": path, "message": why }));
        }
        for (component, error) in &self.unready {
            all.push(json!({
                "severity": "error", "component": component, "message": error.message,
            }));
        }
        Value::Array(all)
    }
}

/// Asks every component whether it could start.
fn ask(pipeline: &Pipeline, catalog: &PluginCatalog) -> Vec<(String, PluginError)> {
    let check = |component: &Component| {
        resting::ask(component, pipeline, catalog, |plugin, opening| {
            plugin.check(component.kind, opening)
        })
    };
    let of_history = |it: &Component| {
        let asked = [("bar", Some("1m")), ("spot", None)].map(|asked| check(&asking(it, asked)));
        // a source need not have both kinds
        let [bars, spots] = asked;
        (it.id.clone(), bars.or(spots))
    };
    let running = pipeline.components.iter().map(|it| (it.id.clone(), check(it)));
    let asked = running.chain(pipeline.history.iter().map(of_history));
    asked.filter_map(|(id, result)| Some((id, result.err()?))).collect()
}

/// A source of history as it is when it is asked for something.
fn asking(source: &Component, (kind, period): (&str, Option<&str>)) -> Component {
    let mut source = source.clone();
    let mut ask = json!({
        "symbols": ["600000.SH"],
        "from": "2026-01-05 09:30:00",
        "to": "2026-01-05 15:00:00",
        "kind": kind,
    });
    if let Some(period) = period {
        ask["period"] = period.into();
    }
    source.options.insert("ask".to_owned(), ask);
    source
}
