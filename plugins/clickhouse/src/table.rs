//! A table and the block of records that it is given next.

use plugin_api::Batch;

use crate::{
    ddl::Plan,
    native::{Column, write_block},
    schema::{Bar, BarFill, Field, Spot, SpotFill, bar_fields, spot_fields},
};

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

    /// Adds the quotes of a batch.
    pub fn push(&mut self, batch: &Batch) {
        for (index, view) in batch.spots().iter().enumerate() {
            let spot = Spot::new(view, batch, index);
            for (fill, column) in self.fills.iter().zip(&mut self.columns) {
                fill(column, &spot);
            }
            self.rows += 1;
        }
    }
}

impl BarTable {
    /// The table of that plan.
    pub fn of_bars(plan: &Plan) -> Self {
        Self::new(plan, bar_fields(plan.precision))
    }

    /// Adds the bars of a batch.
    pub fn push(&mut self, batch: &Batch) {
        let version = u64::try_from(batch.provenance().received_at_us).unwrap_or_default();
        for record in batch.bars() {
            let bar = Bar { record, version };
            for (fill, column) in self.fills.iter().zip(&mut self.columns) {
                fill(column, &bar);
            }
            self.rows += 1;
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

    /// Puts the block into `out` and starts anew.
    pub fn take_block(&mut self, out: &mut Vec<u8>) {
        out.clear();
        write_block(&mut self.columns, self.rows, out);
        self.rows = 0;
    }
}
