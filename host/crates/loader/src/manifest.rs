//! What a plugin outside of the process says about itself, taken within bounds.

use plugin_api::Manifest;
use serde_json::Value;

use crate::problem::Problem;

/// Longest schema of options, bytes.
const MAX_SCHEMA: usize = 128 << 10;
/// Longest of the other texts, bytes.
const MAX_TEXT: usize = 1 << 10;

/// Checks a manifest that will be shown and compared.
pub(crate) fn check(manifest: Manifest) -> Result<Manifest, Problem> {
    let Manifest { name, version, description, author, .. } = &manifest;
    let texts = [name, version, description, author];
    if let Some(long) = texts.iter().find(|text| text.len() > MAX_TEXT) {
        let message = format!("has a manifest with a text of {} bytes", long.len());
        return Err(Problem::new(message, "report this to the plugin's author"));
    }
    // they are printed, where a terminal would obey them
    if texts.iter().any(|text| text.contains(char::is_control)) {
        let message = "has a manifest with control characters";
        return Err(Problem::new(message, "report this to the plugin's author"));
    }
    for (place, role) in manifest.roles.iter().enumerate() {
        if manifest.roles[..place].iter().any(|known| known.kind == role.kind) {
            let message = format!("says twice that it is a {}", role.kind);
            return Err(Problem::new(message, "report this to the plugin's author"));
        }
    }
    Ok(manifest)
}

/// Reads the schema of a role's options.
pub(crate) fn schema(text: &str) -> Result<Value, Problem> {
    let wrong = |why: String| {
        Problem::new(
            format!("declares options that are no JSON Schema: {why}"),
            "report this to the plugin's author",
        )
    };
    if text.len() > MAX_SCHEMA {
        return Err(wrong(format!("{} bytes, the most is {MAX_SCHEMA}", text.len())));
    }
    let schema: Value = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    if let Some(key) = reference(&schema) {
        return Err(wrong(format!("it has a `{key}`; write what it refers to instead")));
    }
    Ok(schema)
}

/// A reference within a schema: chains of them can take for ever to follow.
fn reference(schema: &Value) -> Option<&str> {
    match schema {
        Value::Object(entries) => entries.iter().find_map(|(key, value)| {
            let is_one = matches!(key.as_str(), "$ref" | "$dynamicRef" | "$recursiveRef");
            if is_one { Some(key.as_str()) } else { reference(value) }
        }),
        Value::Array(values) => values.iter().find_map(reference),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use plugin_api::ApiVersion;

    use super::*;

    fn manifest(description: &str) -> Manifest {
        Manifest {
            name: "one".to_owned(),
            version: "1".to_owned(),
            description: description.to_owned(),
            author: String::new(),
            api: ApiVersion::CURRENT,
            roles: Vec::new(),
        }
    }

    #[test]
    fn a_manifest_that_would_harm_its_readers_is_refused() {
        assert!(check(manifest("fine")).is_ok());
        let harmful = check(manifest("\u{1b}[2Jnothing to see")).unwrap_err();
        assert!(harmful.message.contains("control characters"), "{harmful}");
        assert!(check(manifest(&"x".repeat(MAX_TEXT + 1))).is_err());
    }

    #[test]
    fn a_schema_that_cannot_be_followed_is_refused() {
        assert!(schema(r#"{"type":"object"}"#).is_ok());
        // schema, what the problem says
        let cases = [
            (r##"{"allOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/a"}]}"##, "`$ref`"),
            ("no json", "no JSON Schema"),
        ];
        for (text, says) in cases {
            let refused = schema(text).unwrap_err();
            assert!(refused.message.contains(says), "{text}: {refused}");
        }
    }
}
