//! Days and what is missing of them, as tables and as CSV.

use ::days::{DayReport, DaySummary, Gap, SecurityDay, Verdict};

use crate::{
    cli::output::{self, Column, csv_line},
    days::report::{SecurityDays, Shown, WHOLE_MARKET},
};

const CALENDAR: [Column; 6] = [
    Column::text("day"),
    Column::text("verdict"),
    Column::number("expected"),
    Column::number("seen"),
    Column::number("complete"),
    Column::number("missing"),
];
const OF_SECURITY: [Column; 5] = [
    Column::text("day"),
    Column::text("verdict"),
    Column::number("quotes"),
    Column::number("gaps"),
    Column::number("missing"),
];
const GAPS: [Column; 5] = [
    Column::text("symbol"),
    Column::text("kind"),
    Column::text("from"),
    Column::text("to"),
    Column::number("records"),
];
/// Where nothing is known.
const NONE: &str = "–";

/// The calendar, with a line on all of it.
pub fn calendar(days: &[DaySummary]) -> String {
    if days.is_empty() {
        return "nothing is known of any of these days".to_owned();
    }
    let row = |day: &DaySummary| {
        let so_far = if day.open { " so far" } else { "" };
        [
            day.date.to_string(),
            format!("{}{so_far}", day.verdict.as_str()),
            day.expected.to_string(),
            day.seen.to_string(),
            day.complete.to_string(),
            day.missing.to_string(),
        ]
    };
    let mut text = output::table(0, &CALENDAR, days.iter().map(row));
    let is_over = |day: &&DaySummary| {
        !day.open && matches!(day.verdict, Verdict::Complete | Verdict::Incomplete)
    };
    let over = || days.iter().filter(is_over);
    let complete = over().filter(|day| day.verdict == Verdict::Complete).count();
    text += &format!("{complete} of {} days are complete\n", over().count());
    if let Some(day) = days.iter().rev().find(|day| day.verdict == Verdict::Incomplete) {
        text += &format!("`dataserver days {}` lists what is missing of that day\n", day.date);
    }
    text
}

/// The same for spreadsheets.
pub fn calendar_csv(days: &[DaySummary]) -> String {
    let header = ["date", "verdict", "expected", "seen", "complete", "missing", "open"];
    let mut text = csv_line(header);
    for day in days {
        let numbers = [day.expected, day.seen, day.complete, day.missing].map(|it| it.to_string());
        let [expected, seen, complete, missing] = numbers.each_ref().map(String::as_str);
        let (date, open) = (day.date.to_string(), day.open.to_string());
        let verdict = day.verdict.as_str();
        text += &csv_line([&date, verdict, expected, seen, complete, missing, &open]);
    }
    text
}

/// The calendar of one security.
pub fn security_calendar(days: &[SecurityDays]) -> String {
    if days.is_empty() {
        return "nothing is known of any of these days".to_owned();
    }
    let row = |day: &SecurityDays| {
        [
            day.date.to_string(),
            day.verdict.map_or(NONE, Verdict::as_str).to_owned(),
            day.records.to_string(),
            day.gaps.len().to_string(),
            day.missing.to_string(),
        ]
    };
    output::table(0, &OF_SECURITY, days.iter().map(row))
}

/// The same for spreadsheets.
pub fn security_calendar_csv(symbol: &str, days: &[SecurityDays]) -> String {
    let mut text = csv_line(["date", "symbol", "verdict", "records", "gaps", "missing"]);
    for day in days {
        let (date, verdict) = (day.date.to_string(), day.verdict.map_or("", Verdict::as_str));
        let [records, gaps, missing] =
            [day.records, day.gaps.len() as u64, day.missing].map(|it| it.to_string());
        text += &csv_line([&date, symbol, verdict, &records, &gaps, &missing]);
    }
    text
}

/// A day: its figures, what is missing, and why as far as that is known.
pub fn day(shown: &Shown, symbol: Option<&str>) -> String {
    let Shown { report, security } = shown;
    let mut text = heading(report);
    if let Some(symbol) = symbol {
        text += &match security {
            Some(security) => of_security(security),
            None => format!("{symbol}: nothing came of it\n"),
        };
    }
    if report.gaps.is_empty() {
        text += "no gaps\n";
    } else {
        text += &output::table(0, &GAPS, report.gaps.iter().map(gap_row));
    }
    for outage in &report.outages {
        text += &format!("{} to {}: {}\n", outage.from, outage.to, outage.why);
    }
    for sum in &report.sums {
        text += &format!(
            "{}: its minutes have {} shares, its day {}\n",
            sum.symbol, sum.minutes_volume, sum.day_volume
        );
    }
    for backfill in &report.backfills {
        text += &format!(
            "backfill from {}: {} records asked, {} written, {} still missing\n",
            backfill.source, backfill.asked, backfill.written, backfill.still_missing
        );
    }
    for deviation in &report.deviations {
        let times = deviation.count;
        text += &format!("{}: {} ({times} times)\n", deviation.symbol, deviation.text);
    }
    text
}

fn heading(report: &DayReport) -> String {
    let DayReport { date, verdict, expected, seen, complete, rounds, .. } = report;
    let so_far = if report.open { " so far" } else { "" };
    let mut text = format!(
        "{date} {}{so_far}: {complete} of {expected} securities complete, {seen} seen\n",
        verdict.as_str()
    );
    if rounds.expected > 0 {
        text += &format!("{} of {} rounds came\n", rounds.received, rounds.expected);
    }
    text
}

fn of_security(security: &SecurityDay) -> String {
    let SecurityDay { symbol, records, longest_silence_s, doubtful, volume, sources, .. } =
        security;
    let time =
        |text: &Option<String>| text.as_deref().map_or(NONE, |it| part(it, 11..19)).to_owned();
    let (first, last) = (time(&security.first), time(&security.last));
    let mut text = format!(
        "{symbol}: {records} quotes from {first} to {last}, longest silence {longest_silence_s} s, \
         {volume} shares"
    );
    if *doubtful > 0 {
        text += &format!(", {doubtful} of them doubtful");
    }
    if !sources.is_empty() {
        text += &format!(", from {}", sources.join(", "));
    }
    text + "\n"
}

fn gap_row(gap: &Gap) -> [String; 5] {
    let symbol = if gap.symbol == WHOLE_MARKET { "* (all)" } else { &gap.symbol };
    let kind = match &gap.period {
        Some(period) => format!("{} {period}", gap.kind),
        None => gap.kind.clone(),
    };
    let [from, to] = [&gap.from, &gap.to].map(|text| part(text, 11..16).to_owned());
    [symbol.to_owned(), kind, from, to, gap.records.to_string()]
}

/// What is missing, for spreadsheets.
pub fn gaps_csv(gaps: &[Gap]) -> String {
    let mut text = csv_line(["symbol", "kind", "period", "from", "to", "records"]);
    for gap in gaps {
        let (period, records) =
            (gap.period.as_deref().unwrap_or_default(), gap.records.to_string());
        text += &csv_line([&gap.symbol, &gap.kind, period, &gap.from, &gap.to, &records]);
    }
    text
}

/// A part of a text, or all of it where it is too short.
fn part(text: &str, range: std::ops::Range<usize>) -> &str {
    text.get(range).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use ::days::Rounds;

    use super::*;

    fn summary(date: &str, verdict: Verdict, open: bool) -> DaySummary {
        let date = date.parse().unwrap();
        DaySummary { date, verdict, expected: 3, seen: 3, complete: 2, missing: 17, open }
    }

    fn gap(symbol: &str, period: Option<&str>) -> Gap {
        Gap {
            symbol: symbol.to_owned(),
            kind: if period.is_some() { "bar" } else { "spot" }.to_owned(),
            from: "2026-01-05T09:31+08:00".to_owned(),
            to: "2026-01-05T09:33+08:00".to_owned(),
            records: 3,
            period: period.map(str::to_owned),
        }
    }

    fn shown(gaps: Vec<Gap>) -> Shown {
        let report = DayReport {
            date: "2026-01-05".parse().unwrap(),
            verdict: Verdict::Incomplete,
            expected: 3,
            seen: 3,
            complete: 2,
            gaps,
            open: false,
            rounds: Rounds { received: 4_790, expected: 4_800, interval_s: 3 },
            outages: Vec::new(),
            sources: Vec::new(),
            sums: Vec::new(),
            doubtful: Vec::new(),
            backfills: Vec::new(),
            deviations: Vec::new(),
        };
        Shown { report, security: None }
    }

    #[test]
    fn a_calendar_has_a_line_a_day_and_says_how_many_are_complete() {
        let days = [
            summary("2026-01-05", Verdict::Incomplete, false),
            summary("2026-01-06", Verdict::Complete, false),
            summary("2026-01-07", Verdict::Complete, true),
            summary("2026-01-10", Verdict::Holiday, false),
        ];
        let text = calendar(&days);
        let parts = [
            "2026-01-05  incomplete",
            "2026-01-07  complete so far",
            "2026-01-10  holiday",
            "1 of 2 days are complete",
            "`dataserver days 2026-01-05`",
        ];
        for part in parts {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let csv = calendar_csv(&days);
        assert_eq!(csv.lines().nth(1), Some("2026-01-05,incomplete,3,3,2,17,false"));
        assert!(calendar(&[]).contains("nothing"));
    }

    #[test]
    fn a_day_lists_its_gaps_with_the_whole_market_as_such() {
        let text = day(&shown(vec![gap("*", None), gap("600000.SH", Some("1m"))]), None);
        let lines: Vec<_> = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(lines[0], "2026-01-05 incomplete: 2 of 3 securities complete, 3 seen");
        assert_eq!(lines[1], "4790 of 4800 rounds came");
        assert!(lines.contains(&"* (all) spot 09:31 09:33 3".to_owned()), "{text}");
        assert!(lines.contains(&"600000.SH bar 1m 09:31 09:33 3".to_owned()), "{text}");
        let csv = gaps_csv(&[gap("600000.SH", Some("1m"))]);
        let line = "600000.SH,bar,1m,2026-01-05T09:31+08:00,2026-01-05T09:33+08:00,3";
        assert_eq!(csv.lines().collect::<Vec<_>>(), ["symbol,kind,period,from,to,records", line]);
    }

    #[test]
    fn a_security_of_which_nothing_came_is_told_as_such() {
        let text = day(&shown(Vec::new()), Some("600009.SH"));
        assert!(
            text.contains("600009.SH: nothing came of it") && text.contains("no gaps"),
            "{text}"
        );
    }
}
