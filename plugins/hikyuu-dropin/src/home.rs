//! Hikyuu's folder of the user: settings, plugins, log, and what must survive a restart.

use std::path::{Path, PathBuf};

use dataserver::hikyuu;

/// The user's home folder, in which Hikyuu has `.hikyuu`.
#[derive(Debug, Clone)]
pub struct Home(PathBuf);

impl Home {
    /// That of the user who runs this process; `HOME` decides, as for Hikyuu.
    ///
    /// # Errors
    /// When it is not known.
    pub fn of_user() -> Result<Self, String> {
        let home = std::env::home_dir().filter(|folder| folder.is_absolute());
        home.map(Self)
            .ok_or_else(|| "the home folder is not known; set HOME to an absolute path".to_owned())
    }

    #[cfg(test)]
    pub fn at(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// The user's own pipeline, which goes before what a start asks for.
    pub fn own_pipeline(&self) -> PathBuf {
        self.0.join(".hikyuu/dataserver.toml")
    }

    /// Where this library writes its log.
    pub fn log(&self) -> PathBuf {
        self.0.join(".hikyuu/dataserver.log")
    }

    /// What must survive a restart of the server at that address: one folder for each, because two
    /// processes must not share one.
    pub fn data_dir(&self, addr: &str) -> PathBuf {
        hikyuu::data_dir(&self.0, addr)
    }
}
