//! What fields are written into: a command for Redis, or a JSON object for old consumers.

use std::io::Write;

use crate::server::resp;

/// Takes the fields of one record, each by its name.
pub trait Fields {
    /// Starts the next record.
    fn clear(&mut self);
    /// Any text.
    fn text(&mut self, name: &str, value: &str);
    /// Text that the closure writes; neither quotes nor anything to escape is in it.
    fn plain(&mut self, name: &str, write: impl FnOnce(&mut Vec<u8>));
    /// A number that the closure writes; nothing finite otherwise.
    fn number(&mut self, name: &str, is_finite: bool, write: impl FnOnce(&mut Vec<u8>));
    /// Yes or no.
    fn truth(&mut self, name: &str, value: bool);

    /// A price or an amount.
    fn float(&mut self, name: &str, value: f64) {
        self.number(name, value.is_finite(), |buffer| resp::float(buffer, value));
    }

    /// A count.
    fn whole(&mut self, name: &str, value: u64) {
        self.number(name, true, |buffer| resp::number(buffer, value));
    }
}

/// Fields as arguments of a command.
#[derive(Debug, Default)]
pub struct Resp {
    /// The arguments, encoded.
    pub bytes: Vec<u8>,
    /// How many they are.
    pub arguments: usize,
    value: Vec<u8>,
}

impl Resp {
    /// Any bytes.
    pub fn bytes(&mut self, name: &str, value: &[u8]) {
        resp::bulk(&mut self.bytes, name.as_bytes());
        resp::bulk(&mut self.bytes, value);
        self.arguments += 2;
    }
}

impl Fields for Resp {
    fn clear(&mut self) {
        self.bytes.clear();
        self.arguments = 0;
    }

    fn text(&mut self, name: &str, value: &str) {
        self.bytes(name, value.as_bytes());
    }

    fn plain(&mut self, name: &str, write: impl FnOnce(&mut Vec<u8>)) {
        let mut value = std::mem::take(&mut self.value);
        value.clear();
        write(&mut value);
        self.bytes(name, &value);
        self.value = value;
    }

    fn number(&mut self, name: &str, _: bool, write: impl FnOnce(&mut Vec<u8>)) {
        self.plain(name, write);
    }

    fn truth(&mut self, name: &str, value: bool) {
        self.bytes(name, if value { b"1" } else { b"0" });
    }
}

/// Fields as a JSON object; numbers are numbers, `null` what JSON has no number for.
#[derive(Debug, Default)]
pub struct Json {
    text: Vec<u8>,
}

impl Json {
    /// The object so far, closed.
    pub fn finish(&mut self) -> &[u8] {
        if self.text.is_empty() {
            self.text.push(b'{');
        }
        self.text.push(b'}');
        &self.text
    }

    fn name(&mut self, name: &str) {
        self.text.push(if self.text.is_empty() { b'{' } else { b',' });
        // names are plain
        let _ = write!(self.text, "\"{name}\":");
    }
}

impl Fields for Json {
    fn clear(&mut self) {
        self.text.clear();
    }

    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        // text always has a form in JSON, and a `Vec` takes everything
        let _ = plugin_api::serde_json::to_writer(&mut self.text, value);
    }

    fn plain(&mut self, name: &str, write: impl FnOnce(&mut Vec<u8>)) {
        self.name(name);
        self.text.push(b'"');
        write(&mut self.text);
        self.text.push(b'"');
    }

    fn number(&mut self, name: &str, is_finite: bool, write: impl FnOnce(&mut Vec<u8>)) {
        self.name(name);
        if is_finite {
            write(&mut self.text);
        } else {
            self.text.extend_from_slice(b"null");
        }
    }

    fn truth(&mut self, name: &str, value: bool) {
        self.name(name);
        self.text.extend_from_slice(if value { b"true" } else { b"false" });
    }
}
