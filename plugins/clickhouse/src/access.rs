//! Where the servers are, how to get in and what the tables are called: what sink and source share.

use std::{path::PathBuf, time};

use kit::{Faults, Texts, file};
use plugin_api::{Context, Duration, RecordKind, options, shown_address};
use ureq::{
    http::{HeaderValue, Uri, uri::Scheme},
    tls::{Certificate, PemItem, parse_pem},
};

options! {
    /// Where the servers are and how to get in, among the options of a sink or a source.
    pub struct Access {
        /// HTTP interface of the server, e.g. `http://127.0.0.1:8123` or `https://host:8443`. A list
        /// names replicas, which have the same rows: when one is away, the next is used. With
        /// `cluster` it names replicas of all shards. Proxies are not used.
        pub url: Texts,
        /// Cluster as the servers' `remote_servers` name it. Rows are spread over its shards by
        /// their security and go to the replicated table NAME_local there; NAME is a `Distributed`
        /// table over them. Default: none.
        #[serde(default)]
        pub cluster: Option<String>,
        /// Database of both tables. Default "default".
        #[serde(default = "default_database")]
        pub database: String,
        /// Who inserts or reads. Default "default".
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
        /// File with the certificates, in PEM, that an `https` server's must come from. Default:
        /// those that browsers trust.
        #[serde(default)]
        pub tls_ca: Option<PathBuf>,
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

fn default_compression() -> Compression {
    Compression::Lz4
}

fn default_timeout() -> Duration {
    Duration(time::Duration::from_secs(20))
}

/// The options after their check.
#[derive(Clone)]
pub struct Target {
    /// Where requests go, with the same for people; at least one.
    pub addresses: Vec<(Uri, String)>,
    pub cluster: Option<String>,
    /// User and password as the server wants them.
    pub credentials: (HeaderValue, HeaderValue),
    pub database: String,
    pub spot_table: String,
    pub bar_table: String,
    /// Whom to trust; `None` for those that browsers trust.
    pub trusted: Option<Vec<Certificate<'static>>>,
    pub compress: bool,
    pub timeout: time::Duration,
}

impl Target {
    /// The table of a kind; a kind without an option of its own has one of the kind's name.
    pub fn table(&self, kind: RecordKind) -> String {
        match kind {
            RecordKind::Spot => self.spot_table.clone(),
            RecordKind::Bar => self.bar_table.clone(),
            other => format!("{}s", other.as_str()),
        }
    }

    /// The table that rows of a kind are inserted into: in a cluster the one of a shard.
    pub fn inserted(&self, kind: RecordKind) -> String {
        let table = self.table(kind);
        if self.cluster.is_some() { format!("{table}_local") } else { table }
    }
}

impl Access {
    /// Checks the options; what is wrong is added to `faults`.
    pub fn target(&self, context: &Context, faults: &mut Faults) -> Option<Target> {
        let before = faults.len();
        let addresses = self.addresses(faults);
        let names = [
            ("database", &self.database),
            ("spot_table", &self.spot_table),
            ("bar_table", &self.bar_table),
            ("cluster", self.cluster.as_ref().unwrap_or(&self.database)),
        ];
        for (option, name) in names {
            if name.is_empty() || name.contains(|c: char| c.is_control() || c == '.') {
                faults.push(format!("`{option}` is {name:?}; write a name without dots"));
            }
        }
        if self.spot_table == self.bar_table {
            faults.push(format!("both tables are named {:?}; name two", self.spot_table));
        }
        faults.within("`timeout`", self.timeout, MIN_TIMEOUT..=MAX_TIMEOUT, "allowed is");
        let user = header(&self.user);
        let password = header(&self.password);
        for (option, value) in [("user", &user), ("password", &password)] {
            if value.is_none() {
                faults.push(format!("`{option}` has control characters; write it without them"));
            }
        }
        let trusted = self.trusted(context, &addresses, faults);
        let credentials = user.zip(password).filter(|_| faults.len() == before)?;
        Some(Target {
            addresses,
            cluster: self.cluster.clone(),
            credentials,
            database: self.database.clone(),
            spot_table: self.spot_table.clone(),
            bar_table: self.bar_table.clone(),
            trusted,
            compress: self.compression == Compression::Lz4,
            timeout: self.timeout.0,
        })
    }

    fn addresses(&self, faults: &mut Faults) -> Vec<(Uri, String)> {
        let urls = self.url.as_slice();
        if urls.is_empty() {
            faults.push("`url` names no server; write e.g. http://127.0.0.1:8123".to_owned());
        }
        let mut addresses = Vec::<(Uri, String)>::new();
        for url in urls {
            let Some(uri) = address(url, faults) else { continue };
            let shown = uri.to_string().trim_end_matches('/').to_owned();
            if addresses.iter().any(|(_, other)| *other == shown) {
                faults.push(format!("`url` names {shown} twice; name each once"));
            }
            addresses.push((uri, shown));
        }
        addresses
    }

    /// The certificates of `tls_ca`.
    fn trusted(
        &self,
        context: &Context,
        addresses: &[(Uri, String)],
        faults: &mut Faults,
    ) -> Option<Vec<Certificate<'static>>> {
        let path = context.resolve(self.tls_ca.as_ref()?);
        let is_tls = |(uri, _): &(Uri, String)| uri.scheme() == Some(&Scheme::HTTPS);
        if !addresses.iter().any(is_tls) {
            let text = "`tls_ca` without TLS; write https:// in `url`, or leave it out";
            faults.push(text.to_owned());
        }
        let read = certificates(&path);
        read.map_err(|text| faults.push(format!("`tls_ca` {} {text}", path.display()))).ok()
    }
}

/// An address, which is shown in logs and so must hold no password.
fn address(url: &str, faults: &mut Faults) -> Option<Uri> {
    const REMEDY: &str = "write e.g. http://127.0.0.1:8123";
    if url.contains('@') {
        let text = "`url` names a user; use the options `user` and `password` for that";
        faults.push(text.to_owned());
        return None;
    }
    if url.contains('?') {
        let text = "`url` has a query; use the options `user`, `password` and `database`, and \
                    leave out what follows `?`";
        faults.push(text.to_owned());
        return None;
    }
    let uri = url.parse::<Uri>().ok().filter(|uri| {
        let is_http = [Some(&Scheme::HTTP), Some(&Scheme::HTTPS)].contains(&uri.scheme());
        is_http && uri.host().is_some_and(|host| !host.is_empty())
    });
    if uri.is_none() {
        let shown = shown_address(url);
        faults.push(format!("`url` is {shown:?}, which is no address; {REMEDY}"));
    }
    uri
}

/// The certificates of a file in PEM.
fn certificates(path: &std::path::Path) -> Result<Vec<Certificate<'static>>, String> {
    const REMEDY: &str = "name a file with certificates in PEM";
    let pem = file::read(path).map_err(|error| format!("cannot be read: {error}; {REMEDY}"))?;
    let mut certificates = Vec::new();
    for item in parse_pem(&pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
            // a key beside them is not ours to look at
            Ok(_) => {}
            Err(error) => return Err(format!("holds a bad certificate ({error}); {REMEDY}")),
        }
    }
    if certificates.is_empty() {
        return Err(format!("holds no certificate; {REMEDY}"));
    }
    Ok(certificates)
}

fn header(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_bytes(text.as_bytes()).ok()?;
    value.set_sensitive(true);
    Some(value)
}
