//! What may stand in the table of a `clickhouse` sink.

use std::time;

use kit::Faults;
use plugin_api::{Duration, PluginError, RecordKind, options, shown_address};
use ureq::http::{HeaderValue, Uri, uri::Scheme};

options! {
    /// Options of the `clickhouse` sink.
    pub struct Options {
        /// HTTP interface of the server, e.g. `http://127.0.0.1:8123` or `https://host:8443`.
        /// Certificates are checked against the roots that browsers trust; proxies are not used.
        pub url: String,
        /// Database of both tables. Default "default".
        #[serde(default = "default_database")]
        pub database: String,
        /// Who inserts. Default "default".
        #[serde(default = "default_user")]
        pub user: String,
        /// Password of the user; write `${file:NAME}` or `${VAR}` rather than the password itself.
        /// Default: none.
        #[serde(default)]
        pub password: String,
        /// Table of quotes. Default "spots".
        #[serde(default = "default_spot_table")]
        pub spot_table: String,
        /// Table of bars of every period; the view of that name with `_1m` behind it shows those of
        /// a minute. Default "minute_bars".
        #[serde(default = "default_bar_table")]
        pub bar_table: String,
        /// Makes database, tables and view when they are missing, and adds the columns that tables
        /// of earlier builds lack (`phase`, `source`). Nothing else of an existing table is
        /// changed: when a column differs, the error says which, and the statement that heals it.
        /// Default true.
        #[serde(default = "default_create_tables")]
        pub create_tables: bool,
        /// Tables that are made here let the server delete records that are so many days old, by
        /// their own time; 0 = never, at most 10000. Default 0.
        #[serde(default)]
        pub ttl_days: u32,
        /// How inserts are compressed: lz4 or none. Default lz4.
        #[serde(default = "default_compression")]
        pub compression: Compression,
        /// Longest time that a request may take, 1s to 1h; then it is repeated. Default 20s.
        #[serde(default = "default_timeout")]
        pub timeout: Duration,
    }
}

options! {
    /// A compression of what is sent.
    pub enum Compression {
        /// A third of the bytes at next to no cost.
        Lz4,
        /// Not compressed.
        None,
    }
}

/// The server counts in 32 bits of seconds: what passes 2106 begins anew, and everything would be old.
const MAX_TTL_DAYS: u32 = 10_000;
const MIN_TIMEOUT: Duration = Duration(time::Duration::from_secs(1));
const MAX_TIMEOUT: Duration = Duration(time::Duration::from_secs(3_600));

fn default_database() -> String {
    "default".to_owned()
}

fn default_user() -> String {
    "default".to_owned()
}

fn default_spot_table() -> String {
    "spots".to_owned()
}

fn default_bar_table() -> String {
    "minute_bars".to_owned()
}

fn default_create_tables() -> bool {
    true
}

fn default_compression() -> Compression {
    Compression::Lz4
}

fn default_timeout() -> Duration {
    Duration(time::Duration::from_secs(20))
}

/// The options after their check.
#[derive(Clone)]
pub struct Settings {
    /// Where requests go.
    pub uri: Uri,
    /// The same for people.
    pub url: String,
    /// User and password as the server wants them.
    pub credentials: (HeaderValue, HeaderValue),
    pub database: String,
    pub spot_table: String,
    pub bar_table: String,
    pub create_tables: bool,
    pub ttl_days: u32,
    pub compress: bool,
    pub timeout: time::Duration,
}

impl Settings {
    /// The table of a kind; a kind without an option of its own has one of the kind's name.
    pub fn table(&self, kind: RecordKind) -> String {
        match kind {
            RecordKind::Spot => self.spot_table.clone(),
            RecordKind::Bar => self.bar_table.clone(),
            other => format!("{}s", other.as_str()),
        }
    }
}

impl Options {
    /// Checks the options and reports all faults at once.
    pub fn check(&self) -> Result<Settings, PluginError> {
        let mut faults = Faults::default();
        let uri = self.uri(&mut faults);
        let names = [
            ("database", &self.database),
            ("spot_table", &self.spot_table),
            ("bar_table", &self.bar_table),
        ];
        for (option, name) in names {
            if name.is_empty() || name.contains(|c: char| c.is_control() || c == '.') {
                faults.push(format!("`{option}` is {name:?}; write a name without dots"));
            }
        }
        if self.spot_table == self.bar_table {
            faults.push(format!("both tables are named {:?}; name two", self.spot_table));
        }
        faults.within("`ttl_days`", self.ttl_days, 0..=MAX_TTL_DAYS, "allowed is");
        faults.within("`timeout`", self.timeout, MIN_TIMEOUT..=MAX_TIMEOUT, "allowed is");
        let user = header(&self.user);
        let password = header(&self.password);
        for (option, value) in [("user", &user), ("password", &password)] {
            if value.is_none() {
                faults.push(format!("`{option}` has control characters; write it without them"));
            }
        }
        let credentials = user.zip(password);
        let (uri, credentials) = faults.check_made(uri.zip(credentials))?;
        Ok(Settings {
            url: uri.to_string().trim_end_matches('/').to_owned(),
            uri,
            credentials,
            database: self.database.clone(),
            spot_table: self.spot_table.clone(),
            bar_table: self.bar_table.clone(),
            create_tables: self.create_tables,
            ttl_days: self.ttl_days,
            compress: self.compression == Compression::Lz4,
            timeout: self.timeout.0,
        })
    }

    /// The address, which is shown in logs and so must hold no password.
    fn uri(&self, faults: &mut Faults) -> Option<Uri> {
        const REMEDY: &str = "write e.g. http://127.0.0.1:8123";
        if self.url.contains('@') {
            let text = "`url` names a user; use the options `user` and `password` for that";
            faults.push(text.to_owned());
            return None;
        }
        if self.url.contains('?') {
            let text = "`url` has a query; use the options `user`, `password` and `database`, and \
                        leave out what follows `?`";
            faults.push(text.to_owned());
            return None;
        }
        let uri = self.url.parse::<Uri>().ok().filter(|uri| {
            let is_http = [Some(&Scheme::HTTP), Some(&Scheme::HTTPS)].contains(&uri.scheme());
            is_http && uri.host().is_some_and(|host| !host.is_empty())
        });
        if uri.is_none() {
            let shown = shown_address(&self.url);
            faults.push(format!("`url` is {shown:?}, which is no address; {REMEDY}"));
        }
        uri
    }
}

fn header(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_bytes(text.as_bytes()).ok()?;
    value.set_sensitive(true);
    Some(value)
}
