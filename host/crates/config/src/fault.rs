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
    pub(super) fn new(severity: Severity, message: String) -> Self {
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
}

/// All that is wrong with one file, in the order of the file.
#[derive(Clone, PartialEq, Eq)]
pub struct Faults {
    /// The file as its user names it.
    pub file: String,
    /// What was found, up to a hundred.
    pub diagnostics: Vec<Diagnostic>,
    /// How many more there are.
    pub more: usize,
    /// The file's text with secrets masked; offsets are those of the file.
    pub(super) text: Arc<str>,
    /// Where its lines begin.
    pub(super) lines: Arc<[usize]>,
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
        let diagnostics = vec![Diagnostic::new(Severity::Error, message)];
        let file = file.display().to_string();
        Self { file, diagnostics, more: 0, text: "".into(), lines: [0].into() }
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.diagnostics.is_empty()
    }

    /// How many were found.
    pub fn len(&self) -> usize {
        self.diagnostics.len() + self.more
    }

    /// Line and column of a byte of the text, both from 1, columns in characters.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let offset = self.text.floor_char_boundary(offset);
        let line = self.line_at(offset);
        (line + 1, self.text[self.lines[line]..offset].chars().count() + 1)
    }

    /// Index of the line of a byte.
    pub(super) fn line_at(&self, offset: usize) -> usize {
        self.lines.partition_point(|start| *start <= offset).saturating_sub(1)
    }

    /// Bytes of a line, with its end.
    pub(super) fn line(&self, index: usize) -> Range<usize> {
        let end = self.lines.get(index + 1).copied().unwrap_or(self.text.len());
        self.lines.get(index).copied().unwrap_or(end)..end
    }

    /// What is said when not all are told.
    pub(super) fn more_text(&self) -> Option<String> {
        let severity = self.diagnostics.first()?.severity;
        let noun = if severity == Severity::Error { "fault" } else { "warning" };
        let plural = if self.more == 1 { "" } else { "s" };
        (self.more > 0).then(|| format!("{} more {noun}{plural}; mend these first", self.more))
    }

    /// A list of `{severity, file, line, column, message, help}`; what is unknown is null.
    pub fn to_json(&self) -> Value {
        let all = self.diagnostics.iter().map(|diagnostic| self.diagnostic_to_json(diagnostic));
        let severity = self.diagnostics.first().map(|diagnostic| diagnostic.severity.as_str());
        let more = self.more_text().map(|text| {
            json!({
                "severity": severity, "file": self.file, "line": null, "column": null,
                "message": text, "help": null,
            })
        });
        all.chain(more).collect()
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
