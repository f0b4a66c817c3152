//! What plugins tell of their readers, taken within bounds.
//!
//! It crosses the boundary as JSON in every carrier. A text that cannot be used is an error of that
//! call alone: it says nothing about the instance.

use plugin_api::{ActRequest, Action, Outcome, PluginError, Reader};
use serde_json::Value;

/// Longest text that is read, bytes.
const MAX_TEXT: usize = 8 << 20;
/// Readers of one component that are looked at.
const MAX_READERS: usize = 5_000;

/// The readers that a plugin tells of; `None` when it never knows any.
pub(crate) fn read(told: &str) -> Result<Option<Vec<Reader>>, PluginError> {
    let readers: Option<Vec<Reader>> = parse(told, "readers")?;
    Ok(readers.map(|mut readers| {
        readers.truncate(MAX_READERS);
        readers
    }))
}

/// What is to be done with a reader.
pub(crate) fn request(reader: &str, action: &Action, preview: bool) -> Result<String, PluginError> {
    let request = ActRequest { reader: reader.to_owned(), action: action.clone(), preview };
    serde_json::to_string(&request).map_err(|error| PluginError::bad_data(error.to_string()))
}

/// What an action changed, or would change.
pub(crate) fn outcome(told: &str) -> Result<Outcome, PluginError> {
    parse(told, "the outcome of an action")
}

fn parse<T: serde::de::DeserializeOwned>(told: &str, what: &str) -> Result<T, PluginError> {
    if told.len() > MAX_TEXT {
        let text =
            format!("the plugin tells {what} in {} bytes, the most is {MAX_TEXT}", told.len());
        return Err(PluginError::bad_data(text));
    }
    serde_json::from_str(told).map_err(|error| {
        PluginError::bad_data(format!("the plugin tells {what} in another form: {error}"))
    })
}

/// Covers what may not be shown in the texts of readers; their ids stay, by which they are named.
pub(crate) fn cover(readers: &mut [Reader], cover: impl Fn(&str) -> String) {
    for reader in readers {
        let reasons = reader.actions.values_mut().flatten();
        let texts = [&mut reader.name, &mut reader.address].into_iter();
        let texts = texts.chain(&mut reader.group).chain(&mut reader.last_error).chain(reasons);
        texts.for_each(|text| *text = cover(text));
    }
}

/// Covers what may not be shown in the values of an outcome.
pub(crate) fn cover_outcome(outcome: &mut Outcome, cover: impl Fn(&str) -> String) {
    for value in [&mut outcome.before, &mut outcome.after] {
        cover_value(value, &cover);
    }
}

fn cover_value(value: &mut Value, cover: &impl Fn(&str) -> String) {
    match value {
        Value::String(text) => *text = cover(text),
        Value::Array(items) => items.iter_mut().for_each(|item| cover_value(item, cover)),
        Value::Object(map) => map.values_mut().for_each(|item| cover_value(item, cover)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use plugin_api::{ActionKind, ReaderKind};
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_told_is_read_within_bounds() {
        assert_eq!(read("null").unwrap(), None);
        assert_eq!(read("[]").unwrap(), Some(Vec::new()));
        let many = format!("[{}]", vec!["{}"; MAX_READERS + 1].join(","));
        assert_eq!(read(&many).unwrap().unwrap().len(), MAX_READERS);
        for odd in ["", "{}", "[1]", r#"[{"kind":"ghost"}]"#] {
            let error = read(odd).unwrap_err();
            assert_eq!(error.kind, plugin_api::ErrorKind::BadData, "{odd}: {error}");
        }
        let long = format!("\"{}\"", "x".repeat(MAX_TEXT));
        assert!(read(&long).unwrap_err().message.contains("the most is"));
    }

    #[test]
    fn a_request_and_its_outcome_come_back_as_they_were() {
        let action = Action::SetPosition { to: "$".to_owned() };
        let written = request("1", &action, true).unwrap();
        let read: ActRequest = serde_json::from_str(&written).unwrap();
        assert_eq!((read.reader.as_str(), &read.action, read.preview), ("1", &action, true));
        let told = json!({ "before": { "lag": 1 }, "after": { "lag": 0 } });
        assert_eq!(outcome(&told.to_string()).unwrap().after, json!({ "lag": 0 }));
    }

    #[test]
    fn every_text_but_the_id_is_covered() {
        let mut reader = Reader::new(ReaderKind::Consumer, "secret")
            .cannot(ActionKind::Claim, "secret")
            .can(ActionKind::Remove);
        (reader.name, reader.address) = ("secret".to_owned(), "secret".to_owned());
        (reader.group, reader.last_error) = (Some("secret".to_owned()), Some("secret".to_owned()));
        let mut readers = [reader];
        cover(&mut readers, |text| text.replace("secret", "***"));
        let shown = serde_json::to_string(&readers).unwrap();
        assert_eq!(
            (shown.matches("secret").count(), shown.matches("***").count()),
            (1, 5),
            "{shown}"
        );
        let mut outcome =
            Outcome { before: json!({ "to": ["secret", 1] }), after: json!("secret") };
        cover_outcome(&mut outcome, |text| text.replace("secret", "***"));
        assert_eq!(outcome, Outcome { before: json!({ "to": ["***", 1] }), after: json!("***") });
    }
}
