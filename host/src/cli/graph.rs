//! `dataserver graph`

use std::{fmt::Write, process::ExitCode};

use clap::{Args, ValueEnum};
use dataserver_config::Component;
use plugin_api::RoleKind;

use super::{PipelineFile, output};

/// Arguments of `graph`.
#[derive(Debug, Args)]
pub struct Graph {
    #[command(flatten)]
    file: PipelineFile,
    /// Language of the picture.
    #[arg(long, value_enum, default_value_t = Language::Mermaid)]
    format: Language,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    /// For Markdown pages and mermaid.live.
    Mermaid,
    /// For Graphviz.
    Dot,
}

impl Graph {
    /// Prints the picture of a pipeline. Plugins need not be there.
    pub fn run(self) -> ExitCode {
        let parsed = match self.file.load() {
            Ok(parsed) => parsed,
            Err(faults) => return output::show_faults(&faults),
        };
        let faults = parsed.faults();
        if !faults.is_empty() {
            return output::show_faults(&faults);
        }
        let components: Vec<_> = parsed.components().collect();
        output::print(&match self.format {
            Language::Mermaid => mermaid(&components),
            Language::Dot => dot(&components),
        })
    }
}

fn mermaid(components: &[&Component]) -> String {
    let mut text = String::from("flowchart LR\n");
    for Component { id, kind, plugin, .. } in components {
        let (open, close) = match kind {
            RoleKind::Source => ("([", "])"),
            RoleKind::Transform => ("[", "]"),
            RoleKind::Sink => ("[(", ")]"),
        };
        let _ = writeln!(text, "    {id}{open}\"{id}<br/>{plugin}\"{close}");
    }
    for (from, to) in edges(components) {
        let _ = writeln!(text, "    {from} --> {to}");
    }
    text
}

fn dot(components: &[&Component]) -> String {
    let mut text = String::from("digraph pipeline {\n    rankdir=LR;\n");
    for Component { id, kind, plugin, .. } in components {
        let shape = match kind {
            RoleKind::Source => "ellipse",
            RoleKind::Transform => "box",
            RoleKind::Sink => "cylinder",
        };
        let _ = writeln!(text, "    \"{id}\" [shape={shape}, label=\"{id}\\n{plugin}\"];");
    }
    for (from, to) in edges(components) {
        let _ = writeln!(text, "    \"{from}\" -> \"{to}\";");
    }
    text + "}\n"
}

fn edges<'a>(components: &'a [&Component]) -> impl Iterator<Item = (&'a str, &'a str)> {
    components
        .iter()
        .flat_map(|reader| reader.inputs.iter().map(|input| (input.as_str(), reader.id.as_str())))
}
