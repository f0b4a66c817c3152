//! What is started for a plugin: its command, its environment, and whether its file is still the one
//! that was inspected.

use std::{
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
};

use plugin_api::PluginError;
use sha2::{Digest, Sha256};

use super::declared::Runs;
use crate::{apart::Helper, hex::hex};

/// Variables of the host that a child gets. All others may hold secrets of other components: what a
/// plugin must know belongs into its options.
const KEPT_VARIABLES: [&str; 22] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "OMP_NUM_THREADS",
    "RUST_BACKTRACE",
];
/// Variable that tells a child which version of the protocol its standard input speaks.
const PROTOCOL_VARIABLE: &str = "DATASERVER_PROTOCOL";
/// Variable with the folder in which Python finds the package `dataserver`.
const PACKAGE_VARIABLE: &str = "DATASERVER_PYTHONPATH";
/// A file within that package, by which its folder is known.
const PACKAGE_FILE: &str = "dataserver/plugin/__init__.py";

/// How Python files are run.
#[derive(Debug, Clone, Default)]
pub struct PythonSettings {
    /// The interpreter of files that have no `.venv` beside them; `python3` unless given.
    pub interpreter: Option<PathBuf>,
    /// Folder that holds the package `dataserver`. Otherwise it is the one that
    /// `DATASERVER_PYTHONPATH` names, `python` beside the program's folder, or that of the repository
    /// that the program was built in.
    pub package: Option<PathBuf>,
}

/// How a plugin is started.
#[derive(Debug)]
pub(super) struct Launch {
    /// The plugin's file.
    pub file: PathBuf,
    /// Its SHA-256 when it was inspected, in hexadecimal.
    sha256: String,
    /// The program and its arguments.
    pub command: Vec<OsString>,
    /// Beside what is kept of the host's environment.
    pub variables: Vec<(OsString, OsString)>,
    /// Whether Python runs it.
    pub is_python: bool,
}

impl Launch {
    /// For a file that declares how it is run.
    pub fn declared(file: &Path, sha256: &str, runs: Runs, python: &PythonSettings) -> Self {
        let file = &std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let folder = file.parent().unwrap_or(Path::new("."));
        let is_python = runs == Runs::Python;
        let mut variables = protocol_variable();
        let command = match runs {
            Runs::Command(mut command) => {
                if let Some(program) = command.first_mut()
                    && program.as_encoded_bytes().contains(&b'/')
                {
                    *program = folder.join(&*program).into();
                }
                command
            }
            Runs::Python => {
                // a folder of compiled files would appear among the plugins
                variables.push(("PYTHONDONTWRITEBYTECODE".into(), "1".into()));
                variables.push(("PYTHONUNBUFFERED".into(), "1".into()));
                let package = python.package.clone().or_else(python_package);
                variables.extend(package.map(|it| ("PYTHONPATH".into(), it.into())));
                vec![interpreter(folder, python), file.into()]
            }
        };
        Self { file: file.to_owned(), sha256: sha256.to_owned(), command, variables, is_python }
    }

    /// For a library that is run by the program that is `dataserver`.
    pub fn library(file: &Path, sha256: &str, helper: &Helper) -> Option<Self> {
        let file = &std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let program = helper.program()?;
        // a link of this process would lead a child to itself
        let program = program.canonicalize().unwrap_or_else(|_| program.to_owned());
        Some(Self {
            file: file.to_owned(),
            sha256: sha256.to_owned(),
            command: vec![program.into(), "plugin-host".into(), file.into()],
            variables: protocol_variable(),
            is_python: false,
        })
    }

    /// The folder that it runs in: that of its file.
    pub fn folder(&self) -> &Path {
        self.file.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    /// All variables of a child.
    pub fn environment(&self) -> impl Iterator<Item = (OsString, OsString)> + '_ {
        let kept = KEPT_VARIABLES
            .iter()
            .filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?)));
        kept.chain(self.variables.iter().cloned())
    }

    /// Whether the file is still the one that was inspected: what runs must be what was looked at.
    pub fn check_file(&self) -> Result<(), PluginError> {
        let found = fs::read(&self.file).map_err(|error| {
            let file = self.file.display();
            PluginError::retry(format!("{file} cannot be read: {error}; put it back"))
        })?;
        if hex(&Sha256::digest(&found)) == self.sha256 {
            return Ok(());
        }
        let file = self.file.display();
        Err(PluginError::retry(format!(
            "{file} was replaced after it was inspected; reload, which takes the new one"
        )))
    }

    /// What to do when it cannot be started.
    pub fn remedy(&self) -> &'static str {
        if self.is_python {
            "install Python 3.9 or newer, make a .venv beside the file, or set [host] python"
        } else {
            "correct `command`, and make the program executable"
        }
    }
}

fn protocol_variable() -> Vec<(OsString, OsString)> {
    vec![(PROTOCOL_VARIABLE.into(), super::wire::PROTOCOL.to_string().into())]
}

/// That of an environment beside the file, the one that is set, or the system's.
fn interpreter(folder: &Path, python: &PythonSettings) -> OsString {
    let own = folder.join(".venv/bin/python");
    if own.exists() {
        return own.into();
    }
    python.interpreter.clone().map_or_else(|| OsStr::new("python3").to_owned(), Into::into)
}

/// Folder in which Python files find the package `dataserver`: the one that `DATASERVER_PYTHONPATH`
/// names, or one above the program; `None` where it is not there.
pub fn python_package() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(PACKAGE_VARIABLE).filter(|it| !it.is_empty()) {
        return Some(named.into());
    }
    let program = std::env::current_exe().ok()?;
    let above = program
        .ancestors()
        .skip(1)
        .flat_map(|folder| [folder.join("python"), folder.join("plugin-api/python/python")]);
    above.into_iter().find(|folder| folder.join(PACKAGE_FILE).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_program_lies_beside_its_file_and_a_name_is_searched() {
        let python = PythonSettings::default();
        let file = Path::new("/plugins/feed.plugin.toml");
        for (written, run) in [("./feed", "/plugins/./feed"), ("node", "node"), ("/b/f", "/b/f")] {
            let runs = Runs::Command(vec![written.into(), "x/y".into()]);
            let launch = Launch::declared(file, "", runs, &python);
            assert_eq!(launch.command, [run, "x/y"]);
        }
    }

    #[test]
    fn the_interpreter_is_that_beside_the_file_or_the_one_that_is_set_or_the_systems() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("alert.py");
        let run = |python: &PythonSettings| {
            Launch::declared(&file, "", Runs::Python, python).command[0].clone()
        };
        let mut python = PythonSettings { package: Some("/p".into()), ..PythonSettings::default() };
        assert_eq!(run(&python), "python3");
        python.interpreter = Some("/opt/python".into());
        assert_eq!(run(&python), "/opt/python");
        let own = folder.path().join(".venv/bin/python");
        fs::create_dir_all(own.parent().unwrap()).unwrap();
        fs::write(&own, "").unwrap();
        assert_eq!(run(&python), own);
        let launch = Launch::declared(&file, "", Runs::Python, &python);
        assert!(launch.variables.contains(&("PYTHONPATH".into(), "/p".into())));
    }

    #[test]
    fn a_file_that_was_replaced_is_not_started() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("alert.py");
        fs::write(&file, "a").unwrap();
        let sha256 = hex(&Sha256::digest(b"a"));
        let launch = Launch::declared(&file, &sha256, Runs::Python, &PythonSettings::default());
        assert!(launch.check_file().is_ok());
        fs::write(&file, "b").unwrap();
        let refused = launch.check_file().unwrap_err();
        assert!(refused.message.contains("was replaced"), "{refused}");
    }
}
