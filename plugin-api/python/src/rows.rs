//! Rows that users give: every column is there, of a type that fits, and holds what can be sent.

mod check;
mod dicts;

pub use check::checked;
pub use dicts::of_dicts;

use plugin_api::{Column, ColumnType};

/// Columns that may be left out, besides those that have no value by their type.
const OPTIONAL: [&str; 7] =
    ["bid", "bid_volume", "ask", "ask_volume", "recv_time", "closed", "source"];

/// What follows from other columns, and is not taken.
fn is_derived(column: &Column) -> bool {
    column.kind == ColumnType::SymbolPart || column.name == "phase"
}

fn is_required(column: &Column) -> bool {
    let has_no_value = matches!(column.kind, ColumnType::OptionalText | ColumnType::Score);
    !is_derived(column) && !has_no_value && !OPTIONAL.contains(&column.name)
}

/// What a column wants, for people.
fn wanted(column: &Column) -> String {
    let what = match column.kind {
        ColumnType::Symbol => "text such as 600000.SH",
        ColumnType::Time => "times with a zone",
        ColumnType::Price | ColumnType::Amount => "numbers",
        ColumnType::Volume => "whole numbers",
        ColumnType::Prices => "lists of numbers",
        ColumnType::Sizes => "lists of whole numbers",
        ColumnType::Flag => "true or false",
        ColumnType::Score => "numbers from 0 to 1",
        _ => "text",
    };
    format!("{what} ({})", column.meaning)
}
