//! Values that may be secret, once they are read.

use std::{borrow::Cow, ops::Range};

use serde_json::{Map, Value as Json};

use super::{
    super::{
        suggest,
        tree::{Node, Table, Value},
    },
    is_secret_name, scan, text,
};

/// Shorter values may stand in a text by chance.
const SHORTEST: usize = 4;
/// Covers a value wherever it stands.
const COVER: &str = "***";

/// Where values of secret keys stand in the file, found by their decoded names.
pub(crate) fn spans(root: &Table) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    walk(root, &mut |node| spans.push(node.span.clone()));
    spans
}

/// Values of secret keys as a text could repeat them, decoded.
pub(crate) fn spoken(root: &Table) -> Vec<String> {
    let mut spoken = Vec::new();
    walk(root, &mut |node| match &node.value {
        Value::Text(text) => spoken.push(text.value.clone()),
        Value::Integer(integer) => spoken.push(integer.to_string()),
        Value::Float(float) => spoken.push(float.to_string()),
        Value::Moment(moment) => spoken.push(moment.clone()),
        _ => {}
    });
    spoken.retain(|value| value.len() >= SHORTEST);
    spoken
}

/// Which names stand for secrets in a section.
type Names = fn(&str) -> bool;

/// In `[alarms]`, whoever knows an address may write there; its key may be mistyped.
fn is_secret_of_alarms(name: &str) -> bool {
    is_secret_name(name) || suggest::closest(name, ["url"]).is_some()
}

/// Shows every value below a secret key.
fn walk(root: &Table, see: &mut dyn FnMut(&Node)) {
    for section in &root.entries {
        let is_of_alarms = suggest::closest(&section.key, ["alarms"]).is_some();
        let names: Names = if is_of_alarms { is_secret_of_alarms } else { is_secret_name };
        let Value::Table(components) = &section.node.value else {
            walk_node(&section.node, is_secret_name(&section.key), names, see);
            continue;
        };
        if scan::has_ids(&section.key) {
            // ids are free: they say nothing about what is secret
            for component in &components.entries {
                let is_table = matches!(component.node.value, Value::Table(_));
                let secret = !is_table && is_secret_name(&component.key);
                walk_node(&component.node, secret, names, see);
            }
        } else {
            walk_table(components, is_secret_name(&section.key), names, see);
        }
    }
}

fn walk_table(table: &Table, secret: bool, names: Names, see: &mut dyn FnMut(&Node)) {
    for entry in &table.entries {
        walk_node(&entry.node, secret || names(&entry.key), names, see);
    }
}

fn walk_node(node: &Node, secret: bool, names: Names, see: &mut dyn FnMut(&Node)) {
    match &node.value {
        Value::Table(table) => walk_table(table, secret, names, see),
        Value::Array(items) => {
            items.iter().for_each(|item| walk_node(item, secret, names, see));
        }
        _ if secret => see(node),
        _ => {}
    }
}

/// What must not be shown of one component: values of its secret options, and what its addresses
/// hold besides the way.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(Vec<String>);

impl Secrets {
    /// Those of a component's options.
    pub fn of(options: &Map<String, Json>) -> Self {
        let mut found = Vec::new();
        gather(options, false, &mut found);
        found.retain(|value| value.len() >= SHORTEST);
        // a secret that holds another one goes first
        found.sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
        found.dedup();
        Self(found)
    }

    /// The text without them.
    pub fn cover<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut covered = Cow::Borrowed(text);
        for secret in &self.0 {
            if covered.contains(secret.as_str()) {
                covered = Cow::Owned(covered.replace(secret.as_str(), COVER));
            }
        }
        covered
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} secrets", self.0.len())
    }
}

/// Whether an address holds a password: before its host, or in its query under a name of secrets.
pub fn holds_secret(address: &str) -> bool {
    let query = text::query(address).map_or("", |range| &address[range]);
    let names = query.split('&').filter_map(|pair| pair.split_once('='));
    text::userinfo(address).is_some() || names.into_iter().any(|(name, _)| is_secret_name(name))
}

fn gather(options: &Map<String, Json>, secret: bool, found: &mut Vec<String>) {
    for (key, value) in options {
        gather_value(value, secret || is_secret_name(key), found);
    }
}

fn gather_value(value: &Json, secret: bool, found: &mut Vec<String>) {
    match value {
        Json::Object(table) => gather(table, secret, found),
        Json::Array(items) => items.iter().for_each(|item| gather_value(item, secret, found)),
        Json::String(text) if secret => as_quoted(text, found),
        Json::String(text) => {
            // who speaks of an address may take it apart
            if let Some(user) = text::userinfo(text).map(|range| &text[range]) {
                as_quoted(user, found);
                as_quoted(user.split_once(':').map_or(user, |(_, password)| password), found);
            }
            if let Some(query) = text::query(text).map(|range| &text[range]) {
                let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
                for (_, value) in pairs.filter(|(name, _)| is_secret_name(name)) {
                    as_quoted(value, found);
                }
            }
        }
        Json::Number(number) if secret => found.push(number.to_string()),
        _ => {}
    }
}

/// A text, and the same as quoted texts show it.
fn as_quoted(text: &str, found: &mut Vec<String>) {
    found.push(text.to_owned());
    let quoted = format!("{text:?}");
    if quoted.len() != text.len() + 2 {
        found.push(quoted[1..quoted.len() - 1].to_owned());
    }
}

/// A message without what the file has of secrets; letters of any case.
pub(crate) fn covered(message: &str, secrets: &[String]) -> Option<String> {
    let mut text = message.to_owned();
    let mut lower = message.to_ascii_lowercase();
    let mut changed = false;
    for secret in secrets {
        while let Some(at) = lower.find(secret.as_str()) {
            text.replace_range(at..at + secret.len(), COVER);
            lower.replace_range(at..at + secret.len(), COVER);
            changed = true;
        }
    }
    changed.then_some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_of_a_plugin_is_shown_without_what_its_options_keep_secret() {
        let options = json!({
            "password": "hunter2xyz", "deep": { "api_key": ["a\"key", 123456789] },
            "url": "http://fred:swordfish@h:1/p?user=a&token=topmost", "path": "hunter",
            "list": ["redis://:other-one@h"],
        });
        let secrets = Secrets::of(options.as_object().unwrap());
        let text = "hunter2xyz a\"key \"a\\\"key\" 123456789 http://fred:swordfish@h:1/p?user=a&token=topmost \
                    swordfish topmost redis://:other-one@h hunter";
        let shown = secrets.cover(text);
        for secret in ["hunter2xyz", "key", "123456789", "swordfish", "topmost", "other-one"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
        assert!(shown.ends_with(" hunter"), "{shown}");
        assert!(!format!("{secrets:?}").contains("hunter"));
    }
}
