//! Collects rows and encodes them as one row group, in memory.
//!
//! A row group knows nothing of the file that it will stand in, so a write that fails can be
//! repeated with the same bytes.

use std::sync::Arc;

use parquet::{
    arrow::ArrowWriter,
    errors::ParquetError,
    file::metadata::{ColumnChunkMetaData, RowGroupMetaData},
};

use plugin_api::Record;

use crate::{checksum, rows::Rows, schema::Layout};

/// Start and end of every Parquet file.
pub const MAGIC: &[u8; 4] = b"PAR1";
/// Rows after which columns go to the encoder; keeps them in the processor's cache.
const CHUNK_ROWS: usize = 2_048;
/// Text and levels after which columns go to the encoder; offsets within a column end at 2 GiB,
/// and one record of the largest list stays below half of that.
const CHUNK_BYTES: usize = 8 << 20;

/// A row group that takes rows.
pub struct OpenGroup {
    rows: Rows,
    encoder: Option<ArrowWriter<Vec<u8>>>,
    encoded_rows: usize,
}

impl OpenGroup {
    /// An empty one.
    pub fn new(layout: &Layout) -> Self {
        Self { rows: Rows::new(layout.kind.columns()), encoder: None, encoded_rows: 0 }
    }

    /// Number of rows so far.
    pub fn len(&self) -> usize {
        self.encoded_rows + self.rows.len()
    }

    /// Adds a record of the layout's kind.
    #[inline]
    pub fn push(&mut self, layout: &Layout, record: &impl Record) -> Result<(), ParquetError> {
        self.rows.push(record);
        if self.rows.len() >= CHUNK_ROWS || self.rows.variable_bytes() >= CHUNK_BYTES {
            self.encode_chunk(layout, true)?;
        }
        Ok(())
    }

    /// Encodes what there is and starts anew; `None` when there is nothing.
    pub fn close(&mut self, layout: &Layout) -> Result<Option<RowGroup>, ParquetError> {
        if !self.rows.is_empty() {
            self.encode_chunk(layout, false)?;
        }
        let Some(mut encoder) = self.encoder.take() else { return Ok(None) };
        self.encoded_rows = 0;
        encoder.flush()?;
        encoder.sync()?;
        let metadata = encoder.flushed_row_groups().first().cloned();
        let bytes = std::mem::take(encoder.inner_mut());
        metadata.map(|metadata| RowGroup::new(&bytes, &metadata)).transpose()
    }

    fn encode_chunk(&mut self, layout: &Layout, more: bool) -> Result<(), ParquetError> {
        let rows = self.rows.len();
        let columns = self.rows.finish(&layout.schema, more)?;
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            none => none.insert(ArrowWriter::try_new(
                Vec::new(),
                Arc::clone(&layout.schema),
                Some((*layout.properties).clone()),
            )?),
        };
        encoder.write(&columns)?;
        self.encoded_rows += rows;
        Ok(())
    }
}

/// An encoded row group that may stand anywhere in a file.
pub struct RowGroup {
    /// As in a file of its own: the magic, then the pages.
    bytes: Vec<u8>,
    metadata: RowGroupMetaData,
}

impl RowGroup {
    fn new(bytes: &[u8], metadata: &RowGroupMetaData) -> Result<Self, ParquetError> {
        let (bytes, metadata) = checksum::add_to_pages(bytes, metadata)?;
        Ok(Self { bytes, metadata })
    }

    /// The pages.
    pub fn pages(&self) -> &[u8] {
        &self.bytes[MAGIC.len()..]
    }

    /// Description of the row group when it is the `ordinal`th of its file and starts at `at`.
    pub fn placed(&self, ordinal: usize, at: u64) -> Result<RowGroupMetaData, ParquetError> {
        moved(&self.metadata, ordinal, MAGIC.len() as u64, at)
    }
}

/// Description of a row group that was moved from one place to another.
pub fn moved(
    metadata: &RowGroupMetaData,
    ordinal: usize,
    from: u64,
    to: u64,
) -> Result<RowGroupMetaData, ParquetError> {
    let shift = signed(to)? - signed(from)?;
    let columns = metadata.columns().iter().map(|column| moved_column(column, shift));
    metadata
        .clone()
        .into_builder()
        .set_column_metadata(columns.collect::<Result<_, _>>()?)
        .set_ordinal(i32::try_from(ordinal).unwrap_or(i32::MAX))
        .set_file_offset(signed(to)?)
        .build()
}

fn moved_column(
    column: &ColumnChunkMetaData,
    shift: i64,
) -> Result<ColumnChunkMetaData, ParquetError> {
    column
        .clone()
        .into_builder()
        .set_data_page_offset(column.data_page_offset() + shift)
        .set_dictionary_page_offset(column.dictionary_page_offset().map(|at| at + shift))
        .build()
}

fn signed(offset: u64) -> Result<i64, ParquetError> {
    i64::try_from(offset)
        .map_err(|_| ParquetError::General(format!("offset {offset} is too large")))
}
