//! Faults as people read them.

use std::fmt::Write as _;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents,
    SourceCode, SourceSpan, SpanContents, ThemeCharacters, ThemeStyles,
};

use super::fault::{Diagnostic, Faults, Label, Severity, position};

/// Width of texts where none is known, in columns.
pub(super) const DEFAULT_WIDTH: usize = 100;

impl Faults {
    /// All of them as text, each with file, line, column and the line itself.
    ///
    /// With `color` for a terminal, as a drawing of at most `width` columns; without, plain, each
    /// beginning with `FILE:LINE:COLUMN:` as editors and logs want it.
    pub fn render(&self, color: bool, width: usize) -> String {
        let one = |diagnostic| {
            if color { self.draw(diagnostic, width) } else { self.write_plain(diagnostic) }
        };
        self.diagnostics.iter().map(one).collect::<Vec<_>>().join("\n")
    }

    fn write_plain(&self, diagnostic: &Diagnostic) -> String {
        let mut out = self.file.clone();
        if let Some(label) = diagnostic.labels.first() {
            let (line, column) = self.position(label.span.start);
            out.push_str(&format!(":{line}:{column}"));
        }
        out.push_str(&format!(": {}: {}\n", diagnostic.severity.as_str(), diagnostic.message));
        for label in &diagnostic.labels {
            self.write_line(&mut out, label);
        }
        if let Some(help) = &diagnostic.help {
            out.push_str(&format!("  help: {help}\n"));
        }
        out
    }

    /// The line of a label with a marker below.
    fn write_line(&self, out: &mut String, label: &Label) {
        let line = self.line_of(label.span.start);
        let text = self.text[line.clone()].trim_end_matches('\r');
        let number = self.position(label.span.start).0;
        let start = label.span.start.clamp(line.start, line.start + text.len()) - line.start;
        let end = label.span.end.clamp(line.start + start, line.start + text.len()) - line.start;
        let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default();
        let marker = "^".repeat(columns(part(start..end)).max(1));
        let indent: String = part(0..start).chars().map(blank).collect();
        let note = if label.text.is_empty() { String::new() } else { format!(" {}", label.text) };
        // writing to a string cannot fail
        let _ = writeln!(out, "{number:>5} | {}", text.replace('\u{feff}', ""));
        let _ = writeln!(out, "      | {indent}{marker}{note}");
    }

    fn line_of(&self, offset: usize) -> std::ops::Range<usize> {
        let offset = self.text.floor_char_boundary(offset);
        let start = self.text[..offset].rfind('\n').map_or(0, |newline| newline + 1);
        let end = self.text[offset..].find('\n').map_or(self.text.len(), |at| offset + at);
        start..end
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

/// What stands above a marker: as wide as the character, tabs as they are.
fn blank(c: char) -> String {
    if c == '\t' { "\t".to_owned() } else { " ".repeat(columns(c.encode_utf8(&mut [0; 4]))) }
}

/// Columns of a terminal that a text takes; Chinese characters take two.
fn columns(text: &str) -> usize {
    text.chars().map(|c| usize::from(c != '\u{feff}') + usize::from(is_wide(c))).sum()
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
            write!(f, "{}: ", self.faults.file)?;
        }
        f.write_str(&self.diagnostic.message)
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
        self.diagnostic.help.as_ref().map(|help| Box::new(help) as Box<dyn std::fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        if self.diagnostic.labels.is_empty() { None } else { Some(self) }
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let labels = self.diagnostic.labels.iter().enumerate().map(|(index, label)| {
            let text = Some(label.text.clone()).filter(|text| !text.is_empty());
            let span = (label.span.start, label.span.len());
            if index == 0 {
                LabeledSpan::new_primary_with_span(text, span)
            } else {
                LabeledSpan::new_with_span(text, span)
            }
        });
        Some(Box::new(labels))
    }
}

/// Counts columns in characters, as the plain form does; the library counts bytes.
impl SourceCode for Drawing<'_> {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let text: &str = &self.faults.text;
        let contents = text.read_span(span, lines_before, lines_after)?;
        // 0 where whole lines were asked for
        let column = match contents.column() {
            0 => 0,
            _ => position(text, contents.span().offset()).1 - 1,
        };
        Ok(Box::new(MietteSpanContents::new_named(
            self.faults.file.clone(),
            contents.data(),
            *contents.span(),
            contents.line(),
            column,
            contents.line_count(),
        )))
    }
}
