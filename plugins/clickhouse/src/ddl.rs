//! Statements that make database, tables and view, or mend a table.

use std::fmt::Write as _;

use plugin_api::{ColumnType, RecordKind};

use crate::{
    access::Target,
    schema::{Column, Last, Precision, columns, is_later},
    shard_key,
};

/// Inserts that a table remembers, so that one that is repeated is recognised.
const DEDUPLICATION_WINDOW: u32 = 1_000;

/// All that is said about a table when it is made.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What the records are.
    pub kind: RecordKind,
    /// Database and table, quoted.
    pub table: String,
    /// The table's name.
    pub name: String,
    pub precision: Precision,
    pub columns: Vec<Column>,
    /// Columns among them that the table is to do without.
    pub left_out: Vec<Column>,
    engine: String,
    /// What makes a statement run on all servers of a cluster.
    on_cluster: String,
    is_replicated: bool,
    /// What the rows are sorted by, and what tells one from all others.
    pub key: Vec<&'static str>,
}

impl Plan {
    /// The table of a kind. What a source sends again replaces itself, while two quotes of a
    /// security within a second are two rows; of bars the one that was received last stays.
    pub fn of(kind: RecordKind, target: &Target, precision: Precision) -> Self {
        let name = target.inserted(kind);
        let is_replicated = target.cluster.is_some();
        let (version, after) = match Last::of(kind) {
            Last::Sequence => (None, &["source", "sequence"][..]),
            Last::Version => (Some("version"), &[][..]),
        };
        let engine = if is_replicated {
            let path = format!("/clickhouse/tables/{{shard}}/{}/{name}", target.database);
            let replica = ["'{replica}'"].into_iter().chain(version).collect::<Vec<_>>().join(", ");
            format!("ReplicatedReplacingMergeTree({}, {replica})", literal(&path))
        } else {
            let version = version.map_or_else(String::new, |version| format!("({version})"));
            format!("ReplacingMergeTree{version}")
        };
        let texts = kind.columns().iter().filter(|it| it.kind == ColumnType::Text);
        let time: &[_] = match precision {
            Precision::Micros => &["time"],
            Precision::Seconds => &["time", "time_us"],
        };
        let key = ["symbol"].into_iter().chain(texts.map(|it| it.name));
        Self {
            kind,
            table: qualified(target, &name),
            name,
            precision,
            columns: columns(kind, precision),
            left_out: Vec::new(),
            engine,
            on_cluster: on_cluster(target),
            is_replicated,
            key: key.chain(time.iter().copied()).chain(after.iter().copied()).collect(),
        }
    }

    /// Does without the columns that came later, unless the table that was found has them.
    pub fn leave_out(&mut self, has: impl Fn(&Column) -> bool) {
        let lacks = |column: &&Column| is_later(self.kind, &column.name) && !has(column);
        self.left_out = self.columns.iter().filter(lacks).cloned().collect();
    }

    /// The columns that records are inserted into.
    pub fn inserted(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| !self.left_out.contains(column))
    }

    /// Makes the table. `remembers` tells whether the server can recognise a repeated insert.
    pub fn create(&self, ttl_days: u32, remembers: bool) -> String {
        let columns: Vec<_> = self.columns.iter().map(|it| self.declaration(it)).collect();
        let mut sql = format!(
            "CREATE TABLE IF NOT EXISTS {}{} (\n  {}\n) ENGINE = {}\nPARTITION BY toYYYYMM(time)\n\
             ORDER BY ({})",
            self.table,
            self.on_cluster,
            columns.join(",\n  "),
            self.engine,
            self.key.join(", ")
        );
        if ttl_days > 0 {
            let _ = write!(sql, "\nTTL {}", ttl(ttl_days));
        }
        let window = DEDUPLICATION_WINDOW;
        if self.is_replicated {
            let _ = write!(sql, "\nSETTINGS replicated_deduplication_window = {window}");
        } else if remembers {
            let _ = write!(sql, "\nSETTINGS non_replicated_deduplication_window = {window}");
        }
        sql
    }

    /// Makes the table over those of all shards; none without a cluster.
    pub fn create_distributed(&self, target: &Target) -> Option<String> {
        let cluster = target.cluster.as_ref()?;
        let columns: Vec<_> = self.columns.iter().map(|it| self.declaration(it)).collect();
        Some(format!(
            "CREATE TABLE IF NOT EXISTS {}{} (\n  {}\n) ENGINE = Distributed({}, {}, {}, {})",
            qualified(target, &target.table(self.kind)),
            self.on_cluster,
            columns.join(",\n  "),
            literal(cluster),
            literal(&target.database),
            literal(&self.name),
            shard_key::EXPRESSION
        ))
    }

    /// Lets the table delete what is older.
    pub fn change_ttl(&self, days: u32) -> String {
        format!("ALTER TABLE {} MODIFY TTL {}", self.table, ttl(days))
    }

    /// Deletes all of a month such as `202112`.
    pub fn drop_month(&self, month: &str) -> String {
        format!("ALTER TABLE {} DROP PARTITION {month}", self.table)
    }

    /// Inserts a block of all columns that are not left out.
    pub fn insert(&self) -> String {
        let names: Vec<_> = self.inserted().map(|column| &column.name[..]).collect();
        format!("INSERT INTO {} ({}) FORMAT Native", self.table, names.join(", "))
    }

    /// Brings columns to what is needed.
    pub fn alter(&self, missing: &[Column], other: &[Column]) -> String {
        if other.iter().any(|column| self.key.contains(&&column.name[..])) {
            // the server sorts by them and changes none of them
            let old = format!("{}_old", self.table.trim_end_matches('`'));
            return format!("RENAME TABLE {} TO {old}`", self.table);
        }
        let add = missing.iter().map(|column| format!("ADD COLUMN {}", self.declaration(column)));
        let modify =
            other.iter().map(|column| format!("MODIFY COLUMN {}", self.declaration(column)));
        let steps: Vec<_> = add.chain(modify).collect();
        format!("ALTER TABLE {} {}", self.table, steps.join(", "))
    }

    /// A column as a statement has it. A server of 2018 takes a replica's columns for others than those
    /// in ZooKeeper when they have comments.
    fn declaration(&self, column: &Column) -> String {
        let declared = format!("`{}` {}", column.name, column.kind.name());
        if self.is_replicated && self.precision == Precision::Seconds {
            return declared;
        }
        format!("{declared} COMMENT {}", literal(&column.comment))
    }
}

/// What a table deletes by itself.
pub fn ttl(days: u32) -> String {
    format!("toDateTime(time) + toIntervalDay({days})")
}

/// Makes the database.
pub fn create_database(target: &Target) -> String {
    format!("CREATE DATABASE IF NOT EXISTS {}{}", quoted(&target.database), on_cluster(target))
}

/// Makes the view of the bars of a minute, each as it was received last.
pub fn create_view(target: &Target, bars: &Plan) -> String {
    let shown = bars.inserted().map(|column| &column.name[..]);
    let shown: Vec<_> = shown.filter(|name| !["version", "time_us"].contains(name)).collect();
    format!(
        "CREATE VIEW IF NOT EXISTS {}{} AS SELECT {} FROM {} FINAL WHERE period = '1m'",
        qualified(target, &view_name(target)),
        bars.on_cluster,
        shown.join(", "),
        qualified(target, &target.table(bars.kind))
    )
}

fn on_cluster(target: &Target) -> String {
    let cluster = target.cluster.as_ref();
    cluster.map_or_else(String::new, |cluster| format!(" ON CLUSTER {}", quoted(cluster)))
}

/// Name of the view of the bars of a minute.
pub fn view_name(target: &Target) -> String {
    format!("{}_1m", target.bar_table)
}

/// A text as a statement has it.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// Database and table, quoted.
pub fn qualified(target: &Target, table: &str) -> String {
    format!("{}.{}", quoted(&target.database), quoted(table))
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}
