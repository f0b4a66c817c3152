//! Statements for old and new servers.

use plugin_api::{RecordKind, serde_json::json};

use super::target;
use crate::{
    ddl::{self, Plan},
    schema::{Precision, Type},
};

#[test]
fn a_new_server_keeps_microseconds_forgets_by_age_and_remembers_inserts() {
    let target = target(json!({ "database": "market" }));
    let plan = Plan::of(RecordKind::Spot, &target, Precision::Micros);
    let sql = plan.create(30, true);
    for part in [
        "CREATE TABLE IF NOT EXISTS `market`.`spots` (\n  `symbol` String COMMENT 'security, e.g. \
         600000.SH',\n",
        "`time` DateTime64(6, 'Asia/Shanghai') COMMENT 'exchange time; 1970 when unknown',\n",
        "`amount` Float64 COMMENT 'turnover since the open, CNY',\n",
        "`volume` UInt64 COMMENT 'volume since the open, shares',\n",
        "`bid` Array(Float64)",
        "`ask_volume` Array(UInt64)",
        "`quality_score` Nullable(Float32)",
        ") ENGINE = ReplacingMergeTree\nPARTITION BY toYYYYMM(time)\n\
         ORDER BY (symbol, time, source, sequence)\nTTL toDateTime(time) + toIntervalDay(30)\n\
         SETTINGS non_replicated_deduplication_window = 1000",
    ] {
        assert!(sql.contains(part), "{part}\nis missing in\n{sql}");
    }
    let bars = Plan::of(RecordKind::Bar, &target, Precision::Micros).create(0, true);
    let end = ") ENGINE = ReplacingMergeTree(version)\nPARTITION BY toYYYYMM(time)\n\
               ORDER BY (symbol, period, time)\n\
               SETTINGS non_replicated_deduplication_window = 1000";
    assert!(bars.ends_with(end), "{bars}");
}

#[test]
fn an_old_server_keeps_microseconds_in_columns_of_their_own() {
    let target = target(json!({}));
    let plan = Plan::of(RecordKind::Spot, &target, Precision::Seconds);
    let sql = plan.create(0, false);
    for part in [
        "`time` DateTime('Asia/Shanghai')",
        "`recv_time` DateTime('Asia/Shanghai')",
        "`time_us` Int64 COMMENT 'time in microseconds since 1970 UTC; 0 when unknown'",
        "`recv_time_us` Int64",
        "ORDER BY (symbol, time, time_us, source, sequence)",
    ] {
        assert!(sql.contains(part), "{part}\nis missing in\n{sql}");
    }
    assert!(!sql.contains("TTL") && !sql.contains("SETTINGS"), "{sql}");
    let bars = Plan::of(RecordKind::Bar, &target, Precision::Seconds);
    assert!(bars.create(0, false).ends_with("ORDER BY (symbol, period, time, time_us)"));
    assert_eq!(
        ddl::create_view(&target, &bars),
        "CREATE VIEW IF NOT EXISTS `default`.`minute_bars_1m` AS SELECT symbol, period, time, \
         open, high, low, close, amount, volume, closed, quality_score, source FROM \
         `default`.`minute_bars` FINAL WHERE period = '1m'"
    );
}

#[test]
fn tables_that_are_there_are_made_to_forget() {
    let plan = Plan::of(RecordKind::Bar, &target(json!({})), Precision::Micros);
    assert_eq!(
        plan.change_ttl(30),
        "ALTER TABLE `default`.`minute_bars` MODIFY TTL toDateTime(time) + toIntervalDay(30)"
    );
    assert_eq!(
        plan.drop_month("202111"),
        "ALTER TABLE `default`.`minute_bars` DROP PARTITION 202111"
    );
}

#[test]
fn a_cluster_has_replicated_tables_and_one_over_them() {
    let target = target(json!({ "database": "market", "cluster": "quotes" }));
    let spots = Plan::of(RecordKind::Spot, &target, Precision::Micros);
    let sql = spots.create(30, true);
    for part in [
        "CREATE TABLE IF NOT EXISTS `market`.`spots_local` ON CLUSTER `quotes` (\n",
        ") ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/market/spots_local', \
         '{replica}')\nPARTITION BY toYYYYMM(time)\nORDER BY (symbol, time, source, sequence)\n\
         TTL toDateTime(time) + toIntervalDay(30)\nSETTINGS replicated_deduplication_window = 1000",
    ] {
        assert!(sql.contains(part), "{part}\nis missing in\n{sql}");
    }
    let over = spots.create_distributed(&target).unwrap();
    let end = ") ENGINE = Distributed('quotes', 'market', 'spots_local', \
               cityHash64(substring(symbol, 1, 16)))";
    assert!(over.ends_with(end), "{over}");
    assert!(over.starts_with("CREATE TABLE IF NOT EXISTS `market`.`spots` ON CLUSTER `quotes` ("));
    let old = Plan::of(RecordKind::Spot, &target, Precision::Seconds).create(0, false);
    assert!(old.contains("`symbol` String,") && !old.contains("COMMENT"), "{old}");
    let bars = Plan::of(RecordKind::Bar, &target, Precision::Micros);
    assert!(bars.create(0, true).contains("minute_bars_local', '{replica}', version)\n"));
    assert!(bars.insert().starts_with("INSERT INTO `market`.`minute_bars_local` ("));
    let view = ddl::create_view(&target, &bars);
    assert!(view.contains("`minute_bars_1m` ON CLUSTER `quotes` AS SELECT symbol"), "{view}");
    assert!(view.ends_with("FROM `market`.`minute_bars` FINAL WHERE period = '1m'"), "{view}");
    assert_eq!(
        ddl::create_database(&target),
        "CREATE DATABASE IF NOT EXISTS `market` ON CLUSTER `quotes`"
    );
}

#[test]
fn names_cannot_break_out_of_their_quotes() {
    let target = target(json!({ "database": "a`b\\", "spot_table": "股票 spots" }));
    assert_eq!(
        Plan::of(RecordKind::Spot, &target, Precision::Micros).table,
        r"`a\`b\\`.`股票 spots`"
    );
    assert_eq!(ddl::literal(r"it's \"), r"'it\'s \\'");
}

#[test]
fn what_differs_is_mended_by_one_statement() {
    let target = target(json!({}));
    let plan = Plan::of(RecordKind::Spot, &target, Precision::Micros);
    let column = |name| plan.columns.iter().find(|column| column.name == name).cloned().into_iter();
    let (missing, other): (Vec<_>, Vec<_>) = (column("name").collect(), column("volume").collect());
    assert_eq!(
        plan.alter(&missing, &other),
        "ALTER TABLE `default`.`spots` ADD COLUMN `name` String COMMENT 'display name, empty when \
         unknown', MODIFY COLUMN `volume` UInt64 COMMENT 'volume since the open, shares'"
    );
    let key: Vec<_> = column("time").collect();
    let aside = "RENAME TABLE `default`.`spots` TO `default`.`spots_old`";
    assert_eq!(plan.alter(&missing, &key), aside, "no server changes its key");
}

#[test]
fn types_fit_when_no_value_is_changed_by_them() {
    // needed, found, whether an old server takes it, whether a new one does
    let table = [
        (Type::Text, "String", true, true),
        (Type::Text, "LowCardinality(String)", false, true),
        (Type::Text, "FixedString(9)", false, false),
        (Type::Moment, "DateTime64(6)", true, true),
        (Type::Moment, "DateTime64(6, 'UTC')", true, true),
        (Type::Moment, "DateTime64(3, 'Asia/Shanghai')", false, false),
        (Type::Second, "DateTime", true, true),
        (Type::Second, "DateTime('UTC')", true, true),
        (Type::Second, "Date", false, false),
        (Type::Flag, "Bool", false, true),
        (Type::Count, "UInt64", true, true),
        (Type::Count, "UInt32", false, false),
        (Type::Prices, "Array(Float32)", false, false),
    ];
    for (needed, found, old, new) in table {
        assert_eq!((needed.fits(found, false), needed.fits(found, true)), (old, new), "{found}");
    }
}

#[test]
fn a_table_of_an_earlier_build_is_filled_without_the_columns_that_came_later() {
    let target = target(json!({}));
    let mut plan = Plan::of(RecordKind::Bar, &target, Precision::Micros);
    plan.leave_out(|column| column.name != "source");
    assert_eq!(
        plan.insert(),
        "INSERT INTO `default`.`minute_bars` (symbol, period, time, open, high, low, close, \
         amount, volume, closed, quality_score, version) FORMAT Native"
    );
    assert!(!ddl::create_view(&target, &plan).contains("source"));
    assert_eq!(
        plan.alter(&plan.left_out, &[]),
        "ALTER TABLE `default`.`minute_bars` ADD COLUMN `source` String COMMENT 'id of the source \
         it was made of, empty when unknown'"
    );
    plan.leave_out(|_| true);
    assert!(plan.left_out.is_empty() && plan.insert().contains(", source, version)"));
    plan.leave_out(|_| false);
    assert_eq!(plan.left_out.len(), 1, "columns of the first tables are needed");
}
