//! TLS with a certificate of one's own.

use harness::{Bench, ClickHouse, free_port};
use plugin_api::{ErrorKind, Round, testing::spot_batch};
use serde_json::json;

use super::{Desk, write};
use crate::certificate::self_signed;

#[test]
fn a_server_with_its_own_certificate_is_trusted_when_told_so() {
    let folder = Bench::new(&[]);
    let (certificate, key) = self_signed(&folder);
    let port = free_port();
    let server = ClickHouse::start_with_tls(port, &certificate, &key);
    let desk = Desk::new(&format!("https://127.0.0.1:{port}"));
    let trusted = json!({ "tls_ca": certificate });
    let mut sink = desk.open(trusted.clone()).unwrap();
    write(&mut sink, &[spot_batch(3, Round::MIDDLE)]);
    assert_eq!(server.query("SELECT count() FROM market.spots"), "3\n");
    let mut asked = trusted;
    asked["ask"] = json!({
        "symbols": [], "from": "2021-12-01", "to": "2021-12-02", "kind": "spot",
    });
    drop(desk.source(asked).unwrap());
    let error = desk.refused(json!({}));
    assert_eq!(error.kind, ErrorKind::Retry);
    assert!(error.message.contains("no safe connection"), "{error}");
    assert!(error.message.contains("name those that it comes from in `tls_ca`"), "{error}");
}
