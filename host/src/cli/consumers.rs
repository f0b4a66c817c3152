//! `dataserver consumers`

mod readers;

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use dataserver_config::{Component, Pipeline};
use dataserver_loader::PluginCatalog;
use plugin_api::{ErrorKind, PluginError, RoleKind, terminal};
use serde_json::{Map, Value, json};

use super::{
    EXIT_CONFIG, PipelineFile,
    output::{self, Column},
    resting,
    watch::watch,
};

/// What the plugin is asked.
const COMMAND: &str = "consumers";
/// How the answer of a plugin begins that does not know a command.
const UNKNOWN_COMMAND: &str = "this plugin has no command";
/// Columns that come first, in this order.
const FIRST_COLUMNS: [&str; 7] = ["component", "stream", "group", "consumer", "from", "to", ENTRY];
const ENTRY: &str = "entry";

/// Arguments of `consumers`.
#[derive(Debug, Args)]
pub struct Consumers {
    #[command(subcommand)]
    verb: Verb,
}

/// What every verb takes.
#[derive(Debug, Args)]
struct Common {
    #[command(flatten)]
    file: PipelineFile,
    /// The source whose streams are meant; needed when several sources read as consumers and
    /// something is changed.
    #[arg(long, value_name = "ID")]
    component: Option<String>,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List everybody who reads from the host that runs: subscribers, clients, consumers of every
    /// group, watchers, each with its state and how far it is behind.
    Readers(readers::Readers),
    #[command(flatten)]
    Groups(Groups),
}

/// What is asked of the servers.
#[derive(Debug, Subcommand)]
enum Groups {
    /// List the clients of every group: what each has not acknowledged, and how long it is silent.
    List {
        /// Show them every second, until it is interrupted.
        #[arg(long)]
        watch: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Show how far each group is behind: entries that nobody was given yet, and unacknowledged
    /// ones.
    Lag(#[command(flatten)] Common),
    /// List entries that were given to a client and are not acknowledged.
    Pending {
        /// Only those of this client.
        #[arg(long, value_name = "NAME")]
        consumer: Option<String>,
        /// Another group than the source's own.
        #[arg(long, value_name = "NAME")]
        group: Option<String>,
        /// Only those that were given out so long ago, e.g. 5m.
        #[arg(long, value_name = "DURATION")]
        min_idle: Option<String>,
        /// Most entries listed.
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: usize,
        #[command(flatten)]
        common: Common,
    },
    /// Give what a client did not acknowledge to another one, which takes it within its
    /// `claim_after`, or at its next start.
    Claim {
        /// The client whose entries are meant.
        #[arg(long, value_name = "NAME")]
        consumer: String,
        /// The client that gets them; the source's own unless given.
        #[arg(long, value_name = "NAME")]
        to: Option<String>,
        /// Another group than the source's own.
        #[arg(long, value_name = "NAME")]
        group: Option<String>,
        /// Only those that were given out so long ago; the source's `claim_after` unless given.
        #[arg(long, value_name = "DURATION")]
        min_idle: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Remove a client from its group, or with `--group` alone a whole group.
    ///
    /// Refused while there are entries that are not acknowledged: nobody would get them.
    Remove {
        /// The client.
        #[arg(long, value_name = "NAME", required_unless_present = "group")]
        consumer: Option<String>,
        /// The client's group when it is not the source's own, or the group to remove.
        #[arg(long, value_name = "NAME")]
        group: Option<String>,
        /// Give up what is not acknowledged.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        common: Common,
    },
}

impl Groups {
    fn request(&self) -> Value {
        match self {
            Self::List { .. } => json!({ "action": "list" }),
            Self::Lag(_) => json!({ "action": "lag" }),
            Self::Pending { consumer, group, min_idle, limit, .. } => json!({
                "action": "pending", "consumer": consumer, "group": group, "min_idle": min_idle,
                "limit": limit,
            }),
            Self::Claim { consumer, to, group, min_idle, .. } => json!({
                "action": "claim", "consumer": consumer, "to": to, "group": group,
                "min_idle": min_idle,
            }),
            Self::Remove { consumer, group, force, .. } => json!({
                "action": "remove", "consumer": consumer, "group": group, "force": force,
            }),
        }
    }

    fn common(&self) -> &Common {
        match self {
            Self::Lag(common)
            | Self::List { common, .. }
            | Self::Pending { common, .. }
            | Self::Claim { common, .. }
            | Self::Remove { common, .. } => common,
        }
    }

    fn changes_something(&self) -> bool {
        matches!(self, Self::Claim { .. } | Self::Remove { .. })
    }
}

impl Consumers {
    /// Asks the host that runs, or the servers.
    pub fn run(self) -> ExitCode {
        match self.verb {
            Verb::Readers(readers) => readers.run(),
            Verb::Groups(groups) => groups.run(),
        }
    }
}

impl Groups {
    /// Asks the sources that read as consumers, and prints what they answer.
    fn run(&self) -> ExitCode {
        let parsed = match self.common().file.load() {
            Ok(parsed) => parsed,
            Err(faults) => return output::show_faults(&faults),
        };
        let catalog = PluginCatalog::of(parsed.host());
        match parsed.resolve(&catalog) {
            Ok(pipeline) if matches!(self, Self::List { watch: true, .. }) => {
                watch(|| match self.ask(&pipeline, &catalog) {
                    (Some(text), _) => Ok(text),
                    (None, code) => Err(code),
                })
            }
            Ok(pipeline) => {
                let (text, code) = self.ask(&pipeline, &catalog);
                let printed = text.map_or(code, |text| output::print_safe(&text));
                if code == ExitCode::SUCCESS { printed } else { code }
            }
            Err(faults) => output::show_faults(&faults),
        }
    }

    /// What is printed, safe for a terminal, if there is something, and the exit code.
    fn ask(&self, pipeline: &Pipeline, catalog: &PluginCatalog) -> (Option<String>, ExitCode) {
        let sources = match self.sources(pipeline, catalog) {
            Ok(sources) => sources,
            Err(error) => return (None, output::complain(&error)),
        };
        let mut request = self.request();
        request["command"] = COMMAND.into();
        let (mut rows, mut code) = (Vec::new(), ExitCode::SUCCESS);
        for source in &sources {
            match put(source, pipeline, catalog, &request) {
                Ok(Value::Array(answer)) => rows.extend(answer.into_iter().map(|mut row| {
                    if sources.len() > 1 {
                        row["component"] = source.id.as_str().into();
                    }
                    row
                })),
                Ok(other) => rows.push(json!({ "component": source.id, "answer": other })),
                Err(error) => {
                    code = output::complain(&format!("{}: {error}", source.id));
                    if error.kind == ErrorKind::Config {
                        code = ExitCode::from(EXIT_CONFIG);
                    }
                }
            }
        }
        let text = match self.common().format {
            Format::Json => {
                Some(terminal::escaped_json(&Value::Array(rows).to_string()).into_owned())
            }
            Format::Table if code == ExitCode::SUCCESS || !rows.is_empty() => {
                Some(terminal::escaped(&table(&rows)).into_owned())
            }
            Format::Table => None,
        };
        (text, code)
    }

    /// The source that is named, or all that know the command.
    fn sources<'a>(
        &self,
        pipeline: &'a Pipeline,
        catalog: &PluginCatalog,
    ) -> Result<Vec<&'a Component>, String> {
        let all = || pipeline.components.iter().filter(|it| it.kind == RoleKind::Source);
        let Common { file, component, .. } = self.common();
        if let Some(id) = component {
            let named: Vec<_> = all().filter(|it| it.id == *id).collect();
            let ids: Vec<_> = all().map(|it| it.id.as_str()).collect();
            return match named.is_empty() {
                true => Err(format!("no source \"{id}\"; there are {}", ids.join(", "))),
                false => Ok(named),
            };
        }
        let knows = |source: &&Component| {
            // whatever else it answers, it knows the command
            !matches!(put(source, pipeline, catalog, &json!({ "command": COMMAND })),
                Err(error) if error.message.starts_with(UNKNOWN_COMMAND))
        };
        let knowing: Vec<_> = all().filter(knows).collect();
        let file = file.path();
        let file = file.display();
        match knowing.as_slice() {
            [] => Err(format!("no source of {file} reads as a consumer of a group")),
            [_, _, ..] if self.changes_something() => {
                let ids: Vec<_> = knowing.iter().map(|it| it.id.as_str()).collect();
                Err(format!("say which source is meant: --component {}", ids.join(" | ")))
            }
            _ => Ok(knowing),
        }
    }
}

/// Puts a request to the plugin of a component that need not run.
fn put(
    component: &Component,
    pipeline: &Pipeline,
    catalog: &PluginCatalog,
    request: &Value,
) -> Result<Value, PluginError> {
    resting::ask(component, pipeline, catalog, |plugin, opening| {
        plugin.command(component.kind, opening, request)
    })
}

/// Rows with the same keys, a column each.
fn table(rows: &[Value]) -> String {
    let Some(Value::Object(first)) = rows.first() else { return "none".to_owned() };
    let place = |name: &str| {
        let known = FIRST_COLUMNS.iter().position(|it| *it == name);
        (known.unwrap_or(FIRST_COLUMNS.len()), name.to_owned())
    };
    let mut names: Vec<&str> = first.keys().map(String::as_str).collect();
    names.sort_by_key(|name| place(name));
    let titles: Vec<_> = names.iter().map(|name| name.replace('_', " ")).collect();
    let columns = titles.iter().zip(&names).map(|(title, name)| match first.get(*name) {
        // it is needed whole to go on with
        _ if *name == ENTRY => Column::text(title),
        Some(Value::String(_)) => Column::text(title).or_cut(),
        _ => Column::number(title),
    });
    let cells =
        |row: &Map<String, Value>| names.iter().map(|name| cell(row, name)).collect::<Vec<_>>();
    let rows: Vec<_> = rows.iter().filter_map(Value::as_object).map(cells).collect();
    output::listing(&columns.collect::<Vec<_>>(), &rows)
}

fn cell(row: &Map<String, Value>, name: &str) -> String {
    match row.get(name) {
        None | Some(Value::Null) => "–".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_shown_with_what_they_are_about_first() {
        let rows = [
            json!({ "pending": 3, "lag": null, "consumer": "a", "stream": "s", "group": "g" }),
            json!({ "pending": 0, "lag": 7, "consumer": "b", "stream": "s", "group": "g" }),
        ];
        let lines: Vec<_> = table(&rows)
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .filter(|line| line.contains("g"))
            .collect();
        assert_eq!(lines, ["stream group consumer lag pending", "s g a – 3", "s g b 7 0"]);
        assert_eq!(table(&[]), "none");
    }

    #[test]
    fn a_long_name_is_cut_and_an_id_is_not() {
        let name = "a-client-with-a-name-that-is-longer-than-any-terminal-is-wide".repeat(3);
        let entry = "1700000000000-18446744073709551615";
        let row = json!({
            "stream": name, "group": name, "consumer": name, "entry": entry, "idle_ms": 7,
        });
        let shown = table(&[row]);
        let widest = shown.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(80) && shown.contains(entry), "{shown}");
        assert_eq!(shown.lines().count(), 3, "{shown}");
    }
}
