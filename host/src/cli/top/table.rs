//! Lays the table out, as wide as there is room.

use super::{
    columns::{Column, Totals},
    snapshot::Component,
};

/// Between two columns.
const GAP: usize = 2;

/// Lines of a table.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    /// The titles.
    pub header: String,
    /// A line for each component.
    pub rows: Vec<String>,
}

impl Table {
    /// A table at most so wide: columns that do not fit are left out by their priority. The column
    /// that is sorted has a mark.
    pub fn new(
        rows: &[(&Component, Totals)],
        sorted: Option<(Column, bool)>,
        width: usize,
    ) -> Self {
        let title = |column: Column| match sorted {
            Some((by, reverse)) if by == column => {
                format!("{}{}", column.title(), if reverse { "▲" } else { "▼" })
            }
            _ => column.title().to_owned(),
        };
        let mut columns: Vec<_> = Column::ALL
            .into_iter()
            .map(|column| {
                let cells = rows.iter().map(|(component, totals)| column.cell(component, *totals));
                Laid::new(column, title(column), cells.collect())
            })
            .collect();
        for column in Column::EXPENDABLE {
            if total(&columns) > width {
                columns.retain(|it| it.column != column);
            }
        }
        let line = |cell: &dyn Fn(&Laid) -> String| {
            let cells: Vec<_> = columns.iter().map(|it| it.aligned(&cell(it))).collect();
            let line = cells.join(&" ".repeat(GAP));
            line.trim_end().chars().take(width).collect::<String>()
        };
        Self {
            header: line(&|it| it.title.clone()),
            rows: (0..rows.len()).map(|row| line(&|it| it.cells[row].clone())).collect(),
        }
    }
}

/// A column with its cells.
struct Laid {
    column: Column,
    title: String,
    cells: Vec<String>,
    width: usize,
}

impl Laid {
    fn new(column: Column, title: String, cells: Vec<String>) -> Self {
        let texts = cells.iter().chain([&title]);
        let width = texts.map(|text| text.chars().count()).max().unwrap_or(0);
        Self { column, title, cells, width }
    }

    fn aligned(&self, text: &str) -> String {
        let width = self.width;
        if self.column.is_text() { format!("{text:<width$}") } else { format!("{text:>width$}") }
    }
}

fn total(columns: &[Laid]) -> usize {
    let widths: usize = columns.iter().map(|it| it.width).sum();
    widths + GAP * columns.len().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::{super::snapshot::Snapshot, *};

    fn table(sorted: Option<(Column, bool)>, width: usize) -> Table {
        let snapshot = Snapshot::example();
        let rows: Vec<_> = snapshot.components.iter().map(|it| (it, Totals::of(it))).collect();
        Table::new(&rows, sorted, width)
    }

    #[test]
    fn all_columns_stand_there_when_there_is_room() {
        let Table { header, rows } = table(None, 200);
        assert_eq!(header, WIDE[0]);
        assert_eq!(rows, WIDE[1..]);
    }

    #[rustfmt::skip]
    const WIDE: [&str; 4] = [
        "component  kind    state      in/s  out/s  dropped  errors  queue %  on disk  blocked by  CPU %    p50   p99",
        "qq         source  running    1200   1200        0       0        -        -  lake           12      -     -",
        "lake       sink    retrying    0.5      0        0      12       98   50 MiB  -               0      -     -",
        "feed       sink    running   12.3k  12.3k     123k       0        0        -  -               0  850µs  1.2s",
    ];

    #[test]
    fn every_width_is_kept_and_what_matters_most_stays_longest() {
        for width in 1..200 {
            let Table { header, rows } = table(Some((Column::In, false)), width);
            let lines = rows.iter().chain([&header]);
            assert!(lines.map(|line| line.chars().count()).all(|it| it <= width), "{width}");
        }
        let Table { header, rows } = table(None, 80);
        for title in ["component", "state", "in/s", "out/s", "dropped", "queue %", "blocked by"] {
            assert!(header.contains(title), "{title} is missing in {header}");
        }
        assert!(!header.contains("p50") && rows[0].contains("lake"), "{header}");
        assert_eq!(table(None, 20).header, "component  state");
    }

    #[test]
    fn the_sorted_column_has_a_mark() {
        assert!(table(Some((Column::In, false)), 200).header.contains("in/s▼"));
        assert!(table(Some((Column::In, true)), 200).header.contains("in/s▲"));
    }
}
