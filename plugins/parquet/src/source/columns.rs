//! Columns of a file by their names, in the types that this source reads.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray as _, BooleanArray, Float32Array, Float64Array, LargeListArray,
        RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array,
    },
    compute::cast,
    datatypes::{
        DataType, Field, Float32Type, Float64Type, TimeUnit, TimestampMicrosecondType, UInt64Type,
    },
    error::ArrowError,
};

use crate::schema::UTC;

/// Columns of some rows. Other writers may have other types for the same values; what is not there
/// counts as empty.
pub struct Columns<'a>(pub &'a RecordBatch);

impl Columns<'_> {
    /// Texts; empty where null.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn texts(&self, name: &str) -> Result<Texts, ArrowError> {
        Ok(Texts(self.cast(name, &DataType::Utf8)?.map(|it| it.as_string::<i32>().clone())))
    }

    /// Moments, microseconds since 1970 UTC; 0 where null.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn times(&self, name: &str) -> Result<Times, ArrowError> {
        let kind = DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into()));
        let column = self.cast(name, &kind)?;
        Ok(Times(column.map(|it| it.as_primitive::<TimestampMicrosecondType>().clone())))
    }

    /// Prices or amounts; 0 where null.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn numbers(&self, name: &str) -> Result<Numbers, ArrowError> {
        let column = self.cast(name, &DataType::Float64)?;
        Ok(Numbers(column.map(|it| it.as_primitive::<Float64Type>().clone())))
    }

    /// Volumes; 0 where null.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn counts(&self, name: &str) -> Result<Counts, ArrowError> {
        let column = self.cast(name, &DataType::UInt64)?;
        Ok(Counts(column.map(|it| it.as_primitive::<UInt64Type>().clone())))
    }

    /// Yes or no; yes where null, as what was not recorded did not change any more.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn flags(&self, name: &str) -> Result<Flags, ArrowError> {
        Ok(Flags(self.cast(name, &DataType::Boolean)?.map(|it| it.as_boolean().clone())))
    }

    /// Scores.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn scores(&self, name: &str) -> Result<Scores, ArrowError> {
        let column = self.cast(name, &DataType::Float32)?;
        Ok(Scores(column.map(|it| it.as_primitive::<Float32Type>().clone())))
    }

    /// Prices of a side of the book.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn prices(&self, name: &str) -> Result<Levels<Float64Array>, ArrowError> {
        let lists = self.lists(name, DataType::Float64)?;
        Ok(Levels(lists.map(|lists| {
            let values = lists.values().as_primitive::<Float64Type>().clone();
            (lists, values)
        })))
    }

    /// Sizes of a side of the book.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn sizes(&self, name: &str) -> Result<Levels<UInt64Array>, ArrowError> {
        let lists = self.lists(name, DataType::UInt64)?;
        Ok(Levels(lists.map(|lists| {
            let values = lists.values().as_primitive::<UInt64Type>().clone();
            (lists, values)
        })))
    }

    fn lists(&self, name: &str, item: DataType) -> Result<Option<LargeListArray>, ArrowError> {
        let item = Arc::new(Field::new("element", item, true));
        let column = self.cast(name, &DataType::LargeList(item))?;
        Ok(column.map(|it| it.as_list::<i64>().clone()))
    }

    fn cast(&self, name: &str, kind: &DataType) -> Result<Option<ArrayRef>, ArrowError> {
        self.0.column_by_name(name).map(|column| cast(column, kind)).transpose()
    }
}

/// Texts of rows.
pub struct Texts(Option<StringArray>);

impl Texts {
    /// That of a row.
    #[inline]
    pub fn get(&self, row: usize) -> &str {
        self.0.as_ref().filter(|it| it.is_valid(row)).map_or("", |it| it.value(row))
    }
}

/// Moments of rows.
pub struct Times(Option<TimestampMicrosecondArray>);

impl Times {
    /// That of a row.
    #[inline]
    pub fn get(&self, row: usize) -> i64 {
        self.0.as_ref().filter(|it| it.is_valid(row)).map_or(0, |it| it.value(row))
    }
}

/// Numbers of rows.
pub struct Numbers(Option<Float64Array>);

impl Numbers {
    /// That of a row.
    #[inline]
    pub fn get(&self, row: usize) -> f64 {
        self.0.as_ref().filter(|it| it.is_valid(row)).map_or(0.0, |it| it.value(row))
    }
}

/// Counts of rows.
pub struct Counts(Option<UInt64Array>);

impl Counts {
    /// That of a row.
    #[inline]
    pub fn get(&self, row: usize) -> u64 {
        self.0.as_ref().filter(|it| it.is_valid(row)).map_or(0, |it| it.value(row))
    }
}

/// Flags of rows.
pub struct Flags(Option<BooleanArray>);

impl Flags {
    /// That of a row.
    #[inline]
    pub fn get(&self, row: usize) -> bool {
        self.0.as_ref().filter(|it| it.is_valid(row)).is_none_or(|it| it.value(row))
    }
}

/// Scores of rows.
pub struct Scores(Option<Float32Array>);

impl Scores {
    /// That of a row.
    #[inline]
    pub fn get(&self, row: usize) -> Option<f32> {
        self.0.as_ref().filter(|it| it.is_valid(row)).map(|it| it.value(row))
    }
}

/// Sides of the books of rows.
pub struct Levels<T>(Option<(LargeListArray, T)>);

impl Levels<Float64Array> {
    /// The levels of a row, best first, without those that pad it.
    pub fn fill(&self, row: usize, levels: &mut Vec<f64>) {
        levels.clear();
        let Some((lists, values)) = &self.0 else { return };
        levels.extend(
            places(lists, row).map_while(|at| values.is_valid(at).then(|| values.value(at))),
        );
    }
}

impl Levels<UInt64Array> {
    /// The levels of a row, best first, without those that pad it.
    pub fn fill(&self, row: usize, levels: &mut Vec<u64>) {
        levels.clear();
        let Some((lists, values)) = &self.0 else { return };
        levels.extend(
            places(lists, row).map_while(|at| values.is_valid(at).then(|| values.value(at))),
        );
    }
}

/// Where a row's list lies among the values of all.
fn places(lists: &LargeListArray, row: usize) -> std::ops::Range<usize> {
    if lists.is_null(row) {
        return 0..0;
    }
    let at = |place: usize| usize::try_from(lists.value_offsets()[place]).unwrap_or_default();
    at(row)..at(row + 1)
}
