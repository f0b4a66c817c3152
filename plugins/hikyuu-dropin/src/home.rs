//! Hikyuu's folder of the user: settings, plugins, log, and what must survive a restart.

use std::path::{Path, PathBuf};

/// `~/.hikyuu`.
#[derive(Debug, Clone)]
pub struct Home(PathBuf);

impl Home {
    /// That of the user who runs this process; `HOME` decides, as for Hikyuu.
    ///
    /// # Errors
    /// When it is not known.
    pub fn of_user() -> Result<Self, String> {
        let home = std::env::home_dir().filter(|folder| folder.is_absolute());
        home.map(|folder| Self(folder.join(".hikyuu")))
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

    /// Hikyuu's own settings.
    pub fn settings(&self) -> PathBuf {
        self.0.join("hikyuu.ini")
    }

    /// The user's own pipeline, which goes before what a start asks for.
    pub fn own_pipeline(&self) -> PathBuf {
        self.0.join("dataserver.toml")
    }

    /// Where this library writes its log.
    pub fn log(&self) -> PathBuf {
        self.0.join("dataserver.log")
    }

    /// What must survive a restart of the server at that address: one folder for each, because two
    /// processes must not share one.
    pub fn data_dir(&self, addr: &str) -> PathBuf {
        let (scheme, place) = addr.split_once("://").unwrap_or(("", addr));
        let name = match place.rsplit_once(':') {
            Some((_, port)) if scheme.starts_with("tcp") => port,
            _ => place.rsplit('/').next().unwrap_or(place),
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let name: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
        let is_name = name.chars().any(|c| c.is_ascii_alphanumeric());
        self.0.join("dataserver").join(if is_name { name.as_str() } else { "other" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_has_a_folder_below_the_users() {
        let home = Home::at(Path::new("/home/ann/.hikyuu"));
        let cases = [
            // address, folder
            ("tcp://0.0.0.0:9201", "9201"),
            ("tcp://*:9202", "9202"),
            ("tcp6://[::]:9201", "9201"),
            ("ipc:///tmp/server.ipc", "server.ipc"),
            ("abstract://desk 1", "desk_1"),
            ("ipc://..", "other"),
            ("", "other"),
        ];
        for (addr, folder) in cases {
            let expected = Path::new("/home/ann/.hikyuu/dataserver").join(folder);
            assert_eq!(home.data_dir(addr), expected, "{addr}");
        }
    }
}
