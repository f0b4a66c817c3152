//! The end that is dialled.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    Connection, ServerConfig, ServerConnection,
    server::{NoServerSessionStorage, WebPkiClientVerifier},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Log,
    files::{self, Fresh},
};

/// Certificates of a listener, as a user writes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerFiles {
    /// File with the certificate that is shown to clients, in PEM, followed by those that lead to
    /// its CA. Read again when it changes, as are the other files.
    pub cert: PathBuf,
    /// File with its private key, in PEM and not encrypted; let only the host's user read it.
    pub key: PathBuf,
    /// File with the certificates, in PEM, that a client's must come from. Default: clients need no
    /// certificate.
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
}

/// What a listener shows and asks of its peers.
#[derive(Debug)]
pub struct Server {
    files: ServerFiles,
    config: Fresh<ServerConfig>,
}

impl Server {
    /// Reads the files; `resolve` makes a path absolute.
    ///
    /// # Errors
    /// A text that names option, file and remedy.
    pub fn new(
        files: &ServerFiles,
        resolve: impl Fn(&Path) -> PathBuf,
        log: Log,
    ) -> Result<Self, String> {
        let files = ServerFiles {
            cert: resolve(&files.cert),
            key: resolve(&files.key),
            client_ca: files.client_ca.as_deref().map(resolve),
        };
        let mut paths = vec![files.cert.clone(), files.key.clone()];
        paths.extend(files.client_ca.clone());
        let config = Fresh::new(paths, log, || config(&files))?;
        Ok(Self { files, config })
    }

    /// Reads the files of an option, if it is given; what is wrong is added to `faults`.
    pub fn read(
        files: Option<&ServerFiles>,
        resolve: impl Fn(&Path) -> PathBuf,
        log: Log,
        faults: &mut Vec<String>,
    ) -> Option<Arc<Self>> {
        match Self::new(files?, resolve, log) {
            Ok(server) => Some(Arc::new(server)),
            Err(fault) => {
                faults.push(fault);
                None
            }
        }
    }

    /// Warns of a key that others can read. To be called once, when the listener starts.
    pub fn warn_of_exposed_key(&self) {
        if let Some(line) = files::exposure(&self.files.key) {
            self.config.warn(&line);
        }
    }

    /// The beginning of a conversation with a peer that dialled.
    ///
    /// # Errors
    /// Never in practice; a text for after the peer's name.
    pub(crate) fn connection(&self) -> Result<Connection, String> {
        let config = self.config.latest(|| config(&self.files));
        ServerConnection::new(config)
            .map(Connection::from)
            .map_err(|error| format!("is not served: {error}"))
    }
}

fn config(files: &ServerFiles) -> Result<ServerConfig, String> {
    let (certificates, key) = files::identity(&files.cert, &files.key)?;
    let provider = files::provider();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let roots = files::roots("tls.client_ca", path)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
            builder.with_client_cert_verifier(verifier.build().map_err(|error| error.to_string())?)
        }
    };
    let mut config = builder.with_single_cert(certificates, key).map_err(|error| {
        format!(
            "`tls.cert` {} and `tls.key` {} cannot be used together: {error}; take the key that \
             the certificate was made for",
            files.cert.display(),
            files.key.display()
        )
    })?;
    // connections last; nothing is remembered for the next one
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}
