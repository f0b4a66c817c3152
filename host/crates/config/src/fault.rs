//! What is wrong with a file, and where.

use std::{fmt, ops::Range, path::Path, sync::Arc};

use serde_json::{Value, json};

use super::{keys, mask, tree::Table};

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

    /// Takes out what must not be said, and what is too long to be read.
    fn keep_quiet(&mut self, unspoken: &[String]) {
        let labels = self.labels.iter_mut().map(|label| &mut label.text);
        for text in [&mut self.message].into_iter().chain(&mut self.help).chain(labels) {
            if text.chars().take(LONGEST_TEXT + 1).count() > LONGEST_TEXT {
                *text = text.chars().take(LONGEST_TEXT).chain(['…']).collect();
            }
            if let Some(covered) = mask::covered(text, unspoken) {
                *text = covered;
            }
        }
    }

    fn place(&self) -> usize {
        self.labels.first().map_or(0, |label| label.span.start)
    }
}

/// Faults, and as many warnings, that are told of one file; of others only the number is.
const MOST: usize = 100;
/// Longest message, help or note, in characters: names in it may be as long as the file.
const LONGEST_TEXT: usize = 4_000;

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

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false, super::render::DEFAULT_WIDTH))
    }
}

impl std::error::Error for Faults {}

/// What was found, as far as it is told.
#[derive(Clone, Default)]
struct Found {
    told: Vec<Diagnostic>,
    more: usize,
    /// As many more, if the whole file could be read.
    more_of_whole: usize,
    /// Takes what is said of one that is not told.
    untold: Option<Diagnostic>,
}

impl Found {
    fn push(
        &mut self,
        severity: Severity,
        span: &Range<usize>,
        message: String,
    ) -> &mut Diagnostic {
        let mut diagnostic = Diagnostic::new(severity, message);
        diagnostic.label(span, "");
        if self.told.len() < MOST {
            self.told.push(diagnostic);
            let last = self.told.len() - 1;
            return &mut self.told[last];
        }
        self.count_untold();
        self.untold.insert(diagnostic)
    }

    fn count_untold(&mut self) {
        match self.untold.take() {
            Some(untold) if untold.needs_whole_file => self.more_of_whole += 1,
            Some(_) => self.more += 1,
            None => {}
        }
    }
}

/// Gathers what is wrong while a file is checked.
#[derive(Clone)]
pub(super) struct Report {
    file: String,
    /// The file's text as it is.
    source: Arc<str>,
    /// What of it may be secret.
    secret: Vec<Range<usize>>,
    /// Its text with that covered.
    text: Arc<str>,
    /// What no message may repeat, in lower case.
    unspoken: Vec<String>,
    faults: Found,
    warnings: Found,
    partial: bool,
}

impl Report {
    /// A report on a file of that text.
    pub fn new(file: &Path, text: &str) -> Self {
        let mut report = Self {
            file: file.display().to_string(),
            source: text.into(),
            secret: mask::find(text),
            text: "".into(),
            unspoken: Vec::new(),
            faults: Found::default(),
            warnings: Found::default(),
            partial: false,
        };
        report.mask();
        report
    }

    /// From now on covers what the tree of the file knows to be secret, too.
    pub fn cover_secrets_of(&mut self, root: &Table) {
        self.secret.extend(mask::spans(root));
        self.unspoken.extend(mask::spoken(root).iter().map(|value| value.to_ascii_lowercase()));
        self.mask();
    }

    /// Covers a value of a key that nobody knows: it may be a secret under a mistyped name.
    pub fn cover(&mut self, span: &Range<usize>) {
        self.secret.push(span.clone());
    }

    fn mask(&mut self) {
        let masked = mask::mask(&self.source, &self.secret);
        self.text = masked.text.into();
        self.unspoken.extend(masked.words.into_iter().filter(|word| !keys::is_word(word)));
        self.unspoken.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        self.unspoken.dedup();
    }

    /// Notes that something is wrong there.
    pub fn fault(&mut self, span: &Range<usize>, message: impl Into<String>) -> &mut Diagnostic {
        self.faults.push(Severity::Error, span, message.into())
    }

    /// Notes that something looks wrong there.
    pub fn warn(&mut self, span: &Range<usize>, message: impl Into<String>) -> &mut Diagnostic {
        self.warnings.push(Severity::Warning, span, message.into())
    }

    /// Whether no further fault would be told: then none need be worded, only [counted].
    ///
    /// [counted]: Self::count_untold
    pub fn is_full(&self) -> bool {
        self.faults.told.len() == MOST
    }

    /// Counts faults that are not told.
    pub fn count_untold(&mut self, faults: usize) {
        self.faults.more += faults;
    }

    /// Notes that parts of the file could not be read.
    pub fn set_partial(&mut self) {
        self.partial = true;
    }

    /// Whether parts of the file could not be read.
    pub fn is_partial(&self) -> bool {
        self.partial
    }

    /// The text there as written, cut when long, with secrets covered.
    pub fn written(&self, span: &Range<usize>) -> String {
        const LONGEST: usize = 60;
        let text = self.text.get(span.clone()).unwrap_or_default();
        let line = text.lines().next().unwrap_or_default();
        if line.len() == text.len() && line.chars().take(LONGEST + 1).count() <= LONGEST {
            return text.to_owned();
        }
        line.chars().take(LONGEST).chain(['…']).collect()
    }

    /// Where a part stands within a span; the whole span when it does not stand there literally, or
    /// is covered.
    pub fn find(&self, span: &Range<usize>, part: &str) -> Range<usize> {
        let at = self.text.get(span.clone()).and_then(|written| written.find(part));
        at.map_or(span.clone(), |at| span.start + at..span.start + at + part.len())
    }

    /// What was found, in the order of the file: faults and warnings.
    pub fn finish(mut self) -> (Faults, Faults) {
        self.mask();
        if self.partial {
            self.faults.told.retain(|fault| !fault.needs_whole_file);
            self.warnings = Found::default();
        }
        let starts = self.text.match_indices('\n').map(|(at, _)| at + 1);
        let lines: Arc<[usize]> = [0].into_iter().chain(starts).collect();
        let partial = self.partial;
        let of = |found: &mut Found| {
            found.count_untold();
            let more = found.more + if partial { 0 } else { found.more_of_whole };
            let mut diagnostics = std::mem::take(&mut found.told);
            diagnostics.sort_by_key(Diagnostic::place);
            diagnostics.dedup();
            diagnostics.iter_mut().for_each(|diagnostic| diagnostic.keep_quiet(&self.unspoken));
            let (file, text, lines) = (self.file.clone(), self.text.clone(), lines.clone());
            Faults { file, diagnostics, more, text, lines }
        };
        (of(&mut self.faults), of(&mut self.warnings))
    }
}
