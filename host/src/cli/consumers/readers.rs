//! `dataserver consumers readers`: everybody who reads from the host that runs.

use std::{cmp::Ordering, process::ExitCode};

use clap::{Args, ValueEnum};
use plugin_api::terminal;
use serde_json::Value;

use crate::cli::{
    PipelineFile,
    client::Client,
    output::{self, Column},
    watch::watch,
};

/// Where the host tells of them.
const PATH: &str = "/api/readers";
const COLUMNS: [Column; 10] = [
    Column::text("reader").or_cut(),
    Column::text("state"),
    Column::number("records").or_left_out(),
    Column::number("rate/s"),
    Column::number("lag"),
    Column::number("behind"),
    Column::number("pending"),
    Column::number("lost"),
    Column::number("last record").or_left_out(),
    Column::text("address").or_left_out(),
];
/// Keys of a reader in CSV.
const KEYS: [&str; 24] = [
    "id",
    "component",
    "kind",
    "name",
    "address",
    "group",
    "state",
    "since_us",
    "records",
    "rate",
    "lag_records",
    "lag_seconds",
    "trend",
    "pending",
    "lost",
    "securities",
    "acknowledged",
    "success_rate",
    "errors",
    "last_record_us",
    "last_error",
    "old",
    "seen_us",
    "actions",
];

/// Arguments of `consumers readers`.
#[derive(Debug, Args)]
pub struct Readers {
    #[command(flatten)]
    file: PipelineFile,
    /// Only those of this component.
    #[arg(long, value_name = "ID")]
    component: Option<String>,
    /// Only those of this kind.
    #[arg(long, value_name = "KIND", value_parser = ["subscriber", "client", "consumer", "watcher"])]
    kind: Option<String>,
    /// Only those in this state; several by commas.
    #[arg(
        long, value_name = "STATE", value_delimiter = ',',
        value_parser = ["live", "idle", "slow", "losing", "gone"]
    )]
    state: Vec<String>,
    /// What they are sorted by, the worst first.
    #[arg(long, value_enum, default_value_t = Sort::Id)]
    sort: Sort,
    /// The other way round.
    #[arg(long)]
    reverse: bool,
    /// Show them every second, until it is interrupted.
    #[arg(long)]
    watch: bool,
    /// How they are printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
    Csv,
}

/// What readers can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sort {
    Id,
    State,
    Records,
    Rate,
    Lag,
    Behind,
    Pending,
    Lost,
}

impl Sort {
    fn key(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::State => "state",
            Self::Records => "records",
            Self::Rate => "rate",
            Self::Lag => "lag_records",
            Self::Behind => "lag_seconds",
            Self::Pending => "pending",
            Self::Lost => "lost",
        }
    }
}

impl Readers {
    /// Asks the host that runs, and prints what it answers.
    pub fn run(&self) -> ExitCode {
        let parsed = match self.file.load() {
            Ok(parsed) => parsed,
            Err(faults) => return output::show_faults(&faults),
        };
        let Some(client) = Client::new(parsed.host()) else {
            return output::complain(
                "the pipeline has no `[host] http`, over which the host could be asked; give it one, \
                 as http = \"127.0.0.1:9280\", and restart the host",
            );
        };
        let look = || self.look(&client).map_err(|text| output::complain(&text));
        if self.watch {
            return watch(look);
        }
        match look() {
            Ok(text) => output::print_safe(&text),
            Err(code) => code,
        }
    }

    /// The readers as they are printed, safe for a terminal.
    fn look(&self, client: &Client) -> Result<String, String> {
        let answer = client.get(PATH)?;
        let answer =
            answer.ok_or("no host runs that listens on `[host] http` of this file; start it")?;
        let listing: Value = answer.json()?;
        let Some(readers) = listing["readers"].as_array() else {
            return Err(match listing["error"].as_str() {
                Some(error) => error.to_owned(),
                None => {
                    format!("an answer that no dataserver of this version gives ({})", answer.code)
                }
            });
        };
        for (component, why) in listing["not_told"].as_object().into_iter().flatten() {
            let why = why.as_str().unwrap_or_default();
            output::note(&format!("{component} does not tell of its readers now: {why}"));
        }
        let chosen = self.chosen(readers);
        Ok(match self.format {
            Format::Json => terminal::escaped_json(&Value::Array(chosen).to_string()).into_owned(),
            Format::Csv => terminal::escaped(&csv(&chosen)).into_owned(),
            Format::Table => {
                let now_us = listing["now_us"].as_i64().unwrap_or_default();
                terminal::escaped(&table(&chosen, now_us)).into_owned()
            }
        })
    }

    fn chosen(&self, readers: &[Value]) -> Vec<Value> {
        let is = |reader: &Value, key: &str, wanted: &Option<String>| {
            wanted.as_ref().is_none_or(|wanted| reader[key] == wanted.as_str())
        };
        let in_state = |reader: &Value| {
            self.state.is_empty()
                || self.state.iter().any(|state| reader["state"] == state.as_str())
        };
        let mut chosen: Vec<_> = readers
            .iter()
            .filter(|it| is(it, "component", &self.component) && is(it, "kind", &self.kind))
            .filter(|it| in_state(it))
            .cloned()
            .collect();
        chosen.sort_by(|left, right| {
            let order = compare(self.sort, left, right);
            if self.reverse { order.reverse() } else { order }
        });
        chosen
    }
}

/// Texts grow, numbers shrink, what is not known comes last.
fn compare(sort: Sort, left: &Value, right: &Value) -> Ordering {
    const BY_HEALTH: [&str; 5] = ["losing", "slow", "gone", "live", "idle"];
    let place = |it: &Value| BY_HEALTH.iter().position(|state| it["state"] == *state);
    let number = |it: &Value| it[sort.key()].as_f64().unwrap_or(-1.0);
    match sort {
        Sort::Id => left["id"].as_str().cmp(&right["id"].as_str()),
        Sort::State => place(left).cmp(&place(right)),
        _ => number(right).total_cmp(&number(left)),
    }
}

fn table(readers: &[Value], now_us: i64) -> String {
    if readers.is_empty() {
        return "nobody reads".to_owned();
    }
    output::table(0, &COLUMNS, readers.iter().map(|reader| row(reader, now_us)))
}

fn row(reader: &Value, now_us: i64) -> [String; 10] {
    let text = |key: &str| reader[key].as_str().unwrap_or_default().to_owned();
    let count = |key: &str| reader[key].as_u64().map_or_else(unknown, |it| it.to_string());
    let lag = match (reader["lag_records"].as_u64(), reader["trend"].as_str()) {
        (Some(lag), Some("rising")) => format!("{lag} ↑"),
        (Some(lag), Some("falling")) => format!("{lag} ↓"),
        (Some(lag), _) => format!("{lag}  "),
        (None, _) => unknown(),
    };
    let last = reader["last_record_us"].as_i64().map(|last_us| now_us.saturating_sub(last_us));
    let is_old = if reader["old"] == true { " (old)" } else { "" };
    [
        text("id"),
        text("state") + is_old,
        count("records"),
        reader["rate"].as_f64().map_or_else(unknown, |rate| format!("{rate:.0}")),
        lag,
        reader["lag_seconds"].as_f64().map_or_else(unknown, |behind| format!("{behind:.1}s")),
        count("pending"),
        count("lost"),
        last.map_or_else(unknown, |ago_us| format!("{}s ago", ago_us.max(0) / 1_000_000)),
        text("address"),
    ]
}

fn unknown() -> String {
    "–".to_owned()
}

fn csv(readers: &[Value]) -> String {
    let mut lines = vec![KEYS.join(",")];
    for reader in readers {
        let cells = KEYS.iter().map(|key| match &reader[*key] {
            Value::Null => String::new(),
            Value::String(text) => output::csv_cell(text),
            other => output::csv_cell(&other.to_string()),
        });
        lines.push(cells.collect::<Vec<_>>().join(","));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reader(id: &str, state: &str, lag: Option<u64>) -> Value {
        json!({
            "id": id, "component": "bus", "kind": "client", "state": state, "lag_records": lag,
            "trend": "rising", "rate": 12.4, "lost": 0, "address": "a, \"b\"", "records": 7,
            "last_record_us": 1_000_000, "old": state == "slow",
        })
    }

    fn ids(arguments: &[&str]) -> Vec<String> {
        #[derive(clap::Parser)]
        struct Command {
            #[command(flatten)]
            readers: Readers,
        }
        let words = ["x"].iter().chain(arguments);
        let Command { readers } = <Command as clap::Parser>::parse_from(words);
        let all = [
            reader("bus/1", "live", Some(5)),
            reader("bus/2", "slow", None),
            reader("bus/3", "losing", Some(90)),
        ];
        let chosen = readers.chosen(&all);
        chosen.iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn readers_are_chosen_and_sorted_with_the_worst_first() {
        assert_eq!(ids(&[]), ["bus/1", "bus/2", "bus/3"]);
        assert_eq!(ids(&["--reverse"]), ["bus/3", "bus/2", "bus/1"]);
        assert_eq!(ids(&["--sort", "lag"]), ["bus/3", "bus/1", "bus/2"]);
        assert_eq!(ids(&["--sort", "state"]), ["bus/3", "bus/2", "bus/1"]);
        assert_eq!(ids(&["--state", "slow,live"]), ["bus/1", "bus/2"]);
        assert_eq!(ids(&["--kind", "client", "--component", "other"]), Vec::<String>::new());
    }

    #[test]
    fn a_row_shows_the_trend_and_how_old_it_is() {
        let shown = table(&[reader("bus/2", "slow", Some(40))], 61_000_000);
        for text in ["slow (old)", "40 ↑", "12", "60s ago", "–"] {
            assert!(shown.contains(text), "{text} is missing in\n{shown}");
        }
        let shown = table(&[reader(&"bus/long".repeat(30), "slow", Some(40))], 61_000_000);
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
        assert_eq!(table(&[], 0), "nobody reads");
    }

    #[test]
    fn csv_has_every_key_and_quotes_what_holds_a_comma() {
        let text = csv(&[reader("bus/1", "live", None)]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].split(',').count(), KEYS.len());
        let begin = "bus/1,bus,client,,\"a, \"\"b\"\"\",,live,,7,12.4,,,rising,";
        assert!(lines[1].starts_with(begin), "{}", lines[1]);
    }
}
