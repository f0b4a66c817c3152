//! What the `qmt` source can be told.

use std::{
    net::ToSocketAddrs,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    sync::Arc,
    time,
};

use kit::{Faults, endpoints, hours::SessionOptions};
use plugin_api::{
    Ask, Context, Duration, PluginError, options, schemas::session::Sessions, shown_address,
};
use sp::{Address, tls};

use crate::history::{Auction, Question};

/// Shortest token; a shorter one can be guessed.
const SHORTEST_TOKEN: usize = 8;
/// Between these lies a useful pause between heartbeats.
const HEARTBEATS: [time::Duration; 2] =
    [time::Duration::from_secs(1), time::Duration::from_secs(60)];
/// Least silence that can mean something: polled QMT answers every few seconds.
const SHORTEST_STALE: time::Duration = time::Duration::from_secs(1);
/// Between these lies a useful patience with a bridge that answers nothing.
const ANSWERS: RangeInclusive<Duration> =
    Duration(time::Duration::from_secs(1))..=Duration(time::Duration::from_secs(3_600));

options! {
    /// Options of the `qmt` source.
    #[serde(default)]
    pub struct Options {
        /// Address at which `qmt_bridge.py` finds the host: `tcp://127.0.0.1:9300`, or
        /// `tls+tcp://0.0.0.0:9300`, with `tls`, for a bridge on another machine. Port 0 picks a free
        /// one, which the log names. Default `tcp://127.0.0.1:9300`.
        pub listen: Option<String>,
        /// Certificates for an address that begins with `tls+tcp://`, e.g. `{ cert = "server.pem",
        /// key = "server.key" }`. Default: none.
        pub tls: Option<tls::ServerFiles>,
        /// Secret that the bridge must know, at least 8 characters; best written `"${file:NAME}"`.
        /// It never crosses the network. Must be given unless `connect` is.
        pub token: Option<String>,
        /// Read a running `qmt-bridge` server instead of listening, e.g.
        /// `ws://192.168.1.20:8000/ws/whole_quote`. It has neither numbers nor confirmations, so what
        /// it sends while the host is away is lost.
        pub connect: Option<String>,
        /// What to give of the past instead of quotes, as `{ symbols = ["600000.SH"], from =
        /// "2026-09-01 09:30:00", to = "2026-09-30 15:00:00", kind = "bar", period = "1m" }`: bars of
        /// `1m`, `5m` and `day`, which are at the first moment of the day, or quotes (`kind =
        /// "spot"`). The bridge must have the port of `listen` as its `history_port`. Default: none.
        pub ask: Option<Ask>,
        /// With `ask`: what becomes of the opening auction, of which QMT has a bar of its own at
        /// 09:30. `first_bar`: it is part of the first bar, as in bars that are made of quotes;
        /// `own_bar`: it stays one; `drop`. Default `first_bar`.
        pub auction: Auction,
        /// With `ask`: how long a bridge may be away, or say nothing, before it is given up, 1s to 1h.
        /// Default 1m.
        pub answer_within: Duration,
        /// With `connect`: markets (`SH`) or securities (`600000.SH`) to subscribe. Default
        /// `["SH", "SZ", "BJ"]`.
        pub symbols: Vec<String>,
        /// Pause between signs of life on an idle connection, 1s to 60s; after three of them without
        /// an answer it is given up. Default 5s.
        pub heartbeat: Duration,
        /// How long the source may be silent during `phases` before the host counts as degraded, at
        /// least 1s; 0s for ever. Default 30s.
        pub stale_after: Duration,
        /// When quotes are expected, on the exchange's clock; `[]` for always. Default
        /// `["09:15-11:30", "13:00-15:00"]`.
        pub phases: Vec<String>,
        /// Expect quotes on trading days only. Default true.
        pub ignore_weekend: bool,
        /// File with holidays that the shipped calendar does not know, one date a line.
        pub holidays_file: Option<PathBuf>,
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: None,
            tls: None,
            token: None,
            connect: None,
            ask: None,
            auction: Auction::FirstBar,
            answer_within: Duration(time::Duration::from_secs(60)),
            symbols: ["SH", "SZ", "BJ"].map(str::to_owned).into(),
            heartbeat: Duration(time::Duration::from_secs(5)),
            stale_after: Duration(time::Duration::from_secs(30)),
            phases: ["09:15-11:30", "13:00-15:00"].map(str::to_owned).into(),
            ignore_weekend: true,
            holidays_file: None,
        }
    }
}

/// Where the quotes come from.
#[derive(Debug, Clone)]
pub enum Origin {
    /// Bridges that connect.
    Bridge {
        /// Where they find the host.
        address: Address,
        /// Certificates, where TLS is spoken.
        tls: Option<Arc<tls::Server>>,
        /// What they must know.
        token: String,
    },
    /// A `qmt-bridge` server.
    Server {
        /// Host and port.
        address: String,
        /// What follows, from the slash on.
        path: String,
        /// What to subscribe.
        symbols: Vec<String>,
    },
}

/// The options, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the quotes come from.
    pub origin: Origin,
    /// What is asked instead of quotes.
    pub question: Option<Question>,
    /// How long a bridge may answer nothing.
    pub answer_within: time::Duration,
    /// Pause between signs of life.
    pub heartbeat: time::Duration,
    /// Longest silence while quotes are expected; `None` when none matters.
    pub stale_after: Option<time::Duration>,
    /// When they are.
    pub sessions: Sessions,
}

impl Options {
    /// Checks the options and reports all faults at once.
    ///
    /// # Errors
    /// `Config`.
    pub fn check(&self, context: &Context) -> Result<Settings, PluginError> {
        let mut faults = Faults::default();
        let origin = self.origin(context, &mut faults);
        if !(HEARTBEATS[0]..=HEARTBEATS[1]).contains(&*self.heartbeat) {
            faults.push(format!("`heartbeat` is {}; use 1s to 60s", self.heartbeat));
        }
        if !self.stale_after.is_zero() && *self.stale_after < SHORTEST_STALE {
            let given = self.stale_after;
            faults.push(format!("`stale_after` is {given}; the least is 1s, or 0s for ever"));
        }
        faults.within("`answer_within`", self.answer_within, ANSWERS, "use");
        let ask = self.ask.as_ref();
        let question = ask.and_then(|ask| Question::of(ask, self.auction, &mut faults));
        if ask.is_some() && self.connect.is_some() {
            faults.push("`ask` needs `listen`: `connect` gives no history; drop it".to_owned());
        }
        let sessions = self.sessions(context, &mut faults);
        let (origin, sessions) = faults.check_made(origin.zip(sessions))?;
        Ok(Settings {
            origin,
            question,
            answer_within: *self.answer_within,
            heartbeat: *self.heartbeat,
            stale_after: (!self.stale_after.is_zero()).then_some(*self.stale_after),
            sessions,
        })
    }

    fn origin(&self, context: &Context, faults: &mut Faults) -> Option<Origin> {
        let Some(url) = &self.connect else { return self.bridge(context, faults) };
        if self.tls.is_some() {
            faults.push("`tls` belongs to `listen`, and `connect` is given; drop it".to_owned());
        }
        if self.listen.is_some() {
            faults.push(
                "`listen` and `connect` are both given; drop one, or make two sources".to_owned(),
            );
        }
        if self.symbols.is_empty() || self.symbols.iter().any(|it| !is_subscribable(it)) {
            faults.push(format!(
                "`symbols` is {:?}; write markets such as SH and securities such as 600000.SH",
                self.symbols
            ));
        }
        let server = server_of(url);
        if server.is_none() {
            faults.push(format!(
                "`connect` is \"{}\"; write e.g. ws://192.168.1.20:8000/ws/whole_quote",
                shown_address(url)
            ));
        }
        let (address, path) = server?;
        Some(Origin::Server { address, path, symbols: self.symbols.clone() })
    }

    fn bridge(&self, context: &Context, faults: &mut Faults) -> Option<Origin> {
        let listen = self.listen.as_deref().unwrap_or("tcp://127.0.0.1:9300");
        let address = Address::listen(listen, Path::to_owned).ok();
        let address = address.filter(|address| matches!(address, Address::Tcp { .. }));
        if address.is_none() {
            let listen = shown_address(listen);
            faults.push(format!("`listen` is \"{listen}\"; write e.g. tcp://127.0.0.1:9300"));
        }
        let (files, addresses) = (self.tls.as_ref(), address.as_slice());
        let tls = endpoints::server_certificates(files, addresses, context, faults);
        let token = self.token.clone().unwrap_or_default();
        if token.len() < SHORTEST_TOKEN {
            let remedy = "make one with `openssl rand -hex 16` and give it to the bridge too";
            faults.push(if token.is_empty() {
                format!("`token` is missing; {remedy}")
            } else {
                format!(
                    "`token` has {} characters, at least {SHORTEST_TOKEN}; {remedy}",
                    token.len()
                )
            });
        }
        Some(Origin::Bridge { address: address?, tls, token })
    }

    fn sessions(&self, context: &Context, faults: &mut Faults) -> Option<Sessions> {
        let options = SessionOptions {
            phases: ("`phases`", &self.phases),
            holidays: ("`holidays_file`", self.holidays_file.as_deref()),
            ignore_weekend: self.ignore_weekend,
        };
        options.check(context, faults)
    }
}

/// Host, port and path of `ws://host:port/path`.
fn server_of(url: &str) -> Option<(String, String)> {
    let rest = url.strip_prefix("ws://")?;
    let (address, path) = match rest.split_once('/') {
        Some((address, path)) => (address, format!("/{path}")),
        None => (rest, String::new()),
    };
    let path = if path.len() > 1 { path } else { "/ws/whole_quote".to_owned() };
    let is_path = path.bytes().all(|byte| byte.is_ascii_graphic());
    (has_port(address) && is_path).then(|| (address.to_owned(), path))
}

fn has_port(address: &str) -> bool {
    let Some((host, port)) = address.rsplit_once(':') else { return false };
    // the server has no login, and a password would end up in logs
    !host.is_empty()
        && !host.contains('@')
        && port.bytes().all(|b| b.is_ascii_digit())
        && port.parse::<u16>().is_ok()
}

fn is_subscribable(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
}

/// Socket addresses of host and port.
///
/// # Errors
/// A text that names the address.
pub fn resolve(address: &str) -> Result<Vec<std::net::SocketAddr>, String> {
    let resolved = address.to_socket_addrs().map_err(|error| {
        format!("{address} cannot be resolved: {error}; use an IP address such as 127.0.0.1")
    })?;
    Ok(resolved.collect())
}
