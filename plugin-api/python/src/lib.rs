//! What the Python package `dataserver` does outside of Python.
//!
//! `python/dataserver` is what users see; it names everything in here. Records become columns here
//! ([`columns`]) and go over to pandas, polars, pyarrow or DuckDB without a copy, by the capsules of the
//! Arrow C data interface ([`frame`]). [`subscription`] reads the bus, [`consumer`] Redis Streams, [`lake`]
//! a lake. Nothing waits or decodes with the interpreter's lock held.

mod clock;
mod columns;
mod consumer;
mod errors;
mod frame;
mod host;
mod lake;
mod objects;
mod payload;
mod rows;
mod subscription;

use pyo3::prelude::*;

/// The module `dataserver._native`.
#[pymodule]
mod _native {
    #[pymodule_export]
    use crate::{
        consumer::Consumer,
        frame::Frame,
        lake::scan,
        payload::{check, decode, describe, encode_rows, encode_table},
        subscription::Subscription,
    };
}
