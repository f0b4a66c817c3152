//! Options that work and those that cannot.

use plugin_api::{
    ErrorKind, Sink,
    serde_json::json,
    testing::{self, TestHost},
};

use super::options;
use crate::{options::Options, sink::ClickHouse};

#[test]
fn options_are_described_and_closed() {
    testing::check_options::<Options>(&json!({ "url": "http://127.0.0.1:8123" }));
}

#[test]
fn options_that_cannot_work_are_all_named_at_once() {
    let wrong = json!({
        "url": "127.0.0.1:8123", "database": "", "spot_table": "bars", "bar_table": "bars",
        "ttl_days": 40_000, "timeout": "10ms", "password": "line\nbreak",
    });
    let error = options(wrong).check().err().unwrap();
    assert_eq!(error.kind, ErrorKind::Config);
    for named in ["`url`", "`database`", "\"bars\"", "`ttl_days` is 40000", "10ms", "`password`"] {
        assert!(error.message.contains(named), "{error}");
    }
    assert!(!error.message.contains("line"), "the password is not told: {error}");
}

#[test]
fn a_password_within_the_address_is_refused_and_not_told() {
    let error = options(json!({ "url": "http://x:hidden@127.0.0.1" })).check().err().unwrap();
    assert!(error.message.contains("`user` and `password`"), "{error}");
    assert!(!error.message.contains("hidden"), "{error}");
}

#[test]
fn addresses_are_http_with_a_host() {
    for url in ["http://ch:8123", "https://ch", "http://[::1]:8123/", "http://ch/proxied"] {
        assert!(options(json!({ "url": url })).check().is_ok(), "{url}");
    }
    for url in ["", "ch:9000", "tcp://ch:9000", "http://", "http://ch/?database=d", "http//ch"] {
        assert!(options(json!({ "url": url })).check().is_err(), "{url}");
    }
}

#[test]
fn a_server_that_is_away_is_waited_for_and_told_with_its_address() {
    let dir = tempfile::tempdir().unwrap();
    let context = testing::context(&std::sync::Arc::new(TestHost::default()), dir.path());
    // nothing listens on port 1
    let wrong = options(json!({ "url": "http://127.0.0.1:1", "password": "hidden" }));
    let checked = ClickHouse::check(&wrong, &context).unwrap_err();
    let opened = ClickHouse::open(wrong, context).err().unwrap();
    for error in [checked, opened] {
        assert_eq!(error.kind, ErrorKind::Retry, "{error}");
        assert_eq!(
            error.message,
            "clickhouse at http://127.0.0.1:1: nothing listens there; start the server or correct \
             `url`"
        );
    }
}
