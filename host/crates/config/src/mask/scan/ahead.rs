//! Tells what follows in the text, without going there.

use super::Scan;

impl Scan<'_> {
    /// Whether a line begins here that is a header, and nothing that stands in a list.
    pub(super) fn is_header_next(&self) -> bool {
        let rest = self.text[self.at..self.end].trim_start_matches([' ', '\t']);
        let name = rest.trim_start_matches('[');
        name.len() < rest.len()
            && name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name
                .find(['\n', ',', '=', '{', '[', '#'])
                .is_none_or(|end| name[..end].contains(']') || name.as_bytes()[end] == b'\n')
    }

    /// Whether a text is followed by what may follow a value.
    pub(super) fn ends_well(&self) -> bool {
        let rest = self.text[self.at..self.end].trim_start_matches([' ', '\t', '\r']);
        rest.is_empty() || rest.starts_with(['\n', '#', ',', ']', '}'])
    }

    /// Whether what follows belongs to a header.
    pub(super) fn is_in_header(&self) -> bool {
        let rest = self.text[self.at..self.end].trim_start_matches([' ', '\t', '\r']);
        rest.is_empty() || rest.starts_with([']', '.', '#', '\n'])
    }

    /// Whether `=` or `:` follows, so that the text before is a name.
    pub(super) fn is_named_next(&self) -> bool {
        let rest = self.text[self.at..self.end].trim_start_matches([' ', '\t']);
        rest.starts_with(['=', ':'])
    }

    /// Whether a table follows, or a further name.
    pub(super) fn is_table_next(&self) -> bool {
        let rest = self.text[self.at..self.end].trim_start_matches([' ', '\t']);
        let value = rest.strip_prefix('=').map(|rest| rest.trim_start_matches([' ', '\t']));
        rest.starts_with('.') || value.is_some_and(|value| value.starts_with('{'))
    }

    /// Whether what follows a value in a table is in order: the next key, or an end.
    pub(super) fn goes_on_well(&self, at: usize) -> bool {
        let rest = &self.text[at + 1..self.line_end(at)];
        let next = at + 1 + (rest.len() - rest.trim_start_matches([' ', '\t', '\r']).len());
        let is_end = self.byte_at(next).is_none_or(|byte| b"\n#,}]".contains(&byte));
        is_end || self.byte_at(at) == Some(b',') && self.key_ends(next).is_some()
    }

    /// Where the value begins, if a key and `=` stand there.
    pub(super) fn key_ends(&self, at: usize) -> Option<usize> {
        let end = self.line_end(at);
        let mut at = at;
        let (mut names, mut after_blank) = (0, false);
        loop {
            let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
            // a further name follows a dot
            if after_blank
                && names > 0
                && !matches!(self.byte_at(at), Some(b'=' | b'.' | b' ' | b'\t'))
                && self.text.as_bytes()[..at].trim_ascii_end().last() != Some(&b'.')
            {
                return None;
            }
            match self.byte_at(at).filter(|_| at < end)? {
                quote @ (b'"' | b'\'') => {
                    let mut rest = self.text.as_bytes()[at + 1..end].iter();
                    let close = rest.position(|byte| *byte == quote)?;
                    at += close + 2;
                }
                b' ' | b'\t' => {
                    at += 1;
                    after_blank = true;
                    continue;
                }
                b'=' if names > 0 => break,
                byte if is_part(byte) => {
                    while self.byte_at(at).is_some_and(is_part) {
                        at += 1;
                    }
                }
                _ => return None,
            }
            (names, after_blank) = (names + 1, false);
        }
        let value = self.text[at + 1..end].trim_start_matches([' ', '\t']);
        // the padding of Base64 is no sign
        let is_value = !value.trim_end().is_empty() && !value.starts_with('=');
        is_value.then_some(end - value.len())
    }

    /// Behind `=`, `:`, `=>` and the like, if a sign follows there, also after further names.
    pub(super) fn signs_end(&self, at: usize) -> Option<usize> {
        let rest = &self.text[at..self.line_end(at)];
        let mut signs = rest.trim_start_matches([' ', '\t']);
        if signs.starts_with('.') {
            signs = &signs[signs.find('=')?..];
        }
        let value = signs.trim_start_matches(['=', ':', '>', ' ', '\t']);
        (value.len() < signs.len()).then_some(at + rest.len() - value.len())
    }
}
