//! Arrow arrays of any type, seen as cells.

use std::borrow::Cow;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, Float64Array, GenericListArray, Int64Array,
        LargeBinaryArray, Time64MicrosecondArray, TimestampMicrosecondArray, UInt64Array,
    },
    compute::cast,
    datatypes::{
        DataType, Float32Type, Float64Type, Int64Type, Time64MicrosecondType, TimeUnit,
        TimestampMicrosecondType, UInt64Type,
    },
};

use crate::cell::Cell;

/// One column of a part of a file.
#[derive(Debug)]
pub enum Column {
    /// Not read.
    Absent,
    /// Also of tools that do not say that their bytes are text.
    Text(LargeBinaryArray),
    Float(Float64Array),
    Int(Int64Array),
    Uint(UInt64Array),
    Utc(TimestampMicrosecondArray),
    Local(TimestampMicrosecondArray),
    TimeOfDay(Time64MicrosecondArray),
    Truth(BooleanArray),
    List(GenericListArray<i64>, Box<Column>),
}

impl Column {
    /// Whether cells of that type are lists.
    pub fn is_list(data_type: &DataType) -> bool {
        use DataType::{FixedSizeList, LargeList, List};
        matches!(data_type, List(_) | LargeList(_) | FixedSizeList(..))
    }

    /// Brings an array to one of few types.
    ///
    /// # Errors
    /// A text that names the type when values of it cannot be used.
    pub fn new(array: &ArrayRef) -> Result<Self, String> {
        use DataType::{
            Binary, BinaryView, Boolean, Date32, Date64, Decimal32, Decimal64, Decimal128,
            Decimal256, Dictionary, FixedSizeList, Float16, Float32, Float64, Int8, Int16, Int32,
            Int64, LargeBinary, LargeList, LargeUtf8, List, Null, Time32, Time64, Timestamp, UInt8,
            UInt16, UInt32, UInt64, Utf8, Utf8View,
        };
        let to = |data_type: &DataType| cast(array, data_type).map_err(|error| error.to_string());
        let micros = TimeUnit::Microsecond;
        Ok(match array.data_type() {
            Null => Self::Absent,
            Utf8 | Utf8View => return Self::new(&to(&LargeUtf8)?),
            LargeUtf8 | Binary | LargeBinary | BinaryView => {
                Self::Text(to(&LargeBinary)?.as_binary().clone())
            }
            Dictionary(_, value) => return Self::new(&to(value)?),
            Float32 => Self::Float(widened(array)),
            Float16 => return Self::new(&to(&Float32)?),
            Float64 | Decimal32(..) | Decimal64(..) | Decimal128(..) | Decimal256(..) => {
                Self::Float(to(&Float64)?.as_primitive::<Float64Type>().clone())
            }
            Int8 | Int16 | Int32 | Int64 => {
                Self::Int(to(&Int64)?.as_primitive::<Int64Type>().clone())
            }
            Boolean => Self::Truth(array.as_boolean().clone()),
            UInt8 | UInt16 | UInt32 | UInt64 => {
                Self::Uint(to(&UInt64)?.as_primitive::<UInt64Type>().clone())
            }
            Timestamp(_, Some(zone)) => {
                let moments = to(&Timestamp(micros, Some(zone.clone())))?;
                Self::Utc(moments.as_primitive::<TimestampMicrosecondType>().clone())
            }
            Timestamp(_, None) | Date32 | Date64 => {
                let moments = to(&Timestamp(micros, None))?;
                Self::Local(moments.as_primitive::<TimestampMicrosecondType>().clone())
            }
            Time32(_) | Time64(_) => {
                let times = to(&Time64(micros))?;
                Self::TimeOfDay(times.as_primitive::<Time64MicrosecondType>().clone())
            }
            List(item) | LargeList(item) | FixedSizeList(item, _) => {
                let lists = to(&LargeList(item.clone()))?.as_list::<i64>().clone();
                let items = Self::new(lists.values())?;
                Self::List(lists, Box::new(items))
            }
            other => {
                return Err(format!(
                    "values of type {other} cannot be used; store them as text or numbers"
                ));
            }
        })
    }

    /// The cell of a row.
    #[inline]
    pub fn cell(&self, row: usize) -> Cell<'_> {
        match self {
            Self::Text(array) if array.is_valid(row) => Cell::from_text(array.value(row)),
            Self::Float(array) if array.is_valid(row) => Cell::Float(array.value(row)),
            Self::Int(array) if array.is_valid(row) => Cell::Int(array.value(row)),
            Self::Uint(array) if array.is_valid(row) => Cell::Uint(array.value(row)),
            Self::Utc(array) if array.is_valid(row) => Cell::Utc(array.value(row)),
            Self::Local(array) if array.is_valid(row) => Cell::Local(array.value(row)),
            Self::TimeOfDay(array) if array.is_valid(row) => Cell::TimeOfDay(array.value(row)),
            Self::Truth(array) if array.is_valid(row) => Cell::Truth(array.value(row)),
            Self::List(lists, _) if lists.is_valid(row) => Cell::List,
            _ => Cell::Empty,
        }
    }

    /// An element of the list in a row; `None` behind its end.
    #[inline]
    pub fn element(&self, row: usize, index: usize) -> Option<Cell<'_>> {
        let Self::List(lists, items) = self else { return None };
        if lists.is_null(row) || index >= usize::try_from(lists.value_length(row)).ok()? {
            return None;
        }
        let start = usize::try_from(lists.value_offsets()[row]).ok()?;
        Some(items.cell(start + index))
    }

    /// The cell of a row, for people.
    pub fn text(&self, row: usize) -> Cow<'_, str> {
        let Self::List(..) = self else { return self.cell(row).text() };
        let items: Vec<_> = (0..).map_while(|index| self.element(row, index)).collect();
        items.into_iter().map(|cell| cell.text().into_owned()).collect::<Vec<_>>().join(" ").into()
    }
}

/// The decimals that the short floats stand for: 10.1, not 10.100000381.
fn widened(array: &ArrayRef) -> Float64Array {
    let short = array.as_primitive::<Float32Type>();
    short
        .iter()
        .map(|value| value.and_then(|value| value.to_string().parse::<f64>().ok()))
        .collect()
}
