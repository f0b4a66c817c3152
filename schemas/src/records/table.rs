//! The macros that make code of a record's table.

/// Columns: `"name": Type, "meaning";` each.
macro_rules! columns {
    ($($name:literal: $kind:ident, $meaning:literal;)*) => {
        &[$($crate::records::Column {
            name: $name,
            kind: $crate::records::ColumnType::$kind,
            meaning: $meaning,
        }),*]
    };
}

/// One column as a constant.
macro_rules! column {
    ($name:literal, $kind:ident, $meaning:literal) => {{
        const COLUMN: &$crate::records::Column = &$crate::records::Column {
            name: $name,
            kind: $crate::records::ColumnType::$kind,
            meaning: $meaning,
        };
        COLUMN
    }};
}

/// Hands one value to a visitor by the type of its column.
macro_rules! visit {
    ($visitor:ident, $name:literal, $kind:ident, $meaning:literal, $value:expr) => {
        visit!(@ $kind, $visitor, column!($name, $kind, $meaning), $value)
    };
    (@ Symbol, $visitor:ident, $column:expr, $value:expr) => { $visitor.symbol($column, $value) };
    (@ Time, $visitor:ident, $column:expr, $value:expr) => { $visitor.time($column, $value) };
    (@ Price, $visitor:ident, $column:expr, $value:expr) => { $visitor.number($column, $value) };
    (@ Amount, $visitor:ident, $column:expr, $value:expr) => { $visitor.number($column, $value) };
    (@ Volume, $visitor:ident, $column:expr, $value:expr) => { $visitor.count($column, $value) };
    (@ Prices, $visitor:ident, $column:expr, $value:expr) => { $visitor.prices($column, $value) };
    (@ Sizes, $visitor:ident, $column:expr, $value:expr) => { $visitor.sizes($column, $value) };
    (@ Flag, $visitor:ident, $column:expr, $value:expr) => { $visitor.flag($column, $value) };
    (@ Score, $visitor:ident, $column:expr, $value:expr) => { $visitor.score($column, $value) };
    // every other type is a text
    (@ $kind:ident, $visitor:ident, $column:expr, $value:expr) => {
        $visitor.text($column, $value)
    };
}

/// All of a kind whose lists the general builder and verifier handle, from one table: the record, its
/// owned form, its encoder, its reader, and its columns. A row of the table is
///
/// ```text
/// field: Type, field on the wire, "column", "meaning";
/// ```
///
/// The security comes first in each kind and is not in the table. Types of rows are those of
/// [`ColumnType`](crate::records::ColumnType) but for the symbol and the sides of a book.
macro_rules! record {
    (
        $(#[$about:meta])*
        $record:ident, owned $owned:ident,
        wire $table:ident ($args:ident) in $list:ident ($list_args:ident) . $vector:ident,
        encoded by $encode:ident;
        $($field:ident: $kind:ident, $wire:ident, $column:literal, $meaning:literal;)*
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub struct $record<'a> {
            /// The security.
            pub symbol: $crate::symbol::Symbol<'a>,
            $(#[doc = $meaning] pub $field: field!(&'a $kind),)*
        }

        #[doc = concat!("A [`", stringify!($record), "`] that owns its texts.")]
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $owned {
            /// Exchange in upper case.
            pub market: String,
            /// Code without the exchange.
            pub code: String,
            $(#[doc = $meaning] pub $field: field!($kind),)*
        }

        impl<'a> From<$crate::flat::$table<'a>> for $record<'a> {
            fn from(table: $crate::flat::$table<'a>) -> Self {
                Self {
                    symbol: $crate::symbol::Symbol { market: table.market(), code: table.code() },
                    $($field: from_wire!($kind, table.$wire()),)*
                }
            }
        }

        impl<'a> $record<'a> {
            /// The records of a list.
            ///
            /// # Errors
            /// What the general verifier says.
            pub fn read_list(
                list: &'a [u8],
            ) -> Result<impl ExactSizeIterator<Item = Self>, flatbuffers::InvalidFlatbuffer> {
                let list = $crate::verify::general::<$crate::flat::$list<'a>>(list)?;
                Ok(list.$vector().iter().map(Self::from))
            }

            /// The records of a list that [`read_list`](Self::read_list) accepted.
            ///
            /// # Safety
            /// The bytes must be such a list.
            #[allow(unsafe_code)]
            pub unsafe fn read_list_unchecked(
                list: &'a [u8],
            ) -> impl ExactSizeIterator<Item = Self> {
                // SAFETY: the caller sees to it that the bytes are a list that was verified.
                let list = unsafe { flatbuffers::root_unchecked::<$crate::flat::$list<'a>>(list) };
                list.$vector().iter().map(Self::from)
            }
        }

        impl $crate::records::Record for $record<'_> {
            const COLUMNS: &'static [$crate::records::Column] = columns! {
                "symbol": Symbol, "security, e.g. 600000.SH";
                $($column: $kind, $meaning;)*
            };

            fn symbol(&self) -> $crate::symbol::Symbol<'_> {
                self.symbol
            }

            fn time_us(&self) -> i64 {
                self.time_us
            }

            #[inline]
            fn visit(&self, visitor: &mut impl $crate::records::Visitor) {
                visit!(visitor, "symbol", Symbol, "security, e.g. 600000.SH", self.symbol);
                $(visit!(visitor, $column, $kind, $meaning, self.$field);)*
            }

            fn encode(
                records: impl ExactSizeIterator<Item = Self>,
            ) -> Result<Vec<u8>, $crate::encode::ListFull> {
                Ok($encode(records))
            }
        }

        impl $crate::records::OwnedRecord for $owned {
            type Record<'a> = $record<'a>;

            fn read<S: $crate::records::ValueSource>(
                &mut self,
                source: &mut S,
            ) -> Result<(), S::Error> {
                let symbol = column!("symbol", Symbol, "security, e.g. 600000.SH");
                source.symbol(symbol, &mut self.market, &mut self.code)?;
                $(read_value!($kind, source, column!($column, $kind, $meaning), self.$field);)*
                Ok(())
            }

            fn record(&self, shift_us: i64) -> $record<'_> {
                let symbol =
                    $crate::symbol::Symbol { market: &self.market, code: &self.code };
                let record = $record { symbol, $($field: borrowed!($kind, self.$field),)* };
                $record { time_us: record.time_us + shift_us, ..record }
            }

            fn read_list(list: &[u8]) -> Result<Vec<Self>, flatbuffers::InvalidFlatbuffer> {
                Ok($record::read_list(list)?.map(Self::from).collect())
            }
        }

        impl From<$record<'_>> for $owned {
            fn from(record: $record<'_>) -> Self {
                Self {
                    market: record.symbol.market.to_owned(),
                    code: record.symbol.code.to_owned(),
                    $($field: owned!($kind, record.$field),)*
                }
            }
        }

        #[doc = concat!("Encodes records as one `", stringify!($list), "`.")]
        pub fn $encode<'a>(records: impl IntoIterator<Item = $record<'a>>) -> Vec<u8> {
            let mut builder = flatbuffers::FlatBufferBuilder::new();
            let tables: Vec<_> = records
                .into_iter()
                .map(|record| {
                    let args = $crate::flat::$args {
                        market: Some(builder.create_shared_string(record.symbol.market)),
                        code: Some(builder.create_string(record.symbol.code)),
                        $($wire: wire!($kind, builder, record.$field),)*
                    };
                    $crate::flat::$table::create(&mut builder, &args)
                })
                .collect();
            let vector = builder.create_vector(&tables);
            let args = $crate::flat::$list_args { $vector: Some(vector) };
            let list = $crate::flat::$list::create(&mut builder, &args);
            builder.finish(list, None);
            builder.finished_data().to_vec()
        }
    };
}

/// The Rust type of a field: borrowed, or owned without a lifetime.
macro_rules! field {
    (& $life:lifetime Text) => { &$life str };
    (& $life:lifetime OptionalText) => { &$life str };
    (& $life:lifetime $kind:ident) => { field!($kind) };
    (Text) => { String };
    (OptionalText) => { String };
    (Time) => { i64 };
    (Price) => { f64 };
    (Amount) => { f64 };
    (Volume) => { u64 };
    (Flag) => { bool };
    (Score) => { Option<f32> };
}

/// The value of an owned field, borrowed.
macro_rules! borrowed {
    (Text, $value:expr) => {
        &$value
    };
    (OptionalText, $value:expr) => {
        &$value
    };
    ($kind:ident, $value:expr) => {
        $value
    };
}

/// The value of a borrowed field, owned.
macro_rules! owned {
    (Text, $value:expr) => {
        $value.to_owned()
    };
    (OptionalText, $value:expr) => {
        $value.to_owned()
    };
    ($kind:ident, $value:expr) => {
        $value
    };
}

/// Sets a field to the next value of a source.
macro_rules! read_value {
    (Text, $source:ident, $column:expr, $to:expr) => {
        $source.text($column, &mut $to)?
    };
    (OptionalText, $source:ident, $column:expr, $to:expr) => {
        $source.text($column, &mut $to)?
    };
    (Time, $source:ident, $column:expr, $to:expr) => {
        $to = $source.time($column)?
    };
    (Price, $source:ident, $column:expr, $to:expr) => {
        $to = $source.number($column)?
    };
    (Amount, $source:ident, $column:expr, $to:expr) => {
        $to = $source.number($column)?
    };
    (Volume, $source:ident, $column:expr, $to:expr) => {
        $to = $source.count($column)?
    };
    (Flag, $source:ident, $column:expr, $to:expr) => {
        $to = $source.flag($column)?
    };
    (Score, $source:ident, $column:expr, $to:expr) => {
        $to = $source.score($column)?
    };
}

/// A value as the generated accessor gives it, as the record has it.
macro_rules! from_wire {
    (OptionalText, $value:expr) => {
        $value.unwrap_or_default()
    };
    ($kind:ident, $value:expr) => {
        $value
    };
}

/// A value as the generated builder takes it; an optional text that is empty takes no room.
macro_rules! wire {
    (Text, $builder:ident, $value:expr) => {
        Some($builder.create_shared_string($value))
    };
    (OptionalText, $builder:ident, $value:expr) => {
        (!$value.is_empty()).then(|| $builder.create_shared_string($value))
    };
    ($kind:ident, $builder:ident, $value:expr) => {
        $value
    };
}
