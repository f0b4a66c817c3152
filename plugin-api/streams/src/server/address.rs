//! Where the servers are and how to get in.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time,
};

use kit::{Faults, Texts, file};
use plugin_api::{Context, Duration, options};
use redis::{ConnectionAddr, ConnectionInfo};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use super::{Fault, Node};

/// Answers that take longer than this are no use to a live feed.
const LONGEST_TIMEOUT: Duration = Duration(time::Duration::from_secs(25));
const SHORTEST_TIMEOUT: Duration = Duration(time::Duration::from_millis(10));

options! {
    /// Where the servers are and how to get in, among the options of a sink or a source.
    #[serde(default)]
    pub struct Access {
        /// Server: `redis://127.0.0.1:6379`, `redis://user:password@host:6379/0` with a database,
        /// `rediss://host:6379` with TLS, `unix:///path` for a socket. A list names nodes of a
        /// cluster, of which one has to answer. Default `redis://127.0.0.1:6379`.
        pub url: Texts,
        /// User, instead of one in `url`.
        pub username: Option<String>,
        /// Password, instead of one in `url`; best written `"${file:NAME}"`.
        pub password: Option<String>,
        /// Whether the server is part of a cluster. Default: when `url` is a list of several.
        pub cluster: Option<bool>,
        /// File with the certificates, in PEM, that a `rediss` server's must come from. Default:
        /// those that browsers trust.
        pub tls_ca: Option<PathBuf>,
        /// Longest time for connecting and logging in together, and for a command with its whole
        /// answer, however it trickles in; a second more for each MiB. 10ms to 25s. Default 5s.
        pub timeout: Duration,
    }
}

impl Default for Access {
    fn default() -> Self {
        Self {
            url: "redis://127.0.0.1:6379".into(),
            username: None,
            password: None,
            cluster: None,
            tls_ca: None,
            timeout: Duration(time::Duration::from_secs(5)),
        }
    }
}

/// Servers that hold the same data: one, or the nodes of a cluster that are known by the options.
#[derive(Clone)]
pub struct Target {
    seeds: Vec<ConnectionInfo>,
    /// Whether keys are spread over nodes.
    pub is_cluster: bool,
    /// Longest time for a connection, and for a command with its answer.
    pub timeout: time::Duration,
    /// Whom to trust where an address asks for TLS.
    tls: Arc<ClientConfig>,
}

impl Access {
    /// Checks the options; what is wrong is added to `faults`.
    pub fn target(&self, context: &Context, faults: &mut Faults) -> Option<Target> {
        let before = faults.len();
        let urls = self.url.as_slice();
        if urls.is_empty() {
            faults.push("`url` names no server; write e.g. redis://127.0.0.1:6379".to_owned());
        }
        let seeds: Vec<_> =
            urls.iter().enumerate().filter_map(|(at, url)| self.seed(at, url, faults)).collect();
        let is_cluster = self.cluster.unwrap_or(urls.len() > 1);
        if !is_cluster && urls.len() > 1 {
            faults.push(
                "`url` names several servers, which only a cluster has; name one or set \
                 cluster = true"
                    .to_owned(),
            );
        }
        if is_cluster && seeds.iter().any(|seed| seed.redis_settings().db() != 0) {
            faults.push("a cluster has no database but 0; leave it out of `url`".to_owned());
        }
        let allowed = SHORTEST_TIMEOUT..=LONGEST_TIMEOUT;
        faults.within("`timeout`", self.timeout, allowed, "allowed is");
        let tls = self.tls(context, &seeds, faults);
        let tls = tls.filter(|_| faults.len() == before)?;
        Some(Target { seeds, is_cluster, timeout: *self.timeout, tls })
    }

    /// The address never shows in a text: it may hold a password.
    fn seed(&self, at: usize, url: &str, faults: &mut Faults) -> Option<ConnectionInfo> {
        let name = if self.url.as_slice().len() > 1 { format!("url[{at}]") } else { "url".into() };
        let info = url.parse::<ConnectionInfo>().map_err(|error| {
            faults.push(format!(
                "`{name}` is no address of a Redis server ({error}); write \
                 redis://host:6379, rediss://host:6379 for TLS, or unix:///path"
            ));
        });
        let info = info.ok()?;
        if matches!(info.addr(), ConnectionAddr::TcpTls { insecure: true, .. }) {
            faults.push(format!(
                "`{name}` asks for TLS without a check of who answers, which is no protection; \
                 leave out #insecure and name the certificate in `tls_ca`"
            ));
        }
        let mut settings = info.redis_settings().clone();
        if let Some(username) = &self.username {
            settings = settings.set_username(username);
        }
        if let Some(password) = &self.password {
            settings = settings.set_password(password);
        }
        if settings.username().is_some() && settings.password().is_none() {
            faults.push("`username` without a password; set `password`, too".to_owned());
        }
        Some(info.set_redis_settings(settings))
    }

    /// Whom to trust: the certificates of `tls_ca`, or those that browsers trust.
    fn tls(
        &self,
        context: &Context,
        seeds: &[ConnectionInfo],
        faults: &mut Faults,
    ) -> Option<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        match &self.tls_ca {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(path) => {
                let is_tls =
                    |seed: &ConnectionInfo| matches!(seed.addr(), ConnectionAddr::TcpTls { .. });
                if !seeds.iter().any(is_tls) {
                    let text = "`tls_ca` without TLS; write rediss:// in `url`, or leave it out";
                    faults.push(text.to_owned());
                }
                let path = context.resolve(path);
                if let Err(text) = add_certificates(&mut roots, &path) {
                    faults.push(format!("`tls_ca` {} {text}", path.display()));
                    return None;
                }
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = versions.map_err(|error| faults.push(format!("no TLS: {error}"))).ok()?;
        Some(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
    }
}

/// Adds the certificates of a file in PEM.
fn add_certificates(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    const REMEDY: &str = "name a file with certificates in PEM";
    let pem = file::read(path).map_err(|error| format!("cannot be read: {error}; {REMEDY}"))?;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let added = certificate
            .map_err(|error| error.to_string())
            .and_then(|it| roots.add(it).map_err(|error| error.to_string()));
        added.map_err(|error| format!("holds a bad certificate ({error}); {REMEDY}"))?;
    }
    if roots.is_empty() { Err(format!("holds no certificate; {REMEDY}")) } else { Ok(()) }
}

impl Target {
    /// The servers that the options name.
    pub fn seeds(&self) -> &[ConnectionInfo] {
        &self.seeds
    }

    /// Another node of the same cluster.
    pub fn sibling(&self, host: &str, port: u16) -> ConnectionInfo {
        let seed = self.seeds[0].clone();
        let addr = match seed.addr() {
            ConnectionAddr::TcpTls { insecure, .. } => ConnectionAddr::TcpTls {
                host: host.to_owned(),
                port,
                insecure: *insecure,
                tls_params: None,
            },
            _ => ConnectionAddr::Tcp(host.to_owned(), port),
        };
        seed.set_addr(addr)
    }

    /// The servers for people, without secrets: `127.0.0.1:6379` or the nodes by comma.
    pub fn name(&self) -> String {
        self.seeds.iter().map(|seed| seed.addr().to_string()).collect::<Vec<_>>().join(",")
    }

    /// Connects to one server.
    ///
    /// # Errors
    /// When it is away or refuses who we are.
    pub fn connect(&self, info: &ConnectionInfo) -> Result<Node, Fault> {
        let db = info.redis_settings().db();
        let name = if db == 0 { info.addr().to_string() } else { format!("{}/{db}", info.addr()) };
        Node::connect(name, info, &self.tls, self.timeout)
    }
}
