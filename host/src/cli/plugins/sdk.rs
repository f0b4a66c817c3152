//! Finds what a plugin is built against, and the shipped plugins.

use std::path::{Path, PathBuf};

/// A folder with `plugin-api` and what it needs: the repository, or `sdk` of an installation.
pub struct Sdk {
    folder: PathBuf,
}

impl Sdk {
    /// The folder that was given, or one of those above the program: an installation has
    /// `bin/dataserver` beside `sdk`, the repository has it in `target`.
    ///
    /// # Errors
    /// Where it was looked for, and how to name it.
    pub fn find(given: Option<&Path>, program: Option<&Path>) -> Result<Self, String> {
        if let Some(given) = given {
            return Self::at(given).ok_or_else(|| {
                format!(
                    "{} holds no plugin-api; give --sdk the repository, or `sdk` of an installation",
                    given.display()
                )
            });
        }
        let above = program.into_iter().flat_map(Path::ancestors).skip(1);
        let mut found =
            above.filter_map(|folder| Self::at(&folder.join("sdk")).or(Self::at(folder)));
        found.next().ok_or_else(|| {
            "no plugin-api was found above the program; give --sdk the repository, or `sdk` of an \
             installation"
                .to_owned()
        })
    }

    fn at(folder: &Path) -> Option<Self> {
        let has = |file: &str| folder.join(file).is_file();
        let is_sdk = has("plugin-api/Cargo.toml") && has("schemas/Cargo.toml");
        let folder = folder.canonicalize().ok().filter(|_| is_sdk)?;
        Some(Self { folder })
    }

    /// The crate that plugins depend on.
    pub fn plugin_api(&self) -> PathBuf {
        self.folder.join("plugin-api")
    }

    /// The versions with which it was built and tested, if it says them.
    pub fn lock_file(&self) -> Option<Vec<u8>> {
        std::fs::read(self.folder.join("Cargo.lock")).ok()
    }
}

/// The folder of the shipped plugins: `plugins` beside `bin`, or that of a program just built.
pub fn shipped_plugins(program: Option<&Path>) -> PathBuf {
    let folder = program.and_then(Path::parent).unwrap_or(Path::new("."));
    let installed = folder.parent().map(|root| root.join("plugins"));
    match installed {
        Some(plugins) if folder.ends_with("bin") && plugins.is_dir() => plugins,
        _ => folder.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        for file in files {
            let path = tree.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        tree
    }

    #[test]
    fn an_installation_and_a_repository_are_found_from_the_program_in_them() {
        let installed = tree(&[
            "bin/dataserver",
            "plugins/libnull.so",
            "sdk/plugin-api/Cargo.toml",
            "sdk/schemas/Cargo.toml",
        ]);
        let program = installed.path().join("bin/dataserver");
        let sdk = Sdk::find(None, Some(&program)).ok().unwrap();
        let expected = installed.path().canonicalize().unwrap().join("sdk/plugin-api");
        assert_eq!(sdk.plugin_api(), expected);
        assert_eq!(shipped_plugins(Some(&program)), installed.path().join("plugins"));

        let repository =
            tree(&["target/debug/dataserver", "plugin-api/Cargo.toml", "schemas/Cargo.toml"]);
        let program = repository.path().join("target/debug/dataserver");
        let sdk = Sdk::find(None, Some(&program)).ok().unwrap();
        let expected = repository.path().canonicalize().unwrap().join("plugin-api");
        assert_eq!(sdk.plugin_api(), expected);
        assert_eq!(shipped_plugins(Some(&program)), repository.path().join("target/debug"));
    }

    #[test]
    fn without_one_the_option_is_named() {
        let lonely = tree(&["bin/dataserver"]);
        let program = lonely.path().join("bin/dataserver");
        assert!(Sdk::find(None, Some(&program)).err().unwrap().contains("--sdk"));
        let error = Sdk::find(Some(lonely.path()), Some(&program)).err().unwrap();
        assert!(error.contains(&lonely.path().display().to_string()), "{error}");
    }
}
