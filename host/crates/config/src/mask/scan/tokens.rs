//! Takes the text apart as TOML is written, also where quotes are not closed.

use std::ops::Range;

use super::Scan;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    Newline,
    Comment,
    /// Delimited by a quote, three of them if it has lines.
    Text {
        quote: u8,
        closed: bool,
        lines: bool,
    },
    Word,
    Sign(u8),
}

impl Scan<'_> {
    pub(super) fn byte(&self) -> Option<u8> {
        self.byte_at(self.at)
    }

    pub(super) fn byte_at(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied().filter(|_| at < self.end)
    }

    pub(super) fn skip_blanks(&mut self) {
        loop {
            match self.byte() {
                Some(b' ' | b'\t' | b'\r') => self.at += 1,
                // a mark of the encoding that came into the middle
                Some(0xef) if self.text[self.at..].starts_with('\u{feff}') => self.at += 3,
                _ => return,
            }
        }
    }

    pub(super) fn line_end(&self, from: usize) -> usize {
        let (start, end) = self.line.get();
        if start < end && (start..=end).contains(&from) {
            return end;
        }
        let end = self.text[from..self.end].find('\n').map_or(self.end, |at| from + at);
        self.line.set((from, end));
        end
    }

    /// The next token, with where it stands; blanks are left out.
    pub(super) fn next(&mut self) -> Option<(Token, Range<usize>)> {
        self.skip_blanks();
        let start = self.at;
        let token = match self.byte()? {
            b'\n' => {
                self.at += 1;
                Token::Newline
            }
            b'#' => {
                self.at = self.line_end(start);
                Token::Comment
            }
            quote @ (b'"' | b'\'') => self.quoted(quote),
            sign if is_sign(sign) => {
                self.at += 1;
                Token::Sign(sign)
            }
            _ => {
                while self.byte().is_some_and(|byte| !is_edge(byte)) {
                    self.at += 1;
                }
                Token::Word
            }
        };
        Some((token, start..self.at))
    }

    fn quoted(&mut self, quote: u8) -> Token {
        let start = self.at;
        let three = [quote; 3];
        let bytes = self.text.as_bytes();
        let lines = bytes[start..self.end].starts_with(&three);
        let kind = usize::from(quote == b'"');
        let mut at = start + if lines { 3 } else { 1 };
        if lines && self.never_closed[kind] {
            at = self.end;
        }
        while let Some(byte) = self.byte_at(at) {
            match byte {
                b'\\' if quote == b'"' => at += 1,
                b'\n' if !lines => break,
                _ if byte == quote && !lines => {
                    self.at = at + 1;
                    return Token::Text { quote, closed: true, lines };
                }
                _ if byte == quote && bytes[at..self.end].starts_with(&three) => {
                    at += 3;
                    // two more may belong to the text
                    while self.byte_at(at) == Some(quote) {
                        at += 1;
                    }
                    self.at = at;
                    return Token::Text { quote, closed: true, lines };
                }
                _ => {}
            }
            at += 1;
        }
        self.never_closed[kind] |= lines;
        // not closed: what follows the line is read as if it were
        self.at = self.line_end(start);
        Token::Text { quote, closed: false, lines }
    }
}

fn is_sign(byte: u8) -> bool {
    b"=:,[]{}".contains(&byte)
}

fn is_edge(byte: u8) -> bool {
    is_sign(byte) || b" \t\r\n#\"'".contains(&byte)
}
