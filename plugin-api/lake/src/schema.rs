//! Columns of the lake, with their units.

use std::{collections::BTreeMap, sync::Arc};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, Encoding},
    errors::ParquetError,
    file::{
        metadata::{FileMetaData, KeyValue},
        properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr},
    },
    schema::types::ColumnPath,
};
use plugin_api::{Column, ColumnType, RecordKind, serde_json::json};

/// Grows when a column changes its meaning; new columns at the end do not count.
const SCHEMA_VERSION: &str = "1";
/// Zone of the exchanges' clocks; the lake's columns hold UTC.
pub const ZONE: &str = "Asia/Shanghai";
/// Zone of the time columns of files.
pub const UTC: &str = "UTC";
/// Key that every file of the lake has.
pub const SCHEMA_KEY: &str = "dataserver.schema";
/// Key of the commit that a footer was written by.
pub const COMMIT_KEY: &str = "dataserver.commit";
/// Most sources whose sequences a file lists.
const MAX_SOURCES: usize = 64;

/// All that the files of one kind have in common.
pub struct Layout {
    /// What the records are.
    pub kind: RecordKind,
    /// The columns.
    pub schema: SchemaRef,
    /// How they are encoded.
    pub properties: WriterPropertiesPtr,
    template: FileMetaData,
}

impl Layout {
    /// The layout of records of that kind.
    pub fn new(
        kind: RecordKind,
        compression: Compression,
        instance: &str,
    ) -> Result<Self, ParquetError> {
        let columns = kind.columns();
        let schema = schema(kind, UTC);
        let properties = properties(columns, compression);
        let empty = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties.clone()))?;
        let written = empty.close()?;
        let described = written.file_metadata();
        let mut keys = described.key_value_metadata().cloned().unwrap_or_default();
        keys.extend(static_keys(kind, &schema, instance));
        let template = FileMetaData::new(
            described.version(),
            0,
            described.created_by().map(str::to_owned),
            Some(keys),
            described.schema_descr_ptr(),
            described.column_orders().cloned(),
        );
        Ok(Self { kind, schema, properties: Arc::new(properties), template })
    }

    /// What the footer of a file says about the file as a whole.
    ///
    /// `commit` tells whether it is complete, see [`writer_lock`](crate::writer_lock).
    pub fn file_metadata(&self, rows: i64, sequences: &Sequences, commit: &str) -> FileMetaData {
        let mut keys = self.template.key_value_metadata().cloned().unwrap_or_default();
        keys.push(KeyValue::new("dataserver.sequences".to_owned(), sequences.to_json()));
        keys.push(KeyValue::new(COMMIT_KEY.to_owned(), commit.to_owned()));
        FileMetaData::new(
            self.template.version(),
            rows,
            self.template.created_by().map(str::to_owned),
            Some(keys),
            self.template.schema_descr_ptr(),
            self.template.column_orders().cloned(),
        )
    }
}

/// The columns of records of that kind, times in that zone.
pub fn schema(kind: RecordKind, zone: &str) -> SchemaRef {
    let fields = kind.columns().iter().map(|column| field(column, zone));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// First and last record number of each source within a file.
#[derive(Debug, Clone, Default)]
pub struct Sequences {
    by_source: BTreeMap<String, (u64, u64)>,
}

impl Sequences {
    /// Takes a record in; one without a number (0) leaves no trace, nor does the 65th source.
    pub fn note(&mut self, source: &str, sequence: u64) {
        if sequence == 0 {
            return;
        }
        if let Some((first, last)) = self.by_source.get_mut(source) {
            *first = sequence.min(*first);
            *last = sequence.max(*last);
        } else if self.by_source.len() < MAX_SOURCES {
            self.by_source.insert(source.to_owned(), (sequence, sequence));
        }
    }

    fn to_json(&self) -> String {
        let entries = self.by_source.iter().map(|(source, (first, last))| {
            (source.clone(), json!({ "first": first, "last": last }))
        });
        json!(entries.collect::<BTreeMap<_, _>>()).to_string()
    }
}

fn static_keys(kind: RecordKind, schema: &Schema, instance: &str) -> Vec<KeyValue> {
    let units: BTreeMap<_, _> = schema
        .fields()
        .iter()
        .filter_map(|field| Some((field.name().clone(), field.metadata().get("unit")?.clone())))
        .collect();
    [
        (SCHEMA_KEY, kind.as_str().to_owned()),
        ("dataserver.schema_version", SCHEMA_VERSION.to_owned()),
        ("dataserver.units", json!(units).to_string()),
        ("dataserver.zone", ZONE.to_owned()),
        ("dataserver.instance", instance.to_owned()),
        ("dataserver.version", env!("CARGO_PKG_VERSION").to_owned()),
    ]
    .map(|(key, value)| KeyValue::new(key.to_owned(), value))
    .into()
}

/// Statistics stand once per row group, and only where a reader can skip by them: the footer is
/// written again with every row group.
///
/// Columns have dictionaries, which suits names and prices; but moments and running totals hardly
/// ever repeat, and their differences are small.
fn properties(columns: &[Column], compression: Compression) -> WriterProperties {
    let mut builder = WriterProperties::builder()
        .set_compression(compression)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_max_row_group_row_count(None)
        .set_created_by(concat!("dataserver version ", env!("CARGO_PKG_VERSION")).to_owned());
    for column in columns {
        let (name, kind) = (column.name, column.kind);
        builder = match kind {
            ColumnType::Prices | ColumnType::Sizes => {
                let leaf = ColumnPath::new([name, "list", "element"].map(str::to_owned).to_vec());
                builder.set_column_statistics_enabled(leaf, EnabledStatistics::None)
            }
            ColumnType::Time | ColumnType::Volume => builder
                .set_column_dictionary_enabled(name.into(), false)
                .set_column_encoding(name.into(), Encoding::DELTA_BINARY_PACKED),
            ColumnType::Amount => builder.set_column_dictionary_enabled(name.into(), false),
            _ => builder,
        };
    }
    builder.build()
}

/// A column; null where a moment or a name is not known.
fn field(column: &Column, zone: &str) -> Field {
    let (kind, is_nullable) = match column.kind {
        ColumnType::Symbol | ColumnType::SymbolPart | ColumnType::Text | ColumnType::Source => {
            (DataType::Utf8, false)
        }
        ColumnType::OptionalText => (DataType::Utf8, true),
        ColumnType::Time => (DataType::Timestamp(TimeUnit::Microsecond, Some(zone.into())), true),
        ColumnType::Price | ColumnType::Amount => (DataType::Float64, false),
        ColumnType::Volume => (DataType::UInt64, false),
        ColumnType::Prices => (DataType::List(level(DataType::Float64)), false),
        ColumnType::Sizes => (DataType::List(level(DataType::UInt64)), false),
        ColumnType::Flag => (DataType::Boolean, false),
        ColumnType::Score => (DataType::Float32, true),
    };
    let field = Field::new(column.name, kind, is_nullable);
    match column.kind.unit() {
        Some(unit) => field.with_metadata([("unit".to_owned(), unit.to_owned())]),
        None => field,
    }
}

/// One book level; null where the source has fewer levels.
pub fn level(item: DataType) -> Arc<Field> {
    Arc::new(Field::new("element", item, true))
}
