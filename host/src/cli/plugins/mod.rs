//! `dataserver plugins`

mod child;
mod files;
mod new;
mod python_files;
mod sdk;

use std::{
    fmt::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::{Args, Subcommand};
use dataserver_config::{self as config, Faults, ProcessEnvironment};
use dataserver_loader::{Candidate, Plugin, PluginCatalog};
use plugin_api::{Manifest, Role};
use serde_json::{Map, Value};

use new::New;

use super::{
    Format, PipelineFile,
    output::{self, Column},
};
use crate::plugin_list::{self, carrier};

const COLUMNS: [Column; 9] = [
    Column::text("name"),
    Column::text("kind"),
    Column::text("carrier"),
    Column::text("version"),
    Column::text("file"),
    Column::text("api").or_left_out(),
    Column::text("author").or_left_out(),
    Column::text("sha256").or_left_out(),
    Column::text("description").or_cut(),
];

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
        /// How it is printed.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Try a plugin file as the host does before it loads one, and say why it cannot be used.
    ///
    /// A child process does it first: it loads a library with all symbols resolved, compares its
    /// types and reads its manifest, or compiles a component; a plugin that is run as a process is
    /// started, and says what it is. One that crashes, hangs, starts
    /// processes, or takes too much memory costs that child alone. Exit code 0 when the file can be
    /// used, 1 when it cannot.
    Probe {
        /// The file: `.so`, `.wasm`, `.py` or `.plugin.toml`.
        file: PathBuf,
    },
    /// What the host starts a child process with.
    #[command(hide = true)]
    Child(child::Child),
    /// Make a crate for a new plugin, ready to build, with a test that passes; or a file in Python.
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
            (Ok(catalog), Verb::Show { name, schema, format }) => {
                show(&catalog, name, *schema, *format)
            }
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
    let (mut usable, mut unusable) = (Vec::new(), String::new());
    for found in catalog.found() {
        match catalog.load(found) {
            Ok(plugin) => {
                let manifest = plugin.manifest();
                let file = found.path.file_name().unwrap_or(found.path.as_os_str());
                usable.push([
                    manifest.name.clone(),
                    kinds(manifest).join(", "),
                    carrier(found).to_owned(),
                    manifest.version.clone(),
                    file.to_string_lossy().into_owned(),
                    manifest.api.to_string(),
                    manifest.author.clone(),
                    found.sha256.get(..12).unwrap_or_default().to_owned(),
                    manifest.description.clone(),
                ]);
            }
            Err(problem) => {
                let _ = write!(
                    unusable,
                    "cannot be used: {} {}\n    {}\n",
                    found.path.display(),
                    problem.message,
                    problem.help
                );
            }
        }
    }
    for (path, why) in catalog.exposed() {
        let _ = writeln!(unusable, "warning: {} {why}", path.display());
    }
    output::table(0, &COLUMNS, usable) + &unusable
}

fn probe(file: &Path) -> ExitCode {
    let catalog = PluginCatalog::of_file(file, &std::env::temp_dir());
    let Some(found) = catalog.found().first() else {
        let name = file.display();
        return output::complain(&format!(
            "{name} is no plugin: plugins end in .so, .wasm or .plugin.toml, or are .py with a block `# /// dataserver`"
        ));
    };
    match catalog.load(found) {
        Ok(plugin) => output::print(&description(found, &plugin)),
        Err(problem) => output::complain(&format!("{} {problem}", file.display())),
    }
}

fn show(catalog: &PluginCatalog, name: &str, schema: bool, format: Format) -> ExitCode {
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
        Ok(plugin) if schema => {
            output::print(&format!("{:#}", Value::Object(schemas(plugin.manifest()))))
        }
        Ok(plugin) if format == Format::Json => {
            let mut entry = plugin_list::describe(catalog, found);
            entry["options"] = Value::Object(schemas(plugin.manifest()));
            output::print_json(&entry)
        }
        Ok(plugin) => output::print(&description(found, &plugin)),
        Err(problem) => output::complain(&format!("{} {problem}", found.path.display())),
    }
}

/// The schema of the options of each role.
fn schemas(manifest: &Manifest) -> Map<String, Value> {
    let schema = |role: &Role| (role.kind.as_str().to_owned(), role.options_schema.clone());
    manifest.roles.iter().map(schema).collect()
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
            text.push_str(&output::wrapped(6, line));
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
