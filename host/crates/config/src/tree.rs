//! A TOML file as a tree that knows where everything stands.

use std::ops::Range;

/// A table, in the order of the file.
#[derive(Clone, Default)]
pub(super) struct Table {
    pub entries: Vec<Entry>,
}

/// A key and what it holds.
#[derive(Clone)]
pub(super) struct Entry {
    pub key: String,
    pub key_span: Range<usize>,
    pub node: Node,
}

/// A value and where it stands.
#[derive(Clone)]
pub(super) struct Node {
    pub span: Range<usize>,
    pub value: Value,
}

/// What a key can hold.
#[derive(Clone)]
pub(super) enum Value {
    Text(Text),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    /// A date or time as written.
    Moment(String),
    Array(Vec<Node>),
    Table(Table),
    /// A value that is already reported as wrong.
    Broken,
}

/// A string.
#[derive(Clone)]
pub(super) struct Text {
    /// With variables filled in.
    pub value: String,
    /// Whether a variable was filled in, so that the value may be secret.
    pub filled: bool,
}

impl Table {
    /// The entry of that key.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }
}

impl Node {
    /// `a string`, `an integer`, …
    pub fn type_name(&self) -> &'static str {
        match self.value {
            Value::Text(_) => "a string",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a number",
            Value::Boolean(_) => "a boolean",
            Value::Moment(_) => "a date or time",
            Value::Array(_) => "a list",
            Value::Table(_) => "a table",
            Value::Broken => "a wrong value",
        }
    }

    /// Whether it, or something in it, is already reported as wrong.
    pub fn is_broken(&self) -> bool {
        match &self.value {
            Value::Broken => true,
            Value::Array(items) => items.iter().any(Self::is_broken),
            Value::Table(table) => table.entries.iter().any(|entry| entry.node.is_broken()),
            _ => false,
        }
    }

    /// Whether variables were filled in anywhere in it.
    pub fn is_filled(&self) -> bool {
        match &self.value {
            Value::Text(text) => text.filled,
            Value::Array(items) => items.iter().any(Self::is_filled),
            Value::Table(table) => table.entries.iter().any(|entry| entry.node.is_filled()),
            _ => false,
        }
    }
}
