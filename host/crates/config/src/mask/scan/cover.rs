//! Covers values, however far they go.

use super::{Scan, tokens::Token};

impl Scan<'_> {
    /// Covers what follows a name of secrets: its value, the rest of the line unless the value is
    /// certainly over before, and lines that belong to it.
    pub(super) fn cover_value(&mut self, is_within: bool) {
        if let Some(value) = self.signs_end(self.at) {
            self.at = value;
        }
        self.skip_blanks();
        let start = self.at;
        let mut is_clean = true;
        let mut parts = 0_usize;
        let mut depth = 0_usize;
        let mut unclosed = None;
        loop {
            let before = self.at;
            let Some((token, _)) = self.next() else { break };
            match token {
                Token::Newline => {
                    if let Some(quote) = unclosed.take() {
                        // the text goes on to the next quote of its kind
                        let mut rest = self.text.as_bytes()[self.at..self.end].iter();
                        let close = rest.position(|byte| *byte == quote);
                        self.at = close.map_or(self.at, |close| self.at + close + 1);
                        continue;
                    }
                    if depth == 0 || self.is_header_next() {
                        self.at = before;
                        break;
                    }
                }
                Token::Sign(b'[' | b'{') => depth += 1,
                Token::Sign(b']' | b'}') if depth > 0 => {
                    depth -= 1;
                    parts += usize::from(depth == 0);
                }
                Token::Sign(b']' | b'}' | b',') if depth == 0 => {
                    if is_within && is_clean && parts == 1 && self.goes_on_well(before) {
                        self.at = before;
                        self.covered.push(start..before);
                        return;
                    }
                    is_clean = false;
                }
                Token::Text { quote, closed, .. } => {
                    parts += usize::from(depth == 0);
                    is_clean &= closed;
                    unclosed = (!closed).then_some(quote);
                }
                Token::Word | Token::Sign(_) | Token::Comment => {
                    is_clean &= depth > 0;
                }
            }
        }
        self.covered.push(start..self.at);
        let is_empty = self.text[start..self.at].trim().is_empty();
        self.cover_lines_after(is_empty);
    }

    /// Covers lines that say nothing of their own; the first one in any case when the value did not
    /// begin on the line of its key.
    fn cover_lines_after(&mut self, mut in_any_case: bool) {
        let mut line = self.line_end(self.at);
        if line < self.followed_to {
            return;
        }
        while line < self.end {
            let (start, end) = (line + 1, self.line_end((line + 1).min(self.end)));
            let written = self.text[start.min(end)..end].trim_start();
            let begin = end - written.len();
            let ends = written.starts_with(['[', '#']) || self.key_ends(begin).is_some();
            let is_blank = written.trim_end().is_empty();
            if !in_any_case && (ends || is_blank) {
                return;
            }
            in_any_case &= is_blank;
            self.covered.push(begin..end);
            line = end;
            self.followed_to = end;
        }
    }
}
