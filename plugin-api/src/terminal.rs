//! Texts from outside, made safe for a terminal.
//!
//! Quotes, names of securities and answers of servers may hold characters that a terminal obeys: it
//! would rename its window, hide what follows, or turn the order of letters round.

use std::{borrow::Cow, fmt::Write};

/// Whether a terminal, or the eye, is led astray by that character: C0 and C1 controls, DEL, marks
/// that change the direction of a text, and those without a width. A tab and the end of a line are
/// none.
pub fn is_unsafe(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{ad}' | '\u{61c}' | '\u{feff}' => true,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => true,
        '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' => true,
        _ => c.is_control(),
    }
}

/// The text with such characters written out: `\x1b`, `\u{202e}`.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\r' => out.push_str("\\r"),
            _ if !is_unsafe(c) => out.push(c),
            // writing to a string cannot fail
            _ if c.is_ascii() => drop(write!(out, "\\x{:02x}", u32::from(c))),
            _ => drop(write!(out, "\\u{{{:x}}}", u32::from(c))),
        }
    }
    Cow::Owned(out)
}

/// The same on one line.
pub fn on_one_line(text: &str) -> Cow<'_, str> {
    match escaped(text) {
        text if text.contains('\n') => Cow::Owned(text.replace('\n', "\\n")),
        text => text,
    }
}

/// JSON with such characters written as JSON writes them; they stand in its strings alone.
pub fn escaped_json(json: &str) -> Cow<'_, str> {
    if !json.contains(is_unsafe) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if !is_unsafe(c) {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_written_out_and_all_else_stays() {
        let cases = [
            ("平安银行 ✓ é\ttab\nline", "平安银行 ✓ é\ttab\nline"),
            ("\u{1b}]0;owned\u{7}", "\\x1b]0;owned\\x07"),
            ("a\rb\0\u{7f}\u{9b}31m\u{85}", "a\\rb\\x00\\x7f\\u{9b}31m\\u{85}"),
            ("\u{202e}txt\u{2066}\u{200b}\u{feff}", "\\u{202e}txt\\u{2066}\\u{200b}\\u{feff}"),
        ];
        for (text, shown) in cases {
            assert_eq!(escaped(text), shown);
        }
        assert_eq!(on_one_line("a\nb"), "a\\nb");
    }

    #[test]
    fn json_stays_json_and_means_the_same() {
        let text = "平安\u{1b}[2J\u{7f}\u{9b}\u{202e}\u{e0041}\"\\\n";
        let json = crate::serde_json::json!({ "a": text }).to_string();
        let escaped = escaped_json(&json);
        assert!(!escaped.contains(is_unsafe), "{escaped:?}");
        let read: crate::serde_json::Value = crate::serde_json::from_str(&escaped).unwrap();
        assert_eq!(read["a"], text);
    }
}
