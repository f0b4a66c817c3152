//! Answers, taken apart.

use std::{collections::HashMap, fmt, str::FromStr};

use redis::Value;

/// Id of an entry: milliseconds and a number within them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EntryId {
    /// First part, about milliseconds since 1970 UTC.
    pub ms: u64,
    /// Second part.
    pub number: u64,
}

impl EntryId {
    /// The id behind this one.
    pub fn next(self) -> Self {
        match self.number.checked_add(1) {
            Some(number) => Self { number, ..self },
            None => Self { ms: self.ms.saturating_add(1), number: 0 },
        }
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.number)
    }
}

impl FromStr for EntryId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (ms, number) = text.split_once('-').ok_or(())?;
        let parse = |part: &str| part.parse().map_err(drop);
        Ok(Self { ms: parse(ms)?, number: parse(number)? })
    }
}

/// An entry of a stream: its fields in order, names and values alternating.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: EntryId,
    /// Names and values in turn; empty for one that was deleted meanwhile.
    pub fields: Vec<Vec<u8>>,
}

impl Entry {
    /// Names and values.
    pub fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.chunks_exact(2).map(|pair| (&pair[0][..], &pair[1][..]))
    }

    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.pairs().find(|(known, _)| *known == name.as_bytes()).map(|(_, value)| value)
    }
}

/// The items of a list; none for an absent one.
pub fn array(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(items) => Some(items),
        Value::Nil => Some(Vec::new()),
        _ => None,
    }
}

/// Text, whatever it is sent as.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        Value::Okay => Some("OK".to_owned()),
        _ => None,
    }
}

/// The bytes of a name, which need not be text.
pub fn bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes.clone()),
        other => text(other).map(String::into_bytes),
    }
}

/// A whole number, whatever it is sent as.
pub fn int(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        value => text(value)?.parse().ok(),
    }
}

/// A list of names and values in turn.
pub fn map(value: Value) -> Option<HashMap<String, Value>> {
    let mut items = array(value)?.into_iter();
    let mut map = HashMap::new();
    while let (Some(name), Some(value)) = (items.next(), items.next()) {
        map.insert(text(&name)?, value);
    }
    Some(map)
}

/// Entries as XRANGE, XREADGROUP and XCLAIM list them; `None` when it is no such list.
pub fn into_entries(value: Value) -> Option<Vec<Entry>> {
    // XCLAIM of servers before 7.0 gives nil for an entry that is gone
    let items = array(value)?.into_iter().filter(|item| *item != Value::Nil);
    items.map(into_entry).collect()
}

fn into_entry(value: Value) -> Option<Entry> {
    let mut parts = array(value)?.into_iter();
    let id = text(&parts.next()?)?.parse().ok()?;
    let fields = array(parts.next()?)?.into_iter().map(|part| match part {
        Value::BulkString(bytes) => Some(bytes),
        other => Some(text(&other)?.into_bytes()),
    });
    Some(Entry { id, fields: fields.collect::<Option<_>>()? })
}
