//! What records are: each kind described once, for every reader, writer and store.
//!
//! A kind has a file of its own with one table: the fields in order, each with its type, its place on
//! the wire, its column in stores, and what it means. Stores do not list columns, they go over those
//! of the table: [`Record::COLUMNS`] before there is a record, [`Record::visit`] for its values.
//!
//! Code that is written by hand, because its speed was measured, has a test that it names every
//! column of the table.

#[macro_use]
mod table;
pub mod bar;
mod column;
mod read;
pub mod spot;
mod visit;

pub use column::{Column, ColumnType};
pub use read::{OwnedRecord, ValueSource};
pub use visit::{Record, Visitor};
