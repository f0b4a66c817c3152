//! Certificates and keys in files, which may change while they are in use.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{
    RootCertStore,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use super::Log;

/// What tells a file from the one that stood there before: device, inode, size, time in ns.
type Stamp = Option<(u64, u64, u64, i64, i64)>;

/// Bytes of a file that are read; certificates of all CAs of the world take less than one MiB.
const MAX_BYTES: u64 = 16 << 20;

/// The algorithms that are used, whatever others in this process chose.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Certificates and what signs for them.
pub type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Reads the certificate that an end shows, with those that lead to its CA, and its key.
///
/// # Errors
/// A text that names option, file and remedy.
pub fn identity(cert: &Path, key: &Path) -> Result<Identity, String> {
    Ok((certificates("tls.cert", cert)?, private_key(key)?))
}

/// Reads the certificates that peers' must come from.
///
/// # Errors
/// A text that names option, file and remedy.
pub fn roots(option: &str, path: &Path) -> Result<Arc<RootCertStore>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(option, path)? {
        roots.add(certificate).map_err(|error| {
            format!(
                "`{option}` {} holds a certificate that cannot be used: {error}; name a file with \
                 the certificates of CAs",
                path.display()
            )
        })?;
    }
    Ok(Arc::new(roots))
}

fn certificates(option: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let shown = path.display();
    let text = read(option, path, "certificates")?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if found.is_empty() => Err(format!(
            "`{option}` {shown} holds no certificate in PEM; one in DER becomes one by `openssl \
             x509 -inform der -in {shown} -out {shown}.pem`"
        )),
        Ok(found) => Ok(found),
        Err(error) => Err(format!(
            "`{option}` {shown} is damaged: {error}; take the certificate from its CA again"
        )),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let shown = path.display();
    let text = read("tls.key", path, "a private key")?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        if String::from_utf8_lossy(&text).contains("ENCRYPTED") {
            return format!(
                "`tls.key` {shown} is encrypted, and nobody is there to type its password; decrypt \
                 it with `openssl pkey -in {shown} -out KEY` and let only the host's user read it"
            );
        }
        format!("`tls.key` {shown} holds no private key in PEM: {error}; name a file with one")
    })
}

fn read(option: &str, path: &Path, what: &str) -> Result<Vec<u8>, String> {
    read_whole(path).map_err(|error| {
        format!(
            "`{option}` {} cannot be read: {error}; name a file with {what} in PEM that the host's \
             user may read",
            path.display()
        )
    })
}

/// Reads a regular file: a named pipe would be waited for, and a device may never end.
fn read_whole(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Says so if others than the owner and the group of a key's file may read or change it.
pub fn exposure(key: &Path) -> Option<String> {
    let mode = fs::metadata(key).ok()?.permissions().mode() & 0o777;
    (mode & 0o007 != 0).then(|| {
        format!(
            "`tls.key` {shown} is open to every user of this machine (mode {mode:o}); run `chmod \
             640 {shown}`, or 600",
            shown = key.display()
        )
    })
}

/// What is made of files, and made again when one of them has changed.
#[derive(Debug)]
pub struct Fresh<T> {
    paths: Vec<PathBuf>,
    state: Mutex<State<T>>,
    log: Log,
}

#[derive(Debug)]
struct State<T> {
    made: Arc<T>,
    /// The files that were looked at last.
    seen: Vec<Stamp>,
}

impl<T> Fresh<T> {
    /// Made of those files.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn new(
        paths: Vec<PathBuf>,
        log: Log,
        make: impl FnOnce() -> Result<T, String>,
    ) -> Result<Self, String> {
        let seen = stamps(&paths);
        let made = Arc::new(make()?);
        Ok(Self { paths, state: Mutex::new(State { made, seen }), log })
    }

    /// The latest that could be made.
    pub fn latest(&self, make: impl FnOnce() -> Result<T, String>) -> Arc<T> {
        let seen = stamps(&self.paths);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.seen != seen {
            state.seen = seen;
            match make() {
                Ok(made) => {
                    state.made = Arc::new(made);
                    (self.log.info)(&format!("read {} again", self.shown()));
                }
                Err(fault) => (self.log.warn)(&format!(
                    "{fault}; until then those go on that were read before"
                )),
            }
        }
        Arc::clone(&state.made)
    }

    /// Says what does no harm yet.
    pub fn warn(&self, line: &str) {
        (self.log.warn)(line);
    }

    fn shown(&self) -> String {
        self.paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    }
}

fn stamps(paths: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |path: &PathBuf| {
        let file = fs::metadata(path).ok()?;
        Some((file.dev(), file.ino(), file.size(), file.mtime(), file.mtime_nsec()))
    };
    paths.iter().map(stamp).collect()
}
