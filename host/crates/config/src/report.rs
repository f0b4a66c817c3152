//! What is found wrong while a file is checked, without what must not be said.

use std::{ops::Range, path::Path, sync::Arc};

use super::{
    fault::{Diagnostic, Faults, Severity},
    keys, mask,
    tree::Table,
};

/// Faults, and as many warnings, that are told of one file; of others only the number is.
const MOST: usize = 100;
/// Longest message, help or note, in characters: names in it may be as long as the file.
const MAX_TEXT: usize = 4_000;

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
            diagnostics.sort_by_key(place);
            diagnostics.dedup();
            diagnostics.iter_mut().for_each(|diagnostic| keep_quiet(diagnostic, &self.unspoken));
            let (file, text, lines) = (self.file.clone(), self.text.clone(), lines.clone());
            Faults { file, diagnostics, more, text, lines }
        };
        (of(&mut self.faults), of(&mut self.warnings))
    }
}

/// Where it stands in the file.
fn place(diagnostic: &Diagnostic) -> usize {
    diagnostic.labels.first().map_or(0, |label| label.span.start)
}

/// Takes out what must not be said, and what is too long to be read.
fn keep_quiet(diagnostic: &mut Diagnostic, unspoken: &[String]) {
    let labels = diagnostic.labels.iter_mut().map(|label| &mut label.text);
    for text in [&mut diagnostic.message].into_iter().chain(&mut diagnostic.help).chain(labels) {
        if text.chars().take(MAX_TEXT + 1).count() > MAX_TEXT {
            *text = text.chars().take(MAX_TEXT).chain(['…']).collect();
        }
        if let Some(covered) = mask::covered(text, unspoken) {
            *text = covered;
        }
    }
}
