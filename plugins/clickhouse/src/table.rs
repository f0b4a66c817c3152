//! A table and the block of records that is being filled for it.

use plugin_api::{Batch, Column, ColumnType, Record, RecordKind, Symbol, Visitor, WithRecords};

use crate::{
    body::Body,
    ddl::Plan,
    native,
    schema::{Last, Precision},
    shard_key::ShardKey,
};

/// Rows of a block, which bounds the memory that it takes; the server joins blocks again.
const BLOCK_ROWS: u64 = 32_768;

/// A table with a block that is being filled; memory is kept from block to block.
pub struct Table {
    /// Name without the database.
    pub name: String,
    /// The statement that takes the block.
    pub insert: String,
    kind: RecordKind,
    precision: Precision,
    columns: Vec<native::Column>,
    rows: u64,
    /// Times of the row that is being filled.
    times: Vec<i64>,
}

impl Table {
    /// The table of that plan.
    pub fn new(plan: &Plan) -> Self {
        let column = |it: &crate::schema::Column| native::Column::new(&it.name, it.kind);
        Self {
            name: plan.name.clone(),
            insert: plan.insert(),
            kind: plan.kind,
            precision: plan.precision,
            columns: plan.columns.iter().map(column).collect(),
            rows: 0,
            times: Vec::new(),
        }
    }

    /// Adds the records of a batch, if they are of the table's kind: all, or those of a shard. Full
    /// blocks go into the body.
    pub fn push(&mut self, shard: Option<(&ShardKey, usize)>, batch: &Batch, body: &mut Body) {
        if batch.kind() == self.kind {
            batch.with_records(Fill { table: self, shard, batch, body });
        }
    }

    /// Puts what is left into the body.
    pub fn finish(&mut self, body: &mut Body) {
        if self.rows > 0 {
            body.push(&mut self.columns, self.rows);
            self.rows = 0;
        }
    }
}

/// The records of a batch on their way into a table.
struct Fill<'a> {
    table: &'a mut Table,
    shard: Option<(&'a ShardKey, usize)>,
    batch: &'a Batch,
    body: &'a mut Body,
}

impl WithRecords for Fill<'_> {
    type Output = ();

    fn run<R: Record>(self, records: impl Iterator<Item = R>) {
        let Self { table, shard, batch, body } = self;
        let last = Last::of(table.kind);
        let version = u64::try_from(batch.provenance().received_at_us).unwrap_or_default();
        for (index, record) in records.enumerate() {
            if shard.is_some_and(|(key, shard)| key.of(record.symbol()) != shard) {
                continue;
            }
            let (source, sequence) = origin(&record, batch, index);
            table.times.clear();
            let mut row =
                Row { columns: table.columns.iter_mut(), times: &mut table.times, source };
            record.visit(&mut row);
            row.count_value(if last == Last::Version { version } else { sequence });
            if table.precision == Precision::Seconds {
                let Row { columns, times, .. } = row;
                columns.zip(times.iter()).for_each(|(column, time_us)| column.moment(*time_us));
            }
            table.rows += 1;
            if table.rows == BLOCK_ROWS {
                table.finish(body);
            }
        }
    }
}

/// Source and number of the record at that place of its batch.
///
/// One without a number of its own gets one that it has again when the batch is offered again, and
/// that two records of one second never share.
#[inline]
fn origin<'a>(record: &'a impl Record, batch: &'a Batch, index: usize) -> (&'a str, u64) {
    match record.origin() {
        Some((source, sequence)) if sequence > 0 => (source, sequence),
        _ => {
            let provenance = batch.provenance();
            let place = provenance.part.wrapping_add(index as u64) & 0xf_ffff;
            (provenance.source(), provenance.sequence << 20 | place)
        }
    }
}

/// One row on its way into the columns of a block.
struct Row<'a> {
    columns: std::slice::IterMut<'a, native::Column>,
    times: &'a mut Vec<i64>,
    source: &'a str,
}

impl Row<'_> {
    #[inline]
    fn with(&mut self, fill: impl FnOnce(&mut native::Column)) {
        // a plan has a column for each of the record's
        if let Some(column) = self.columns.next() {
            fill(column);
        }
    }

    #[inline]
    fn count_value(&mut self, value: u64) {
        self.with(|to| to.count(value));
    }
}

impl Visitor for Row<'_> {
    /// `600000.SH`
    #[inline]
    fn symbol(&mut self, _: &'static Column, symbol: Symbol<'_>) {
        self.with(|to| to.text(&[symbol.code, ".", symbol.market]));
    }

    #[inline]
    fn text(&mut self, column: &'static Column, text: &str) {
        let text = if column.kind == ColumnType::Source { self.source } else { text };
        self.with(|to| to.text(&[text]));
    }

    #[inline]
    fn time(&mut self, _: &'static Column, time_us: i64) {
        self.times.push(time_us);
        self.with(|to| to.moment(time_us));
    }

    #[inline]
    fn number(&mut self, _: &'static Column, value: f64) {
        self.with(|to| to.number(value));
    }

    #[inline]
    fn count(&mut self, _: &'static Column, value: u64) {
        self.count_value(value);
    }

    #[inline]
    fn prices(&mut self, _: &'static Column, prices: impl ExactSizeIterator<Item = f64>) {
        self.with(|to| to.prices(prices));
    }

    #[inline]
    fn sizes(&mut self, _: &'static Column, sizes: impl ExactSizeIterator<Item = u64>) {
        self.with(|to| to.sizes(sizes));
    }

    #[inline]
    fn flag(&mut self, _: &'static Column, value: bool) {
        self.with(|to| to.flag(value));
    }

    #[inline]
    fn score(&mut self, _: &'static Column, value: Option<f32>) {
        self.with(|to| to.score(value));
    }
}
