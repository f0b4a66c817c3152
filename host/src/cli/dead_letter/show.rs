//! `dataserver dead-letter show`

use std::{collections::VecDeque, fmt::Write, io, path::Path, process::ExitCode};

use dataserver_config::closest;
use dataserver_engine::dead_letter::{Letter, Store, Summary};
use plugin_api::{BarRecord, SpotView, terminal};
use serde_json::{Value, json};

use crate::{
    cli::{
        Format,
        output::{self, Column},
    },
    record_json::{self, exchange_time},
};

const SPOTS: [Column; 8] = [
    Column::text("symbol"),
    Column::text("time"),
    Column::number("close"),
    Column::number("volume"),
    Column::number("amount"),
    Column::number("open").or_left_out(),
    Column::number("high").or_left_out(),
    Column::number("low").or_left_out(),
];
const BARS: [Column; 9] = [
    Column::text("symbol"),
    Column::text("time"),
    Column::text("period"),
    Column::number("close"),
    Column::number("volume"),
    Column::number("amount").or_left_out(),
    Column::number("open").or_left_out(),
    Column::number("high").or_left_out(),
    Column::number("low").or_left_out(),
];
/// Blanks before what belongs to a letter.
const INDENT: u16 = 2;
/// Records of a letter that the text shows.
const MAX_RECORDS: usize = 10;
/// Longest part of a payload that is no batch, letters.
const MAX_PAYLOAD: usize = 1_000;

/// Prints the newest letters of a component.
pub fn run(folder: &Path, component: &str, limit: usize, format: Format) -> ExitCode {
    let store = Store::new(folder.join(component));
    let letters = match newest(&store, limit) {
        Ok(letters) => letters,
        Err(error) => {
            return output::complain(&format!("{}: {error}", store.folder().display()));
        }
    };
    match format {
        Format::Json => {
            let all: Value = letters.iter().map(to_json).collect();
            output::print_json(&all)
        }
        Format::Text if letters.is_empty() => output::complain(&nothing_of(folder, component)),
        Format::Text => output::print(&letters.iter().map(to_text).collect::<String>()),
    }
}

/// The newest letters, oldest first; lines that are none as what is wrong with them.
fn newest(store: &Store, limit: usize) -> io::Result<Vec<Result<Letter, String>>> {
    let mut newest = Vec::new();
    for path in store.files()?.iter().rev() {
        let mut of_file = VecDeque::new();
        Store::lines(path, 0, |place, line| {
            of_file.push_back((place, line.to_vec()));
            if of_file.len() > limit - newest.len().min(limit) {
                of_file.pop_front();
            }
            true
        })?;
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        for (place, line) in of_file.into_iter().rev() {
            let named = |text| format!("{file}, byte {}: {text}", place.at);
            newest.push(Letter::parse(&line).map_err(named));
        }
    }
    newest.reverse();
    Ok(newest)
}

fn nothing_of(folder: &Path, component: &str) -> String {
    let all = Summary::all(folder).unwrap_or_default();
    let names: Vec<_> = all.iter().map(|summary| summary.component.as_str()).collect();
    let text = format!("nothing was set aside by `{component}`");
    match closest(component, names.iter().copied()) {
        Some(meant) if meant != component => format!("{text}; did you mean `{meant}`?"),
        _ if names.is_empty() => text,
        _ => format!("{text}; there is something of {}", names.join(", ")),
    }
}

fn to_text(letter: &Result<Letter, String>) -> String {
    let letter = match letter {
        Ok(letter) => letter,
        Err(text) => return format!("damaged: {text}\n\n"),
    };
    let reason = terminal::on_one_line(&letter.head.reason);
    let mut text = format!("{}  {reason}\n", letter.head.time);
    match (letter.batch(), &letter.head.batch) {
        (Ok(batch), _) => {
            let provenance = batch.provenance();
            // writing to a string cannot fail
            let _ = writeln!(
                text,
                "  {} {} records of {}, batch {}",
                batch.records(),
                batch.kind().as_str(),
                provenance.source(),
                provenance.sequence
            );
            let spots: Vec<_> =
                batch.spots().iter().take(MAX_RECORDS).map(|it| spot(&it)).collect();
            let bars: Vec<_> = batch.bars().take(MAX_RECORDS).map(|it| bar(&it)).collect();
            if !spots.is_empty() {
                text += &output::table(INDENT, &SPOTS, spots);
            }
            if !bars.is_empty() {
                text += &output::table(INDENT, &BARS, bars);
            }
            let more = (batch.records() as usize).saturating_sub(MAX_RECORDS);
            if more > 0 {
                let _ = writeln!(text, "  … {more} more, which --format json shows");
            }
        }
        (Err(error), Some(_)) => {
            let _ = writeln!(text, "  cannot be sent again: {error}");
        }
        (Err(_), None) => {
            let shown: String = letter.payload.chars().take(MAX_PAYLOAD).collect();
            let _ = writeln!(text, "  {}", terminal::on_one_line(shown.trim_end()));
        }
    }
    text + "\n"
}

fn spot(spot: &SpotView<'_>) -> [String; 8] {
    [
        spot.symbol().to_string(),
        exchange_time(spot.time_us()),
        spot.close().to_string(),
        spot.volume_shares().to_string(),
        spot.amount_cny().to_string(),
        spot.open().to_string(),
        spot.high().to_string(),
        spot.low().to_string(),
    ]
}

fn bar(bar: &BarRecord<'_>) -> [String; 9] {
    [
        bar.symbol.to_string(),
        exchange_time(bar.time_us),
        bar.period.to_string(),
        bar.close.to_string(),
        bar.volume_shares.to_string(),
        bar.amount_cny.to_string(),
        bar.open.to_string(),
        bar.high.to_string(),
        bar.low.to_string(),
    ]
}

fn to_json(letter: &Result<Letter, String>) -> Value {
    let letter = match letter {
        Ok(letter) => letter,
        Err(text) => return json!({ "error": text }),
    };
    let mut value = json!(letter.head);
    match letter.batch() {
        Ok(batch) => value["data"] = record_json::objects(&batch, usize::MAX).into(),
        Err(_) if letter.head.batch.is_none() => {
            value["encoding"] = json!(letter.encoding);
            value["payload"] = json!(letter.payload);
        }
        Err(error) => value["error"] = json!(error),
    }
    value
}
