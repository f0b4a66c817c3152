//! `dataserver tap`

mod show;

use std::{
    io::{self, BufWriter, Write},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use clap::{Args, ValueEnum};
use form_urlencoded::byte_serialize;
use plugin_api::{RecordKind, parse_duration};
use serde_json::{Value, json};

use self::show::Screen;
use super::{
    PipelineFile,
    client::{Client, Followed, Lines},
    output,
};

/// Pause before a host that is away is asked again.
const RETRY_EVERY: Duration = Duration::from_secs(1);
/// How often a host that came back may say that it has no such component: it may be starting.
const MAX_REFUSALS: u32 = 5;

/// Arguments of `tap`.
#[derive(Debug, Args)]
pub struct Tap {
    /// Id of the source or transform whose output is shown.
    #[arg(required_unless_present = "inputs_of")]
    id: Option<String>,
    #[command(flatten)]
    file: PipelineFile,
    /// Show what that transform or sink takes in instead.
    #[arg(long, value_name = "ID", conflicts_with = "id")]
    inputs_of: Option<String>,
    /// Only these securities, e.g. 000001.SZ,600519.SH.
    #[arg(long, value_name = "SYMBOLS", value_delimiter = ',')]
    symbols: Vec<String>,
    /// Only records of this kind; a CSV holds quotes unless told otherwise.
    #[arg(long, value_enum, value_name = "KIND")]
    kind: Option<Kind>,
    /// How records are printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// End after so many records.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// End after one record.
    #[arg(long, conflicts_with = "limit")]
    once: bool,
    /// End after that long, e.g. 30s.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    duration: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Spot,
    Bar,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
    Csv,
}

/// Why the lines ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// All that was asked for was shown, or nobody reads it any more.
    Done,
    /// The connection is gone.
    Lost,
}

impl Tap {
    /// Prints records until all that was asked for are there.
    pub fn run(&self) -> ExitCode {
        let parsed = match self.file.load() {
            Ok(parsed) => parsed,
            Err(faults) => return output::show_faults(&faults),
        };
        let Some(client) = Client::new(parsed.host()) else {
            return output::complain(
                "the pipeline has no `[host] http`, over which the host could be asked; add \
                 http = \"127.0.0.1:9280\" to `[host]` and start the host anew",
            );
        };
        match self.follow(&client) {
            Ok(()) => ExitCode::SUCCESS,
            Err(text) => output::complain(&text),
        }
    }

    fn follow(&self, client: &Client) -> Result<(), String> {
        let until = self.duration.map(|duration| Instant::now() + duration);
        let mut screen = Screen::new(self.format, self.record_kind());
        let mut left = if self.once { Some(1) } else { self.limit };
        let (mut was_there, mut is_told, mut refusals) = (false, false, 0);
        loop {
            let most = until.map(|until| until.saturating_duration_since(Instant::now()));
            if most == Some(Duration::ZERO) {
                return Ok(());
            }
            match client.follow(&self.path(), &self.wanted(left), most) {
                Followed::Lines(mut lines) => {
                    if is_told {
                        output::note("the host answers again");
                    }
                    (was_there, is_told, refusals) = (true, false, 0);
                    if show_all(&mut lines, &mut screen, &mut left)? == End::Done {
                        return Ok(());
                    }
                }
                Followed::Refused(text) if !was_there || refusals == MAX_REFUSALS => {
                    return Err(text);
                }
                Followed::Away(text) if !was_there => {
                    return Err(format!("{text}; no host runs that listens on `[host] http`"));
                }
                Followed::Refused(_) => refusals += 1,
                Followed::Away(_) => {}
            }
            // the time may be over as well
            let most = until.map(|until| until.saturating_duration_since(Instant::now()));
            if most != Some(Duration::ZERO) && !is_told {
                output::note("the connection is lost; asking again until the host answers");
                is_told = true;
            }
            thread::sleep(most.unwrap_or(RETRY_EVERY).min(RETRY_EVERY));
        }
    }

    /// The kind of records that is asked for.
    fn record_kind(&self) -> Option<RecordKind> {
        match self.kind {
            Some(Kind::Spot) => Some(RecordKind::Spot),
            Some(Kind::Bar) => Some(RecordKind::Bar),
            // a file of them has one header
            None => (self.format == Format::Csv).then_some(RecordKind::Spot),
        }
    }

    fn path(&self) -> String {
        let id = self.inputs_of.as_ref().or(self.id.as_ref()).map_or("", String::as_str);
        format!("/api/tap/{}", byte_serialize(id.as_bytes()).collect::<String>())
    }

    /// What is wanted of that component's records, of which so many are left to be shown.
    fn wanted(&self, left: Option<u64>) -> Value {
        json!({
            "inputs": self.inputs_of.is_some(),
            "symbols": self.symbols,
            "kind": self.record_kind().map(RecordKind::as_str),
            "limit": left,
        })
    }
}

/// Prints lines until they end; takes records off what is left.
fn show_all(lines: &mut Lines, screen: &mut Screen, left: &mut Option<u64>) -> Result<End, String> {
    let mut out = BufWriter::new(io::stdout().lock());
    while let Ok(Some(line)) = lines.read() {
        if let Some(missed) = missed(&line) {
            output::note(&format!("missed {missed} records"));
            continue;
        }
        let Some(text) = screen.text(&line) else { continue };
        let written = out.write_all(text.as_bytes());
        let written = if lines.has_more() { written } else { written.and_then(|()| out.flush()) };
        match written {
            // a reader that has seen enough (`| head`) is no fault
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(End::Done),
            Err(error) => return Err(error.to_string()),
            Ok(()) => {}
        }
        if let Some(left) = left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                out.flush().map_err(|error| error.to_string())?;
                return Ok(End::Done);
            }
        }
    }
    // what was printed before the connection was lost
    let _ = out.flush();
    Ok(End::Lost)
}

/// How many records a line says that were missed.
fn missed(line: &str) -> Option<u64> {
    line.trim_end().strip_prefix("{\"missed\":")?.strip_suffix('}')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Arguments, Command};

    fn tap(arguments: &str) -> Result<Tap, clap::Error> {
        let words = format!("dataserver tap {arguments}");
        let Command::Tap(tap) = Arguments::try_parse_from(words.split_whitespace())?.command else {
            panic!("{arguments}");
        };
        Ok(tap)
    }

    #[test]
    fn what_is_asked_for_stands_in_address_and_body() {
        let symbols = json!(["000001.SZ", "600519.SH"]);
        for (arguments, left, path, key, value) in [
            ("qq", None, "/api/tap/qq", "inputs", json!(false)),
            ("--inputs-of lake", None, "/api/tap/lake", "inputs", json!(true)),
            ("qq --symbols 000001.SZ,600519.SH", None, "/api/tap/qq", "symbols", symbols),
            ("qq --kind bar", None, "/api/tap/qq", "kind", json!("bar")),
            ("qq", Some(7), "/api/tap/qq", "limit", json!(7)),
            ("qq --format csv", None, "/api/tap/qq", "kind", json!("spot")),
            ("a/b", None, "/api/tap/a%2Fb", "kind", json!(null)),
        ] {
            let tap = tap(arguments).unwrap();
            assert_eq!(
                (tap.path().as_str(), &tap.wanted(left)[key]),
                (path, &value),
                "{arguments}"
            );
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for arguments in
            ["", "qq --inputs-of lake", "qq --once --limit 3", "qq --limit 0", "qq --duration 3"]
        {
            assert!(tap(arguments).is_err(), "{arguments}");
        }
    }

    #[test]
    fn lines_about_missed_records_are_told_from_records() {
        assert_eq!(missed("{\"missed\":12}\n"), Some(12));
        assert_eq!(missed("{\"kind\":\"spot\",\"missed\":12}\n"), None);
        assert_eq!(missed("\n"), None);
    }
}
