//! The end that dials.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, ClientConnection, Connection, client::Resumption, pki_types::ServerName,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Log,
    files::{self, Fresh},
};

/// Certificates of somebody who dials, as a user writes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientFiles {
    /// File with the certificates, in PEM, that the peer's must come from. Read again when it
    /// changes, as are the other files.
    pub ca: PathBuf,
    /// File with the certificate that is shown to a peer that asks for one, in PEM, followed by
    /// those that lead to its CA. Default: none.
    #[serde(default)]
    pub cert: Option<PathBuf>,
    /// File with its private key, in PEM and not encrypted; must be given with `cert`.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// Name that the peer's certificate must have. Default: the host that is dialled.
    #[serde(default)]
    pub name: Option<String>,
}

/// What is asked of peers that are dialled, and shown to them.
#[derive(Debug)]
pub struct Client {
    files: ClientFiles,
    config: Fresh<ClientConfig>,
}

impl Client {
    /// Reads the files; `resolve` makes a path absolute.
    ///
    /// # Errors
    /// A text that names option, file and remedy.
    pub fn new(
        files: &ClientFiles,
        resolve: impl Fn(&Path) -> PathBuf,
        log: Log,
    ) -> Result<Self, String> {
        let files = ClientFiles {
            ca: resolve(&files.ca),
            cert: files.cert.as_deref().map(&resolve),
            key: files.key.as_deref().map(&resolve),
            name: files.name.clone(),
        };
        if let Some(name) = &files.name {
            server_name(name).map_err(|_| {
                format!("`tls.name` is \"{name}\"; write a host name or an IP address")
            })?;
        }
        let paths: Vec<_> = [Some(&files.ca), files.cert.as_ref(), files.key.as_ref()]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        let config = Fresh::new(paths, log, || config(&files))?;
        Ok(Self { files, config })
    }

    /// Reads the files of an option, if it is given; what is wrong is added to `faults`.
    pub fn read(
        files: Option<&ClientFiles>,
        resolve: impl Fn(&Path) -> PathBuf,
        log: Log,
        faults: &mut Vec<String>,
    ) -> Option<Arc<Self>> {
        match Self::new(files?, resolve, log) {
            Ok(client) => Some(Arc::new(client)),
            Err(fault) => {
                faults.push(fault);
                None
            }
        }
    }

    /// Warns of a key that others can read. To be called once, at the start.
    pub fn warn_of_exposed_key(&self) {
        if let Some(line) = self.files.key.as_deref().and_then(files::exposure) {
            self.config.warn(&line);
        }
    }

    /// The beginning of a conversation with a peer that was dialled under that name.
    ///
    /// # Errors
    /// A text that says why there is none, for after the peer's name.
    pub(crate) fn connection(&self, host: &str) -> Result<Connection, String> {
        let name = server_name(self.files.name.as_deref().unwrap_or(host))?;
        let config = self.config.latest(|| config(&self.files));
        ClientConnection::new(config, name)
            .map(Connection::from)
            .map_err(|error| format!("is not dialled: {error}"))
    }
}

fn server_name(name: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(name.to_owned()).map_err(|_| {
        format!("has a certificate for no name like \"{name}\"; set `tls.name` to one that it has")
    })
}

fn config(files: &ClientFiles) -> Result<ClientConfig, String> {
    let roots = files::roots("tls.ca", &files.ca)?;
    let builder = ClientConfig::builder_with_provider(files::provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots);
    let mut config = match (&files.cert, &files.key) {
        (Some(cert), Some(key)) => {
            let (certificates, private) = files::identity(cert, key)?;
            builder.with_client_auth_cert(certificates, private).map_err(|error| {
                format!(
                    "`tls.cert` {} and `tls.key` {} cannot be used together: {error}; take the key \
                     that the certificate was made for",
                    cert.display(),
                    key.display()
                )
            })?
        }
        (None, None) => builder.with_no_client_auth(),
        (Some(_), None) => return Err("`tls.cert` needs `tls.key`; name its file".to_owned()),
        (None, Some(_)) => return Err("`tls.key` needs `tls.cert`; name its file".to_owned()),
    };
    // what a peer's certificate was worth is looked at with every connection
    config.resumption = Resumption::disabled();
    Ok(config)
}
