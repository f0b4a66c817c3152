//! Options that work and those that cannot.

use plugin_api::{
    ErrorKind, Sink,
    serde_json::json,
    testing::{self, TestHost},
};

use super::{context, options};
use crate::{options::Options, sink::ClickHouse, source::TableSource};

#[test]
fn options_are_described_and_closed() {
    let minimal = json!({ "url": "http://127.0.0.1:8123" });
    testing::check_options::<Options>(&minimal);
    testing::check_options::<<TableSource as plugin_api::Source>::Options>(&minimal);
}

/// The host hands a source of history the options of the sink that both have.
#[test]
fn a_source_has_every_option_that_says_where_the_rows_are() {
    let of_sink = plugin_api::options_schema::<Options>();
    let of_source = plugin_api::options_schema::<<TableSource as plugin_api::Source>::Options>();
    let alone = ["create_tables", "keep_days", "ttl_days"];
    for name in of_sink["properties"].as_object().unwrap().keys() {
        let is_shared = of_source["properties"].get(name).is_some();
        assert_eq!(is_shared, !alone.contains(&name.as_str()), "{name}");
    }
    assert!(of_source["properties"].get("ask").is_some());
}

#[test]
fn replicas_are_named_once() {
    let urls = |urls: &[&str]| options(json!({ "url": urls })).check(&context());
    assert_eq!(urls(&["http://a:1", "http://b:1/"]).unwrap().target.addresses.len(), 2);
    let error = urls(&["http://a:1", "http://a:1/"]).err().unwrap();
    assert!(error.message.contains("names http://a:1 twice"), "{error}");
    assert!(urls(&[]).err().unwrap().message.contains("names no server"));
}

#[test]
fn days_are_said_once() {
    let days = |more| options(more).check(&context());
    assert_eq!(days(json!({ "keep_days": 30 })).unwrap().new_table_days(), 30);
    assert_eq!(days(json!({ "ttl_days": 30 })).unwrap().new_table_days(), 30);
    let error = days(json!({ "ttl_days": 30, "keep_days": 40 })).err().unwrap();
    assert!(error.message.contains("leave `ttl_days` out"), "{error}");
    let error = days(json!({ "keep_days": 0 })).err().unwrap();
    assert!(error.message.contains("`keep_days` is 0; allowed is 1 to 10000"), "{error}");
}

#[test]
fn certificates_are_read_or_named_as_bad() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let check = |url: &str| {
        options(json!({ "url": url, "tls_ca": path })).check(&context()).err().map(|it| it.message)
    };
    let told = check("https://ch").unwrap();
    assert!(told.contains("ca.pem cannot be read") && told.contains("in PEM"), "{told}");
    std::fs::write(&path, "nothing").unwrap();
    assert!(check("https://ch").unwrap().contains("holds no certificate"));
    std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        .unwrap();
    assert_eq!(check("https://ch"), None);
    assert!(check("http://ch").unwrap().contains("`tls_ca` without TLS; write https://"));
}

#[test]
fn options_that_cannot_work_are_all_named_at_once() {
    let wrong = json!({
        "url": "127.0.0.1:8123", "database": "", "spot_table": "bars", "bar_table": "bars",
        "ttl_days": 40_000, "timeout": "10ms", "password": "line\nbreak",
    });
    let error = options(wrong).check(&context()).err().unwrap();
    assert_eq!(error.kind, ErrorKind::Config);
    for named in ["`url`", "`database`", "\"bars\"", "`ttl_days` is 40000", "10ms", "`password`"] {
        assert!(error.message.contains(named), "{error}");
    }
    assert!(!error.message.contains("line"), "the password is not told: {error}");
}

#[test]
fn a_password_within_the_address_is_refused_and_not_told() {
    let error =
        options(json!({ "url": "http://x:hidden@127.0.0.1" })).check(&context()).err().unwrap();
    assert!(error.message.contains("`user` and `password`"), "{error}");
    assert!(!error.message.contains("hidden"), "{error}");
}

#[test]
fn addresses_are_http_with_a_host() {
    for url in ["http://ch:8123", "https://ch", "http://[::1]:8123/", "http://ch/proxied"] {
        assert!(options(json!({ "url": url })).check(&context()).is_ok(), "{url}");
    }
    for url in ["", "ch:9000", "tcp://ch:9000", "http://", "http://ch/?database=d", "http//ch"] {
        assert!(options(json!({ "url": url })).check(&context()).is_err(), "{url}");
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
