//! What a file says that is run as a process, read without running it.
//!
//! A Python file says it in a block of comments, which is TOML behind `# ` as that of PEP 723;
//! `NAME.plugin.toml` is TOML as a whole.

use std::{
    ffi::{OsStr, OsString},
    path::Path,
};

use plugin_api::{ApiVersion, Descriptor, RoleKind};
use serde::Deserialize;

use crate::{descriptor::check_descriptor, problem::Problem};

/// First line of the block in a Python file.
const OPENS: &str = "# /// dataserver";
/// Last line of the block.
const CLOSES: &str = "# ///";
/// Longest id and version that the descriptor of a library holds, bytes.
const MAX_NAME: usize = 64;
const MAX_VERSION: usize = 32;

/// What such a file declares.
#[derive(Debug)]
pub(crate) struct Declared {
    /// Its identity.
    pub descriptor: Descriptor,
    /// What it is.
    pub kind: RoleKind,
    /// How it is run.
    pub runs: Runs,
}

/// How a plugin is run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Runs {
    /// The file itself, by Python.
    Python,
    /// A program with its arguments.
    Command(Vec<OsString>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    id: toml::Spanned<String>,
    kind: toml::Spanned<String>,
    version: toml::Spanned<String>,
    api: u16,
    command: Option<toml::Spanned<Vec<String>>>,
    // of Python files, read by their own process
    #[serde(rename = "python")]
    _python: Option<String>,
    #[serde(default, rename = "dependencies")]
    _dependencies: Vec<String>,
    #[serde(default, rename = "description")]
    _description: String,
    #[serde(default, rename = "author")]
    _author: String,
}

/// Whether a file of that name may be such a plugin.
pub(crate) fn is_named_so(path: &Path) -> bool {
    path.extension() == Some(OsStr::new("py")) || is_toml(path)
}

fn is_toml(path: &Path) -> bool {
    path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.ends_with(".plugin.toml"))
}

/// Whether a file with those bytes is one: a Python file without a block is a module of another.
pub(crate) fn is_one(path: &Path, bytes: &[u8]) -> bool {
    is_toml(path) || String::from_utf8_lossy(bytes).lines().any(|line| line.trim_end() == OPENS)
}

/// Reads what the file declares.
///
/// # Errors
/// What is wrong, with the line of the file.
pub(crate) fn read(path: &Path, bytes: &[u8]) -> Result<Declared, Problem> {
    let text = str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        Problem::new(format!("line {line}: is no UTF-8"), "save the file as UTF-8")
    })?;
    if is_toml(path) {
        return declared(text, 1, true);
    }
    let (block, first_line) = block(text)?;
    declared(&block, first_line, false)
}

/// The TOML of the block, and the line of the file at which it begins.
fn block(text: &str) -> Result<(String, usize), Problem> {
    const FORM: &str = "write each line of the block as `# KEY = VALUE`, and end it with `# ///`";
    let is_opening = |line: &&str| line.trim_end() == OPENS;
    if text.lines().filter(is_opening).count() > 1 {
        let at = text.lines().enumerate().filter(|(_, line)| is_opening(line)).nth(1);
        let line = at.map_or(0, |(at, _)| at + 1);
        let message = format!("line {line}: has a second block `{OPENS}`");
        return Err(Problem::new(message, "keep one; a file is one plugin"));
    }
    let mut lines = text.lines().enumerate().skip_while(|(_, line)| !is_opening(line));
    let opened = lines.next().map_or(0, |(at, _)| at + 1);
    let mut toml = String::new();
    for (at, line) in lines {
        let line = line.trim_end();
        if line == CLOSES {
            return Ok((toml, opened + 1));
        }
        let content = match line.strip_prefix("# ") {
            Some(content) => content,
            None if line == "#" => "",
            None => {
                let message = format!("line {}: is no line of the block `{OPENS}`", at + 1);
                return Err(Problem::new(message, FORM));
            }
        };
        toml += content;
        toml.push('\n');
    }
    Err(Problem::new(format!("line {opened}: the block `{OPENS}` has no end"), FORM))
}

fn declared(toml: &str, first_line: usize, is_toml: bool) -> Result<Declared, Problem> {
    const KEYS: &str = "a block has id, kind (source, transform or sink), version and api, and may \
                        have python, dependencies, description and author; a .plugin.toml has a \
                        command besides";
    let line_of = |at: usize| {
        let before = toml.as_bytes().get(..at).unwrap_or_default();
        first_line + before.iter().filter(|byte| **byte == b'\n').count()
    };
    let fault = |at: usize, message: String, help: &str| {
        Problem::new(format!("line {}: {message}", line_of(at)), help)
    };
    let written: Written = toml::from_str(toml).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        fault(at, error.message().trim().to_owned(), KEYS)
    })?;
    let (id, version) = (written.id.get_ref(), written.version.get_ref());
    let is_id = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if id.is_empty() || id.len() > MAX_NAME || !id.chars().all(is_id) {
        let help = format!("an id is made of a-z, 0-9 and -, {MAX_NAME} characters at most");
        return Err(fault(written.id.span().start, format!("`id` is no id: {id:?}"), &help));
    }
    if version.is_empty() || version.len() > MAX_VERSION || version.contains(char::is_control) {
        let help = format!("write e.g. \"0.1.0\", {MAX_VERSION} characters at most");
        let at = written.version.span().start;
        return Err(
            fault(at, format!("`version` is no version: {version:?}"), &help).of(id.clone())
        );
    }
    let kind = match written.kind.get_ref().as_str() {
        "source" => RoleKind::Source,
        "transform" => RoleKind::Transform,
        "sink" => RoleKind::Sink,
        other => {
            let help = "write source, transform or sink";
            let at = written.kind.span().start;
            return Err(fault(at, format!("`kind` is none: {other:?}"), help).of(id.clone()));
        }
    };
    let runs = runs(&written, is_toml)
        .map_err(|(at, message, help)| fault(at, message.to_owned(), help).of(id.clone()))?;
    let api = ApiVersion { major: written.api, minor: 0 };
    let descriptor = check_descriptor(Descriptor::for_api(api, id, version))?;
    Ok(Declared { descriptor, kind, runs })
}

type Fault = (usize, &'static str, &'static str);

fn runs(written: &Written, is_toml: bool) -> Result<Runs, Fault> {
    match &written.command {
        None if is_toml => {
            Err((0, "has no `command`", "write e.g. command = [\"./feed\", \"--fast\"]"))
        }
        None => Ok(Runs::Python),
        Some(command) if !is_toml => Err((
            command.span().start,
            "a Python file has no `command`",
            "Python runs the file itself; write a .plugin.toml for another program",
        )),
        Some(command) if command.get_ref().first().is_none_or(String::is_empty) => {
            let help = "write the program and its arguments, e.g. [\"./feed\", \"--fast\"]";
            Err((command.span().start, "`command` names no program", help))
        }
        Some(command) => Ok(Runs::Command(command.get_ref().iter().map(OsString::from).collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: &str = "#!/usr/bin/env python3\n\"\"\"Says what moved.\"\"\"\n# /// dataserver\n\
                         # id = \"my-alert\"\n# kind = \"sink\"  # or another\n#\n\
                         # version = \"0.1.0\"\n# api = 1\n# python = \">=3.9\"\n\
                         # dependencies = [\n#   \"requests\",\n# ]\n# ///\nimport os\n";

    fn of_python(text: &str) -> Result<Declared, Problem> {
        read(Path::new("alert.py"), text.as_bytes())
    }

    #[test]
    fn a_block_is_read_without_running_the_file() {
        let declared = of_python(BLOCK).unwrap();
        assert_eq!(
            (declared.descriptor.name().as_str(), declared.kind),
            ("my-alert", RoleKind::Sink)
        );
        assert_eq!(declared.descriptor.version(), "0.1.0");
        assert_eq!(declared.runs, Runs::Python);
        assert!(is_one(Path::new("a.py"), BLOCK.as_bytes()));
        assert!(!is_one(Path::new("a.py"), b"# a module\n# /// script\n# ///\n"));
        for (name, expected) in
            [("a.py", true), ("a.plugin.toml", true), ("a.toml", false), ("a.pyc", false)]
        {
            assert_eq!(is_named_so(Path::new(name)), expected, "{name}");
        }
    }

    #[test]
    fn what_is_wrong_in_a_block_is_told_with_its_line() {
        // what is replaced, by what, where, what is told
        let cases = [
            ("my-alert", "My Alert", 4, "`id` is no id"),
            ("\"sink\"", "\"drain\"", 5, "`kind` is none"),
            ("\"0.1.0\"", "\"\"", 7, "`version` is no version"),
            ("# api = 1\n", "", 4, "missing field `api`"),
            ("# api = 1", "# api = \"1\"", 8, "invalid type"),
            ("# api = 1", "# api = ", 8, ""),
            ("# python", "# pyton", 9, "unknown field `pyton`"),
            ("# python", "python", 9, "is no line of the block"),
            ("# ///\nimport", "# # ///\nimport", 14, "is no line of the block"),
            ("# ///\nimport os\n", "", 3, "has no end"),
            ("# api = 1", "# command = [\"x\"]\n# api = 1", 8, "has no `command`"),
            ("import os", "# /// dataserver", 14, "a second block"),
        ];
        for (part, by, line, told) in cases {
            let problem = of_python(&BLOCK.replace(part, by)).unwrap_err();
            let place = format!("line {line}: ");
            assert!(
                problem.message.starts_with(&place) && problem.message.contains(told),
                "{part} → {by}: {problem}"
            );
            assert!(!problem.help.is_empty());
        }
        let other = of_python(&BLOCK.replace("api = 1", "api = 2")).unwrap_err();
        assert!(other.message.contains("plugin API 2.0"), "{other}");
        let bytes = [BLOCK.as_bytes(), b"\xff"].concat();
        let no_text = read(Path::new("a.py"), &bytes).unwrap_err();
        assert!(no_text.message.starts_with("line 15: "), "{no_text}");
    }

    #[test]
    fn a_file_beside_a_program_names_its_command() {
        let text = "id = \"feed\"\nkind = \"source\"\nversion = \"1\"\napi = 1\n";
        let of = |text: &str| read(Path::new("feed.plugin.toml"), text.as_bytes());
        let declared = of(&format!("{text}command = [\"./feed\", \"-v\"]\n")).unwrap();
        assert_eq!(declared.runs, Runs::Command(vec!["./feed".into(), "-v".into()]));
        for (more, told) in [("", "has no `command`"), ("command = []", "names no program")] {
            let problem = of(&format!("{text}{more}")).unwrap_err();
            assert!(problem.message.contains(told), "{problem}");
            assert_eq!(problem.plugin.as_deref(), Some("feed"));
        }
    }
}
