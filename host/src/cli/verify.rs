//! `dataserver verify`

use std::process::ExitCode;

use ::days::{Day, DaySummary, Ledger, LedgerError, Verdict};
use clap::Args;
use dataserver_config::Pipeline;
use dataserver_engine::{
    clock::{Clock, SystemClock},
    topology,
};
use dataserver_loader::PluginCatalog;
use plugin_api::RecordKind;
use serde_json::json;

use super::{
    EXIT_CONFIG, PipelineFile,
    days::{Format, resolved},
    output::{self, Column, csv_line},
    progress::{Progress, Unit},
};
use crate::days::{
    asking::History,
    place::Place,
    prices::PriceFault,
    tally::{Difference, Series},
    verifying::{Compared, Verified, verify},
};

/// Days before today among which the last one that is over is looked for.
const DAYS_BACK: i64 = 30;
const SERIES: [Column; 4] = [
    Column::text("kind"),
    Column::number("counted"),
    Column::number("stored"),
    Column::text("result").or_cut(),
];
const DIFFERENCES: [Column; 6] = [
    Column::text("symbol"),
    Column::text("kind"),
    Column::text("from"),
    Column::text("to"),
    Column::number("counted"),
    Column::number("stored"),
];

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// The day, e.g. 2026-01-05. Default: the last one that is over.
    #[arg(value_name = "DATE")]
    date: Option<Day>,
    #[command(flatten)]
    file: PipelineFile,
    /// The sink whose store is counted.
    #[arg(long, value_name = "ID")]
    store: String,
    /// Only records of this kind.
    #[arg(long, value_name = "KIND", value_parser = ["spot", "bar"])]
    kind: Option<String>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

impl Verify {
    /// Counts a day in the store and prints where it differs from the ledger.
    pub fn run(self) -> ExitCode {
        let (pipeline, catalog) = match resolved(&self.file) {
            Ok(resolved) => resolved,
            Err(code) => return code,
        };
        let (verified, place) = match self.verify(&pipeline, &catalog) {
            Ok(verified) => verified,
            Err((error, code)) => {
                output::complain(&error);
                return code;
            }
        };
        let printed = match self.format {
            Format::Table => output::print(&table(&verified)),
            Format::Json => output::print_json(&json!(verified)),
            Format::Csv => output::print(&csv(&verified.differences)),
        };
        if verified.is_sound() {
            return printed;
        }
        note_of_inputs(&pipeline, &place, &self.store);
        ExitCode::FAILURE
    }

    fn verify(
        &self,
        pipeline: &Pipeline,
        catalog: &PluginCatalog,
    ) -> Result<(Verified, Place), (String, ExitCode)> {
        let failed = |error: String| (error, ExitCode::FAILURE);
        let place = Place::of(pipeline).map_err(|none| failed(none.to_string()))?;
        let ledger = place.read().map_err(|error| failed(error.to_string()))?;
        let history = History::of(&self.store, pipeline, catalog, topology::null_host());
        let history = history.map_err(|error| failed(error.to_string()))?;
        let day = match self.date {
            Some(day) => day,
            None => last_over(&ledger, SystemClock.now_us()).map_err(failed)?,
        };
        let kind = self.kind.as_deref().and_then(RecordKind::named);
        let mut shown: Option<(Series, Progress)> = None;
        let mut tell = |series: &Series, read: u64, total: u64| {
            if shown.as_ref().is_none_or(|(of, _)| of != series) {
                // one is drawn at a time
                shown = None;
                let name = format!("{} {}", self.store, series.text());
                let progress = Progress::new(&name, Some(total), Unit::Of("records"));
                shown = Some((series.clone(), progress));
            }
            if let Some((_, progress)) = &shown {
                progress.at(read);
            }
        };
        match verify(&history, &ledger, day, kind, &mut tell) {
            Ok(verified) => Ok((verified, place)),
            Err(error) if error.is_config() => {
                Err((error.to_string(), ExitCode::from(EXIT_CONFIG)))
            }
            Err(error) => Err(failed(error.to_string())),
        }
    }
}

/// The last trading day that is over and of which something came.
fn last_over(ledger: &Ledger, now_us: i64) -> Result<Day, String> {
    let last = || -> Result<Option<Day>, LedgerError> {
        let Some((_, last)) = ledger.span()? else { return Ok(None) };
        let last = last.min(Day::of(now_us));
        let days = ledger.calendar(Day(last.0 - DAYS_BACK), last, now_us)?;
        let is_over = |day: &&DaySummary| {
            !day.open && matches!(day.verdict, Verdict::Complete | Verdict::Incomplete)
        };
        Ok(days.iter().rev().find(is_over).map(|day| day.date))
    };
    match last() {
        Ok(Some(day)) => Ok(day),
        Ok(None) => {
            Err("the ledger knows of no day that is over; name one, as 2026-01-05".to_owned())
        }
        Err(error) => Err(error.to_string()),
    }
}

/// What one of them is not given must differ.
fn note_of_inputs(pipeline: &Pipeline, place: &Place, store: &str) {
    let Some(store) = pipeline.components.iter().find(|it| it.id == store) else { return };
    let sorted = |inputs: &[String]| {
        let mut inputs = inputs.to_vec();
        inputs.sort_unstable();
        inputs
    };
    if !store.inputs.is_empty() && sorted(&store.inputs) != sorted(&place.inputs) {
        output::note(&format!(
            "{} reads from {}, and {} from {}: what only one of them is given differs; give both \
             the same `inputs` to compare all of it",
            place.id,
            place.inputs.join(", "),
            store.id,
            store.inputs.join(", ")
        ));
    }
}

fn table(verified: &Verified) -> String {
    let Verified { date, store, series, differences, sums, days, prices } = verified;
    let row = |it: &Compared| {
        let result = match (&it.error, &it.unreadable) {
            (Some(error), _) => error.clone(),
            (None, Some(unreadable)) => format!("not all of it can be read: {unreadable}"),
            (None, None) if differences.iter().any(|differs| differs.series == it.series) => {
                "differs".to_owned()
            }
            (None, None) => "the same".to_owned(),
        };
        [it.series.text(), it.counted.to_string(), it.stored.to_string(), result]
    };
    let mut text = format!("{date} in {store}\n");
    text += &output::table(0, &SERIES, series.iter().map(row));
    for (compared, error) in series.iter().filter_map(|it| Some((it, it.error.as_ref()?))) {
        text += &output::wrapped(0, &format!("{}: {error}", compared.series.text()));
    }
    if !differences.is_empty() {
        text += "\n";
        text += &output::table(0, &DIFFERENCES, differences.iter().map(difference_row));
    }
    for sum in sums {
        text += &format!(
            "{}: its minutes have {} shares, its day {}\n",
            sum.symbol, sum.minutes_volume, sum.day_volume
        );
    }
    for day in days {
        text += &format!(
            "{}: its bar of the day has {} shares and {:.2} CNY; what came had {} and {:.2}\n",
            day.symbol,
            day.stored_volume,
            day.stored_amount,
            day.counted_volume,
            day.counted_amount
        );
    }
    for PriceFault { symbol, period, at, why } in prices {
        text += &format!("{symbol}: prices of its {period} bar of {at} do not fit: {why}\n");
    }
    text
}

fn difference_row(it: &Difference) -> [String; 6] {
    let [from, to] = [&it.from, &it.to].map(|text| text.get(11..16).unwrap_or(text).to_owned());
    [it.symbol.clone(), it.series.text(), from, to, it.counted.to_string(), it.stored.to_string()]
}

fn csv(differences: &[Difference]) -> String {
    let mut text = csv_line(["symbol", "kind", "period", "from", "to", "counted", "stored"]);
    for Difference { symbol, series, from, to, counted, stored } in differences {
        let period = series.period.as_deref().unwrap_or_default();
        let [counted, stored] = [counted, stored].map(|it| it.to_string());
        text += &csv_line([symbol, &series.kind, period, from, to, &counted, &stored]);
    }
    text
}

#[cfg(test)]
mod tests {
    use ::days::SumFault;

    use super::*;
    use crate::days::sums::DayFault;

    fn verified() -> Verified {
        let compared = |series, error: Option<&str>| Compared {
            series,
            counted: 20,
            stored: 15,
            error: error.map(str::to_owned),
            unreadable: None,
        };
        Verified {
            date: "2026-01-05".parse().unwrap(),
            store: "lake".to_owned(),
            series: vec![
                compared(Series::bars("1m"), Some("lake: nothing of bars")),
                compared(Series::spots(), None),
            ],
            differences: vec![Difference {
                symbol: "600000.SH".to_owned(),
                series: Series::spots(),
                from: "2026-01-05T09:31+08:00".to_owned(),
                to: "2026-01-05T09:32+08:00".to_owned(),
                counted: 7,
                stored: 2,
            }],
            sums: vec![SumFault {
                symbol: "600001.SH".to_owned(),
                minutes_volume: 5,
                day_volume: 6,
                minutes_amount: 0.0,
                day_amount: 0.0,
            }],
            days: vec![DayFault {
                symbol: "600002.SH".to_owned(),
                counted_volume: 7,
                stored_volume: 70,
                counted_amount: 14.0,
                stored_amount: 14.0,
            }],
            prices: vec![PriceFault {
                symbol: "600003.SH".to_owned(),
                period: "1m".to_owned(),
                at: "2026-01-05T09:31+08:00".to_owned(),
                why: "close 20".to_owned(),
            }],
        }
    }

    #[test]
    fn every_security_and_minute_that_differs_is_named() {
        let text = table(&verified());
        let lines: Vec<_> =
            text.lines().map(|it| it.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        for line in [
            "2026-01-05 in lake",
            "spot 20 15 differs",
            "bar 1m: lake: nothing of bars",
            "600000.SH spot 09:31 09:32 7 2",
            "600001.SH: its minutes have 5 shares, its day 6",
            "600002.SH: its bar of the day has 70 shares and 14.00 CNY; what came had 7 and 14.00",
            "600003.SH: prices of its 1m bar of 2026-01-05T09:31+08:00 do not fit: close 20",
        ] {
            assert!(lines.contains(&line.to_owned()), "{line} is missing in\n{text}");
        }
        let csv = csv(&verified().differences);
        let line = "600000.SH,spot,,2026-01-05T09:31+08:00,2026-01-05T09:32+08:00,7,2";
        assert_eq!(csv.lines().nth(1), Some(line));
        let json = json!(verified());
        assert_eq!(json["differences"][0]["kind"], "spot");
        assert_eq!(
            (&json["series"][0]["period"], &json["series"][1]["period"]),
            (&json!("1m"), &json!(null))
        );
    }

    #[test]
    fn a_store_is_sound_when_nothing_differs_and_all_was_read() {
        let mut sound = verified();
        assert!(!sound.is_sound());
        sound.differences.clear();
        sound.sums.clear();
        sound.days.clear();
        assert!(!sound.is_sound(), "prices do not fit");
        sound.prices.clear();
        assert!(!sound.is_sound(), "one was not read");
        sound.series.remove(0);
        assert!(sound.is_sound());
        assert!(table(&sound).contains("the same"));
        sound.series[0].unreadable = Some("row 7".to_owned());
        assert!(!sound.is_sound());
    }
}
