//! Variables in strings: `${VAR}`, `${VAR:-default}`, `${file:NAME}`, and `$${` for a plain `${`.

use std::{
    env::{self, VarError},
    ops::Range,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use super::{
    file,
    report::Report,
    tree::{Node, Table, Value},
};

const SYNTAX: &str =
    "write ${NAME}, ${NAME:-default}, ${file:NAME}, or $${ where the text ${ itself is meant";

/// What a pipeline takes from the process that reads it.
pub trait Environment {
    /// A variable of the environment.
    ///
    /// # Errors
    /// When it is not set or no text.
    fn variable(&self, name: &str) -> Result<String, VarError>;

    /// The text of a file of `$CREDENTIALS_DIRECTORY`; `name` is a plain file name.
    ///
    /// # Errors
    /// Why it cannot be read and what to do about it, without its content.
    fn credential(&self, name: &str) -> Result<String, String>;

    /// Folder of the program; plugins installed beside it are found from there.
    fn executable_dir(&self) -> Option<PathBuf>;

    /// The working directory by the name that the shell gives it, if that is right. It may lead over a
    /// link that is turned to another folder later, of which the system's own name knows nothing.
    fn working_dir(&self) -> PathBuf {
        named_working_dir(self.variable("PWD").ok())
    }
}

/// The environment of this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn variable(&self, name: &str) -> Result<String, VarError> {
        env::var(name)
    }

    fn credential(&self, name: &str) -> Result<String, String> {
        let folder = env::var_os("CREDENTIALS_DIRECTORY").ok_or(
            "CREDENTIALS_DIRECTORY is not set; set it to the folder of the secret files, \
             or start the service with LoadCredential=",
        )?;
        let file = Path::new(&folder).join(name);
        let named = |error: String| format!("cannot read {}: {error}", file.display());
        let bytes = file::read(&file).map_err(named)?;
        String::from_utf8(bytes).map_err(|_| named("it is not valid UTF-8".to_owned()))
    }

    fn executable_dir(&self) -> Option<PathBuf> {
        env::current_exe().ok()?.parent().map(Path::to_owned)
    }

    fn working_dir(&self) -> PathBuf {
        // the name is right as long as the link has not been turned
        static AT_START: OnceLock<PathBuf> = OnceLock::new();
        AT_START.get_or_init(|| named_working_dir(env::var("PWD").ok())).clone()
    }
}

fn named_working_dir(named: Option<String>) -> PathBuf {
    let real = env::current_dir().unwrap_or_default();
    let named = PathBuf::from(named.unwrap_or_default());
    let is_right = named.is_absolute() && named.canonicalize().is_ok_and(|it| it == real);
    if is_right { named } else { real }
}

/// Fills the variables of all strings of a table in.
pub(super) fn fill_table(table: &mut Table, environment: &dyn Environment, report: &mut Report) {
    for entry in &mut table.entries {
        fill_node(&mut entry.node, environment, report);
    }
}

fn fill_node(node: &mut Node, environment: &dyn Environment, report: &mut Report) {
    match &mut node.value {
        Value::Text(text) => {
            if !text.value.contains("${") {
                return;
            }
            let mut filling =
                Filling { environment, report, span: &node.span, filled: false, failed: false };
            let value = filling.fill(&text.value);
            let failed = filling.failed;
            text.filled = filling.filled;
            text.value = value;
            if failed {
                node.value = Value::Broken;
            }
        }
        Value::Array(items) => {
            for item in items {
                fill_node(item, environment, report);
            }
        }
        Value::Table(table) => fill_table(table, environment, report),
        _ => {}
    }
}

struct Filling<'a> {
    environment: &'a dyn Environment,
    report: &'a mut Report,
    span: &'a Range<usize>,
    filled: bool,
    failed: bool,
}

impl Filling<'_> {
    fn fill(&mut self, text: &str) -> String {
        let mut value = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            if rest[..at].ends_with('$') {
                // `$${`: the first dollar takes the meaning from the rest
                value.push_str(&rest[..at - 1]);
                value.push_str("${");
                rest = &rest[at + 2..];
                continue;
            }
            value.push_str(&rest[..at]);
            let Some(end) = rest[at..].find('}') else {
                self.fail(&rest[at..], "`${` without its `}`", SYNTAX);
                return value;
            };
            let reference = &rest[at..=at + end];
            value.push_str(&self.look_up(reference));
            rest = &rest[at + end + 1..];
        }
        value.push_str(rest);
        value
    }

    /// The value of `${…}`; empty when it has none, which is reported.
    fn look_up(&mut self, reference: &str) -> String {
        let inner = &reference[2..reference.len() - 1];
        if let Some(file) = inner.strip_prefix("file:") {
            return self.credential(reference, file);
        }
        let (name, default) =
            inner.split_once(":-").map_or((inner, None), |(name, text)| (name, Some(text)));
        if !is_variable_name(name) {
            let shown = self.shown(reference);
            self.fail(reference, &format!("{shown} is no variable"), SYNTAX);
            return String::new();
        }
        self.filled = true;
        match (self.environment.variable(name), default) {
            (Ok(value), Some(default)) if value.is_empty() => default.to_owned(),
            (Err(VarError::NotPresent), Some(default)) => default.to_owned(),
            (Ok(value), _) => value,
            (Err(VarError::NotPresent), None) => {
                let help = format!("set {name}, or give a default: ${{{name}:-default}}");
                self.fail(reference, &format!("the variable {name} is not set"), &help);
                String::new()
            }
            (Err(VarError::NotUnicode(_)), _) => {
                let message = format!("the variable {name} is not valid UTF-8");
                self.fail(reference, &message, &format!("set {name} to a text in UTF-8"));
                String::new()
            }
        }
    }

    fn credential(&mut self, reference: &str, name: &str) -> String {
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '@');
        if name.is_empty() || !name.chars().all(plain) || matches!(name, "." | "..") {
            let shown = self.shown(reference);
            let message = format!("{shown} names no file of $CREDENTIALS_DIRECTORY");
            self.fail(reference, &message, "give the name of a file without any folder");
            return String::new();
        }
        self.filled = true;
        match self.environment.credential(name) {
            Ok(text) => {
                let line = text.strip_suffix('\n').unwrap_or(&text);
                line.strip_suffix('\r').unwrap_or(line).to_owned()
            }
            Err(reason) => {
                self.fail(reference, &format!("no secret \"{name}\""), &reason);
                String::new()
            }
        }
    }

    /// The reference, unless it stands where secrets do: then it may be one that has a `$`.
    fn shown(&self, reference: &str) -> String {
        let at = self.report.find(self.span, reference);
        match self.report.written(&at) {
            written if written == reference => format!("`{reference}`"),
            _ => "what follows `$`".to_owned(),
        }
    }

    /// Reports what stands in the string; points at the reference where it stands there as it is.
    fn fail(&mut self, reference: &str, message: &str, help: &str) {
        self.failed = true;
        let at = self.report.find(self.span, reference);
        self.report.fault(&at, message).help(help);
    }
}

fn is_variable_name(name: &str) -> bool {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts_well && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
