//! TLS with a certificate of one's own.

use harness::{Bench, Redis, free_port};

use super::{numbers, to_redis};
use crate::certificate::self_signed;

#[test]
fn a_server_with_its_own_certificate_is_trusted_when_told_so() {
    let bench = Bench::new(&["faulty", "redis-stream"]);
    let (cert, key) = self_signed(&bench);
    let (cert, key) = (cert.display(), key.display());
    let port = free_port();
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
