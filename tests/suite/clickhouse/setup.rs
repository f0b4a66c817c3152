//! Servers that are not as the options say: told exactly, with what heals it.

use harness::ClickHouse;
use plugin_api::{
    ErrorKind, Round,
    testing::{bar_batch, spot_batch},
};
use serde_json::json;

use super::{Desk, write};

#[test]
fn who_is_not_let_in_is_told_so_without_the_password() {
    let server = ClickHouse::start();
    let desk = Desk::new(&server.http_url());
    let url = server.http_url();
    let error = desk.refused(json!({ "user": "writer", "password": "hidden" }));
    assert_eq!(error.kind, ErrorKind::Retry);
    assert_eq!(
        error.message,
        format!(
            "clickhouse at {url}: Wrong password for user writer (code 193); correct `user` and \
             `password`, or the user on the server"
        )
    );
    let error = desk.refused(json!({ "user": "nobody" }));
    assert!(error.message.contains("Unknown user nobody (code 192)"), "{error}");
}

#[test]
fn who_may_only_read_is_told_so() {
    let server = ClickHouse::start();
    let desk = Desk::new(&server.http_url());
    let error = desk.refused(json!({ "user": "reader", "password": "secret" }));
    assert_eq!(error.kind, ErrorKind::Retry);
    assert!(error.message.contains("(code 164); let `user` insert"), "{error}");
}

#[test]
fn what_is_missing_is_named_when_it_may_not_be_made() {
    let server = ClickHouse::start();
    let desk = Desk::new(&server.http_url());
    let closed = json!({ "create_tables": false });
    let error = desk.refused(closed.clone());
    assert_eq!(error.kind, ErrorKind::Retry);
    assert_eq!(
        error.message,
        format!(
            "clickhouse at {}: there is no table `market`.`spots`; create it, or set \
             `create_tables`; there is no table `market`.`minute_bars`; create it, or set \
             `create_tables`",
            server.http_url()
        )
    );
    assert_eq!(server.query("SHOW DATABASES"), "default\nsystem\n", "nothing was made");
    desk.open(json!({})).unwrap();
    desk.open(closed).unwrap();
}

#[test]
fn a_changed_column_is_named_with_the_statement_that_heals_it() {
    let server = ClickHouse::start();
    let desk = Desk::new(&server.http_url());
    desk.open(json!({})).unwrap();
    server.query("ALTER TABLE market.spots MODIFY COLUMN volume UInt32, DROP COLUMN name");
    server.query("ALTER TABLE market.spots ADD COLUMN note String");
    let error = desk.refused(json!({}));
    let (told, heal) = error.message.split_once("; run ").unwrap();
    assert_eq!(
        told,
        format!(
            "clickhouse at {}: table `market`.`spots` does not fit: column name is missing, needs \
             String, column volume is UInt32, needs UInt64",
            server.http_url()
        )
    );
    server.query(heal);
    write(&mut desk.open(json!({})).unwrap(), &[spot_batch(3, Round::MIDDLE)]);
    assert_eq!(server.query("SELECT count(), min(volume) FROM market.spots"), "3\t1000\n");
}

#[test]
fn a_column_of_the_key_is_healed_by_a_new_table() {
    let server = ClickHouse::start();
    let desk = Desk::new(&server.http_url());
    server.query("CREATE DATABASE market");
    server.query(
        "CREATE TABLE market.spots (symbol String, time Date) ENGINE = MergeTree ORDER BY symbol",
    );
    let error = desk.refused(json!({}));
    let (told, heal) = error.message.split_once("; run ").unwrap();
    assert!(told.contains("column time is Date, needs DateTime('Asia/Shanghai')"), "{told}");
    assert_eq!(heal, "RENAME TABLE `market`.`spots` TO `market`.`spots_old`");
    server.query(heal);
    desk.open(json!({})).unwrap();
}

#[test]
fn rows_that_should_end_by_age_need_a_server_that_does_that() {
    let server = ClickHouse::start();
    let desk = Desk::new(&server.http_url());
    let error = desk.refused(json!({ "ttl_days": 30 }));
    assert_eq!(error.kind, ErrorKind::Retry);
    assert!(
        error.message.ends_with(
            "`ttl_days` is 30, but version 18.16.1 deletes nothing by age; upgrade it, or set \
             `keep_days` instead, which drops old months"
        ),
        "{error}"
    );
}

#[test]
fn a_table_that_changes_while_the_sink_runs_is_waited_for() {
    let server = ClickHouse::start();
    let desk = Desk::new(&server.http_url());
    let mut sink = desk.open(json!({})).unwrap();
    let batch = [spot_batch(3, Round::MIDDLE)];
    server.query("ALTER TABLE market.spots MODIFY COLUMN volume UInt32");
    let error = sink.write(&batch).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Retry, "{error}");
    assert!(error.message.contains("column volume is UInt32, needs UInt64; run ALTER"), "{error}");
    server.query("ALTER TABLE market.spots MODIFY COLUMN volume UInt64");
    write(&mut sink, &batch);
    // and one that is dropped is made again
    server.query("DROP DATABASE market");
    write(&mut sink, &batch);
    assert_eq!(server.query("SELECT count() FROM market.spots"), "3\n");
}

/// Takes the columns away that tables of earlier builds did not have.
fn as_of_an_earlier_build(server: &ClickHouse) {
    server.query("ALTER TABLE market.spots DROP COLUMN phase");
    server.query("ALTER TABLE market.minute_bars DROP COLUMN source");
}

#[test]
fn tables_of_an_earlier_build_get_the_columns_that_came_later() {
    let server = ClickHouse::start();
    let desk = Desk::new(&server.http_url());
    let batches = [spot_batch(2, Round::MIDDLE), bar_batch()];
    write(&mut desk.open(json!({})).unwrap(), &batches);
    as_of_an_earlier_build(&server);
    write(&mut desk.open(json!({})).unwrap(), &batches);
    let phases = server.query("SELECT DISTINCT phase FROM market.spots FINAL");
    assert_eq!(phases, "auction\n");
    assert_eq!(server.query("SELECT source FROM market.minute_bars FINAL"), "test\n");
    let logs = desk.host.told().logs;
    assert!(logs.iter().all(|(_, text)| !text.contains("left out")), "{logs:?}");
}

#[test]
fn tables_of_an_earlier_build_that_may_not_be_changed_are_filled_as_they_are() {
    let server = ClickHouse::start();
    let desk = Desk::new(&server.http_url());
    desk.open(json!({})).unwrap();
    as_of_an_earlier_build(&server);
    let mut sink = desk.open(json!({ "create_tables": false })).unwrap();
    for _ in 0..2 {
        write(&mut sink, &[spot_batch(2, Round::MIDDLE), bar_batch()]);
    }
    assert_eq!(server.query("SELECT count(), min(volume) FROM market.spots FINAL"), "2\t1000\n");
    assert_eq!(server.query("SELECT count() FROM market.minute_bars FINAL"), "1\n");
    let logs = desk.host.told().logs;
    let told: Vec<_> = logs.iter().filter(|(_, text)| text.contains("left out")).collect();
    assert_eq!(told.len(), 2, "once a table: {logs:?}");
    assert!(told[0].1.contains("ALTER TABLE `market`.`spots` ADD COLUMN `phase` String"));
}
