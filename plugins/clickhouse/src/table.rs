//! A table and the block of records that is being filled for it.

use plugin_api::Batch;

use crate::{
    body::Body,
    ddl::Plan,
    native::Column,
    schema::{Bar, BarFill, Field, Spot, SpotFill, bar_fields, spot_fields},
};

/// Rows of a block, which bounds the memory that it takes; the server joins blocks again.
const BLOCK_ROWS: u64 = 32_768;

/// A table with a block that is being filled; memory is kept from block to block.
pub struct Table<F> {
    /// Name without the database.
    pub name: String,
    /// The statement that takes the block.
    pub insert: String,
    columns: Vec<Column>,
    fills: Vec<F>,
    rows: u64,
}

/// A table of quotes.
pub type SpotTable = Table<SpotFill>;
/// A table of bars.
pub type BarTable = Table<BarFill>;

impl SpotTable {
    /// The table of that plan.
    pub fn of_spots(plan: &Plan) -> Self {
        Self::new(plan, spot_fields(plan.precision))
    }

    /// Adds the quotes of a batch; full blocks go into the body.
    pub fn push(&mut self, batch: &Batch, body: &mut Body) {
        for (index, view) in batch.spots().iter().enumerate() {
            let spot = Spot::new(view, batch, index);
            for (fill, column) in self.fills.iter().zip(&mut self.columns) {
                fill(column, &spot);
            }
            self.count_row(body);
        }
    }
}

impl BarTable {
    /// The table of that plan.
    pub fn of_bars(plan: &Plan) -> Self {
        Self::new(plan, bar_fields(plan.precision))
    }

    /// Adds the bars of a batch; full blocks go into the body.
    pub fn push(&mut self, batch: &Batch, body: &mut Body) {
        let version = u64::try_from(batch.provenance().received_at_us).unwrap_or_default();
        for record in batch.bars() {
            let bar = Bar { record, version };
            for (fill, column) in self.fills.iter().zip(&mut self.columns) {
                fill(column, &bar);
            }
            self.count_row(body);
        }
    }
}

impl<F: Copy> Table<F> {
    fn new(plan: &Plan, fields: Vec<Field<F>>) -> Self {
        Self {
            name: plan.name.clone(),
            insert: plan.insert(),
            columns: fields.iter().map(|field| Column::new(field.name, field.kind)).collect(),
            fills: fields.into_iter().map(|field| field.fill).collect(),
            rows: 0,
        }
    }

    #[inline]
    fn count_row(&mut self, body: &mut Body) {
        self.rows += 1;
        if self.rows == BLOCK_ROWS {
            self.finish(body);
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
