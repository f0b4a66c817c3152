//! An option that takes one text or a list of them.

use plugin_api::{
    schemars::{JsonSchema, Schema, SchemaGenerator, json_schema},
    serde::{Deserialize, Serialize},
};

/// One text or several.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(crate = "plugin_api::serde", untagged)]
pub enum Texts {
    /// `"a"`
    One(String),
    /// `["a", "b"]`
    Many(Vec<String>),
}

impl Texts {
    /// The texts, in order.
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
        }
    }
}

impl From<&str> for Texts {
    fn from(text: &str) -> Self {
        Self::One(text.to_owned())
    }
}

impl JsonSchema for Texts {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Texts".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }]
        })
    }
}

#[cfg(test)]
mod tests {
    use plugin_api::{options_schema, serde_json::json, testing};

    use super::*;

    #[test]
    fn one_text_or_a_list_is_read() {
        for (written, texts) in [(json!("a"), vec!["a"]), (json!(["a", "b"]), vec!["a", "b"])] {
            let read: Texts = testing::options(written.clone()).unwrap();
            assert_eq!(read.as_slice(), texts);
            assert_eq!(plugin_api::serde_json::to_value(&read).unwrap(), written);
        }
        assert!(testing::options::<Texts>(json!(1)).is_err());
        let schema = options_schema::<Texts>();
        assert_eq!(schema["anyOf"][0], json!({ "type": "string" }));
        assert_eq!(schema["anyOf"][1]["type"], "array");
    }
}
