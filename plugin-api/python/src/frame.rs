//! Columns that other libraries take without a copy.

use std::ffi::CStr;

use arrow::{
    array::{Array as _, RecordBatch, RecordBatchIterator, RecordBatchReader, StructArray},
    compute::concat_batches,
    datatypes::SchemaRef,
    error::ArrowError,
    ffi::{FFI_ArrowSchema, to_ffi},
    ffi_stream::{FFI_ArrowArrayStream, RecordBatchStreamReader},
};
use plugin_api::PluginError;
use pyo3::{
    prelude::*,
    types::{PyCapsule, PyList},
};

use crate::{errors, objects};

/// Names of the capsules, as the Arrow PyCapsule interface has them.
const SCHEMA: &CStr = c"arrow_schema";
const ARRAY: &CStr = c"arrow_array";
const STREAM: &CStr = c"arrow_array_stream";

/// Rows as columns.
#[pyclass(frozen, module = "dataserver._native")]
pub struct Frame {
    schema: SchemaRef,
    rows: Vec<RecordBatch>,
}

impl Frame {
    /// Of one run of rows.
    pub fn of(rows: RecordBatch) -> Self {
        Self { schema: rows.schema(), rows: vec![rows] }
    }

    /// Of several runs with the same columns.
    pub fn new(schema: SchemaRef, rows: Vec<RecordBatch>) -> Self {
        Self { schema, rows }
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.rows.iter().map(RecordBatch::num_rows).sum()
    }
}

#[pymethods]
impl Frame {
    fn __len__(&self) -> usize {
        self.len()
    }

    /// Names of the columns.
    #[getter]
    fn columns(&self) -> Vec<&str> {
        self.schema.fields().iter().map(|field| field.name().as_str()).collect()
    }

    /// The rows as dicts; `moment` makes a time of microseconds since 1970 UTC.
    fn records<'py>(
        &self,
        py: Python<'py>,
        moment: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for rows in &self.rows {
            objects::append(rows, moment, &list)?;
        }
        Ok(list)
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let schema = FFI_ArrowSchema::try_from(&*self.schema);
        PyCapsule::new_with_value(py, schema.map_err(|error| fault(py, &error))?, SCHEMA)
    }

    /// One run of all rows. A schema that is asked for may be passed over, as the interface allows.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyCapsule>, Bound<'py, PyCapsule>)> {
        let _ = requested_schema;
        let rows = match self.rows.as_slice() {
            [rows] => Ok(rows.clone()),
            several => py.detach(|| concat_batches(&self.schema, several)),
        };
        let exported = rows.and_then(|rows| to_ffi(&StructArray::from(rows).to_data()));
        let (array, schema) = exported.map_err(|error| fault(py, &error))?;
        Ok((
            PyCapsule::new_with_value(py, schema, SCHEMA)?,
            PyCapsule::new_with_value(py, array, ARRAY)?,
        ))
    }

    /// Run by run.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let _ = requested_schema;
        let rows = self.rows.clone().into_iter().map(Ok);
        let reader = Box::new(RecordBatchIterator::new(rows, self.schema.clone()));
        PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(reader), STREAM)
    }
}

/// The rows of whatever gives its columns by the Arrow PyCapsule interface; `None` of anything else.
///
/// # Errors
/// The exceptions of the other library, and what cannot be read of its columns.
#[allow(unsafe_code)]
pub fn import(rows: &Bound<'_, PyAny>) -> PyResult<Option<RecordBatch>> {
    let py = rows.py();
    if !rows.hasattr("__arrow_c_stream__")? {
        return Ok(None);
    }
    let capsule = rows.call_method0("__arrow_c_stream__")?.cast_into::<PyCapsule>()?;
    let stream = capsule.pointer_checked(Some(STREAM))?.cast::<FFI_ArrowArrayStream>();
    // SAFETY: a capsule of that name holds such a stream, which is moved out: an empty one stays.
    let reader = unsafe { RecordBatchStreamReader::from_raw(stream.as_ptr()) };
    let mut reader = reader.map_err(|error| fault(py, &error))?;
    let schema = reader.schema();
    // the other end may be Python, which takes the interpreter's lock by itself
    let rows = py.detach(|| {
        let rows = reader.by_ref().collect::<Result<Vec<_>, ArrowError>>()?;
        concat_batches(&schema, &rows)
    });
    rows.map(Some).map_err(|error| fault(py, &error))
}

fn fault(py: Python<'_>, error: &ArrowError) -> PyErr {
    errors::exception(py, &PluginError::bad_data(format!("the columns cannot be taken: {error}")))
}
