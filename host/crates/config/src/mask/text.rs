//! Secrets within one text: addresses with a password, `password=…`, `Bearer …`.

use std::ops::Range;

use plugin_api::terminal::is_unsafe;

use super::is_secret_name;

/// Words that stand before what lets somebody in, in the header of a request.
const SCHEMES: [&str; 2] = ["bearer ", "basic "];

/// What a look into a text found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// What is secret.
    pub ranges: Vec<Range<usize>>,
    /// Where the value of a secret name begins, which may go on behind the text.
    pub named: Option<usize>,
    /// Whether it ends where such a value is to follow: `…, password = `.
    pub asks_for_more: bool,
}

/// `user:password` of `scheme://user:password@host`, also where a part of that is wrong.
pub fn userinfo(text: &str) -> Option<Range<usize>> {
    let at = text.rfind('@')?;
    if let Some(scheme) = text[..at].find("://") {
        return Some(scheme + 3..at);
    }
    // without a scheme, or with a wrong one
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    text[start..at].contains(':').then_some(start..at)
}

/// What follows the `?` of an address.
pub fn query(text: &str) -> Option<Range<usize>> {
    let scheme = text.find("://")?;
    let mark = scheme + text[scheme..].find('?')? + 1;
    (mark < text.len()).then_some(mark..text.len())
}

/// What follows `/hook/` in an address: whoever knows the rest may write there.
pub fn hook(text: &str) -> Option<Range<usize>> {
    const MARKS: [&str; 3] = ["/hook/", "/hooks/", "/webhooks/"];
    let scheme = text.find("://")?;
    let end_of = |mark: &str| text[scheme..].find(mark).map(|at| scheme + at + mark.len());
    let start = MARKS.into_iter().filter_map(end_of).min()?;
    (start < text.len()).then_some(start..text.len())
}

/// What may be secret in a text that is no value of a secret key: a string, a comment, a value
/// without quotes.
pub fn look(text: &str) -> Found {
    let mut found = Found::default();
    found.ranges.extend(userinfo(text));
    found.ranges.extend(query(text));
    found.ranges.extend(hook(text));
    let lower = text.to_ascii_lowercase();
    for scheme in SCHEMES {
        if let Some(at) = lower.find(scheme) {
            found.ranges.push(at + scheme.len()..text.len());
        }
    }
    found.named = named(text);
    if let Some(value) = found.named {
        found.asks_for_more = text[value..].trim().is_empty();
        found.ranges.push(value..text.len());
    }
    found
}

/// What may be secret in a comment: also what merely follows a name of secrets.
pub fn look_at_comment(text: &str) -> Found {
    let mut found = look(text);
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let mut at = 0;
    for word in text.split_inclusive(|c: char| !is_part(c)) {
        at += word.len();
        if is_secret_name(word.trim_end_matches(|c: char| !is_part(c))) {
            found.ranges.push(at..text.len());
            break;
        }
    }
    found
}

/// Where the value of the first `name = value` or `name: value` with a name of secrets begins.
fn named(text: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(sign) = text[from..].find(['=', ':']).map(|at| from + at) {
        let before = text[from..sign]
            .trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '\\' | ']'));
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        let name = before.rfind(|c: char| !is_part(c)).map_or(before, |at| &before[at..]);
        from = sign + 1;
        if is_secret_name(name) {
            return Some(from + blanks(&text[from..]));
        }
    }
    None
}

fn blanks(text: &str) -> usize {
    text.len() - text.trim_start_matches([' ', '\t']).len()
}

/// A text with what may be secret covered.
pub struct Masked {
    /// Byte for byte as long as the file, so that offsets stay.
    pub text: String,
    /// What was covered, word by word, in lower case: what is told must not repeat it.
    pub words: Vec<String>,
}

/// Words that are remembered; a file with more of them is no pipeline.
const MAX_WORDS: usize = 2_000;
/// Shorter words may stand in a text by chance.
const SHORTEST: usize = 4;

/// The text with those ranges covered, and control characters replaced, byte for byte.
pub fn mask(text: &str, ranges: &[Range<usize>]) -> Masked {
    let mut sorted: Vec<_> = ranges.iter().filter(|range| !range.is_empty()).cloned().collect();
    sorted.sort_by_key(|range| range.start);
    let mut masked = Masked { text: String::with_capacity(text.len()), words: Vec::new() };
    let mut at = 0;
    for range in sorted {
        let start = text.ceil_char_boundary(range.start.max(at));
        let end = text.ceil_char_boundary(range.end.min(text.len()));
        if start >= end {
            continue;
        }
        push_plain(&mut masked.text, &text[at..start]);
        let is_escaped = text[..start].ends_with('$');
        push_covered(&mut masked, &text[start..end], is_escaped);
        at = end;
    }
    push_plain(&mut masked.text, &text[at..]);
    masked
}

fn push_plain(out: &mut String, text: &str) {
    let mut chars = text.chars().peekable();
    let is_start = out.is_empty();
    for (at, c) in text.char_indices() {
        chars.next();
        let is_line_end = c == '\r' && matches!(chars.peek(), None | Some('\n'));
        let is_mark = c == '\u{feff}' && is_start && at == 0;
        if is_line_end || is_mark || !is_unsafe(c) {
            out.push(c);
        } else {
            // as many bytes as it had
            out.push(['?', '¿', '\u{fffd}', '\u{1f6ab}'][c.len_utf8() - 1]);
        }
    }
}

/// Stars of the same length; what delimits a string stays, and so do names of variables.
fn push_covered(out: &mut Masked, text: &str, mut is_escaped: bool) {
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(reference) = reference(rest).filter(|_| !is_escaped) {
            out.text.push_str(&rest[..reference]);
            rest = &rest[reference..];
            continue;
        }
        is_escaped = c == '$';
        match c {
            '\n' | '\r' | '"' | '\'' => out.text.push(c),
            _ => (0..c.len_utf8()).for_each(|_| out.text.push('*')),
        }
        rest = &rest[c.len_utf8()..];
    }
    let edge = |c: char| c.is_whitespace() || c.is_control() || "\"'`,=[]{}()".contains(c);
    let words = text.split(edge).filter(|word| word.len() >= SHORTEST && !word.contains("${"));
    let room = MAX_WORDS.saturating_sub(out.words.len());
    out.words.extend(words.take(room).map(str::to_ascii_lowercase));
}

/// The text with all but its line ends covered, for a file in which no name can be trusted: each
/// character by one of as many bytes, so that places stay.
pub fn mask_all(text: &str) -> String {
    let covered = |c: char| ['*', '¤', '＊', '\u{1f6ab}'][c.len_utf8() - 1];
    text.chars().map(|c| if c == '\n' { c } else { covered(c) }).collect()
}

/// Length of `${NAME}`, `${file:NAME}` or the `${NAME:-` of a default, which may be secret.
fn reference(text: &str) -> Option<usize> {
    let inner = text.strip_prefix("${")?;
    let name = inner.strip_prefix("file:").unwrap_or(inner);
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '@');
    let end = name.find(|c: char| !is_part(c))?;
    let before = text.len() - name.len() + end;
    match &name[end..] {
        _ if end == 0 => None,
        rest if rest.starts_with('}') => Some(before + 1),
        rest if rest.starts_with(":-") => Some(before + 2),
        _ => None,
    }
}
