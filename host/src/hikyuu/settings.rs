//! What `hikyuu.ini` says that concerns a pipeline.

use std::{
    env::VarError,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use dataserver_config::{Environment, ProcessEnvironment, Secret, read_file};

use super::{CLICKHOUSE_PASSWORD, ini::Ini};

/// Where Hikyuu keeps its settings, within the home folder.
const FILE: &str = ".hikyuu/hikyuu.ini";
/// Settings of Hikyuu's import tool, beside the others: they alone name ClickHouse's HTTP port.
const IMPORT_FILE: &str = "importdata-gui.ini";
/// Port of ClickHouse's HTTP interface; `hikyuu.ini` has that of the native one.
const HTTP_PORT: u16 = 8123;

/// Hikyuu's settings, as far as they concern a pipeline.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The file, for messages; none when there is none.
    pub file: Option<PathBuf>,
    /// `quotation_server` of `[hikyuu]`: where the collector publishes.
    pub quotation_server: Option<String>,
    /// The server of `[kdata]` or `[baseinfo]` whose `type` is `clickhouse`.
    pub clickhouse: Option<ClickHouse>,
    /// `db` of `[baseinfo]` whose `type` is `sqlite3`: the list of securities.
    pub stock_db: Option<PathBuf>,
}

/// How to reach ClickHouse.
#[derive(Clone, PartialEq, Eq)]
pub struct ClickHouse {
    /// Name or IP address. Default 127.0.0.1.
    pub host: String,
    /// Port of the HTTP interface. Default 8123.
    pub http_port: u16,
    /// Default `default`.
    pub user: String,
    /// Empty for none.
    pub password: Secret,
}

impl fmt::Debug for ClickHouse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}:{}", self.user, self.host, self.http_port)
    }
}

impl Settings {
    /// Reads `.hikyuu/hikyuu.ini` of a home folder; where there is none, all is as by default.
    ///
    /// # Errors
    /// When the file cannot be read or is no INI: a text that names the file and the remedy.
    pub fn of_home(home: &Path) -> Result<Self, String> {
        let file = home.join(FILE);
        match fs::symlink_metadata(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            _ => Self::load(&file),
        }
    }

    /// Reads that file.
    ///
    /// # Errors
    /// As [`of_home`](Self::of_home), and when there is no such file.
    pub fn load(file: &Path) -> Result<Self, String> {
        let shown = file.display();
        let bytes = read_file(file).map_err(|error| {
            format!(
                "cannot read {shown}: {error}; mend its permissions, or name the values by flags"
            )
        })?;
        let text = String::from_utf8(bytes)
            .map_err(|_| format!("{shown} is not UTF-8; save it as UTF-8, as Hikyuu reads it"))?;
        let ini = Ini::parse(&text).map_err(|fault| format!("{shown}, {fault}"))?;
        // written by another tool for itself: what cannot be read there is not asked for
        let import = read_file(&file.with_file_name(IMPORT_FILE)).ok();
        let import = import.and_then(|bytes| String::from_utf8(bytes).ok());
        let import = import.and_then(|text| Ini::parse(&text).ok()).unwrap_or_default();
        let clickhouse = clickhouse(&ini, &import).map_err(|fault| format!("{shown}, {fault}"))?;
        let is_sqlite = ini.get("baseinfo", "type").is_some_and(|it| it == "sqlite3");
        Ok(Self {
            file: Some(file.to_owned()),
            quotation_server: ini.get("hikyuu", "quotation_server").map(str::to_owned),
            clickhouse,
            stock_db: ini.get("baseinfo", "db").filter(|_| is_sqlite).map(PathBuf::from),
        })
    }

    /// The process's environment, in which the variables of the texts made here are answered from
    /// these settings, unless the process has them itself.
    pub fn environment(&self) -> SettingsEnvironment {
        let password = self.clickhouse.as_ref().map(|it| it.password.clone());
        let password = password.filter(|it| !it.0.is_empty());
        SettingsEnvironment { password, given: Vec::new() }
    }
}

fn clickhouse(ini: &Ini, import: &Ini) -> Result<Option<ClickHouse>, String> {
    let is_clickhouse = |section: &&str| ini.get(section, "type") == Some("clickhouse");
    let Some(section) = ["kdata", "baseinfo"].into_iter().find(is_clickhouse) else {
        return Ok(None);
    };
    let get = |key| ini.get(section, key);
    let port = get("http_port").or_else(|| import.get("clickhouse", "http_port"));
    let http_port = port.map(|text| {
        let port = text.parse().ok().filter(|port| *port > 0);
        port.ok_or_else(|| format!("`http_port` is {text:?}; use 1 to 65535, e.g. 8123"))
    });
    Ok(Some(ClickHouse {
        host: get("host").unwrap_or("127.0.0.1").to_owned(),
        http_port: http_port.transpose()?.unwrap_or(HTTP_PORT),
        user: get("usr").unwrap_or("default").to_owned(),
        password: Secret(get("pwd").unwrap_or_default().to_owned()),
    }))
}

/// See [`Settings::environment`].
#[derive(Debug, Clone)]
pub struct SettingsEnvironment {
    password: Option<Secret>,
    given: Vec<(&'static str, Secret)>,
}

impl SettingsEnvironment {
    /// With variables that were given otherwise, which go before those of the process.
    pub fn with(self, given: Vec<(&'static str, Secret)>) -> Self {
        Self { given, ..self }
    }
}

impl Environment for SettingsEnvironment {
    fn variable(&self, name: &str) -> Result<String, VarError> {
        if let Some((_, given)) = self.given.iter().find(|(given, _)| *given == name) {
            return Ok(given.0.clone());
        }
        match (ProcessEnvironment.variable(name), &self.password) {
            (Err(VarError::NotPresent), Some(password)) if name == CLICKHOUSE_PASSWORD => {
                Ok(password.0.clone())
            }
            (found, _) => found,
        }
    }

    fn credential(&self, name: &str) -> Result<String, String> {
        ProcessEnvironment.credential(name)
    }

    fn working_dir(&self) -> PathBuf {
        ProcessEnvironment.working_dir()
    }

    fn executable_dir(&self) -> Option<PathBuf> {
        ProcessEnvironment.executable_dir()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, import: &str) -> Result<Settings, String> {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join(".hikyuu")).unwrap();
        fs::write(home.path().join(FILE), text).unwrap();
        if !import.is_empty() {
            fs::write(home.path().join(".hikyuu").join(IMPORT_FILE), import).unwrap();
        }
        Settings::of_home(home.path())
    }

    #[test]
    fn without_a_file_all_is_as_by_default() {
        let home = tempfile::tempdir().unwrap();
        let settings = Settings::of_home(home.path()).unwrap();
        assert!(settings.file.is_none() && settings.quotation_server.is_none());
        assert!(settings.clickhouse.is_none() && settings.stock_db.is_none());
    }

    #[test]
    fn what_concerns_a_pipeline_is_taken() {
        let text = "[hikyuu]\nquotation_server = tcp://h:9200\n[baseinfo]\ntype = sqlite3\n\
                    db = /s/stock.db\n[kdata]\ntype = hdf5\nhost = ignored\n";
        let settings = load(text, "").unwrap();
        assert_eq!(settings.quotation_server.as_deref(), Some("tcp://h:9200"));
        assert_eq!(settings.stock_db.as_deref(), Some(Path::new("/s/stock.db")));
        assert_eq!(settings.clickhouse, None);
    }

    #[test]
    fn clickhouse_is_reached_over_http_whatever_the_native_port() {
        let text = "[kdata]\ntype = clickhouse\nhost = ch\nport = 9000\nusr = u\npwd = geheim\n";
        let found = load(text, "").unwrap().clickhouse.unwrap();
        assert_eq!((found.host.as_str(), found.http_port, found.user.as_str()), ("ch", 8123, "u"));
        assert!(!format!("{found:?}").contains("geheim"));
        let found = load(text, "[clickhouse]\nhttp_port = 8124\n").unwrap().clickhouse.unwrap();
        assert_eq!(found.http_port, 8124);
        let found = load(&format!("{text}http_port = 8125\n"), "[clickhouse]\nhttp_port = 8124\n");
        assert_eq!(found.unwrap().clickhouse.unwrap().http_port, 8125);
        let fault = load(&format!("{text}http_port = x\n"), "").unwrap_err();
        assert!(fault.contains("hikyuu.ini") && fault.contains("1 to 65535"), "{fault}");
    }

    #[test]
    fn the_password_answers_its_variable_and_no_other() {
        let text = "[baseinfo]\ntype = clickhouse\npwd = geheim\n";
        let environment = load(text, "").unwrap().environment();
        assert_eq!(environment.variable(CLICKHOUSE_PASSWORD).as_deref(), Ok("geheim"));
        assert_eq!(environment.variable("HIKYUU_OTHER"), Err(VarError::NotPresent));
        assert!(!format!("{environment:?}").contains("geheim"));
        let none = Settings::default().environment();
        assert_eq!(none.variable(CLICKHOUSE_PASSWORD), Err(VarError::NotPresent));
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named() {
        let fault = load("[a\n", "").unwrap_err();
        assert!(fault.contains(".hikyuu/hikyuu.ini, line 1"), "{fault}");
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join(FILE)).unwrap();
        let fault = Settings::of_home(home.path()).unwrap_err();
        assert!(fault.contains("cannot read") && fault.contains("hikyuu.ini"), "{fault}");
        let fault = Settings::load(&home.path().join("absent.ini")).unwrap_err();
        assert!(fault.contains("absent.ini"), "{fault}");
    }
}
