//! TLS with a certificate of one's own.

use std::process::Command;

use harness::{Bench, Redis, free_port};

use super::{numbers, to_redis};

/// A certificate for 127.0.0.1 and its key, signed by itself.
fn certificate(bench: &Bench) {
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
}

#[test]
fn a_server_with_its_own_certificate_is_trusted_when_told_so() {
    let bench = Bench::new(&["faulty", "redis-stream"]);
    certificate(&bench);
    let port = free_port();
    let file = |name: &str| bench.path(name).display().to_string();
    let (cert, key) = (file("cert.pem"), file("key.pem"));
    let server = Redis::start(&[
        &format!("tls-port {port}"),
        &format!("tls-cert-file {cert}"),
        &format!("tls-key-file {key}"),
        &format!("tls-ca-cert-file {cert}"),
        "tls-auth-clients no",
    ]);
    let url = format!("rediss://127.0.0.1:{port}");
    bench.pipeline(&(numbers(1, 50) + &to_redis("numbers", &url, "tls_ca = \"cert.pem\"")));
    bench.run(&["run"]).assert(0, &[]);
    assert_eq!(server.cli(&["xlen", "spot_stream"]), "50");
    bench.pipeline(&(numbers(1, 50) + &to_redis("numbers", &url, "")));
    bench.run(&["check"]).assert(78, &["out could not start", "certificate"]);
}
