//! Finds what may be secret in the text of a file, whatever is wrong with it.
//!
//! The text is taken apart as TOML is written, but nothing is believed: whatever follows a name of
//! secrets is covered to the end of its line unless it is certainly over before, and lines go with
//! it that say nothing of their own. Too much is rather covered than too little. Each byte is looked
//! at a bounded number of times.

use std::{cell::Cell, ops::Range};

use super::{
    super::suggest,
    is_secret_name,
    text::{look, look_at_comment},
};

const WITH_IDS: [&str; 3] = ["sources", "transforms", "sinks"];
/// Nobody nests deeper; what is below is covered.
const DEEPEST: usize = 256;
/// Bytes between two tags that are searched for the second one.
const MAX_IN_TAG: usize = 256;

/// Whether the tables of that name hold one component an id.
pub fn has_ids(section: &str) -> bool {
    WITH_IDS.contains(&section)
}

/// What may be secret in a file.
pub fn find(text: &str) -> Vec<Range<usize>> {
    let mut scan = Scan::new(text, 0..text.len(), true);
    scan.run();
    let mut ranges = scan.covered;
    private_keys(text, &mut ranges);
    tags(text, &mut ranges);
    unreadable_lines(text, &mut ranges);
    ranges
}

/// From the begin of a private key in PEM to its end.
fn private_keys(text: &str, ranges: &mut Vec<Range<usize>>) {
    const MARK: &str = "PRIVATE KEY";
    let mut from = 0;
    while let Some(at) = text[from..].find(MARK).map(|at| from + at + MARK.len()) {
        let end = text[at..].find("-----END").map_or(text.len(), |end| at + end);
        ranges.push(at..end);
        from = text[end..].find('\n').map_or(text.len(), |newline| end + newline);
    }
}

/// What stands in XML between `<password>` and the next end of a tag.
fn tags(text: &str, ranges: &mut Vec<Range<usize>>) {
    let mut from = 0;
    while let Some(at) = text[from..].find('<').map(|at| from + at + 1) {
        let end = text[at..].find(['<', '>', '\n']).map_or(text.len(), |end| at + end);
        from = end;
        if text[end..].starts_with('>') && is_secret_name(&text[at..end]) {
            let rest = &text[end..text.floor_char_boundary(end + MAX_IN_TAG)];
            // without an end it may be no tag
            let close = rest.find("</").or_else(|| rest.find('\n')).unwrap_or(rest.len());
            from = end + close;
            ranges.push(end + 1..from);
        }
    }
}

/// Lines of another encoding, in which no name can be read.
fn unreadable_lines(text: &str, ranges: &mut Vec<Range<usize>>) {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let name = line.split(['=', ':']).next().unwrap_or_default();
        if line.contains('\0') || name.contains('\u{fffd}') {
            ranges.push(at..at + line.len());
        }
        at += line.len();
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
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

/// Where a key stands: how many names lead there, and whether the second one is an id.
#[derive(Debug, Clone, Copy, Default)]
struct Path {
    names: usize,
    ids: bool,
}

struct Scan<'t> {
    text: &'t str,
    at: usize,
    end: usize,
    covered: Vec<Range<usize>>,
    section: Path,
    is_secret_section: bool,
    /// Whether texts of several lines are searched line by line.
    looks_into_texts: bool,
    /// The line that was last asked for: a line may be as long as the file.
    line: Cell<(usize, usize)>,
    /// How far values without quotes were looked at.
    looked_to: usize,
    /// How far lines were covered that belong to the value before them.
    followed_to: usize,
    /// Whether no text of three quotes of that kind is closed from here on.
    never_closed: [bool; 2],
}

/// An open bracket: whether keys stand in it, and where those are.
#[derive(Clone, Copy)]
struct Open {
    is_table: bool,
    path: Path,
}

impl<'t> Scan<'t> {
    fn new(text: &'t str, range: Range<usize>, looks_into_texts: bool) -> Self {
        Self {
            text,
            at: range.start,
            end: range.end,
            covered: Vec::new(),
            section: Path::default(),
            is_secret_section: false,
            looks_into_texts,
            line: Cell::new((0, 0)),
            looked_to: 0,
            followed_to: 0,
            never_closed: [false; 2],
        }
    }

    fn run(&mut self) {
        while self.at < self.end {
            self.skip_blanks();
            if self.byte() == Some(b'[') {
                self.header();
            } else if self.is_secret_section && self.byte().is_some_and(|b| !b"#\r\n".contains(&b))
            {
                let value = self.key_ends(self.at).unwrap_or(self.at);
                self.at = value;
                self.cover_value(false);
            }
            self.statement();
        }
    }

    fn byte(&self) -> Option<u8> {
        self.byte_at(self.at)
    }

    fn byte_at(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied().filter(|_| at < self.end)
    }

    fn skip_blanks(&mut self) {
        loop {
            match self.byte() {
                Some(b' ' | b'\t' | b'\r') => self.at += 1,
                // a mark of the encoding that came into the middle
                Some(0xef) if self.text[self.at..].starts_with('\u{feff}') => self.at += 3,
                _ => return,
            }
        }
    }

    fn line_end(&self, from: usize) -> usize {
        let (start, end) = self.line.get();
        if start < end && (start..=end).contains(&from) {
            return end;
        }
        let end = self.text[from..self.end].find('\n').map_or(self.end, |at| from + at);
        self.line.set((from, end));
        end
    }

    /// The next token, with where it stands; blanks are left out.
    fn next(&mut self) -> Option<(Token, Range<usize>)> {
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

    /// `[a.b]` or `[[a.b]]`: where the keys below stand.
    fn header(&mut self) {
        let end = self.line_end(self.at);
        while self.byte() == Some(b'[') {
            self.at += 1;
        }
        (self.section, self.is_secret_section) = (Path::default(), false);
        while self.at < end {
            let before = self.at;
            match self.next() {
                Some((token @ Token::Text { lines: true, .. }, range)) => {
                    self.section.ids = false;
                    self.value(token, range);
                    return;
                }
                Some((Token::Word | Token::Text { .. }, range)) => {
                    self.add(&range, &look(&self.text[range.clone()]));
                    let mut path = self.section;
                    let (_, secret) = self.key(range, &mut path);
                    self.is_secret_section |= secret && !(path.ids && path.names == 2);
                    self.section = path;
                    if secret && !self.is_in_header() {
                        self.section.ids = false;
                        self.cover_value(false);
                        return;
                    }
                }
                Some((Token::Sign(b'[' | b':'), _)) => {}
                Some((Token::Sign(b']'), _)) => {
                    let rest = self.text[self.at..end].trim_start_matches([']', ' ', '\t', '\r']);
                    self.section.ids &= rest.is_empty() || rest.starts_with('#');
                    return;
                }
                _ => {
                    self.at = before;
                    if self.is_secret_section {
                        self.cover_value(false);
                    }
                    break;
                }
            }
        }
        // who knows what it would be: nothing below is an id
        self.section.ids = false;
    }

    /// Goes along a key or a part of it: whether its last name is an id, and whether one of the
    /// others stands for a secret.
    fn key(&self, range: Range<usize>, path: &mut Path) -> (bool, bool) {
        let written = &self.text[range];
        let plain = written.trim_matches(['"', '\'']);
        let quoted = plain.len() != written.len();
        // whoever writes a name by numbers hides it
        let mut is_secret = quoted && written.contains('\\');
        let mut is_id = false;
        let names = plain.split(move |c| c == '.' && !quoted).filter(|name| !name.is_empty());
        for name in names {
            if path.names == 0 {
                let may_be = name.len() > 3 && name.starts_with(['s', 't']);
                path.ids = has_ids(name) || may_be && suggest::closest(name, WITH_IDS).is_some();
            }
            is_id = path.ids && path.names == 1;
            is_secret |= !is_id && is_secret_name(name);
            path.names = path.names.saturating_add(1);
        }
        (is_id && is_secret_name(plain.rsplit('.').next().unwrap_or(plain)), is_secret)
    }

    /// From the begin of a line to the end of its value.
    fn statement(&mut self) {
        let mut open: Vec<Open> = Vec::new();
        let mut path = self.section;
        let mut expects_key = true;
        while let Some((token, range)) = self.next() {
            match token {
                // where a bracket is missing, a header begins anew
                Token::Newline if open.is_empty() || self.is_header_next() => return,
                Token::Newline => expects_key = open.last().is_some_and(|it| it.is_table),
                Token::Comment => self.add(&range, &look_at_comment(&self.text[range.clone()])),
                Token::Sign(b'=' | b':') => expects_key = false,
                Token::Sign(b',') => {
                    let table = open.last().filter(|it| it.is_table);
                    expects_key = table.is_some();
                    path = table.map_or(path, |it| it.path);
                }
                Token::Sign(bracket @ (b'{' | b'[')) => {
                    if open.len() == DEEPEST {
                        self.covered.push(range.start..self.end);
                        self.at = self.end;
                        return;
                    }
                    open.push(Open { is_table: bracket == b'{', path });
                    expects_key = bracket == b'{';
                }
                Token::Sign(_) => {
                    if let Some(closed) = open.pop() {
                        path = closed.path;
                    }
                    expects_key = false;
                }
                // a key has no lines: a quote is missing or too much
                Token::Text { closed, lines, .. }
                    if lines
                        || !closed
                        || !(expects_key || self.is_named_next())
                        || self.text[range.clone()].contains(['=', ':']) =>
                {
                    self.value(token, range);
                }
                Token::Text { .. } | Token::Word => {
                    let is_key = expects_key || token != Token::Word;
                    let (is_id, secret) = self.key(range.clone(), &mut path);
                    if secret || is_id && !self.is_table_next() {
                        // a name in a list: a header that is written wrongly
                        let is_header = open.last().is_some_and(|it| !it.is_table);
                        self.is_secret_section |= is_header;
                        self.cover_value(!open.is_empty());
                        if is_header {
                            return;
                        }
                        expects_key = false;
                    } else if is_key && token != Token::Word {
                        self.value(token, range);
                    } else if !is_key && self.looked_to <= range.start {
                        let line = range.start..self.line_end(range.start);
                        self.add(&line, &look(&self.text[line.clone()]));
                        self.looked_to = line.end;
                    }
                }
            }
        }
    }

    /// Whether a line begins here that is a header, and nothing that stands in a list.
    fn is_header_next(&self) -> bool {
        let rest = self.text[self.at..self.end].trim_start_matches([' ', '\t']);
        let name = rest.trim_start_matches('[');
        name.len() < rest.len()
            && name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name
                .find(['\n', ',', '=', '{', '[', '#'])
                .is_none_or(|end| name[..end].contains(']') || name.as_bytes()[end] == b'\n')
    }

    /// Whether a text is followed by what may follow a value.
    fn ends_well(&self) -> bool {
        let rest = self.text[self.at..self.end].trim_start_matches([' ', '\t', '\r']);
        rest.is_empty() || rest.starts_with(['\n', '#', ',', ']', '}'])
    }

    /// Whether what follows belongs to a header.
    fn is_in_header(&self) -> bool {
        let rest = self.text[self.at..self.end].trim_start_matches([' ', '\t', '\r']);
        rest.is_empty() || rest.starts_with([']', '.', '#', '\n'])
    }

    /// Whether `=` or `:` follows, so that the text before is a name.
    fn is_named_next(&self) -> bool {
        let rest = self.text[self.at..self.end].trim_start_matches([' ', '\t']);
        rest.starts_with(['=', ':'])
    }

    /// Whether a table follows, or a further name.
    fn is_table_next(&self) -> bool {
        let rest = self.text[self.at..self.end].trim_start_matches([' ', '\t']);
        let value = rest.strip_prefix('=').map(|rest| rest.trim_start_matches([' ', '\t']));
        rest.starts_with('.') || value.is_some_and(|value| value.starts_with('{'))
    }

    fn add(&mut self, range: &Range<usize>, found: &super::text::Found) {
        let shifted = |it: &Range<usize>| range.start + it.start..range.start + it.end;
        self.covered.extend(found.ranges.iter().map(shifted));
    }

    /// Looks into a string that is no value of a secret key.
    fn value(&mut self, token: Token, range: Range<usize>) {
        let Token::Text { closed, lines, .. } = token else { return };
        let inner = trim_quotes(self.text, &range);
        let written = &self.text[inner.clone()];
        let found = if closed { look(written) } else { look_at_comment(written) };
        self.add(&inner, &found);
        if found.asks_for_more {
            if lines {
                // a quote too much before: the value is what stands to the next one
                let quotes = &self.text[range.end.saturating_sub(3).max(range.start)..range.end];
                let end = self.text[range.end..self.end].find(quotes);
                let end = end.map_or(self.end, |at| range.end + at);
                self.covered.push(range.end..end);
                self.at = end;
            }
            self.cover_value(false);
            return;
        }
        // a header behind a quote too much
        self.is_secret_section |= !closed && written.starts_with('[') && !found.ranges.is_empty();
        if let Some(value) = found.named.filter(|_| !closed) {
            self.at = inner.start + value;
            self.cover_value(false);
            return;
        }
        if !closed {
            // an address that goes on in the next line
            let next = self.line_end((range.end + 1).min(self.end));
            if let Some(user) = super::text::userinfo(&self.text[inner.start..next]) {
                self.covered.push(inner.start + user.start..inner.start + user.end);
            }
        } else if !self.ends_well() && self.looked_to <= inner.start {
            // a quote within it, or none where one should be
            let line = inner.start..self.line_end(range.end);
            self.add(&line, &look(&self.text[line.clone()]));
            self.looked_to = line.end;
        }
        if lines && closed && self.looks_into_texts {
            let mut within = Scan::new(self.text, inner, false);
            within.section = self.section;
            within.run();
            self.covered.append(&mut within.covered);
        }
    }

    /// Covers what follows a name of secrets: its value, the rest of the line unless the value is
    /// certainly over before, and lines that belong to it.
    fn cover_value(&mut self, is_within: bool) {
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

    /// Whether what follows a value in a table is in order: the next key, or an end.
    fn goes_on_well(&self, at: usize) -> bool {
        let rest = &self.text[at + 1..self.line_end(at)];
        let next = at + 1 + (rest.len() - rest.trim_start_matches([' ', '\t', '\r']).len());
        let is_end = self.byte_at(next).is_none_or(|byte| b"\n#,}]".contains(&byte));
        is_end || self.byte_at(at) == Some(b',') && self.key_ends(next).is_some()
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

    /// Where the value begins, if a key and `=` stand there.
    fn key_ends(&self, at: usize) -> Option<usize> {
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
    fn signs_end(&self, at: usize) -> Option<usize> {
        let rest = &self.text[at..self.line_end(at)];
        let mut signs = rest.trim_start_matches([' ', '\t']);
        if signs.starts_with('.') {
            signs = &signs[signs.find('=')?..];
        }
        let value = signs.trim_start_matches(['=', ':', '>', ' ', '\t']);
        (value.len() < signs.len()).then_some(at + rest.len() - value.len())
    }
}

fn is_sign(byte: u8) -> bool {
    b"=:,[]{}".contains(&byte)
}

fn is_edge(byte: u8) -> bool {
    is_sign(byte) || b" \t\r\n#\"'".contains(&byte)
}

fn trim_quotes(text: &str, range: &Range<usize>) -> Range<usize> {
    let written = &text[range.clone()];
    let start = range.start + (written.len() - written.trim_start_matches(['"', '\'']).len());
    let end = range.start + written.trim_end_matches(['"', '\'']).len();
    start..end.max(start)
}
