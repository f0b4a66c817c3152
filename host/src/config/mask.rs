//! Secrets that are written into the file itself.
//!
//! Faults show lines of the file. What looks like a password there is covered first.

use std::ops::Range;

use super::tree::{Node, Table, Value};

const SECRET_NAMES: [&str; 5] = ["password", "passwd", "secret", "token", "api_key"];

/// The text with secrets covered, byte for byte, so that offsets stay.
pub(super) fn mask(text: &str, table: &Table) -> String {
    let mut spans = Vec::new();
    for section in &table.entries {
        let Value::Table(components) = &section.node.value else { continue };
        if section.key == "host" {
            find_in_table(text, components, false, &mut spans);
            continue;
        }
        // ids are free: they say nothing about what is secret
        for component in &components.entries {
            find_in_node(text, &component.node, false, &mut spans);
        }
    }
    let mut masked = text.to_owned();
    for span in spans {
        if let Some(secret) = text.get(span.clone()) {
            let covered: String = secret.chars().map(cover).collect();
            masked.replace_range(span, &covered);
        }
    }
    masked
}

/// Stars of the same length; what delimits a string stays.
fn cover(c: char) -> String {
    match c {
        '\n' | '\r' | '"' | '\'' => c.to_string(),
        _ => "*".repeat(c.len_utf8()),
    }
}

fn find_in_table(text: &str, table: &Table, secret: bool, spans: &mut Vec<Range<usize>>) {
    for entry in &table.entries {
        let name = entry.key.to_lowercase();
        let named = SECRET_NAMES.iter().any(|part| name.contains(part));
        find_in_node(text, &entry.node, secret || named, spans);
    }
}

fn find_in_node(text: &str, node: &Node, secret: bool, spans: &mut Vec<Range<usize>>) {
    match &node.value {
        Value::Table(table) => find_in_table(text, table, secret, spans),
        Value::Array(items) => {
            for item in items {
                find_in_node(text, item, secret, spans);
            }
        }
        Value::Text(_) => {
            let written = text.get(node.span.clone()).unwrap_or_default();
            if secret && !written.contains("${") {
                spans.push(node.span.clone());
            } else if let Some(password) = password_in_url(written) {
                spans.push(node.span.start + password.start..node.span.start + password.end);
            }
        }
        Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Moment(_)
        | Value::Broken => {}
    }
}

/// The password of `scheme://user:password@host`, unless it is a variable.
fn password_in_url(written: &str) -> Option<Range<usize>> {
    let authority = written.find("://")? + 3;
    let end = written[authority..].find(['/', '?', '#']).map_or(written.len(), |at| authority + at);
    let at = authority + written[authority..end].rfind('@')?;
    let password = authority + written[authority..at].find(':')? + 1;
    (!written[password..at].contains("${")).then_some(password..at)
}
