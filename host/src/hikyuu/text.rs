//! Writes the text of a pipeline file.

use std::{fmt::Display, path::Path};

use super::HostSection;

/// Where comments begin, so that those of a table stand under each other.
const COMMENT_AT: usize = 40;

/// A text in the making.
#[derive(Debug, Default)]
pub struct Text(String);

impl Text {
    /// Begins with what the whole is, and `[host]`.
    pub fn new(head: &[&str], host_section: &HostSection) -> Self {
        let mut text = Self::default();
        for line in head {
            text.0 += &format!("# {line}\n");
        }
        text.table("host", "");
        let plugins: Vec<_> = host_section.plugins.iter().map(|it| path(it)).collect();
        if !plugins.is_empty() {
            text.key("plugins", list(&plugins), "folders with plugins");
        }
        let data_dir = path(&host_section.data_dir);
        text.key("data_dir", data_dir, "buffers on disk, checkpoints, dead letters");
        if let Some(http) = host_section.http {
            text.key("http", quoted(&http.to_string()), "control, metrics");
        }
        text
    }

    /// Begins a table, e.g. `sources.quotes`.
    pub fn table(&mut self, name: &str, comment: &str) {
        self.0.push('\n');
        self.line(format!("[{name}]"), comment);
    }

    /// Adds a key with its value, written as TOML.
    pub fn key(&mut self, key: &str, value: impl Display, comment: &str) {
        self.line(format!("{key} = {value}"), comment);
    }

    /// The text.
    pub fn finish(self) -> String {
        self.0
    }

    fn line(&mut self, mut line: String, comment: &str) {
        if !comment.is_empty() {
            line = format!("{line:COMMENT_AT$} # {comment}");
        }
        self.0 += line.trim_end();
        self.0.push('\n');
    }
}

/// A string of TOML in which nothing stands for a variable.
pub fn quoted(text: &str) -> String {
    toml::Value::String(text.replace("${", "$${")).to_string()
}

/// A string of TOML in which variables are filled in.
pub fn with_variables(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A path as a string of TOML.
pub fn path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

/// A list of values that are written as TOML already.
pub fn list(values: &[String]) -> String {
    format!("[{}]", values.join(", "))
}

#[cfg(test)]
mod tests {
    use dataserver_config::{ProcessEnvironment, load_text};

    use super::*;

    #[test]
    fn whatever_a_value_holds_is_read_back() {
        for value in ["a", "a\"b", "a'b", "\\x", "${HOME}", "$${x}", "行情", "a\nb"] {
            let host_section = HostSection { data_dir: value.into(), ..HostSection::default() };
            let text = Text::new(&["about"], &host_section).finish();
            let parsed = load_text(&text, Path::new("/base/x.toml"), &ProcessEnvironment).unwrap();
            assert_eq!(parsed.host().data_dir, Path::new("/base").join(value), "{text}");
        }
    }
}
