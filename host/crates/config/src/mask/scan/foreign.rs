//! Finds what may be secret in text that is no TOML at all.

use std::ops::Range;

use crate::mask::is_secret_name;

/// Bytes between two tags that are searched for the second one.
const MAX_IN_TAG: usize = 256;

/// From the begin of a private key in PEM to its end.
pub(super) fn private_keys(text: &str, ranges: &mut Vec<Range<usize>>) {
    const MARK: &str = "PRIVATE KEY";
    let mut from = 0;
    while let Some(at) = text[from..].find(MARK).map(|at| from + at + MARK.len()) {
        let end = text[at..].find("-----END").map_or(text.len(), |end| at + end);
        ranges.push(at..end);
        from = text[end..].find('\n').map_or(text.len(), |newline| end + newline);
    }
}

/// What stands in XML between `<password>` and the next end of a tag.
pub(super) fn tags(text: &str, ranges: &mut Vec<Range<usize>>) {
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
pub(super) fn unreadable_lines(text: &str, ranges: &mut Vec<Range<usize>>) {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let name = line.split(['=', ':']).next().unwrap_or_default();
        if line.contains('\0') || name.contains('\u{fffd}') {
            ranges.push(at..at + line.len());
        }
        at += line.len();
    }
}
