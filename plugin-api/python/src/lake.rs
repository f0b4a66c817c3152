//! A lake as tables.

use std::path::PathBuf;

use plugin_api::{Ask, PluginError, serde_json};
use pyo3::prelude::*;

use crate::{errors, frame::Frame};

/// Rows of a lake, with the texts of files that cannot be read. `ask` is the option `ask` of sources,
/// as JSON.
#[pyfunction]
pub fn scan(
    py: Python<'_>,
    lake: PathBuf,
    ask: &str,
    columns: Option<Vec<String>>,
) -> PyResult<(Frame, Vec<String>)> {
    let found = py.detach(|| {
        let ask: Ask =
            serde_json::from_str(ask).map_err(|error| PluginError::config(error.to_string()))?;
        ::lake::scan(&lake, &ask, columns.as_deref())
    });
    let found = found.map_err(|error| {
        // the keys are arguments here
        let message = error.message.replace("ask.", "");
        errors::exception(py, &PluginError { message, ..error })
    })?;
    Ok((Frame::new(found.schema, found.rows), found.refused))
}
