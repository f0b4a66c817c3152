//! What is wrong with a file, and where.

use std::{fmt, ops::Range, path::Path, sync::Arc};

use serde_json::{Value, json};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The pipeline cannot be run.
    Error,
    /// It can be run, but probably not as meant.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Bytes of the file's text; may be empty.
    pub span: Range<usize>,
    /// What is there; empty when the message says it all.
    pub text: String,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, with the value as written in the file.
    pub message: String,
    /// What is allowed, or what to do.
    pub help: Option<String>,
    /// Where: the place itself first, then others that matter. Empty when the file was not read.
    pub labels: Vec<Label>,
    /// Whether it may only follow from what a syntax error made unreadable.
    pub(super) needs_whole_file: bool,
}

impl Diagnostic {
    fn new(severity: Severity, message: String) -> Self {
        Self { severity, message, help: None, labels: Vec::new(), needs_whole_file: false }
    }

    /// Says what is allowed or what to do.
    pub(super) fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into());
        self
    }

    /// Points at one more place.
    pub(super) fn label(&mut self, span: &Range<usize>, text: impl Into<String>) -> &mut Self {
        self.labels.push(Label { span: span.clone(), text: text.into() });
        self
    }

    /// Drops it when the file has syntax errors, since what is missing may stand in a lost line.
    pub(super) fn unless_partial(&mut self) -> &mut Self {
        self.needs_whole_file = true;
        self
    }

    fn place(&self) -> usize {
        self.labels.first().map_or(0, |label| label.span.start)
    }
}

/// All that is wrong with one file, in the order of the file.
#[derive(Clone, PartialEq, Eq)]
pub struct Faults {
    /// The file as its user names it.
    pub file: String,
    /// What was found.
    pub diagnostics: Vec<Diagnostic>,
    /// The file's text with secrets masked; offsets are those of the file.
    pub(super) text: Arc<str>,
}

impl Faults {
    /// A file that could not be read at all.
    pub(super) fn unread(file: &Path, message: String, help: &str) -> Self {
        let mut faults = Self::of(file, message);
        for diagnostic in &mut faults.diagnostics {
            diagnostic.help(help);
        }
        faults
    }

    /// What keeps a pipeline from being read; the message says what to do about it.
    pub fn of(file: &Path, message: String) -> Self {
        let diagnostic = Diagnostic::new(Severity::Error, message);
        Self { file: file.display().to_string(), diagnostics: vec![diagnostic], text: "".into() }
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.diagnostics.is_empty()
    }

    /// How many were found.
    pub fn len(&self) -> usize {
        self.diagnostics.len()
    }

    /// Line and column of a byte of the text, both from 1, columns in characters.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        position(&self.text, offset)
    }

    /// A list of `{severity, file, line, column, message, help}`; what is unknown is null.
    pub fn to_json(&self) -> Value {
        self.diagnostics.iter().map(|diagnostic| self.diagnostic_to_json(diagnostic)).collect()
    }

    fn diagnostic_to_json(&self, diagnostic: &Diagnostic) -> Value {
        let place = diagnostic.labels.first().map(|label| self.position(label.span.start));
        json!({
            "severity": diagnostic.severity.as_str(),
            "file": self.file,
            "line": place.map(|(line, _)| line),
            "column": place.map(|(_, column)| column),
            "message": diagnostic.message,
            "help": diagnostic.help,
        })
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.diagnostics.iter().map(|fault| &fault.message)).finish()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false, super::render::DEFAULT_WIDTH))
    }
}

impl std::error::Error for Faults {}

/// Line and column of a byte, both from 1, columns in characters.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(offset)];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// Gathers what is wrong while a file is checked.
#[derive(Clone)]
pub(super) struct Report {
    file: String,
    text: Arc<str>,
    faults: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
    partial: bool,
}

impl Report {
    /// A report on a file; `text` has its secrets masked.
    pub fn new(file: &Path, text: Arc<str>) -> Self {
        let file = file.display().to_string();
        Self { file, text, faults: Vec::new(), warnings: Vec::new(), partial: false }
    }

    /// From now on shows another text of the same length.
    pub fn mask(&mut self, text: Arc<str>) {
        self.text = text;
    }

    /// Notes that something is wrong there.
    pub fn fault(&mut self, span: &Range<usize>, message: impl Into<String>) -> &mut Diagnostic {
        push(&mut self.faults, Severity::Error, span, message.into())
    }

    /// Notes that something looks wrong there.
    pub fn warn(&mut self, span: &Range<usize>, message: impl Into<String>) -> &mut Diagnostic {
        push(&mut self.warnings, Severity::Warning, span, message.into())
    }

    /// Notes that parts of the file could not be read.
    pub fn set_partial(&mut self) {
        self.partial = true;
    }

    /// Whether parts of the file could not be read.
    pub fn is_partial(&self) -> bool {
        self.partial
    }

    /// The text there as written, cut when long.
    pub fn written(&self, span: &Range<usize>) -> String {
        const LONGEST: usize = 60;
        let text = self.text.get(span.clone()).unwrap_or_default();
        let line = text.lines().next().unwrap_or_default();
        if line.len() == text.len() && line.chars().count() <= LONGEST {
            return text.to_owned();
        }
        line.chars().take(LONGEST).chain(['…']).collect()
    }

    /// Where a part stands within a span; the whole span when it does not stand there literally.
    pub fn find(&self, span: &Range<usize>, part: &str) -> Range<usize> {
        let at = self.text.get(span.clone()).and_then(|written| written.find(part));
        at.map_or(span.clone(), |at| span.start + at..span.start + at + part.len())
    }

    /// What was found, in the order of the file: faults and warnings.
    pub fn finish(self) -> (Faults, Faults) {
        let Self { file, text, mut faults, mut warnings, partial } = self;
        if partial {
            faults.retain(|fault| !fault.needs_whole_file);
            warnings.clear();
        }
        faults.sort_by_key(Diagnostic::place);
        faults.dedup();
        warnings.sort_by_key(Diagnostic::place);
        let of = |diagnostics| Faults { file: file.clone(), diagnostics, text: text.clone() };
        (of(faults), of(warnings))
    }
}

fn push<'a>(
    list: &'a mut Vec<Diagnostic>,
    severity: Severity,
    span: &Range<usize>,
    message: String,
) -> &'a mut Diagnostic {
    let mut diagnostic = Diagnostic::new(severity, message);
    diagnostic.label(span, "");
    list.push(diagnostic);
    let last = list.len() - 1;
    &mut list[last]
}
