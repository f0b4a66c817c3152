//! TLS in tests: certificates, each set from a CA of its own, and a peer that dials.

// a test that cannot get what it needs must fail loudly
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustix::event::PollFlags;

use crate::{Protocol, Wire, greeting, tls};

/// Longest wait for the other end of a handshake.
const DEADLINE: Duration = Duration::from_secs(60);

/// Dials `tls+tcp://127.0.0.1:PORT` and greets as a peer of that protocol.
///
/// # Errors
/// What the listener did instead of a handshake.
pub fn dial_tls(
    address: &str,
    files: &tls::ClientFiles,
    protocol: Protocol,
) -> Result<Wire, String> {
    let log = tls::Log::new(|_| {}, |_| {});
    let client = tls::Client::new(files, Path::to_owned, log).unwrap();
    let stream = TcpStream::connect(address.strip_prefix("tls+tcp://").unwrap()).unwrap();
    let wire = Wire::new(stream.into());
    let deadline = Instant::now() + DEADLINE;
    let wait = |flags| match wire.wait(flags, deadline) {
        Ok(true) => Ok(()),
        other => Err(format!("{other:?}")),
    };
    wire.secure(&client, "127.0.0.1", wait)?;
    greeting::greet(&wire, protocol, |_| wait(PollFlags::IN))?;
    Ok(wire)
}

/// A CA that makes certificates, in files of a folder.
pub struct Authority {
    folder: PathBuf,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// Makes a CA and writes its certificate to `ca.pem`.
    pub fn new(folder: &Path) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(rcgen::DnType::CommonName, "CA of tests");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("ca.pem"), issuer.pem()).unwrap();
        Self { folder: folder.to_owned(), issuer }
    }

    /// The certificate of the CA.
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// Makes a certificate for those names and writes it to `NAME.pem` and its key to `NAME.key`.
    pub fn make(&self, name: &str, names: &[&str]) -> (PathBuf, PathBuf) {
        self.write(name, params(names))
    }

    /// Makes a certificate that was good until the end of a past year.
    pub fn make_expired(&self, name: &str, names: &[&str]) -> (PathBuf, PathBuf) {
        let mut params = params(names);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2020, 12, 31);
        self.write(name, params)
    }

    fn write(&self, name: &str, params: CertificateParams) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files = [".pem", ".key"].map(|end| self.folder.join(format!("{name}{end}")));
        fs::write(&files[0], certificate.pem()).unwrap();
        fs::write(&files[1], key.serialize_pem()).unwrap();
        fs::set_permissions(&files[1], fs::Permissions::from_mode(0o600)).unwrap();
        let [certificate, key] = files;
        (certificate, key)
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "end of tests");
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params
}
