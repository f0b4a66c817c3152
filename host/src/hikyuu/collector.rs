//! Hikyuu's collector as a pipeline.

use std::path::PathBuf;

use dataserver_config::{Secret, holds_secret};
use plugin_api::schemas::time::parse_time_of_day;

use super::{
    HostSection, PROXY, QMT_CONNECT, QMT_TOKEN, QQ_URL, QUOTATION_BUS, Settings,
    text::{self, Text, quoted},
};

/// Longest pause between two rounds, in seconds: what the source takes.
const MAX_PAUSE: u64 = 3_600;

/// What Hikyuu's collector is told by the flags of its command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collector {
    /// Where quotes are published. Default `tcp://*:9200`.
    pub server: String,
    /// Where they are published besides, for processes of this machine; none for nowhere. Default
    /// [`QUOTATION_BUS`].
    pub ipc: Option<String>,
    /// Where they come from. Default Tencent's quote service.
    pub origin: Origin,
    /// From the start of a round to that of the next, 1 to 3600 seconds; sources that are told of
    /// changes have no rounds. Default 10.
    pub seconds: u64,
    /// When is collected; a phase that ends where it starts is none, and with none it is collected
    /// all the time. Default `9:00-12:00` and `13:00-15:00`.
    pub phases: [String; 2],
    /// Whether to rest on days without trading. Default false.
    pub ignore_weekend: bool,
    /// `[host]`.
    pub host_section: HostSection,
}

/// Where a collector has its quotes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Tencent's quote service.
    Qq {
        /// Address to which symbols are appended; none for Tencent's own.
        url: Option<String>,
        /// File with the securities; none for those of Hikyuu's database, or else all A shares.
        symbols_file: Option<PathBuf>,
        /// Proxy to go through.
        proxy: Option<String>,
    },
    /// QMT, by the bridge that connects to that address.
    QmtBridge {
        /// e.g. `tcp://127.0.0.1:9300`
        listen: String,
    },
    /// QMT, by a `qmt-bridge` server.
    QmtServer {
        /// e.g. `ws://192.168.1.20:8000/ws/whole_quote`
        connect: String,
    },
}

impl Default for Collector {
    fn default() -> Self {
        Self {
            server: "tcp://*:9200".to_owned(),
            ipc: Some(QUOTATION_BUS.to_owned()),
            origin: Origin::Qq { url: None, symbols_file: None, proxy: None },
            seconds: 10,
            phases: ["9:00-12:00", "13:00-15:00"].map(str::to_owned),
            ignore_weekend: false,
            host_section: HostSection::default(),
        }
    }
}

impl Collector {
    /// The variables that its text asks for and their values.
    pub fn secrets(&self) -> Vec<(&'static str, Secret)> {
        let given = match &self.origin {
            Origin::Qq { url, proxy, .. } => vec![(QQ_URL, url.as_ref()), (PROXY, proxy.as_ref())],
            Origin::QmtServer { connect } => vec![(QMT_CONNECT, Some(connect))],
            Origin::QmtBridge { .. } => Vec::new(),
        };
        let secret = |(name, address): (_, Option<&String>)| Some((name, Secret(address?.clone())));
        given.into_iter().filter_map(secret).filter(|(_, it)| holds_secret(&it.0)).collect()
    }

    /// The pipeline that stands for it, as the text of a file that holds no secret.
    ///
    /// # Errors
    /// When a phase or the pause makes no sense: a text that names all that is wrong.
    pub fn pipeline(&self, settings: &Settings) -> Result<String, String> {
        let mut faults = Vec::new();
        if !(1..=MAX_PAUSE).contains(&self.seconds) {
            faults.push(format!("seconds is {}; use 1 to {MAX_PAUSE}", self.seconds));
        }
        let phases = phases(&self.phases, &mut faults);
        if !faults.is_empty() {
            return Err(faults.join("; "));
        }
        let head = ["Hikyuu's collector: publishes quotes on the quotation bus."];
        let mut text = Text::new(&head, &self.host_section);
        text.table("sources.quotes", "");
        self.source(&mut text, settings)?;
        let phases: Vec<_> = phases.into_iter().map(quoted).collect();
        let comment = if phases.is_empty() { "all the time" } else { "on the exchange's clock" };
        text.key("phases", text::list(&phases), comment);
        text.key("ignore_weekend", self.ignore_weekend, "rest on days without trading");

        text.table("sinks.feed", "");
        text.key("plugin", quoted("nng-pub"), "");
        text.key("inputs", "[\"quotes\"]", "");
        let mut listen = vec![self.server.as_str()];
        listen.extend(self.ipc.as_deref().filter(|ipc| *ipc != self.server));
        let listen: Vec<_> = listen.into_iter().map(quoted).collect();
        text.key("listen", text::list(&listen), "");
        Ok(text.finish())
    }

    fn source(&self, text: &mut Text, settings: &Settings) -> Result<(), String> {
        match &self.origin {
            Origin::Qq { url, symbols_file, proxy } => {
                text.key("plugin", quoted("qq"), "");
                symbols(text, symbols_file.as_ref(), settings)?;
                if let Some(url) = url {
                    address(text, "url", url, QQ_URL);
                }
                if let Some(proxy) = proxy {
                    address(text, "proxy", proxy, PROXY);
                }
                text.key("interval", quoted(&format!("{}s", self.seconds)), "");
            }
            Origin::QmtBridge { listen } => {
                text.key("plugin", quoted("qmt"), "");
                text.key("listen", quoted(listen), "where qmt_bridge.py finds the host");
                let token = text::with_variables(&format!("${{{QMT_TOKEN}}}"));
                text.key("token", token, "what it must know, 8 characters at least");
            }
            Origin::QmtServer { connect } => {
                text.key("plugin", quoted("qmt"), "");
                address(text, "connect", connect, QMT_CONNECT);
            }
        }
        Ok(())
    }
}

/// An address as it is, or the variable that has it when it holds a password.
fn address(text: &mut Text, key: &str, address: &str, variable: &str) {
    if holds_secret(address) {
        let comment = "the address, which holds a password";
        text.key(key, text::with_variables(&format!("${{{variable}}}")), comment);
    } else {
        text.key(key, quoted(address), "");
    }
}

/// Which securities: those of a file, those of Hikyuu's database, or all A shares.
fn symbols(
    text: &mut Text,
    symbols_file: Option<&PathBuf>,
    settings: &Settings,
) -> Result<(), String> {
    let absolute = |path: &PathBuf| {
        std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()))
    };
    if let Some(file) = symbols_file {
        text.key("symbols_file", text::path(&absolute(file)?), "");
    } else if let Some(database) = settings.stock_db.as_ref().filter(|file| file.is_file()) {
        let value = format!("{{ hikyuu = {} }}", text::path(&absolute(database)?));
        text.key("symbols", value, "all that Hikyuu knows");
    }
    Ok(())
}

/// The phases that say something; none for all the time.
fn phases<'a>(given: &'a [String; 2], faults: &mut Vec<String>) -> Vec<&'a str> {
    let mut read = Vec::new();
    for (index, text) in given.iter().enumerate() {
        let name = format!("phase{}", index + 1);
        match phase(text) {
            Some((start, end)) if start <= end => read.push((start, end, text.as_str())),
            Some(_) => faults.push(format!("{name} is \"{text}\"; let it end after it starts")),
            None => faults.push(format!("{name} is \"{text}\"; write e.g. 9:00-12:00")),
        }
    }
    if let [(_, end, first), (start, _, second)] = read[..]
        && end > start
    {
        faults.push(format!(
            "phase1 is \"{first}\" and phase2 is \"{second}\"; let the second start after the \
             first has ended"
        ));
    }
    read.into_iter().filter(|(start, end, _)| start < end).map(|(_, _, text)| text).collect()
}

/// Start and end, in seconds since midnight.
fn phase(text: &str) -> Option<(u32, u32)> {
    let (start, end) = text.split_once('-')?;
    let seconds = |text: &str| {
        if matches!(text.trim(), "24:00" | "24:00:00") {
            return Some(86_400);
        }
        let (hour, minute, second, _) = parse_time_of_day(text.trim())?;
        let is_time = text.contains(':') && hour < 24 && minute < 60 && second < 60;
        is_time.then_some(hour * 3_600 + minute * 60 + second)
    };
    Some((seconds(start)?, seconds(end)?))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use dataserver_config::{ProcessEnvironment, load_text};

    use super::*;

    fn collector() -> Collector {
        let host_section = HostSection { data_dir: "/d".into(), ..HostSection::default() };
        Collector { host_section, ..Collector::default() }
    }

    fn written(collector: &Collector, settings: &Settings) -> toml::Table {
        let text = collector.pipeline(settings).unwrap();
        load_text(&text, Path::new("/x.toml"), &ProcessEnvironment).unwrap();
        text.parse().unwrap()
    }

    fn texts(value: &toml::Value) -> Vec<&str> {
        value.as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect()
    }

    #[test]
    fn the_defaults_are_those_of_hikyuus_collector() {
        let file = written(&collector(), &Settings::default());
        let quotes = &file["sources"]["quotes"];
        assert_eq!(quotes["interval"].as_str(), Some("10s"));
        assert_eq!(texts(&quotes["phases"]), ["9:00-12:00", "13:00-15:00"]);
        assert_eq!(quotes["ignore_weekend"].as_bool(), Some(false));
        assert!(quotes.get("symbols").is_none() && quotes.get("symbols_file").is_none());
        let listen = texts(&file["sinks"]["feed"]["listen"]);
        assert_eq!(listen, ["tcp://*:9200", "ipc:///tmp/hikyuu_real.ipc"]);
    }

    #[test]
    fn securities_are_those_of_a_file_or_else_of_hikyuus_database() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("stock.db");
        let settings = Settings { stock_db: Some(database.clone()), ..Settings::default() };
        let file = written(&collector(), &settings);
        assert!(file["sources"]["quotes"].get("symbols").is_none(), "it is not there");
        std::fs::write(&database, "").unwrap();
        let file = written(&collector(), &settings);
        let symbols = &file["sources"]["quotes"]["symbols"]["hikyuu"];
        assert_eq!(symbols.as_str(), database.to_str());

        let symbols_file = Some(PathBuf::from("/u.csv"));
        let origin = Origin::Qq { url: None, symbols_file, proxy: None };
        let file = written(&Collector { origin, ..collector() }, &settings);
        assert_eq!(file["sources"]["quotes"]["symbols_file"].as_str(), Some("/u.csv"));
    }

    #[test]
    fn phases_that_end_where_they_start_are_none() {
        let cases: [([&str; 2], &[&str]); 3] = [
            (["0:00-0:00", "0:00-0:00"], &[]),
            (["9:30-11:30", "15:00-15:00"], &["9:30-11:30"]),
            (["09:15:00-11:30", "13:00-24:00"], &["09:15:00-11:30", "13:00-24:00"]),
        ];
        for (given, expected) in cases {
            let phases = given.map(str::to_owned);
            let file = written(&Collector { phases, ..collector() }, &Settings::default());
            assert_eq!(texts(&file["sources"]["quotes"]["phases"]), expected);
        }
    }

    #[test]
    fn what_makes_no_sense_is_named_at_once() {
        let bad = |phases: [&str; 2], seconds| {
            let phases = phases.map(str::to_owned);
            Collector { phases, seconds, ..collector() }.pipeline(&Settings::default()).unwrap_err()
        };
        let fault = bad(["9-12", "15:00-13:00"], 0);
        for part in ["seconds is 0", "phase1 is \"9-12\"", "phase2 is \"15:00-13:00\""] {
            assert!(fault.contains(part), "{part} is missing in: {fault}");
        }
        let fault = bad(["9:00-13:30", "13:00-15:00"], 3_601);
        assert!(fault.contains("use 1 to 3600") && fault.contains("first has ended"), "{fault}");
        assert!(bad(["9:00-25:00", "13:00-15:00"], 1).contains("phase1"));
    }

    #[test]
    fn the_usual_address_is_not_listened_at_twice() {
        let server = QUOTATION_BUS.to_owned();
        let file = written(&Collector { server, ..collector() }, &Settings::default());
        assert_eq!(texts(&file["sinks"]["feed"]["listen"]), [QUOTATION_BUS]);
        let file = written(&Collector { ipc: None, ..collector() }, &Settings::default());
        assert_eq!(texts(&file["sinks"]["feed"]["listen"]), ["tcp://*:9200"]);
    }

    #[test]
    fn qmt_is_reached_by_its_bridge_or_its_server() {
        let connect = "ws://h:8000/ws/whole_quote".to_owned();
        let origin = Origin::QmtServer { connect };
        let file = written(&Collector { origin, ..collector() }, &Settings::default());
        assert_eq!(file["sources"]["quotes"]["plugin"].as_str(), Some("qmt"));
        let origin = Origin::QmtBridge { listen: "tcp://127.0.0.1:9300".to_owned() };
        let text = Collector { origin, ..collector() }.pipeline(&Settings::default()).unwrap();
        assert!(text.contains("token = \"${QMT_TOKEN}\""), "{text}");
    }
}
