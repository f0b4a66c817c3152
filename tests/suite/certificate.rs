//! Certificates that tests make for their servers.

use std::{path::PathBuf, process::Command};

use harness::Bench;

/// A certificate for 127.0.0.1 and its key, signed by itself, in files of the bench.
pub fn self_signed(bench: &Bench) -> (PathBuf, PathBuf) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"])
        .args([
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(bench.path(""))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (bench.path("cert.pem"), bench.path("key.pem"))
}
