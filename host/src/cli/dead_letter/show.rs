//! `dataserver dead-letter show`

use std::{collections::VecDeque, fmt::Write, io, path::Path, process::ExitCode};

use dataserver_config::closest;
use dataserver_engine::dead_letter::{Letter, Store, Summary};
use plugin_api::{BarRecord, Batch, SpotView, schemas::time::DatetimeText, terminal};
use serde_json::{Value, json};

use super::output;
use crate::cli::Format;

/// Records of a letter that the text shows.
const MOST_RECORDS: usize = 10;
/// Longest part of a payload that is no batch, letters.
const LONGEST_PAYLOAD: usize = 1_000;

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
            let lines = batch.spots().iter().map(|it| spot_line(&it)).collect::<Vec<_>>();
            let lines = lines.into_iter().chain(batch.bars().map(|it| bar_line(&it)));
            lines.take(MOST_RECORDS).for_each(|line| text += &line);
            let more = (batch.records() as usize).saturating_sub(MOST_RECORDS);
            if more > 0 {
                let _ = writeln!(text, "  … {more} more, which --format json shows");
            }
        }
        (Err(error), Some(_)) => {
            let _ = writeln!(text, "  cannot be sent again: {error}");
        }
        (Err(_), None) => {
            let shown: String = letter.payload.chars().take(LONGEST_PAYLOAD).collect();
            let _ = writeln!(text, "  {}", terminal::on_one_line(shown.trim_end()));
        }
    }
    text + "\n"
}

fn spot_line(spot: &SpotView<'_>) -> String {
    format!(
        "  {:<10} {}  close {}  open {}  high {}  low {}  volume {}  amount {}\n",
        spot.symbol().to_string(),
        exchange_time(spot.time_us()),
        spot.close(),
        spot.open(),
        spot.high(),
        spot.low(),
        spot.volume_shares(),
        spot.amount_cny(),
    )
}

fn bar_line(bar: &BarRecord<'_>) -> String {
    format!(
        "  {:<10} {} {}  open {}  high {}  low {}  close {}  volume {}  amount {}\n",
        bar.symbol.to_string(),
        exchange_time(bar.time_us),
        bar.period,
        bar.open,
        bar.high,
        bar.low,
        bar.close,
        bar.volume_shares,
        bar.amount_cny,
    )
}

fn exchange_time(time_us: i64) -> String {
    String::from_utf8_lossy(DatetimeText::default().format(time_us)).into_owned()
}

fn to_json(letter: &Result<Letter, String>) -> Value {
    let letter = match letter {
        Ok(letter) => letter,
        Err(text) => return json!({ "error": text }),
    };
    let mut value = json!(letter.head);
    match letter.batch() {
        Ok(batch) => value["data"] = records(&batch),
        Err(_) if letter.head.batch.is_none() => {
            value["encoding"] = json!(letter.encoding);
            value["payload"] = json!(letter.payload);
        }
        Err(error) => value["error"] = json!(error),
    }
    value
}

fn records(batch: &Batch) -> Value {
    let spots = batch.spots().iter().map(|spot| {
        json!({
            "symbol": spot.symbol().to_string(),
            "name": spot.name(),
            "time": exchange_time(spot.time_us()),
            "pre_close": spot.pre_close(),
            "open": spot.open(),
            "high": spot.high(),
            "low": spot.low(),
            "close": spot.close(),
            "amount": spot.amount_cny(),
            "volume": spot.volume_shares(),
            "source": spot.source(),
            "sequence": spot.sequence(),
        })
    });
    let spots: Vec<_> = spots.collect();
    let bars = batch.bars().map(|bar| {
        json!({
            "symbol": bar.symbol.to_string(),
            "period": bar.period,
            "time": exchange_time(bar.time_us),
            "open": bar.open,
            "high": bar.high,
            "low": bar.low,
            "close": bar.close,
            "amount": bar.amount_cny,
            "volume": bar.volume_shares,
            "closed": bar.closed,
        })
    });
    spots.into_iter().chain(bars).collect()
}
