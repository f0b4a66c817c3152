//! What a schema of options says about a value.

use serde_json::Value as Json;

use super::tree::Value;

/// How a value that the schema takes may look.
pub(super) fn example(schema: &Json) -> Option<&'static str> {
    match schema["format"].as_str()? {
        "duration" => Some("write e.g. \"250ms\", \"3s\" or \"1m\""),
        "size" => Some("write e.g. \"64KiB\" or \"1MiB\""),
        _ => None,
    }
}

/// Branches of a schema that allows several forms.
fn branches(schema: &Json) -> impl Iterator<Item = &Json> {
    ["anyOf", "oneOf"].into_iter().filter_map(|key| schema[key].as_array()).flatten()
}

/// Whether a schema takes values of that type at all.
pub(super) fn takes(schema: &Json, value: &Value) -> bool {
    let name = match value {
        Value::Text(_) | Value::Moment(_) => "string",
        Value::Integer(_) => "integer",
        Value::Float(_) => "number",
        Value::Boolean(_) => "boolean",
        Value::Array(_) => "array",
        Value::Table(_) => "object",
        Value::Broken => return true,
    };
    let own = match &schema["type"] {
        Json::Array(types) => types.iter().any(|one| one == name),
        one => one == name,
    };
    own || branches(schema).any(|branch| takes(branch, value))
}

/// Types that a schema takes, in words; TOML has no null.
pub(super) fn expected(schema: &Json) -> Vec<&'static str> {
    let types = match &schema["type"] {
        Json::Array(types) => types.iter().collect(),
        Json::Null => Vec::new(),
        one => vec![one],
    };
    let mut names: Vec<&'static str> = types
        .into_iter()
        .filter_map(|name| {
            Some(match (name.as_str()?, schema["format"].as_str()) {
                ("string", Some("duration")) => "a duration in quotes",
                ("string", Some("size")) => "a size in quotes",
                ("string", _) => "a string",
                ("integer", _) => "an integer",
                ("number", _) => "a number",
                ("boolean", _) => "a boolean",
                ("array", _) => "a list",
                ("object", _) => "a table",
                _ => return None,
            })
        })
        .collect();
    for name in branches(schema).flat_map(expected) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Words that a schema allows.
pub(super) fn words(schema: &Json) -> Vec<String> {
    let listed = schema["enum"].as_array().into_iter().flatten();
    let mut words: Vec<String> = listed
        .chain(schema.get("const"))
        .filter(|value| !value.is_null())
        .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        .collect();
    words.extend(branches(schema).flat_map(self::words));
    words
}
