//! Options as they are written, and as they are checked.

use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time,
};

use kit::{
    Faults, file,
    hours::{self, HolidaysFault},
};
use plugin_api::{
    Context, Duration, PluginError, options,
    schemas::session::{Sessions, TradingCalendar},
    shown_address,
};
use ureq::http::Uri;

use crate::{
    client::{Client, ClientSettings},
    symbols::{self, Listing},
};

const INTERVALS: RangeInclusive<Duration> =
    Duration(time::Duration::from_millis(100))..=Duration(time::Duration::from_secs(3_600));
const TIMEOUTS: RangeInclusive<Duration> =
    Duration(time::Duration::from_millis(100))..=Duration(time::Duration::from_secs(60));
const CLOSING_LAGS: RangeInclusive<Duration> =
    Duration(time::Duration::ZERO)..=Duration(time::Duration::from_secs(600));
const MOST_REQUEST_SYMBOLS: usize = 800;
const MOST_CONCURRENCY: usize = 64;
const MOST_RETRIES: u32 = 20;

options! {
    /// Options of the `qq` source.
    #[serde(default)]
    pub struct Options {
        /// Securities to ask for, as `["sh600000", "000001.SZ"]`, or `{ hikyuu = "PATH" }`: the valid
        /// A shares, indices and ETFs of Hikyuu's database, e.g. `~/.hikyuu/stock.db`. Default:
        /// those of `symbols_file`; without that, all A shares as of the release.
        pub symbols: Option<Symbols>,
        /// File with a security a line, in the first column or in `market` and `code`; relative to
        /// pipeline.toml. Added to `symbols`.
        pub symbols_file: Option<PathBuf>,
        /// Address to which the symbols are appended. Default `http://qt.gtimg.cn/q=`.
        pub url: String,
        /// From the start of a round to that of the next, 100ms to 1h; less than 1s only for a server
        /// of your own. Default 10s.
        pub interval: Duration,
        /// Symbols in a request, 1 to 800. Default 60.
        pub request_symbols: usize,
        /// Requests at a time, each over a connection of its own, 1 to 64. Default 8.
        pub concurrency: usize,
        /// Longest time of a request, from connecting to the last byte, 100ms to 60s. A round ends
        /// after the longer of this and `interval`, with what it has. Default 10s.
        pub timeout: Duration,
        /// How often a request that failed is tried again in its round, 0 to 20. Default 3.
        pub retries: u32,
        /// Times of trading days between which it asks, on the exchange's clock; `[]`: day and night,
        /// every day. Default `["09:00-12:00", "13:00-15:00"]`.
        pub phases: Vec<String>,
        /// Whether to ask on trading days only, by the calendar of the release; `false`: every day.
        /// Default true.
        pub ignore_weekend: bool,
        /// File with a day a line (2027-01-01) on which nobody trades, added to the calendar;
        /// relative to pipeline.toml.
        pub holidays_file: Option<PathBuf>,
        /// How long after the end of a phase its last round starts, 0s to 10m; the exchanges publish
        /// the closing price some seconds after 15:00. Default 5s.
        pub closing_lag: Duration,
        /// Proxy to connect through: `http://HOST:PORT`, which must allow CONNECT, or
        /// `socks5://HOST:PORT`, each also with `USER:PASSWORD@`. Default: none; the environment's is
        /// not used.
        pub proxy: Option<String>,
        /// Within a phase, no record for so long makes the host unhealthy. Default: three intervals.
        pub stale_after: Option<Duration>,
        /// End after so many rounds; 0: never. Default 0.
        pub rounds: u64,
    }
}

/// Where the symbols come from.
#[derive(
    Debug,
    Clone,
    plugin_api::serde::Deserialize,
    plugin_api::serde::Serialize,
    plugin_api::schemars::JsonSchema,
)]
#[serde(crate = "plugin_api::serde", untagged)]
#[schemars(crate = "plugin_api::schemars")]
pub enum Symbols {
    /// The symbols themselves.
    List(Vec<String>),
    /// A database.
    Database(Database),
}

options! {
    /// Where Hikyuu keeps its list of securities.
    pub struct Database {
        /// Path of `stock.db`; `~/` stands for the home folder.
        pub hikyuu: PathBuf,
    }
}

impl Default for Options {
    fn default() -> Self {
        let seconds = |seconds| Duration(time::Duration::from_secs(seconds));
        Self {
            symbols: None,
            symbols_file: None,
            url: "http://qt.gtimg.cn/q=".to_owned(),
            interval: seconds(10),
            request_symbols: 60,
            concurrency: 8,
            timeout: seconds(10),
            retries: 3,
            phases: ["09:00-12:00", "13:00-15:00"].map(str::to_owned).to_vec(),
            ignore_weekend: true,
            holidays_file: None,
            closing_lag: seconds(5),
            proxy: None,
            stale_after: None,
            rounds: 0,
        }
    }
}

/// Options that can work.
#[derive(Debug)]
pub struct Settings {
    /// What to ask for.
    pub listing: Listing,
    /// How to ask.
    pub client: ClientSettings,
    /// When to ask.
    pub sessions: Sessions,
    /// From the start of a round to that of the next.
    pub interval: time::Duration,
    /// Symbols in a request.
    pub request_symbols: usize,
    /// Requests at a time.
    pub concurrency: usize,
    /// Longest time of a request.
    pub timeout: time::Duration,
    /// How often a request is tried again.
    pub retries: u32,
    /// Within a phase, silence of so long is a fault.
    pub stale_after: time::Duration,
    /// End after so many rounds; 0: never.
    pub rounds: u64,
}

impl Options {
    /// Checks everything at once and reads the files.
    ///
    /// # Errors
    /// `Config` with all problems, `Retry` when Hikyuu's database is busy.
    pub fn check(&self, context: &Context) -> Result<Settings, PluginError> {
        let mut faults = Faults::default();
        faults.within("`interval`", self.interval, INTERVALS, "write");
        faults.within("`timeout`", self.timeout, TIMEOUTS, "write");
        faults.within("`closing_lag`", self.closing_lag, CLOSING_LAGS, "write");
        let symbols = self.request_symbols;
        faults.within("`request_symbols`", symbols, 1..=MOST_REQUEST_SYMBOLS, "write");
        faults.within("`concurrency`", self.concurrency, 1..=MOST_CONCURRENCY, "write");
        faults.within("`retries`", self.retries, 0..=MOST_RETRIES, "write");
        let base: Option<Uri> = format!("{}sh600000", self.url).parse().ok();
        let is_http = |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https"));
        if !base.is_some_and(|uri| is_http(&uri) && uri.host().is_some()) {
            let url = shown_address(&self.url);
            faults.push(format!("`url` is \"{url}\"; write e.g. http://qt.gtimg.cn/q="));
        }
        // the address may hold a password
        let proxy = self.proxy.as_deref().map(Client::proxy);
        if proxy.as_ref().is_some_and(Option::is_none) {
            faults.push(
                "`proxy` is no address; write http://HOST:PORT or socks5://HOST:PORT".to_owned(),
            );
        }
        let phases = hours::phases(&self.phases, |error| faults.push(error));
        let calendar = faults.keep(self.calendar(context));
        let listing = match self.listing(context) {
            Err(error) if error.kind == plugin_api::ErrorKind::Retry => return Err(error),
            listing => faults.keep(listing),
        };
        let (calendar, listing) = faults.check_made_by_line(calendar.zip(listing))?;
        Ok(Settings {
            listing,
            client: ClientSettings {
                url: self.url.clone(),
                proxy: proxy.flatten(),
                connections: self.concurrency,
            },
            sessions: Sessions::new(&phases, self.ignore_weekend, calendar)
                .with_closing_lag(*self.closing_lag),
            interval: *self.interval,
            request_symbols: symbols,
            concurrency: self.concurrency,
            timeout: *self.timeout,
            retries: self.retries,
            stale_after: self.stale_after.map_or(3 * *self.interval, |it| *it),
            rounds: self.rounds,
        })
    }

    fn calendar(&self, context: &Context) -> Result<TradingCalendar, String> {
        let path = self.holidays_file.as_deref();
        let resolved = path.map(|path| context.resolve(path));
        hours::calendar(resolved.as_deref()).map_err(|fault| {
            let remedy = match fault {
                HolidaysFault::Unreadable(_) => "; name a text file",
                HolidaysFault::Invalid(_) => "",
            };
            format!("`holidays_file` {}: {fault}{remedy}", path.unwrap_or(Path::new("")).display())
        })
    }

    fn listing(&self, context: &Context) -> Result<Listing, PluginError> {
        let mut listing = Listing::default();
        match &self.symbols {
            Some(Symbols::List(texts)) => listing.add_all(texts).map_err(PluginError::config)?,
            Some(Symbols::Database(database)) => {
                symbols::add_database(&mut listing, &context.resolve(&home(&database.hikyuu)))?;
            }
            None => {}
        }
        if let Some(path) = &self.symbols_file {
            let in_file = |error: String| {
                PluginError::config(format!("`symbols_file` {}: {error}", path.display()))
            };
            let bytes = file::read(&context.resolve(&home(path)))
                .map_err(|error| in_file(format!("{error}; name a csv or text file")))?;
            symbols::add_file(&mut listing, &bytes).map_err(in_file)?;
        }
        if self.symbols.is_none() && self.symbols_file.is_none() {
            symbols::add_shipped(&mut listing).map_err(PluginError::config)?;
        }
        if listing.symbols().is_empty() {
            return Err(PluginError::config(
                "no symbol to ask for; name some in `symbols` or `symbols_file`, or leave both out for \
                 the whole market",
            ));
        }
        Ok(listing)
    }
}

/// A path with the home folder in place of `~/`.
fn home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::home_dir()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}
