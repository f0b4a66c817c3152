//! Payloads: what batches are on the wire.

use plugin_api::{PluginError, RecordKind};
use pyo3::{prelude::*, types::PyBytes};

use crate::{columns, errors::exception, frame, frame::Frame, rows};

/// Name, type, unit and meaning of a column.
type Described = (&'static str, String, Option<&'static str>, &'static str);

/// Number of records of a payload, which is verified.
#[pyfunction]
pub fn check(py: Python<'_>, kind: &str, payload: &[u8]) -> PyResult<usize> {
    let kind = named(py, kind)?;
    py.detach(|| columns::count(kind, payload)).map_err(|error| exception(py, &error))
}

/// The columns of a payload, which is verified.
#[pyfunction]
pub fn decode(py: Python<'_>, kind: &str, payload: &[u8]) -> PyResult<Frame> {
    let kind = named(py, kind)?;
    py.detach(|| columns::of_payload(kind, payload)).map_err(|error| exception(py, &error))
}

/// The payload of a table that gives its columns by the Arrow PyCapsule interface; `None` of anything
/// else.
#[pyfunction]
pub fn encode_table<'py>(
    py: Python<'py>,
    kind: &str,
    table: &Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let kind = named(py, kind)?;
    let Some(rows) = frame::import(table)? else { return Ok(None) };
    let batch = py.detach(|| columns::to_batch(kind, &rows::checked(kind, &rows)?));
    let batch = batch.map_err(|error| exception(py, &error))?;
    Ok(Some(PyBytes::new(py, batch.payload())))
}

/// The payload of dicts; `microseconds` makes a time such a number since 1970 UTC.
#[pyfunction]
pub fn encode_rows<'py>(
    py: Python<'py>,
    kind: &str,
    dicts: &Bound<'py, PyAny>,
    microseconds: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyBytes>> {
    let kind = named(py, kind)?;
    let rows = rows::of_dicts(kind, dicts, microseconds)?;
    let batch = py.detach(|| columns::to_batch(kind, &rows::checked(kind, &rows)?));
    let batch = batch.map_err(|error| exception(py, &error))?;
    Ok(PyBytes::new(py, batch.payload()))
}

/// The columns of records of a kind, in order.
#[pyfunction]
pub fn describe(py: Python<'_>, kind: &str) -> PyResult<Vec<Described>> {
    let schema = lake::schema(named(py, kind)?, lake::ZONE);
    let described = named(py, kind)?.columns().iter().zip(schema.fields());
    let described = described.map(|(column, field)| {
        (column.name, field.data_type().to_string(), column.kind.unit(), column.meaning)
    });
    Ok(described.collect())
}

fn named(py: Python<'_>, kind: &str) -> PyResult<RecordKind> {
    RecordKind::named(kind).ok_or_else(|| {
        let text = format!("there are no records of kind \"{kind}\"; use \"spot\" or \"bar\"");
        exception(py, &PluginError::config(text))
    })
}
