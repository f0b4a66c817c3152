//! `dataserver days`

mod show;

use std::process::ExitCode;

use ::days::{Day, Ledger};
use clap::{Args, ValueEnum};
use dataserver_config::Pipeline;
use dataserver_engine::clock::{Clock, SystemClock};
use dataserver_loader::PluginCatalog;
use serde::Serialize;

use super::{
    PipelineFile, output,
    progress::{Progress, Unit},
};
use crate::days::{
    place::Place,
    range::Range,
    report::{self, Calendar, SecurityCalendar, SecurityDays, parse_symbol},
};

/// Arguments of `days`.
#[derive(Debug, Args)]
pub struct Days {
    /// What is missing of this day, e.g. 2026-01-05. Otherwise the calendar.
    #[arg(value_name = "DATE", conflicts_with_all = ["from", "to"])]
    date: Option<Day>,
    #[command(flatten)]
    file: PipelineFile,
    /// Only this security, e.g. 600000.SH.
    #[arg(long, value_name = "SYMBOL", value_parser = parse_symbol)]
    symbol: Option<String>,
    /// First day of the calendar. Default: three months before the last one, or the first day known.
    #[arg(long, value_name = "DATE")]
    from: Option<Day>,
    /// Last day of the calendar. Default: today.
    #[arg(long, value_name = "DATE")]
    to: Option<Day>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// How days and what is missing of them are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// For spreadsheets.
    Csv,
}

impl Days {
    /// Reads the ledger of a pipeline, whether or not a host runs.
    pub fn run(self) -> ExitCode {
        let (pipeline, _) = match resolved(&self.file) {
            Ok(resolved) => resolved,
            Err(code) => return code,
        };
        match self.look(&pipeline) {
            Ok(text) if self.format == Format::Json => output::print_json_text(&text),
            Ok(text) => output::print(&text),
            Err(error) => output::complain(&error),
        }
    }

    fn look(&self, pipeline: &Pipeline) -> Result<String, String> {
        let now_us = SystemClock.now_us();
        let place = Place::of(pipeline).map_err(|none| none.to_string())?;
        let ledger = place.read().map_err(|error| error.to_string())?;
        let symbol = self.symbol.as_deref();
        if let Some(day) = self.date {
            let shown = report::day(&ledger, day, symbol, now_us).map_err(|it| it.to_string())?;
            return Ok(match self.format {
                Format::Table => show::day(&shown, symbol),
                Format::Json => json(&shown)?,
                Format::Csv => show::gaps_csv(&shown.report.gaps),
            });
        }
        let range = Range::new(self.from, self.to, now_us)?;
        let Some(symbol) = symbol else {
            let days = report::calendar(&ledger, range, now_us).map_err(|it| it.to_string())?;
            return Ok(match self.format {
                Format::Table => show::calendar(&days),
                Format::Json => json(&Calendar { days })?,
                Format::Csv => show::calendar_csv(&days),
            });
        };
        let days = days_of(&ledger, symbol, range, now_us)?;
        Ok(match self.format {
            Format::Table => show::security_calendar(&days),
            Format::Json => json(&SecurityCalendar { symbol, days: &days })?,
            Format::Csv => show::security_calendar_csv(symbol, &days),
        })
    }
}

/// As JSON, with keys in the order of the fields.
fn json(shown: &impl Serialize) -> Result<String, String> {
    serde_json::to_string(shown).map_err(|error| error.to_string())
}

/// The pipeline of a file, with its plugins; what is wrong with it was told when that fails.
///
/// # Errors
/// The exit code.
pub fn resolved(file: &PipelineFile) -> Result<(Pipeline, PluginCatalog), ExitCode> {
    let parsed = file.load().map_err(|faults| output::show_faults(&faults))?;
    let catalog = PluginCatalog::of(parsed.host());
    let pipeline = parsed.resolve(&catalog).map_err(|faults| output::show_faults(&faults))?;
    Ok((pipeline, catalog))
}

/// Every day of a range for one security, which takes a look at each of them.
fn days_of(
    ledger: &Ledger,
    symbol: &str,
    range: Range,
    now_us: i64,
) -> Result<Vec<SecurityDays>, String> {
    let text = |error: ::days::LedgerError| error.to_string();
    let Some(range) = range.known(ledger.span().map_err(text)?) else { return Ok(Vec::new()) };
    let dates = range.from.0..=range.to.0.min(Day::of(now_us).0);
    let total = u64::try_from(dates.clone().count()).ok();
    let progress = Progress::new(symbol, total, Unit::Of("days"));
    let mut days = Vec::new();
    for (date, done) in dates.zip(0..) {
        progress.at(done);
        let shown = report::day(ledger, Day(date), Some(symbol), now_us).map_err(text)?;
        days.push(report::security_days(shown));
    }
    Ok(days)
}
