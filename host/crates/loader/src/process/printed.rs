//! What a child prints, in lines.

/// Longest line that is kept together, bytes.
const MAX_LINE: usize = 8 << 10;

/// The line that is printed just now, and the last one before.
#[derive(Debug, Default)]
pub(super) struct Printed {
    open: Vec<u8>,
    last: String,
}

impl Printed {
    /// The lines that end in these bytes; one that is too long is cut into several.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            for piece in part.chunks(MAX_LINE) {
                self.open.extend(piece);
                if self.open.ends_with(b"\n") || self.open.len() >= MAX_LINE {
                    lines.extend(self.close());
                }
            }
        }
        lines
    }

    fn close(&mut self) -> Option<String> {
        let line = String::from_utf8_lossy(&self.open).trim_end().to_owned();
        self.open.clear();
        if line.is_empty() {
            return None;
        }
        self.last.clone_from(&line);
        Some(line)
    }

    /// The last line that says something, also one without an end.
    pub fn last_line(&mut self) -> String {
        self.close();
        self.last.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_however_they_come_and_bounded() {
        let mut printed = Printed::default();
        assert_eq!(printed.take(b"one\n\ntw"), ["one"]);
        assert_eq!(printed.take(b"o\r\nthree"), ["two"]);
        assert_eq!(printed.last_line(), "three");
        assert_eq!(printed.last_line(), "three");
        let long = printed.take(&[b'x'; 3 * MAX_LINE]);
        assert_eq!(long.len(), 3);
        assert!(printed.open.len() <= MAX_LINE);
    }
}
