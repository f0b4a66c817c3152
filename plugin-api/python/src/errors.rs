//! Errors as exceptions of the package.

use plugin_api::{ErrorKind, PluginError};
use pyo3::{prelude::*, types::PyType};

/// Where the exceptions are.
const MODULE: &str = "dataserver._errors";

/// The exception for an error: what the options say, whom nobody answers for, what is no record.
pub fn exception(py: Python<'_>, error: &PluginError) -> PyErr {
    let class = match error.kind {
        ErrorKind::Config => "OptionError",
        ErrorKind::BadData => "BadData",
        ErrorKind::Retry => "NotReachable",
        ErrorKind::Fatal | ErrorKind::Panic => "DataserverError",
    };
    named(py, class, &error.message)
}

/// The exception for bytes or values that are no records.
pub fn bad_data(py: Python<'_>, text: &str) -> PyErr {
    named(py, "BadData", text)
}

fn named(py: Python<'_>, class: &str, text: &str) -> PyErr {
    let found = py.import(MODULE).and_then(|module| module.getattr(class));
    match found.and_then(|class| class.cast_into::<PyType>().map_err(PyErr::from)) {
        Ok(class) => PyErr::from_type(class, text.to_owned()),
        Err(error) => error,
    }
}
