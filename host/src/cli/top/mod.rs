//! `dataserver top`

mod app;
mod columns;
mod screen;
mod snapshot;
mod table;
mod view;

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use glob::Pattern;
use plugin_api::parse_duration;
use ratatui::crossterm::terminal;

use self::{app::App, snapshot::Snapshot};
use super::{PipelineFile, client::Client, output};

/// Columns of a table that goes to no terminal.
const DEFAULT_WIDTH: usize = 80;
/// Shortest and longest time between two questions.
const INTERVALS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3600));

/// Arguments of `top`.
#[derive(Debug, Args)]
pub struct Top {
    #[command(flatten)]
    file: PipelineFile,
    /// How often the host is asked, e.g. 500ms.
    #[arg(long, default_value = "1s", value_name = "DURATION", value_parser = interval)]
    interval: Duration,
    /// Print one table as plain text and end; the same happens when stdout is no terminal.
    #[arg(long)]
    once: bool,
    /// Only components whose ids fit, e.g. `lake*`.
    #[arg(long, value_name = "GLOB")]
    components: Option<Pattern>,
}

impl Top {
    /// Shows what the host that runs is doing.
    pub fn run(self) -> ExitCode {
        let parsed = match self.file.load() {
            Ok(parsed) => parsed,
            Err(faults) => return output::show_faults(&faults),
        };
        let Some(client) = Client::new(parsed.host()) else {
            return output::complain(
                "the pipeline has no `[host] http`, over which the host could be asked; add e.g. \
                 http = \"127.0.0.1:9280\" to [host] and start the host again",
            );
        };
        let first = match ask(&client) {
            Ok(snapshot) => snapshot,
            Err(error) => return output::complain(&error),
        };
        let mut app = App::new(self.components);
        app.take(Ok(first));
        if self.once || !io::stdout().is_terminal() {
            return output::print(&view::plain(&app, width()));
        }
        match screen::run(app, client, self.interval) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => output::complain(&format!("the terminal: {error}")),
        }
    }
}

/// Asks the host what it is doing.
fn ask(client: &Client) -> Result<Snapshot, String> {
    let answer = client.get("/api/pipeline")?;
    let answer =
        answer.ok_or("no host runs that listens on `[host] http` of this file; start it")?;
    answer.json()
}

/// Columns of the terminal, or those that fit every terminal.
fn width() -> usize {
    let size = io::stdout().is_terminal().then(terminal::size);
    size.and_then(Result::ok).map_or(DEFAULT_WIDTH, |(columns, _)| usize::from(columns))
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = parse_duration(text)?;
    if !(INTERVALS.0..=INTERVALS.1).contains(&interval) {
        return Err("write a time from 100ms to 1h".to_owned());
    }
    Ok(interval)
}
