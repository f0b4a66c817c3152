//! Questions to a table: which days and securities it has of what is asked for, and their rows.
//!
//! Rows are asked for by ranges of securities of one day, which the tables are sorted by. So the
//! server reads and sorts no more than it answers, and each security comes in the order of time.

use std::fmt::Write as _;

use kit::history::Wanted;
use plugin_api::{
    ColumnType,
    schemas::time::{DAY_US, EXCHANGE_OFFSET_US, SECOND_US},
};

use crate::{
    access::Target,
    ddl::{literal, qualified},
    prepare::Found,
};

/// A table as it was found, and what is asked of it.
pub struct Selection {
    table: String,
    /// Names that records give the columns, with what is selected for them.
    columns: Vec<(String, String)>,
    /// What rows are sorted by.
    order: Vec<String>,
    /// A time in microseconds, and what bounds it besides, for the server to leave parts out.
    time: Time,
    period: Option<String>,
    symbols: Vec<String>,
}

/// How a table keeps its time.
enum Time {
    /// To the microsecond.
    Precise,
    /// By the second, with the microseconds in `time_us`.
    Beside,
    /// By the second alone.
    Seconds,
}

/// Securities of one day whose rows are read at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Day since 1970 on the exchange's calendar.
    pub day: i64,
    /// The first security.
    pub first: String,
    /// The last one.
    pub last: String,
    rows: u64,
}

impl Selection {
    /// What to ask a table with those columns for; a text when it lacks some.
    ///
    /// # Errors
    /// The columns that it lacks.
    pub fn new(target: &Target, wanted: &Wanted, found: &Found) -> Result<Self, String> {
        let kind_of =
            |name: &str| found.iter().find(|(it, _)| it == name).map(|(_, kind)| &kind[..]);
        let name = target.table(wanted.kind());
        let table = qualified(target, &name);
        let asked = wanted.asked();
        let needed = if asked.period.is_some() {
            &["symbol", "time", "period"][..]
        } else {
            &["symbol", "time"]
        };
        if let Some(missing) = needed.iter().find(|name| kind_of(name).is_none()) {
            return Err(format!("table {table} has no column {missing}, and cannot be read back"));
        }
        let time = match kind_of("time") {
            Some(kind) if kind.starts_with("DateTime64") => Time::Precise,
            _ if kind_of("time_us") == Some("Int64") => Time::Beside,
            _ => Time::Seconds,
        };
        let mut columns = Vec::new();
        for column in wanted.kind().columns() {
            if let Some(kind) = kind_of(column.name) {
                let beside = format!("{}_us", column.name);
                let has_beside = kind_of(&beside) == Some("Int64");
                let sql = expression(column.name, column.kind, kind, has_beside);
                columns.push((column.name.to_owned(), sql));
            }
        }
        // a number of the source makes a quote another than all others
        if let Some(kind) = kind_of("sequence") {
            columns.push(("sequence".to_owned(), converted("sequence", kind, "UInt64")));
        }
        // of rows with one key the last one counts
        let last =
            if kind_of("version").is_some() { &["version"][..] } else { &["source", "sequence"] };
        let order = ["symbol", "period", "time", "time_us"].iter().chain(last).copied();
        let order = order.filter(|name| kind_of(name).is_some());
        Ok(Self {
            table,
            columns,
            order: order.map(quoted).collect(),
            time,
            period: asked.period.clone(),
            symbols: asked.symbols.clone(),
        })
    }

    /// Names that records give the columns of an answer.
    pub fn names(&self) -> Vec<&str> {
        self.columns.iter().map(|(name, _)| &name[..]).collect()
    }

    /// Which days there are within a span, each with its rows.
    pub fn days(&self, from_us: i64, to_us: i64) -> String {
        let day = format!(
            "intDiv(toInt64(toUnixTimestamp(time)) + {}, {})",
            EXCHANGE_OFFSET_US / SECOND_US,
            DAY_US / SECOND_US
        );
        format!(
            "SELECT toString({day}) AS d, toString(count()) FROM {} WHERE {} GROUP BY d \
             ORDER BY toInt64(d)",
            self.table,
            self.bounds(from_us, to_us, &self.symbols)
        )
    }

    /// Which securities there are within a span, each with its rows.
    pub fn securities(&self, from_us: i64, to_us: i64) -> String {
        format!(
            "SELECT toString(symbol) AS s, toString(count()) FROM {} WHERE {} GROUP BY s ORDER BY s",
            self.table,
            self.bounds(from_us, to_us, &self.symbols)
        )
    }

    /// The rows of some securities within a span.
    pub fn rows(&self, from_us: i64, to_us: i64, chunk: &Chunk) -> String {
        let is_of_chunk = |it: &&String| (&chunk.first..=&chunk.last).contains(it);
        let symbols: Vec<_> = self.symbols.iter().filter(is_of_chunk).cloned().collect();
        let selected = self.columns.iter().enumerate();
        let selected: Vec<_> = selected.map(|(at, (_, sql))| format!("{sql} AS c{at}")).collect();
        format!(
            "SELECT {} FROM {} WHERE symbol >= {} AND symbol <= {} AND {} ORDER BY {}",
            selected.join(", "),
            self.table,
            literal(&chunk.first),
            literal(&chunk.last),
            self.bounds(from_us, to_us, &symbols),
            self.order.join(", ")
        )
    }

    fn bounds(&self, from_us: i64, to_us: i64, symbols: &[String]) -> String {
        let mut bounds = match self.time {
            Time::Precise => {
                format!("time >= {} AND time <= {}", precise(from_us), precise(to_us))
            }
            Time::Beside => format!(
                "{} AND time_us >= {from_us} AND time_us <= {to_us}",
                seconds(from_us, to_us)
            ),
            // a time without a fraction is that of the whole second
            Time::Seconds => seconds(from_us.saturating_add(SECOND_US - 1), to_us),
        };
        // writing to a string cannot fail
        if let Some(period) = &self.period {
            let _ = write!(bounds, " AND period = {}", literal(period));
        }
        if !symbols.is_empty() {
            let symbols: Vec<_> = symbols.iter().map(|symbol| literal(symbol)).collect();
            let _ = write!(bounds, " AND symbol IN ({})", symbols.join(", "));
        }
        bounds
    }
}

/// Securities with their rows, in order, cut into chunks of at most so many rows. A security stays
/// whole, however many it has.
pub fn chunks(day: i64, securities: &[(String, u64)], most_rows: u64) -> Vec<Chunk> {
    let mut chunks: Vec<Chunk> = Vec::new();
    for (symbol, rows) in securities {
        match chunks.last_mut().filter(|it| it.rows + rows <= most_rows) {
            Some(chunk) => {
                symbol.clone_into(&mut chunk.last);
                chunk.rows += rows;
            }
            None => {
                let (first, last) = (symbol.clone(), symbol.clone());
                chunks.push(Chunk { day, first, last, rows: *rows });
            }
        }
    }
    chunks
}

/// What is selected for a column of records, in the type that is read.
fn expression(name: &str, kind: ColumnType, found: &str, has_beside: bool) -> String {
    match kind {
        ColumnType::Time if found.starts_with("DateTime64(6") => {
            format!("toUnixTimestamp64Micro({})", quoted(name))
        }
        ColumnType::Time if found.starts_with("DateTime64") => {
            format!("toUnixTimestamp64Micro(CAST({}, 'DateTime64(6)'))", quoted(name))
        }
        ColumnType::Time if has_beside => quoted(&format!("{name}_us")),
        ColumnType::Time => format!("toInt64(toUnixTimestamp({})) * {SECOND_US}", quoted(name)),
        ColumnType::Price | ColumnType::Amount => converted(name, found, "Float64"),
        ColumnType::Volume => converted(name, found, "UInt64"),
        ColumnType::Prices => converted(name, found, "Array(Float64)"),
        ColumnType::Sizes => converted(name, found, "Array(UInt64)"),
        ColumnType::Flag => converted(name, found, "UInt8"),
        ColumnType::Score => converted(name, found, "Nullable(Float32)"),
        _ => converted(name, found, "String"),
    }
}

fn converted(name: &str, found: &str, needed: &str) -> String {
    if found == needed { quoted(name) } else { format!("CAST({}, '{needed}')", quoted(name)) }
}

fn quoted(name: &str) -> String {
    format!("`{name}`")
}

/// A moment to the microsecond.
fn precise(us: i64) -> String {
    format!("fromUnixTimestamp64Micro(toInt64({us}), 'Asia/Shanghai')")
}

/// Bounds of a time that is kept by the second; seconds are counted in 32 bits there.
fn seconds(from_us: i64, to_us: i64) -> String {
    let second = |us: i64| us.div_euclid(SECOND_US).clamp(0, i64::from(u32::MAX));
    format!("time >= toDateTime({}) AND time <= toDateTime({})", second(from_us), second(to_us))
}

#[cfg(test)]
mod tests {
    use plugin_api::serde_json::json;

    use super::*;
    use crate::tests::target;

    fn wanted(kind: &str) -> Wanted {
        let mut ask = json!({
            "symbols": ["600000.SH", "000001.SZ"], "from": "2021-12-01 09:15:01",
            "to": "2021-12-01 15:00:00", "kind": kind,
        });
        if kind == "bar" {
            ask["period"] = json!("1m");
        }
        Wanted::read(Some(&plugin_api::testing::options(ask).unwrap())).unwrap()
    }

    fn selection(kind: &str, columns: &[(&str, &str)]) -> Result<Selection, String> {
        let found = columns.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned()));
        Selection::new(&target(json!({ "database": "market" })), &wanted(kind), &found.collect())
    }

    fn chunk() -> Chunk {
        let (first, last) = ("000001.SZ".to_owned(), "000002.SZ".to_owned());
        Chunk { day: 18_962, first, last, rows: 7 }
    }

    #[test]
    fn a_precise_table_is_asked_by_its_time() {
        let columns = [
            ("symbol", "LowCardinality(String)"),
            ("time", "DateTime64(6, 'Asia/Shanghai')"),
            ("recv_time", "DateTime64(3)"),
            ("close", "Float64"),
            ("volume", "UInt32"),
            ("source", "String"),
            ("sequence", "UInt64"),
            ("note", "String"),
        ];
        let selection = selection("spot", &columns).unwrap();
        assert_eq!(
            selection.rows(5, 1_000_009, &chunk()),
            "SELECT CAST(`symbol`, 'String') AS c0, toUnixTimestamp64Micro(`time`) AS c1, \
             toUnixTimestamp64Micro(CAST(`recv_time`, 'DateTime64(6)')) AS c2, `close` AS c3, \
             CAST(`volume`, 'UInt64') AS c4, `source` AS c5, `sequence` AS c6 \
             FROM `market`.`spots` WHERE symbol >= '000001.SZ' AND symbol <= '000002.SZ' AND \
             time >= fromUnixTimestamp64Micro(toInt64(5), 'Asia/Shanghai') AND \
             time <= fromUnixTimestamp64Micro(toInt64(1000009), 'Asia/Shanghai') AND \
             symbol IN ('000001.SZ') ORDER BY `symbol`, `time`, `source`, `sequence`"
        );
        let names = ["symbol", "time", "recv_time", "close", "volume", "source", "sequence"];
        assert_eq!(selection.names(), names);
    }

    #[test]
    fn an_older_table_is_asked_by_the_column_beside_its_time() {
        let columns = [
            ("symbol", "String"),
            ("period", "String"),
            ("time", "DateTime('Asia/Shanghai')"),
            ("time_us", "Int64"),
            ("quality_score", "Nullable(Float32)"),
            ("version", "UInt64"),
        ];
        let selection = selection("bar", &columns).unwrap();
        assert_eq!(
            selection.rows(5, 1_000_009, &chunk()),
            "SELECT `symbol` AS c0, `period` AS c1, `time_us` AS c2, `quality_score` AS c3 \
             FROM `market`.`minute_bars` WHERE symbol >= '000001.SZ' AND symbol <= '000002.SZ' \
             AND time >= toDateTime(0) AND time <= toDateTime(1) AND time_us >= 5 AND \
             time_us <= 1000009 AND period = '1m' AND symbol IN ('000001.SZ') \
             ORDER BY `symbol`, `period`, `time`, `time_us`, `version`"
        );
        let seconds = self::selection("bar", &columns[..3]).unwrap();
        let bounds = "time >= toDateTime(1) AND time <= toDateTime(1)";
        assert!(seconds.securities(5, 1_000_009).contains(bounds), "whole seconds alone");
    }

    #[test]
    fn a_table_without_what_is_asked_by_is_refused() {
        let error = selection("bar", &[("symbol", "String"), ("time", "DateTime")]).err().unwrap();
        assert!(error.contains("`minute_bars` has no column period"), "{error}");
    }

    #[test]
    fn securities_are_read_in_chunks() {
        let securities: Vec<_> =
            [("a", 3), ("b", 2), ("c", 9), ("d", 1)].map(|(it, rows)| (it.to_owned(), rows)).into();
        let cut = chunks(1, &securities, 5);
        let cut: Vec<_> = cut.iter().map(|it| (&it.first[..], &it.last[..], it.rows)).collect();
        assert_eq!(cut, [("a", "b", 5), ("c", "c", 9), ("d", "d", 1)]);
        assert_eq!(chunks(1, &[], 5), []);
    }
}
