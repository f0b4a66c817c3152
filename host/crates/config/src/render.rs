//! Faults as people read them.

use std::fmt::{self, Write as _};

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents,
    SourceCode, SourceSpan, SpanContents, ThemeCharacters, ThemeStyles,
};

use plugin_api::terminal::escaped;

use super::fault::{Diagnostic, Faults, Label, Severity};

/// Width of texts where none is known, in columns.
const DEFAULT_WIDTH: usize = 100;

impl Faults {
    /// All of them as text, each with file, line, column and the line itself.
    ///
    /// With `color` for a terminal, as a drawing of at most `width` columns; without, plain, each
    /// beginning with `FILE:LINE:COLUMN:` as editors and logs want it.
    pub fn render(&self, color: bool, width: usize) -> String {
        let one = |diagnostic| {
            let draws = color && self.is_drawable(diagnostic);
            if draws { self.draw(diagnostic, width) } else { self.write_plain(diagnostic) }
        };
        let mut all: Vec<_> = self.diagnostics.iter().map(one).collect();
        all.extend(self.more_text().map(|text| format!("{}: {text}\n", escaped(&self.file))));
        all.join("\n")
    }

    fn write_plain(&self, diagnostic: &Diagnostic) -> String {
        let mut out = escaped(&self.file).into_owned();
        if let Some(label) = diagnostic.labels.first() {
            let (line, column) = self.position(label.span.start);
            out.push_str(&format!(":{line}:{column}"));
        }
        let message = escaped(&diagnostic.message);
        out.push_str(&format!(": {}: {message}\n", diagnostic.severity.as_str()));
        for label in &diagnostic.labels {
            self.write_line(&mut out, label);
        }
        if let Some(help) = &diagnostic.help {
            out.push_str(&format!("  help: {}\n", escaped(help)));
        }
        out
    }

    /// The line of a label with a marker below, cut around it when long.
    fn write_line(&self, out: &mut String, label: &Label) {
        let index = self.line_at(label.span.start);
        let line = self.line(index);
        let text = self.text[line.clone()].trim_end_matches(['\n', '\r']);
        let start = label.span.start.clamp(line.start, line.start + text.len()) - line.start;
        let end = label.span.end.clamp(line.start + start, line.start + text.len()) - line.start;
        let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default();
        let marked = cut(part(start..end).chars(), WIDEST);
        let room = WIDEST.saturating_sub(columns(&marked));
        let before = cut(part(0..start).chars().rev(), room.min(MAX_BEFORE));
        let before: String = before.chars().rev().collect();
        let after = cut(part(end..text.len()).chars(), room.saturating_sub(columns(&before)));
        let marker = "^".repeat(columns(&marked).max(1));
        let indent: String = before.chars().map(blank).collect();
        let note = if label.text.is_empty() { "" } else { " " };
        let shown = format!("{before}{marked}{after}").replace('\u{feff}', "");
        // writing to a string cannot fail
        let _ = writeln!(out, "{:>5} | {shown}", index + 1);
        let _ = writeln!(out, "      | {indent}{marker}{note}{}", escaped(&label.text));
    }

    /// Whether no line that would be drawn is longer than a screen.
    fn is_drawable(&self, diagnostic: &Diagnostic) -> bool {
        let mut lines = diagnostic.labels.iter().flat_map(|label| {
            let index = self.line_at(label.span.start);
            index.saturating_sub(1)..=index + 1
        });
        lines.all(|index| {
            let line = self.line(index);
            line.len() <= WIDEST || self.text[line].chars().take(WIDEST + 1).count() <= WIDEST
        })
    }

    fn draw(&self, diagnostic: &Diagnostic, width: usize) -> String {
        let theme =
            GraphicalTheme { characters: ThemeCharacters::unicode(), styles: ThemeStyles::ansi() };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(width)
            .with_links(false)
            .with_context_lines(1);
        let mut out = String::new();
        let drawing = Drawing { faults: self, diagnostic };
        match handler.render_report(&mut out, &drawing) {
            Ok(()) => out,
            Err(_) => self.write_plain(diagnostic),
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false, DEFAULT_WIDTH))
    }
}

impl std::error::Error for Faults {}

/// Longest part of a line that is shown, in columns, and how much of it stands before the marker.
const WIDEST: usize = 200;
const MAX_BEFORE: usize = 80;

/// The first characters that take no more columns; `…` stands for the rest.
fn cut(chars: impl Iterator<Item = char>, widest: usize) -> String {
    let (mut out, mut taken) = (String::new(), 0);
    for c in chars {
        taken += width_of(c);
        if taken > widest {
            out.push('…');
            break;
        }
        out.push(c);
    }
    out
}

/// What stands above a marker: as wide as the character, tabs as they are.
fn blank(c: char) -> String {
    if c == '\t' { "\t".to_owned() } else { " ".repeat(width_of(c)) }
}

/// Columns of a terminal that a text takes; Chinese characters take two.
fn columns(text: &str) -> usize {
    text.chars().map(width_of).sum()
}

fn width_of(c: char) -> usize {
    usize::from(c != '\u{feff}') + usize::from(is_wide(c))
}

fn is_wide(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}' | '\u{20000}'..='\u{3fffd}')
}

/// One fault as the drawing library takes it.
#[derive(Debug)]
struct Drawing<'a> {
    faults: &'a Faults,
    diagnostic: &'a Diagnostic,
}

impl std::fmt::Display for Drawing<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.diagnostic.labels.is_empty() {
            write!(f, "{}: ", escaped(&self.faults.file))?;
        }
        f.write_str(&escaped(&self.diagnostic.message))
    }
}

impl std::error::Error for Drawing<'_> {}

impl miette::Diagnostic for Drawing<'_> {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.diagnostic.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        let help = self.diagnostic.help.as_ref()?;
        Some(Box::new(escaped(help)))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        if self.diagnostic.labels.is_empty() { None } else { Some(self) }
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let labels = self.diagnostic.labels.iter().enumerate().map(|(index, label)| {
            let text = Some(escaped(&label.text).into_owned()).filter(|text| !text.is_empty());
            // of a value that goes over lines, the first one
            let line = self.faults.line(self.faults.line_at(label.span.start));
            let line_end = line.start + self.faults.text[line].trim_end_matches(['\n', '\r']).len();
            let end = label.span.end.min(line_end.max(label.span.start));
            let span = (label.span.start, end - label.span.start);
            if index == 0 {
                LabeledSpan::new_primary_with_span(text, span)
            } else {
                LabeledSpan::new_with_span(text, span)
            }
        });
        Some(Box::new(labels))
    }
}

/// Finds lines by their index and counts columns in characters, as the plain form does; the library
/// would go through the whole text for each, and count bytes.
impl SourceCode for Drawing<'_> {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let Faults { text, file, .. } = self.faults;
        let end = span.offset() + span.len();
        if end > text.len() {
            return Err(MietteError::OutOfBounds);
        }
        let first = self.faults.line_at(span.offset());
        // an end of a line belongs to the line
        let last = self.faults.line_at(if span.is_empty() { end } else { end - 1 });
        let (start, line, column) = match lines_before {
            0 => (span.offset(), first, self.faults.position(span.offset()).1 - 1),
            _ => {
                let line = first.saturating_sub(lines_before);
                (self.faults.line(line).start, line, 0)
            }
        };
        let end = if lines_after == 0 { end } else { self.faults.line(last + lines_after).end };
        let data = &text.as_bytes()[start..end.max(start)];
        let count = last + lines_after + 1 - line;
        Ok(Box::new(MietteSpanContents::new_named(
            escaped(file).into_owned(),
            data,
            (start, data.len()).into(),
            line,
            column,
            count,
        )))
    }
}
