//! What commands print.

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use comfy_table::{CellAlignment, ColumnConstraint, LineStyle, Row, Table, TableStyle, Width};
use dataserver_config::Faults;
use jiff::Timestamp;
use plugin_api::terminal;

use super::{EXIT_CONFIG, progress::beside};

/// A rule below the names of the columns, and nothing else.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─'));
/// Blanks between two columns.
const GAP: u16 = 2;
/// Columns of a line where there is no terminal to tell.
const WIDTH: u16 = 80;
/// A terminal that says less knows it not.
const LEAST_WIDTH: u16 = 40;
/// What is left at least of a column that is cut; before others are left out, it has more.
const LEAST: u16 = 8;
const READABLE: u16 = 16;

/// A column of a listing.
#[derive(Debug, Clone, Copy)]
pub struct Column<'a> {
    name: &'a str,
    is_number: bool,
    room: Room,
}

/// What becomes of a column that there is no room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    /// It is shown in full, as long as anything else can give way.
    Kept,
    /// Its cells are cut.
    Cut,
    /// It is left out.
    LeftOut,
}

impl<'a> Column<'a> {
    /// A column of texts.
    pub const fn text(name: &'a str) -> Self {
        Self { name, is_number: false, room: Room::Kept }
    }

    /// A column of numbers.
    pub const fn number(name: &'a str) -> Self {
        Self { name, is_number: true, room: Room::Kept }
    }

    /// Its cells are cut where there is no room for them.
    pub const fn or_cut(self) -> Self {
        Self { room: Room::Cut, ..self }
    }

    /// It is left out where there is no room for it, the last one of a listing first;
    /// `--format json` has it.
    pub const fn or_left_out(self) -> Self {
        Self { room: Room::LeftOut, ..self }
    }
}

/// A listing with a line for each row, in lines that fit behind `indent` blanks into the terminal.
pub fn table<const N: usize>(
    indent: u16,
    columns: &[Column; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let rows: Vec<Vec<String>> = rows.into_iter().map(Vec::from).collect();
    let listing = laid_out(columns, &rows, width().saturating_sub(indent));
    let blanks = " ".repeat(indent.into());
    listing.lines().map(|line| format!("{blanks}{line}\n")).collect()
}

/// The same of columns that only the rows tell, which have a cell for each.
pub fn listing(columns: &[Column<'_>], rows: &[Vec<String>]) -> String {
    laid_out(columns, rows, width())
}

/// A text in lines that fit behind so many blanks into the terminal; a longer word stays whole.
pub fn wrapped(indent: u16, text: &str) -> String {
    let (blanks, width) = (" ".repeat(indent.into()), usize::from(width().saturating_sub(indent)));
    let mut lines = String::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines += &format!("{blanks}{line}\n");
            line.clear();
        }
        line += if line.is_empty() { "" } else { " " };
        line += word;
    }
    lines + &format!("{blanks}{line}\n")
}

fn laid_out(columns: &[Column], rows: &[Vec<String>], width: u16) -> String {
    let row = |cells: Vec<String>| {
        let mut row = Row::from(cells);
        row.max_height(1);
        row
    };
    let mut table = Table::new();
    let names = columns.iter().map(|column| column.name.to_owned());
    table.load_style(STYLE).set_header(row(names.collect()));
    for cells in rows {
        let cells = cells.iter().map(|cell| terminal::on_one_line(cell).into_owned());
        table.add_row(row(cells.collect()));
    }
    let widths = fitted(columns, &table.column_max_content_widths(), width);
    let last = widths.iter().rposition(Option::is_some);
    for (at, shown) in table.column_iter_mut().enumerate() {
        let gap = if Some(at) == last { 0 } else { GAP };
        shown.set_padding((0, gap));
        shown.set_constraint(match widths[at] {
            Some(width) => ColumnConstraint::Absolute(Width::Fixed(width.saturating_add(gap))),
            None => ColumnConstraint::Hidden,
        });
        if columns[at].is_number {
            shown.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// Width of each column, of what is in it at most; `None` for those that are left out.
fn fitted(columns: &[Column], content: &[u16], width: u16) -> Vec<Option<u16>> {
    let total = |widths: &[Option<u16>]| {
        let shown = || widths.iter().flatten();
        let gaps = u32::from(GAP) * u32::try_from(shown().count()).unwrap_or(u32::MAX);
        (shown().map(|it| u32::from(*it)).sum::<u32>() + gaps).saturating_sub(u32::from(GAP))
    };
    let fits = |widths: &[Option<u16>]| total(widths) <= u32::from(width);
    let mut widths: Vec<_> = content.iter().copied().map(Some).collect();
    let mut cut = widths.clone();
    for (width, _) in cut.iter_mut().zip(columns).filter(|(_, it)| it.room == Room::Cut) {
        *width = width.map(|it| it.min(READABLE));
    }
    for at in (0..columns.len()).rev().filter(|at| columns[*at].room == Room::LeftOut) {
        if fits(&cut) {
            break;
        }
        (cut[at], widths[at]) = (None, None);
    }
    for room in [Room::Cut, Room::Kept] {
        let may_be_cut = |at: &usize, width: Option<u16>| {
            columns[*at].room == room && width.is_some_and(|it| it > LEAST)
        };
        while !fits(&widths) {
            let places = (0..columns.len()).filter(|at| may_be_cut(at, widths[*at]));
            let Some(widest) = places.max_by_key(|at| widths[*at]) else { break };
            widths[widest] = widths[widest].map(|it| it - 1);
        }
    }
    widths
}

/// Columns of a line: as `COLUMNS` says, or else the terminal.
fn width() -> u16 {
    let is_sane = |columns: &u16| *columns >= LEAST_WIDTH;
    let told = std::env::var("COLUMNS").ok().and_then(|it| it.parse::<u16>().ok());
    let of_terminal = || rustix::termios::tcgetwinsize(io::stdout()).ok().map(|it| it.ws_col);
    told.filter(is_sane).or_else(|| of_terminal().filter(is_sane)).unwrap_or(WIDTH)
}

/// Prints a text to stdout, safe for a terminal whatever data it holds; a reader that has seen
/// enough (`| head`) is no fault.
pub fn print(text: &str) -> ExitCode {
    print_safe(&terminal::escaped(text))
}

/// Prints JSON to stdout, as [`print`] does.
pub fn print_json(json: &serde_json::Value) -> ExitCode {
    print_safe(&terminal::escaped_json(&json.to_string()))
}

/// Prints JSON that is a text already, as [`print`] does.
pub fn print_json_text(json: &str) -> ExitCode {
    print_safe(&terminal::escaped_json(json))
}

/// Prints what may hold colors of our own, and is safe already.
pub fn print_safe(text: &str) -> ExitCode {
    let mut stdout = io::stdout().lock();
    let ending = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    match beside(|| write!(stdout, "{text}{ending}").and_then(|()| stdout.flush())) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => complain(&error.to_string()),
        _ => ExitCode::SUCCESS,
    }
}

/// Prints an error to stderr and gives the exit code for it.
pub fn complain(text: &str) -> ExitCode {
    note(&format!("error: {text}"));
    ExitCode::FAILURE
}

/// Prints a line to stderr, safe for a terminal.
pub fn note(text: &str) {
    // nothing is left to be told when stderr is gone
    let _ = beside(|| writeln!(io::stderr(), "{}", terminal::escaped(text)));
}

/// Prints what is wrong with a pipeline file, or looks wrong, to stderr.
pub fn show_faults(faults: &Faults) -> ExitCode {
    let _ = write!(io::stderr(), "{}", rendered(faults, io::stderr().is_terminal()));
    ExitCode::from(EXIT_CONFIG)
}

/// A line of CSV with its end.
pub fn csv_line<const N: usize>(cells: [&str; N]) -> String {
    cells.map(csv_cell).join(",") + "\n"
}

/// A cell of CSV, as RFC 4180 has it.
pub fn csv_cell(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

/// `2021-12-01 01:15:01Z`
pub fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// `700 B`, `12 KiB`, `34 MiB`
pub fn size(bytes: u64) -> String {
    match bytes {
        0..0x400 => format!("{bytes} B"),
        0x400..0x10_0000 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

/// What is wrong with a pipeline file, for people; safe for a terminal.
pub fn rendered(faults: &Faults, color: bool) -> String {
    if faults.is_empty() { String::new() } else { faults.render(color, 100) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 4] = [
        Column::text("component"),
        Column::number("files").or_left_out(),
        Column::number("records"),
        Column::text("reason").or_cut(),
    ];

    fn row(cells: [&str; 4]) -> Vec<String> {
        cells.map(str::to_owned).to_vec()
    }

    fn widest(listing: &str) -> usize {
        listing.lines().map(|line| line.chars().count()).max().unwrap()
    }

    #[test]
    fn a_listing_has_a_line_a_row_and_a_rule_below_the_names_alone() {
        let rows = [row(["lake", "2", "1000", "no room"]), row(["feed", "1", "7", "gone"])];
        let expected = "component  files  records  reason\n\
                        ──────────────────────────────────\n\
                        lake           2     1000  no room\n\
                        feed           1        7  gone";
        assert_eq!(laid_out(&COLUMNS, &rows, 80), expected);
    }

    #[test]
    fn a_listing_fits_whatever_stands_in_it() {
        let reason = "the server at quotes.example.com refuses the password; correct it ".repeat(9);
        let long = "a-component-with-a-very-long-name-that-nobody-would-ever-type-twice";
        let rows = [
            row(["lake", "2", "1000", &reason]),
            row([long, "2", "1000", "two\nlines"]),
            row(["宽宽", "2", "18446744073709551615", &"行情".repeat(100)]),
        ];
        for width in [40, 60, 80, 81, 120, 500] {
            for rows in [&rows[..1], &rows[..2], &rows[..]] {
                let listing = laid_out(&COLUMNS, rows, width);
                assert!(widest(&listing) <= usize::from(width), "{width}:\n{listing}");
                assert_eq!(listing.lines().count(), 2 + rows.len(), "{listing}");
                assert!(listing.contains("records"), "{listing}");
            }
        }
        let narrow = laid_out(&COLUMNS, &rows[..1], 40);
        assert!(narrow.contains("lake") && narrow.contains("1000") && narrow.contains('…'));
        assert!(!narrow.contains("files"), "{narrow}");
        assert!(laid_out(&COLUMNS, &rows[..1], 80).contains("files"));
    }

    #[test]
    fn what_does_not_fit_goes_in_order() {
        let columns = [
            Column::text("a"),
            Column::text("b").or_left_out(),
            Column::text("c").or_left_out(),
            Column::text("d").or_cut(),
        ];
        let cases = [
            // width, what each column gets of its ten, ten, ten and forty
            (76, [Some(10), Some(10), Some(10), Some(40)]),
            (60, [Some(10), Some(10), Some(10), Some(24)]),
            (52, [Some(10), Some(10), Some(10), Some(16)]),
            (51, [Some(10), Some(10), None, Some(27)]),
            (39, [Some(10), None, None, Some(27)]),
            (20, [Some(10), None, None, Some(8)]),
            (18, [Some(8), None, None, Some(8)]),
            (10, [Some(8), None, None, Some(8)]),
        ];
        for (width, expected) in cases {
            assert_eq!(fitted(&columns, &[10, 10, 10, 40], width), expected, "{width}");
        }
    }
}
