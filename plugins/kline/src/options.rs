//! Options as they are written, and as they are checked.

use std::{ops::RangeInclusive, time};

use kit::Faults;
use plugin_api::{Ask, Duration, PluginError, RecordKind, options, shown_address};
use ureq::http::Uri;

use crate::{
    client::{Client, ClientSettings},
    question::{Adjust, Period, Question},
    walk::Span,
};

/// Hosts that answered in 2026; minutes are not at the last one.
const HOSTS: [&str; 3] = [
    "https://ifzq.gtimg.cn",
    "https://proxy.finance.qq.com/ifzqgtimg",
    "https://web.ifzq.gtimg.cn",
];
const TIMEOUTS: RangeInclusive<Duration> =
    Duration(time::Duration::from_millis(100))..=Duration(time::Duration::from_secs(60));
/// The service refuses more.
const MOST_REQUEST_ROWS: usize = 2_000;
/// Of adjusted days it gives fewer when asked for more.
const MOST_ADJUSTED_ROWS: usize = 800;
const MOST_PARALLEL: usize = 16;
const MOST_RATE: u32 = 100;
const MOST_RETRIES: u32 = 10;

options! {
    /// Options of the `kline` source.
    #[serde(default)]
    pub struct Options {
        /// What to give, as `{ symbols = ["600000.SH"], from = "2026-09-01", to = "2026-09-30",
        /// kind = "bar", period = "day" }`. Bars of `1m`, `5m`, `15m`, `30m`, `60m` and `day`; that
        /// of a day is at its first moment (00:00). Without it the source gives nothing and ends.
        pub ask: Option<Ask>,
        /// Hosts of the service, each with what stands before `/appstock`; asked in this order, the
        /// next one when one fails. Default: three of the vendor's.
        pub urls: Vec<String>,
        /// Whether prices of days are adjusted; minutes never are. Stores of raw quotes need `none`.
        /// Default `none`.
        pub adjust: Adjust,
        /// Whether days come with their turnover, from the newer form of the service (`newfqkline`)
        /// that few hosts have. Without it, and for minutes always, `amount` is 0. Default false.
        pub turnover: bool,
        /// Rows in a request, 1 to 2000, of adjusted days to 800. Default 640.
        pub request_rows: usize,
        /// Securities at a time, each over a connection of its own, 1 to 16. Default 2.
        pub parallel: usize,
        /// Most requests a second, 1 to 100; the service answers nothing to who asks too often.
        /// Default 5.
        pub rate: u32,
        /// Longest time of a request, from connecting to the last byte, 100ms to 60s. Default 10s.
        pub timeout: Duration,
        /// How often the hosts are asked once more when none has answered, 0 to 10. Default 2.
        pub retries: u32,
        /// Proxy to connect through: `http://HOST:PORT`, which must allow CONNECT, or
        /// `socks5://HOST:PORT`, each also with `USER:PASSWORD@`. Default: none; the environment's is
        /// not used.
        pub proxy: Option<String>,
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ask: None,
            urls: HOSTS.map(str::to_owned).to_vec(),
            adjust: Adjust::None,
            turnover: false,
            request_rows: 640,
            parallel: 2,
            rate: 5,
            timeout: Duration(time::Duration::from_secs(10)),
            retries: 2,
            proxy: None,
        }
    }
}

/// Options that can work.
#[derive(Debug)]
pub struct Settings {
    /// Securities as `600000.SH` and the time that is asked for; `None` when nothing is.
    pub asked: Option<(Vec<String>, Span)>,
    /// What every question has in common.
    pub question: Question,
    /// How to ask.
    pub client: ClientSettings,
    /// Hosts in order.
    pub urls: Vec<String>,
    /// Securities at a time.
    pub parallel: usize,
    /// Requests a second.
    pub rate: u32,
    /// How often all hosts are asked again.
    pub retries: u32,
}

impl Options {
    /// Checks everything at once.
    ///
    /// # Errors
    /// `Config` with all problems.
    pub fn check(&self) -> Result<Settings, PluginError> {
        let mut faults = Faults::default();
        faults.within("`timeout`", self.timeout, TIMEOUTS, "write");
        let is_adjusted = self.adjust != Adjust::None;
        let most = if is_adjusted { MOST_ADJUSTED_ROWS } else { MOST_REQUEST_ROWS };
        faults.within("`request_rows`", self.request_rows, 1..=most, "write");
        faults.within("`parallel`", self.parallel, 1..=MOST_PARALLEL, "write");
        faults.within("`rate`", self.rate, 1..=MOST_RATE, "write");
        faults.within("`retries`", self.retries, 0..=MOST_RETRIES, "write");
        if self.urls.is_empty() {
            faults.push(format!("`urls` is empty; write e.g. [\"{}\"]", HOSTS[0]));
        }
        for url in &self.urls {
            let address: Option<Uri> = url.parse().ok();
            let is_http = |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https"));
            let is_host = |uri: &Uri| is_http(uri) && uri.host().is_some() && uri.query().is_none();
            if !address.is_some_and(|uri| is_host(&uri)) {
                let url = shown_address(url);
                faults.push(format!("`urls` has \"{url}\"; write e.g. {}", HOSTS[0]));
            }
        }
        // the address may hold a password
        let proxy = self.proxy.as_deref().map(Client::proxy);
        if proxy.as_ref().is_some_and(Option::is_none) {
            faults.push(
                "`proxy` is no address; write http://HOST:PORT or socks5://HOST:PORT".to_owned(),
            );
        }
        let asked = self.ask.as_ref().and_then(|ask| self.asked(ask, &mut faults));
        faults.check_by_line()?;
        let (period, asked) = match asked {
            Some((period, symbols, span)) => (period, Some((symbols, span))),
            None => (Period::Day, None),
        };
        Ok(Settings {
            asked,
            question: Question { period, adjust: self.adjust, turnover: self.turnover },
            client: ClientSettings {
                proxy: proxy.flatten(),
                connections: self.parallel,
                timeout: *self.timeout,
            },
            urls: self.urls.clone(),
            parallel: self.parallel,
            rate: self.rate,
            retries: self.retries,
        })
    }

    fn asked(&self, ask: &Ask, faults: &mut Faults) -> Option<(Period, Vec<String>, Span)> {
        let asked = faults.keep(ask.read())?;
        if asked.kind != RecordKind::Bar {
            let names = Period::NAMES;
            faults.push(format!(
                "ask.kind: this service has no quotes of the past; ask for kind = \"bar\" with \
                 period = {names}"
            ));
            return None;
        }
        let name = asked.period.unwrap_or_default();
        let Some(period) = Period::named(&name) else {
            let text = format!("ask.period: no bars of \"{name}\"; use {}", Period::NAMES);
            faults.push(text);
            return None;
        };
        if period != Period::Day && self.adjust != Adjust::None {
            faults.push(format!(
                "`adjust`: bars of {name} are never adjusted there; set adjust = \"none\", or ask \
                 for days"
            ));
        }
        if asked.symbols.is_empty() {
            faults.push(
                "ask.symbols: the service has no list of securities; name those you want"
                    .to_owned(),
            );
        }
        let span =
            Span { from_us: asked.from_us, to_us: asked.to_us, request_rows: self.request_rows };
        Some((period, asked.symbols, span))
    }
}
