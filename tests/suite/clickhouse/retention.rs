//! Records that are too old go.

use harness::ClickHouse;
use plugin_api::{Batch, Level, Round, SpotListEncoder, SpotRecord};
use serde_json::json;

use super::{Desk, write};

const DAY_US: i64 = 86_400_000_000;
/// 2021-12-31 12:00 in Shanghai.
const LAST_DAY_US: i64 = 1_640_923_200_000_000;

/// A quote of each of so many days before the last of 2021.
fn days(count: i64) -> Batch {
    let mut encoder = SpotListEncoder::new(0);
    for day in 0..count {
        let spot = SpotRecord { market: "SH", code: "600000", ..SpotRecord::default() };
        encoder.push(&SpotRecord { time_us: LAST_DAY_US - day * DAY_US, ..spot }).unwrap();
    }
    Batch::from_spots(&mut encoder, Round::MIDDLE)
}

/// Version 18.16 deletes nothing by age.
#[test]
fn months_that_are_over_are_dropped_from_an_old_server_day_by_day() {
    let server = ClickHouse::start();
    let desk = Desk::new(&server.http_url());
    desk.host.set_now_us(LAST_DAY_US);
    // December, November and October
    write(&mut desk.open(json!({})).unwrap(), &[days(70)]);
    let months =
        || server.query("SELECT DISTINCT toYYYYMM(time) AS m FROM market.spots ORDER BY m");
    let mut sink = desk.open(json!({ "keep_days": 31 })).unwrap();
    assert_eq!(months(), "202111\n202112\n", "the last of November is 31 days old");
    assert_eq!(desk.host.counted("expired_partitions_total"), 1);
    sink.tick().unwrap();
    desk.host.set_now_us(LAST_DAY_US + DAY_US);
    sink.tick().unwrap();
    assert_eq!(months(), "202112\n");
    let told = desk.host.told().logs;
    let line = "dropped what is older than 31 days: 202110 of `market`.`spots`";
    assert!(told.iter().any(|it| *it == (Level::Info, line.to_owned())), "{told:?}");
    // and what is dropped does not come back
    drop(desk.open(json!({ "keep_days": 31 })).unwrap());
    assert_eq!(server.query("SELECT count() FROM market.spots"), "31\n");
}

#[test]
fn a_month_that_cannot_be_dropped_holds_no_record_up() {
    let mut server = ClickHouse::start();
    let desk = Desk::new(&server.http_url());
    desk.host.set_now_us(LAST_DAY_US);
    let mut sink = desk.open(json!({ "keep_days": 1, "timeout": "1s" })).unwrap();
    write(&mut sink, &[days(70)]);
    server.signal("KILL");
    desk.host.set_now_us(LAST_DAY_US + DAY_US);
    sink.tick().unwrap();
    let told = desk.host.told().logs;
    assert!(told.iter().any(|(_, line)| line.contains("stay for now")), "{told:?}");
    server.restart();
    // ten minutes later it is tried again
    desk.host.set_now_us(LAST_DAY_US + DAY_US + 600_000_000);
    write(&mut sink, &[days(1)]);
    assert_eq!(server.query("SELECT DISTINCT toYYYYMM(time) FROM market.spots"), "202112\n");
}
