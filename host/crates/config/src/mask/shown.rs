//! Options as they may be shown to whoever may read what the host tells.

use serde_json::{Map, Value as Json};

use super::{
    super::tree::{Entry, Node, Table, Value},
    is_secret_name, text,
};

/// Stands for a value that is not shown.
const COVER: &str = "***";

/// The options with what may be secret covered: values of secret keys, what a variable gave, and
/// what an address holds besides the way.
pub(crate) fn shown(options: &Table) -> Map<String, Json> {
    table(options, false)
}

fn table(options: &Table, secret: bool) -> Map<String, Json> {
    let show = |entry: &Entry| {
        let secret = secret || is_secret_name(&entry.key);
        (entry.key.clone(), value(&entry.node, secret))
    };
    options.entries.iter().map(show).collect()
}

fn value(node: &Node, secret: bool) -> Json {
    match &node.value {
        Value::Table(options) => Json::Object(table(options, secret)),
        Value::Array(items) => items.iter().map(|item| value(item, secret)).collect(),
        _ if secret => Json::from(COVER),
        Value::Text(text) if text.filled => Json::from(COVER),
        Value::Text(text) => Json::from(covered(&text.value)),
        Value::Integer(integer) => Json::from(*integer),
        Value::Float(float) => Json::from(*float),
        Value::Boolean(boolean) => Json::from(*boolean),
        Value::Moment(moment) => Json::from(moment.as_str()),
        Value::Broken => Json::Null,
    }
}

fn covered(value: &str) -> String {
    let mut ranges = text::look(value).ranges;
    ranges.retain(|range| !range.is_empty());
    ranges.sort_by_key(|range| range.start);
    let (mut shown, mut at) = (String::with_capacity(value.len()), 0);
    for range in ranges {
        // one that overlaps the one before makes that longer
        if range.start >= at {
            shown.push_str(value.get(at..range.start).unwrap_or_default());
            shown.push_str(COVER);
        }
        at = at.max(range.end);
    }
    shown.push_str(value.get(at..).unwrap_or_default());
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_its_way_and_loses_who_goes_it() {
        for (written, shown) in [
            ("redis://127.0.0.1:6379", "redis://127.0.0.1:6379"),
            ("redis://fred:swordfish@h:1/0", "redis://***@h:1/0"),
            ("http://h/p?token=swordfish&x=1", "http://h/p?***"),
            ("http://fred:swordfish@h/p?x=1", "http://***@h/p?***"),
            ("Bearer swordfish", "Bearer ***"),
            ("user=fred password=swordfish", "user=fred password=***"),
            ("浦发银行", "浦发银行"),
            ("", ""),
        ] {
            assert_eq!(covered(written), shown);
        }
    }
}
