//! Rows as Python's own objects.

use arrow::{
    array::{Array, ArrayRef, ArrowPrimitiveType, AsArray as _, PrimitiveArray, RecordBatch},
    datatypes::{DataType, Float32Type, Float64Type, TimestampMicrosecondType, UInt64Type},
};
use pyo3::{
    IntoPyObjectExt as _,
    prelude::*,
    types::{PyDict, PyList, PyString},
};

/// Appends each row as a dict. `moment` makes a time of microseconds since 1970 UTC; a side of the book
/// is a list of the levels that there are.
pub fn append<'py>(
    rows: &RecordBatch,
    moment: &Bound<'py, PyAny>,
    list: &Bound<'py, PyList>,
) -> PyResult<()> {
    let py = list.py();
    let names: Vec<_> = rows
        .schema()
        .fields()
        .iter()
        .map(|field| PyString::intern(py, field.name()).unbind())
        .collect();
    let columns = rows.columns().iter().map(|column| values(column, moment));
    let mut columns = columns.map(|it| it.map(Vec::into_iter)).collect::<PyResult<Vec<_>>>()?;
    for _ in 0..rows.num_rows() {
        let dict = PyDict::new(py);
        for (name, column) in names.iter().zip(&mut columns) {
            dict.set_item(name, column.next())?;
        }
        list.append(dict)?;
    }
    Ok(())
}

type Values<'py> = Vec<Bound<'py, PyAny>>;

fn values<'py>(column: &ArrayRef, moment: &Bound<'py, PyAny>) -> PyResult<Values<'py>> {
    let py = moment.py();
    match column.data_type() {
        DataType::Utf8 => {
            column.as_string::<i32>().iter().map(|it| it.into_bound_py_any(py)).collect()
        }
        DataType::Timestamp(..) => {
            let times = column.as_primitive::<TimestampMicrosecondType>().iter();
            let made = times.map(|us| match us {
                Some(us) => moment.call1((us,)),
                None => Ok(py.None().into_bound(py)),
            });
            made.collect()
        }
        DataType::Float64 => numbers(py, column.as_primitive::<Float64Type>()),
        DataType::UInt64 => numbers(py, column.as_primitive::<UInt64Type>()),
        DataType::Float32 => numbers(py, column.as_primitive::<Float32Type>()),
        DataType::Boolean => {
            column.as_boolean().iter().map(|it| it.into_bound_py_any(py)).collect()
        }
        DataType::List(_) => {
            let lists = column.as_list::<i32>().iter();
            let made = lists.map(|levels| match levels {
                Some(levels) => levels_of(py, &levels),
                None => Ok(py.None().into_bound(py)),
            });
            made.collect()
        }
        other => Err(pyo3::exceptions::PyTypeError::new_err(format!("a column holds {other}"))),
    }
}

fn numbers<'py, T>(py: Python<'py>, column: &PrimitiveArray<T>) -> PyResult<Values<'py>>
where
    T: ArrowPrimitiveType,
    Option<T::Native>: IntoPyObject<'py>,
{
    column.iter().map(|number| number.into_bound_py_any(py)).collect()
}

fn levels_of<'py>(py: Python<'py>, levels: &ArrayRef) -> PyResult<Bound<'py, PyAny>> {
    if let Some(prices) = levels.as_primitive_opt::<Float64Type>() {
        return prices.iter().flatten().collect::<Vec<_>>().into_bound_py_any(py);
    }
    let sizes = levels.as_primitive::<UInt64Type>();
    sizes.iter().flatten().collect::<Vec<_>>().into_bound_py_any(py)
}
