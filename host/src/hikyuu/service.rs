//! Hikyuu's data server as a pipeline.

use std::path::PathBuf;

use super::{
    CLICKHOUSE_PASSWORD, ClickHouse, HostSection, QUOTATION_BUS, Settings,
    text::{self, Text, quoted},
};

/// Every period that Hikyuu asks for.
const PERIODS: [&str; 16] = [
    "1m", "3m", "5m", "15m", "30m", "60m", "2h", "4h", "6h", "12h", "day", "week", "month",
    "quarter", "halfyear", "year",
];

/// What Hikyuu's data server is told, by the flags of its command or the arguments of its plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Where queries are answered. Default `tcp://0.0.0.0:9201`.
    pub addr: String,
    /// Answers that are made at a time. Default 2.
    pub workers: usize,
    /// Whether quotes are stored: in Parquet files below `parquet_path`, or else in the ClickHouse
    /// of `hikyuu.ini`. Default false.
    pub save: bool,
    /// Whether quotes are kept for a day to answer `tick` queries. Default false.
    pub buffer: bool,
    /// Folder of the Parquet files; a relative one counts from the working directory.
    pub parquet_path: Option<PathBuf>,
    /// Where the collector publishes. Default: `quotation_server` of `hikyuu.ini`, or else
    /// [`QUOTATION_BUS`].
    pub server: Option<String>,
    /// `[host]`.
    pub host_section: HostSection,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            addr: "tcp://0.0.0.0:9201".to_owned(),
            workers: 2,
            save: false,
            buffer: false,
            parquet_path: None,
            server: None,
            host_section: HostSection::default(),
        }
    }
}

impl Service {
    /// The pipeline that stands for it, as the text of a file that holds no secret; to be read with
    /// [`Settings::environment`].
    ///
    /// # Errors
    /// When quotes should be stored and it is not said where: a text that names both remedies.
    pub fn pipeline(&self, settings: &Settings) -> Result<String, String> {
        let head = [
            "Hikyuu's data server: reads what a collector publishes, makes bars, and answers",
            "get_data_from_buffer_server and get_spot_from_buffer_server.",
        ];
        let mut text = Text::new(&head, &self.host_section);

        text.table("sources.quotes", "");
        text.key("plugin", quoted("nng-sub"), "");
        let server = self.server.as_deref().or(settings.quotation_server.as_deref());
        text.key("dial", quoted(server.unwrap_or(QUOTATION_BUS)), "where the collector publishes");

        text.table("transforms.bars", "");
        text.key("plugin", quoted("bars"), "");
        text.key("inputs", "[\"quotes\"]", "");
        text.key("periods", text::list(&PERIODS.map(quoted)), "");

        text.table("sinks.server", "");
        text.key("plugin", quoted("hikyuu-server"), "");
        text.key("inputs", "[\"quotes\", \"bars\"]", "");
        text.key("listen", text::list(&[quoted(&self.addr)]), "");
        text.key("threads", self.workers, "answers made at a time");
        text.key("ticks", self.buffer, "keep quotes, for get_spot_from_buffer_server");
        text.key("keep", quoted("1d"), "days of quotes, and of bars within a day");

        if self.save {
            self.store(&mut text, settings)?;
        }
        Ok(text.finish())
    }

    fn store(&self, text: &mut Text, settings: &Settings) -> Result<(), String> {
        match (&self.parquet_path, &settings.clickhouse) {
            (Some(folder), _) => {
                let folder = std::path::absolute(folder).map_err(|error| {
                    format!("parquet_path {}: {error}; name a folder", folder.display())
                })?;
                text.table("sinks.store", "");
                text.key("plugin", quoted("parquet"), "");
                text.key("inputs", "[\"quotes\"]", "");
                text.key("path", text::path(&folder), "");
            }
            (None, Some(server)) => {
                text.table("sinks.store", "the server that hikyuu.ini names");
                clickhouse(text, server);
            }
            (None, None) => {
                let ini = match &settings.file {
                    Some(file) => file.display().to_string(),
                    None => "~/.hikyuu/hikyuu.ini".to_owned(),
                };
                return Err(format!(
                    "quotes should be saved, but nothing says where: name a folder for Parquet \
                     files with parquet_path, or a ClickHouse in {ini} ([kdata] with type = \
                     clickhouse, host, usr, pwd)"
                ));
            }
        }
        Ok(())
    }
}

fn clickhouse(text: &mut Text, server: &ClickHouse) {
    let host = match server.host.as_str() {
        host if host.contains(':') && !host.starts_with('[') => format!("[{host}]"),
        host => host.to_owned(),
    };
    text.key("plugin", quoted("clickhouse"), "");
    text.key("inputs", "[\"quotes\"]", "");
    let url = format!("http://{host}:{}", server.http_port);
    text.key("url", quoted(&url), "its HTTP interface");
    text.key("user", quoted(&server.user), "");
    if !server.password.0.is_empty() {
        let variable = format!("${{{CLICKHOUSE_PASSWORD}}}");
        let source = "`pwd` of hikyuu.ini; with `dataserver run` set this variable";
        text.key("password", text::with_variables(&variable), source);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use dataserver_config::{ProcessEnvironment, Secret, load_text};

    use super::*;

    fn service() -> Service {
        let host_section = HostSection { data_dir: "/d".into(), ..HostSection::default() };
        Service { host_section, ..Service::default() }
    }

    fn settings() -> Settings {
        let password = Secret("geheim".to_owned());
        let (host, user) = ("::1".to_owned(), "u".to_owned());
        let clickhouse = ClickHouse { host, http_port: 8124, user, password };
        Settings { clickhouse: Some(clickhouse), ..Settings::default() }
    }

    fn written(service: &Service, settings: &Settings) -> (String, toml::Table) {
        let text = service.pipeline(settings).unwrap();
        let parsed = load_text(&text, Path::new("/x.toml"), &settings.environment()).unwrap();
        assert!(parsed.faults().is_empty() && parsed.warnings().is_empty(), "{text}");
        (text.clone(), text.parse().unwrap())
    }

    #[test]
    fn the_flags_of_hikyuus_command_become_options() {
        let (_, file) = written(&service(), &Settings::default());
        let dial = file["sources"]["quotes"]["dial"].as_str();
        assert_eq!(dial, Some("ipc:///tmp/hikyuu_real.ipc"));
        let server = &file["sinks"]["server"];
        assert_eq!(server["listen"][0].as_str(), Some("tcp://0.0.0.0:9201"));
        assert_eq!(
            (server["threads"].as_integer(), server["ticks"].as_bool()),
            (Some(2), Some(false))
        );
        assert!(file["sinks"].get("store").is_none());
        assert!(file["host"].get("plugins").is_none() && file["host"].get("http").is_none());

        let changed = Service {
            addr: "ipc:///tmp/a \"b\".ipc".to_owned(),
            workers: 5,
            buffer: true,
            ..service()
        };
        let (_, file) = written(&changed, &Settings::default());
        let server = &file["sinks"]["server"];
        assert_eq!(server["listen"][0].as_str(), Some("ipc:///tmp/a \"b\".ipc"));
        assert_eq!(
            (server["threads"].as_integer(), server["ticks"].as_bool()),
            (Some(5), Some(true))
        );
    }

    #[test]
    fn the_collector_is_the_one_named_else_hikyuus_else_the_usual_one() {
        let of_ini =
            Settings { quotation_server: Some("tcp://h:9200".to_owned()), ..Settings::default() };
        let named = Service { server: Some("tcp://n:1".to_owned()), ..service() };
        for (service, dialled) in [(service(), "tcp://h:9200"), (named, "tcp://n:1")] {
            let (_, file) = written(&service, &of_ini);
            assert_eq!(file["sources"]["quotes"]["dial"].as_str(), Some(dialled));
        }
    }

    #[test]
    fn quotes_are_stored_in_files_or_else_in_hikyuus_clickhouse() {
        let files = Service { save: true, parquet_path: Some("/lake".into()), ..service() };
        let (_, file) = written(&files, &settings());
        let store = &file["sinks"]["store"];
        assert_eq!(
            (store["plugin"].as_str(), store["path"].as_str()),
            (Some("parquet"), Some("/lake"))
        );

        let server = Service { save: true, ..service() };
        let (text, file) = written(&server, &settings());
        let store = &file["sinks"]["store"];
        assert_eq!(store["url"].as_str(), Some("http://[::1]:8124"));
        assert_eq!(store["user"].as_str(), Some("u"));
        assert!(!text.contains("geheim"), "{text}");

        let fault = server.pipeline(&Settings::default()).unwrap_err();
        assert!(fault.contains("parquet_path") && fault.contains("hikyuu.ini"), "{fault}");
    }

    #[test]
    fn a_relative_folder_counts_from_the_working_directory() {
        let files = Service { save: true, parquet_path: Some("lake".into()), ..service() };
        let (_, file) = written(&files, &Settings::default());
        let expected = std::env::current_dir().unwrap().join("lake");
        assert_eq!(file["sinks"]["store"]["path"].as_str(), expected.to_str());
    }

    #[test]
    fn a_password_that_nobody_gives_is_a_fault_and_not_an_empty_one() {
        let text = Service { save: true, ..service() }.pipeline(&settings()).unwrap();
        let faults = match load_text(&text, Path::new("/x.toml"), &ProcessEnvironment) {
            Ok(parsed) => parsed.faults(),
            Err(faults) => faults,
        };
        let shown = faults.render(false, 100);
        assert!(shown.contains(CLICKHOUSE_PASSWORD), "{shown}");
    }
}
