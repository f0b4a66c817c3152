//! `dataserver plugins`

mod child;
mod files;
mod new;
mod sdk;

use std::{
    fmt::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use dataserver_config::{self as config, Faults, ProcessEnvironment};
use dataserver_loader::{Candidate, Plugin, PluginCatalog};
use plugin_api::Manifest;
use serde_json::Value;

use new::New;

use super::{Format, PipelineFile, output};
use crate::plugin_list::{self, carrier};

/// Arguments of `plugins`.
#[derive(Debug, Args)]
pub struct Plugins {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    file: PipelineFile,
    /// Look into this folder instead of those of the pipeline file. Can be repeated.
    #[arg(long, global = true, value_name = "DIR")]
    plugins: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List every file in the plugin folders, also those that cannot be used, with the reason.
    List {
        /// How the list is printed.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Show what a plugin is and which options it has, with types and defaults.
    Show {
        /// Id of the plugin.
        name: String,
        /// Print the JSON Schema of its options, by role.
        #[arg(long)]
        schema: bool,
    },
    /// Try a plugin file as the host does before it loads one, and say why it cannot be used.
    ///
    /// A child process does it first: it loads a library with all symbols resolved, compares its
    /// types and reads its manifest, or compiles a component. One that crashes, hangs, starts
    /// processes, or takes too much memory costs that child alone. Exit code 0 when the file can be
    /// used, 1 when it cannot.
    Probe {
        /// The file, `.so` or `.wasm`.
        file: PathBuf,
    },
    /// What the host starts a child process with.
    #[command(hide = true)]
    Child(child::Child),
    /// Make a crate for a new plugin, ready to build, with a test that passes.
    New(New),
}

impl Plugins {
    /// Prints what was asked for.
    pub fn run(self) -> ExitCode {
        let catalog = match &self.verb {
            Verb::New(new) => return new.run(),
            Verb::Probe { file } => return probe(file),
            Verb::Child(child) => return child.run(),
            Verb::List { .. } | Verb::Show { .. } => self.catalog(),
        };
        match (catalog, &self.verb) {
            (Err(faults), _) => output::show_faults(&faults),
            (Ok(catalog), Verb::Show { name, schema }) => show(&catalog, name, *schema),
            (Ok(catalog), Verb::List { format: Format::Json }) => {
                output::print_json(&plugin_list::to_json(&catalog))
            }
            (Ok(catalog), _) => output::print(&table(&catalog)),
        }
    }

    #[cfg(test)]
    pub(super) fn file(&self) -> &PipelineFile {
        &self.file
    }

    /// Without a pipeline file, or with one that is none, the folders that one without the key would
    /// have; but not when that file was named.
    fn catalog(&self) -> Result<PluginCatalog, Faults> {
        let reports = std::env::temp_dir();
        if !self.plugins.is_empty() {
            return Ok(PluginCatalog::scan(&self.plugins, &reports));
        }
        match self.file.load() {
            Ok(parsed) => return Ok(PluginCatalog::of(parsed.host())),
            Err(faults) if self.file.config.is_some() => return Err(faults),
            Err(_) => {}
        }
        let parsed = config::load_text("", &self.file.path(), &ProcessEnvironment);
        let folders = parsed.map(|parsed| parsed.host().plugins.clone()).unwrap_or_default();
        Ok(PluginCatalog::scan(&folders, &reports))
    }
}

fn table(catalog: &PluginCatalog) -> String {
    let mut usable = Table::new();
    usable.load_style(presets::UTF8_HORIZONTAL_ONLY);
    usable.set_header([
        "name",
        "kind",
        "carrier",
        "version",
        "api",
        "author",
        "sha256",
        "file",
        "description",
    ]);
    let mut unusable = String::new();
    for found in catalog.found() {
        match catalog.load(found) {
            Ok(plugin) => {
                let manifest = plugin.manifest();
                usable.add_row([
                    manifest.name.as_str(),
                    &kinds(manifest).join(", "),
                    carrier(found),
                    &manifest.version,
                    &manifest.api.to_string(),
                    &manifest.author,
                    found.sha256.get(..12).unwrap_or_default(),
                    &found.path.display().to_string(),
                    &manifest.description,
                ]);
            }
            Err(problem) => {
                let _ = write!(
                    unusable,
                    "\ncannot be used: {} {}\n    {}",
                    found.path.display(),
                    problem.message,
                    problem.help
                );
            }
        }
    }
    for (path, why) in catalog.exposed() {
        let _ = write!(unusable, "\nwarning: {} {why}", path.display());
    }
    format!("{usable}{unusable}")
}

fn probe(file: &Path) -> ExitCode {
    let catalog = PluginCatalog::of_file(file, &std::env::temp_dir());
    let Some(found) = catalog.found().first() else {
        let name = file.display();
        return output::complain(&format!("{name} is no plugin: plugins end in .so or .wasm"));
    };
    match catalog.load(found) {
        Ok(plugin) => output::print(&description(found, &plugin)),
        Err(problem) => output::complain(&format!("{} {problem}", file.display())),
    }
}

fn show(catalog: &PluginCatalog, name: &str, schema: bool) -> ExitCode {
    let named = |found: &&Candidate| found.identity.as_ref().is_ok_and(|it| it.name() == name);
    let Some(found) = catalog.found().iter().find(named) else {
        let names: Vec<_> = catalog
            .found()
            .iter()
            .filter_map(|it| Some(it.identity.as_ref().ok()?.name()))
            .collect();
        return output::complain(&format!("no plugin \"{name}\"; there are {}", names.join(", ")));
    };
    match catalog.load(found) {
        Ok(plugin) if schema => output::print(&schemas(plugin.manifest())),
        Ok(plugin) => output::print(&description(found, &plugin)),
        Err(problem) => output::complain(&format!("{} {problem}", found.path.display())),
    }
}

fn schemas(manifest: &Manifest) -> String {
    let by_role: serde_json::Map<_, _> = manifest
        .roles
        .iter()
        .map(|role| (role.kind.as_str().to_owned(), role.options_schema.clone()))
        .collect();
    format!("{:#}", Value::Object(by_role))
}

fn description(found: &Candidate, plugin: &Arc<dyn Plugin>) -> String {
    let manifest = plugin.manifest();
    let mut text = format!(
        "{} {} ({}, plugin API {})\n{}\nby {}\n{}\nsha256 {}\n",
        manifest.name,
        manifest.version,
        carrier(found),
        manifest.api,
        manifest.description,
        manifest.author,
        found.path.display(),
        found.sha256
    );
    for role in &manifest.roles {
        let _ = write!(text, "\n[{}s.ID]\nplugin = \"{}\"\n", role.kind, manifest.name);
        describe_options(&mut text, &role.options_schema, "");
    }
    text
}

/// Options of a table: name, type, default, help; tables within it by their dotted names.
fn describe_options(text: &mut String, schema: &Value, prefix: &str) {
    let required: Vec<_> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, option) in schema["properties"].as_object().into_iter().flatten() {
        let default = match option.get("default") {
            Some(Value::Null) | None if required.contains(&name.as_str()) => "required".to_owned(),
            Some(Value::Null) | None => "optional".to_owned(),
            Some(default) => format!("default {default}"),
        };
        let _ = writeln!(text, "\n  {prefix}{name}: {} ({default})", type_name(option));
        for line in option["description"].as_str().unwrap_or_default().lines() {
            let _ = writeln!(text, "      {line}");
        }
        describe_options(text, option, &format!("{prefix}{name}."));
    }
}

fn type_name(option: &Value) -> String {
    if let Some(format) = option["format"].as_str().filter(|it| matches!(*it, "duration" | "size"))
    {
        return format.to_owned();
    }
    let variants: Vec<_> =
        option["enum"].as_array().into_iter().flatten().map(Value::to_string).collect();
    if !variants.is_empty() {
        return variants.join(" | ");
    }
    let alternatives: Vec<_> = ["anyOf", "oneOf"]
        .iter()
        .flat_map(|key| option[*key].as_array().into_iter().flatten())
        .filter(|it| it["type"] != "null")
        .map(|it| it.get("const").map_or_else(|| type_name(it), Value::to_string))
        .collect();
    if !alternatives.is_empty() {
        return alternatives.join(" | ");
    }
    match &option["type"] {
        Value::String(name) if name == "array" => {
            format!("list of {}", type_name(&option["items"]))
        }
        Value::String(name) => friendly(name),
        Value::Array(names) => {
            let names = names.iter().filter_map(Value::as_str).filter(|name| *name != "null");
            names.map(friendly).collect::<Vec<_>>().join(" | ")
        }
        _ => "any".to_owned(),
    }
}

fn friendly(json_type: &str) -> String {
    if json_type == "object" { "table".to_owned() } else { json_type.to_owned() }
}

fn kinds(manifest: &Manifest) -> Vec<&'static str> {
    manifest.roles.iter().map(|role| role.kind.as_str()).collect()
}
