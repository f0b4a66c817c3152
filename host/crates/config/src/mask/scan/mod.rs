//! Finds what may be secret in the text of a file, whatever is wrong with it.
//!
//! The text is taken apart as TOML is written, but nothing is believed: whatever follows a name of
//! secrets is covered to the end of its line unless it is certainly over before, and lines go with
//! it that say nothing of their own. Too much is rather covered than too little. Each byte is looked
//! at a bounded number of times.

mod ahead;
mod cover;
mod foreign;
mod tokens;

use std::{cell::Cell, ops::Range};

use self::{
    foreign::{private_keys, tags, unreadable_lines},
    tokens::Token,
};
use super::{
    super::suggest,
    is_secret_name,
    text::{look, look_at_comment},
};

const WITH_IDS: [&str; 3] = ["sources", "transforms", "sinks"];
/// Nobody nests deeper; what is below is covered.
const DEEPEST: usize = 256;

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
}

fn trim_quotes(text: &str, range: &Range<usize>) -> Range<usize> {
    let written = &text[range.clone()];
    let start = range.start + (written.len() - written.trim_start_matches(['"', '\'']).len());
    let end = range.start + written.trim_end_matches(['"', '\'']).len();
    start..end.max(start)
}
