//! Records as rows of a table, lines of JSON or of CSV.

use plugin_api::{RecordKind, schemas::time::DatetimeText, terminal};
use serde_json::{Map, Value};

use super::Format;

/// What one record is.
type Object = Map<String, Value>;
/// A column of a table: its heading, its width, and what it shows; texts are flush left.
type Column = (&'static str, usize, fn(&Object) -> String);

const SPOT: [Column; 8] = [
    ("time", 14, time),
    ("symbol", 9, |it| text(it, "symbol")),
    ("price", 8, |it| price(value(it, "close"))),
    ("change", 7, change),
    ("volume", 11, |it| number(it, "volume")),
    ("bid", 8, |it| price(&value(it, "bid")[0])),
    ("ask", 8, |it| price(&value(it, "ask")[0])),
    ("name", 0, |it| text(it, "name")),
];
const BAR: [Column; 8] = [
    ("time", 14, time),
    ("symbol", 9, |it| text(it, "symbol")),
    ("bar", 4, |it| text(it, "period")),
    ("open", 8, |it| price(value(it, "open"))),
    ("high", 8, |it| price(value(it, "high"))),
    ("low", 8, |it| price(value(it, "low"))),
    ("close", 8, |it| price(value(it, "close"))),
    ("volume", 11, |it| number(it, "volume")),
];

/// What is printed of records.
#[derive(Debug)]
pub struct Screen {
    format: Format,
    /// The kind of the records in a CSV.
    kind: Option<RecordKind>,
    /// The kind that the last heading was for.
    headed: Option<RecordKind>,
}

impl Screen {
    /// A screen for records in that format.
    pub fn new(format: Format, kind: Option<RecordKind>) -> Self {
        Self { format, kind, headed: None }
    }

    /// What is printed of a line, safe for a terminal; `None` for one that is no record.
    pub fn text(&mut self, line: &str) -> Option<String> {
        let object: Object = serde_json::from_str(line).ok()?;
        let kind = RecordKind::named(object.get("kind")?.as_str()?)?;
        match self.format {
            Format::Json => Some(terminal::escaped_json(line).into_owned()),
            Format::Csv if self.kind.is_some_and(|wanted| wanted != kind) => None,
            Format::Csv => Some(self.csv(kind, &object)),
            Format::Table => Some(self.table(kind, &object)),
        }
    }

    fn table(&mut self, kind: RecordKind, object: &Object) -> String {
        let columns: &[Column] = match kind {
            RecordKind::Bar => &BAR,
            _ => &SPOT,
        };
        let mut lines = String::new();
        if self.headed.replace(kind) != Some(kind) {
            lines += &row(columns.iter().map(|(name, width, _)| ((*name).to_owned(), *width)));
        }
        lines + &row(columns.iter().map(|(_, width, show)| (show(object), *width)))
    }

    fn csv(&mut self, kind: RecordKind, object: &Object) -> String {
        let columns = || ["component"].into_iter().chain(kind.columns().iter().map(|it| it.name));
        let mut lines = String::new();
        if self.headed.replace(kind) != Some(kind) {
            lines += &(columns().collect::<Vec<_>>().join(",") + "\n");
        }
        let cells = columns().map(|name| cell(value(object, name)));
        lines + &cells.collect::<Vec<_>>().join(",") + "\n"
    }
}

/// One line of cells; the first two are flush left, and the last one as long as it is.
fn row(cells: impl Iterator<Item = (String, usize)>) -> String {
    let mut line = String::new();
    for (at, (text, width)) in cells.enumerate() {
        let text = terminal::on_one_line(&text);
        let gap = if at == 0 { "" } else { " " };
        line += &match at {
            0 | 1 => format!("{gap}{text:<width$}"),
            _ => format!("{gap}{text:>width$}"),
        };
    }
    line.truncate(line.trim_end().len());
    line + "\n"
}

/// Stands for a value that is not there.
static NULL: Value = Value::Null;

fn value<'o>(object: &'o Object, name: &str) -> &'o Value {
    object.get(name).unwrap_or(&NULL)
}

/// `12-01 09:15:01`, in Shanghai.
fn time(object: &Object) -> String {
    let Some(time_us) = value(object, "time").as_i64() else { return String::new() };
    let text = String::from_utf8_lossy(DatetimeText::default().format(time_us)).into_owned();
    text.get(5..19).unwrap_or_default().to_owned()
}

fn text(object: &Object, name: &str) -> String {
    value(object, name).as_str().unwrap_or_default().to_owned()
}

fn number(object: &Object, name: &str) -> String {
    value(object, name).as_number().map(ToString::to_string).unwrap_or_default()
}

/// A price as exchanges write it: two digits, three where they are needed.
fn price(value: &Value) -> String {
    let Some(price) = value.as_f64().filter(|price| *price > 0.0) else { return String::new() };
    let three = format!("{price:.3}");
    three.strip_suffix('0').map(str::to_owned).unwrap_or(three)
}

/// Change since the close of the day before.
fn change(object: &Object) -> String {
    let known = |name: &str| value(object, name).as_f64().filter(|it| *it > 0.0);
    match known("close").zip(known("pre_close")) {
        Some((close, before)) => format!("{:+.2}%", (close / before - 1.0) * 100.0),
        None => String::new(),
    }
}

/// A value in a CSV: parts of a list with spaces between them, what has a comma in quotes. What a
/// spreadsheet would take for a formula is a text for it.
fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(cell).collect::<Vec<_>>().join(" "),
        other => return other.to_string(),
    };
    let text = terminal::on_one_line(&text);
    let is_formula = matches!(value, Value::String(_)) && text.starts_with(['=', '+', '-', '@']);
    if is_formula || text.contains([',', '"']) {
        let mark = if is_formula { "'" } else { "" };
        format!("\"{mark}{}\"", text.replace('"', "\"\""))
    } else {
        text.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTE: &str = "{\"kind\":\"spot\",\"component\":\"qq\",\"symbol\":\"000001.SZ\",\
        \"name\":\"平安银行\",\"time\":1638321301000000,\"pre_close\":9.0,\"close\":9.18,\
        \"volume\":103300,\"bid\":[9.17,9.16],\"ask\":[],\"source\":\"qq\"}\n";
    const BAR_LINE: &str = "{\"kind\":\"bar\",\"component\":\"bars\",\"symbol\":\"000001.SZ\",\
        \"period\":\"1m\",\"time\":1638321300000000,\"open\":9.0,\"high\":9.2,\"low\":8.995,\
        \"close\":9.18,\"volume\":100,\"closed\":true}\n";

    #[test]
    fn a_table_has_a_heading_for_each_kind() {
        let mut screen = Screen::new(Format::Table, None);
        let expected = "time           symbol       price  change      volume      bid      ask name\n\
            12-01 09:15:01 000001.SZ     9.18  +2.00%      103300     9.17          平安银行\n";
        assert_eq!(screen.text(QUOTE).unwrap(), expected);
        assert_eq!(screen.text(QUOTE).unwrap().lines().count(), 1);
        let expected = "time           symbol     bar     open     high      low    close      volume\n\
            12-01 09:15:00 000001.SZ   1m     9.00     9.20    8.995     9.18         100\n";
        assert_eq!(screen.text(BAR_LINE).unwrap(), expected);
        assert!(screen.text("\n").is_none() && screen.text("{\"missed\":1}\n").is_none());
    }

    #[test]
    fn json_stays_as_it_came_but_for_what_a_terminal_obeys() {
        let mut screen = Screen::new(Format::Json, None);
        assert_eq!(screen.text(QUOTE).unwrap(), QUOTE);
        let evil = "{\"kind\":\"spot\",\"name\":\"\u{202e}x\"}\n";
        assert_eq!(screen.text(evil).unwrap(), "{\"kind\":\"spot\",\"name\":\"\\u202ex\"}\n");
    }

    #[test]
    fn a_csv_has_every_column_and_one_kind() {
        let mut screen = Screen::new(Format::Csv, Some(RecordKind::Spot));
        let text = screen.text(QUOTE).unwrap();
        let (head, line) = text.trim_end().split_once('\n').unwrap();
        assert_eq!(head.split(',').count(), RecordKind::Spot.columns().len() + 1);
        assert_eq!(line.split(',').count(), head.split(',').count());
        assert!(head.starts_with("component,symbol,") && line.starts_with("qq,000001.SZ,"));
        assert!(line.contains(",9.17 9.16,"), "{line}");
        assert_eq!(screen.text(BAR_LINE), None);
        assert_eq!(cell(&Value::from("a,\"b\"")), "\"a,\"\"b\"\"\"");
        assert_eq!(cell(&Value::from("=1+1")), "\"'=1+1\"");
        assert_eq!(cell(&Value::from(-1.5)), "-1.5");
    }
}
