//! `dataserver plugins new`

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;

use super::{
    files::{Crate, Kind},
    python_files::PythonFiles,
    sdk::{self, Sdk},
};
use crate::cli::output;

/// Longest id that a plugin's descriptor holds.
const MAX_NAME: usize = 64;

/// Arguments of `plugins new`.
#[derive(Debug, Args)]
pub struct New {
    /// Id of the plugin: `a-z`, `0-9` and `-`, beginning with a letter.
    name: String,
    /// What the plugin is.
    #[arg(long, value_enum)]
    kind: Kind,
    /// Make `cargo build` give a component for the sandbox instead of a native library.
    #[arg(long)]
    wasm: bool,
    /// Make a file in Python, which needs no build, instead of a crate.
    #[arg(long, conflicts_with_all = ["wasm", "sdk"])]
    python: bool,
    /// Folder of the new crate, which must not be there. Default: one named like the plugin.
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// The repository, or `sdk` of an installation. Default: what the program lies in.
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
}

impl New {
    /// Makes the crate and says what to type next.
    pub fn run(&self) -> ExitCode {
        match self.make() {
            Ok(report) => output::print(&report),
            Err(problem) => output::complain(&problem),
        }
    }

    fn make(&self) -> Result<String, String> {
        check_name(&self.name)?;
        let program = std::env::current_exe().ok();
        if self.python {
            let shipped = &sdk::shipped_plugins(program.as_deref());
            let new = PythonFiles { name: &self.name, kind: self.kind, shipped };
            return self.report(&new.files(), &new.commands());
        }
        let sdk = Sdk::find(self.sdk.as_deref(), program.as_deref())?;
        let new = Crate {
            name: &self.name,
            kind: self.kind,
            is_wasm: self.wasm,
            sdk: &sdk,
            shipped: &sdk::shipped_plugins(program.as_deref()),
        };
        self.report(&new.files(), &new.commands())
    }

    fn report(&self, files: &[(PathBuf, Vec<u8>)], commands: &[String]) -> Result<String, String> {
        let folder = self.path.clone().unwrap_or_else(|| PathBuf::from(&self.name));
        write(&folder, files)?;
        let folder = folder.display();
        Ok(format!("made {folder}; next:\n\n  cd {folder}\n  {}\n", commands.join("\n  ")))
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase());
    if starts_well && name.len() <= MAX_NAME && name.split('-').all(is_part) {
        return Ok(());
    }
    Err(format!(
        "\"{name}\" is no id of a plugin; take a-z, 0-9 and single - within, beginning with a \
         letter, {MAX_NAME} characters at most"
    ))
}

/// Makes the folder, which nobody else has made, and the files in it, or leaves nothing behind.
fn write(folder: &Path, files: &[(PathBuf, Vec<u8>)]) -> Result<(), String> {
    fs::create_dir(folder).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            format!("{} is there already; choose another folder with --path", folder.display())
        }
        _ => format!("{} cannot be made: {error}; check the path", folder.display()),
    })?;
    let written = files.iter().try_for_each(|(name, text)| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(path, text)
    });
    written.map_err(|error| {
        let _ = fs::remove_dir_all(folder);
        format!("{} cannot be filled: {error}; free space, or use --path", folder.display())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_that_the_host_can_load() {
        for name in ["a", "my-plugin", "l2-feed", &"a".repeat(64)] {
            assert_eq!(check_name(name), Ok(()));
        }
        for name in ["", "-a", "a-", "a--b", "A", "a_b", "1a", "ü", "a/b", "..", &"a".repeat(65)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
