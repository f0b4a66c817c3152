//! Spans of any length are given whole, whatever the service cuts its answers to.

use plugin_api::serde_json::{self, Value, json};

use super::{
    Bench, asks, of_period,
    vendor::{Reply, Vendor, answer, days_until, market},
    with,
};

const TODAY: &str = "2026-09-20";

/// Trading days of a span, oldest first.
fn days(from: &str, to: &str) -> Vec<String> {
    let mut days: Vec<_> = days_until(to).take_while(|day| day.as_str() >= from).collect();
    days.reverse();
    days
}

fn of_days(times: &[String]) -> Vec<String> {
    assert!(times.iter().all(|time| time.ends_with(" 00:00")), "{times:?}");
    times.iter().map(|time| time[..10].to_owned()).collect()
}

#[test]
fn a_week_takes_one_request_and_nothing_outside_of_it_is_given() {
    let vendor = Vendor::keeping(TODAY);
    let urls = [vendor.url.clone()];
    let given = Bench::new().run(asks(&urls, &["600000.SH"], "2026-09-07", "2026-09-11"));
    assert_eq!(of_days(&given.times()), days("2026-09-07", "2026-09-11"));
    assert_eq!((given.fault, vendor.asked().len(), vendor.proofs()), (None, 1, 1));
    // one more than there are, to see that there are all
    let question = vendor.asked().remove(0);
    assert_eq!((question.end.as_str(), question.count), ("2026-09-11", 6));
}

#[test]
fn a_span_with_times_of_day_has_the_days_that_begin_within() {
    let vendor = Vendor::keeping(TODAY);
    let urls = [vendor.url.clone()];
    let (from, to) = ("2026-09-07 09:30:00", "2026-09-11 15:00:00");
    let given = Bench::new().run(asks(&urls, &["600000.SH"], from, to));
    assert_eq!(of_days(&given.times()), days("2026-09-08", "2026-09-11"));
    assert_eq!((given.fault, vendor.asked().len()), (None, 1));
}

#[test]
fn years_are_asked_page_by_page_down_to_the_listing() {
    let vendor = Vendor::keeping(TODAY);
    let urls = [vendor.url.clone()];
    let bench = Bench::new();
    let options = asks(&urls, &["000333.SZ", "600000.SH"], "1990-12-19", "2026-09-18");
    let given = bench.run(with(options, json!({ "request_rows": 2_000 })));
    assert_eq!(given.fault, None);
    for (code, listed) in [("000333", "2013-09-18"), ("600000", "1999-11-10")] {
        let of_code: Vec<_> = given.bars.iter().map(|bar| bar.code == code).collect();
        let times = given.times();
        let times: Vec<_> =
            times.into_iter().zip(of_code).filter(|(_, is_it)| *is_it).map(|(it, _)| it).collect();
        assert_eq!(of_days(&times), days(listed, "2026-09-18"), "{code}");
    }
    assert!(given.batches.iter().all(|records| *records <= 5_000), "{:?}", given.batches);
    assert!(given.bars.iter().all(|bar| bar.closed && bar.period == "day"));
}

#[test]
fn pages_that_are_shorter_than_asked_are_asked_further() {
    // fewer rows than asked for, as the service gives of adjusted days
    let vendor = Vendor::saying(|_, question| {
        let count = question.count.min(500);
        Reply::Body(market(&super::vendor::Question { count, ..question.clone() }, TODAY))
    });
    let urls = [vendor.url.clone()];
    let options = asks(&urls, &["600000.SH"], "2022-01-01", "2026-09-18");
    let given = Bench::new().run(with(options, json!({ "adjust": "qfq", "request_rows": 800 })));
    assert_eq!(of_days(&given.times()), days("2022-01-01", "2026-09-18"));
    assert_eq!(given.fault, None);
    assert!(vendor.asked().iter().all(|question| question.adjust == "qfq"));
}

#[test]
fn more_rows_than_the_service_gives_are_refused_before_anything_is_asked() {
    let vendor = Vendor::keeping(TODAY);
    let options =
        asks(std::slice::from_ref(&vendor.url), &["600000.SH"], "2022-01-01", "2026-09-18");
    for (more, most) in [
        (json!({ "request_rows": 2_001 }), "1 to 2000"),
        (json!({ "request_rows": 801, "adjust": "qfq" }), "1 to 800"),
    ] {
        let options: crate::options::Options =
            plugin_api::testing::options(with(options.clone(), more)).unwrap();
        assert!(options.check().unwrap_err().message.contains(most));
    }
    assert!(vendor.asked().is_empty());
}

#[test]
fn a_new_listing_is_whole_without_the_days_before_it() {
    let vendor = Vendor::keeping(TODAY);
    let urls = [vendor.url.clone()];
    let given = Bench::new().run(asks(&urls, &["688001.SH"], "2026-01-05", "2026-09-18"));
    assert_eq!(of_days(&given.times()), days("2026-09-01", "2026-09-18"));
    assert_eq!(given.fault, None);
}

#[test]
fn a_service_that_does_not_mind_the_end_is_not_taken_for_one_that_has_nothing_older() {
    let vendor = Vendor::saying(|_, question| {
        let end = String::new();
        Reply::Body(market(&super::vendor::Question { end, ..question.clone() }, TODAY))
    });
    let options =
        asks(std::slice::from_ref(&vendor.url), &["600000.SH"], "2026-01-05", "2026-06-30");
    let given = Bench::new().run(with(options, json!({ "request_rows": 100 })));
    let fault = given.fault.clone().unwrap();
    assert!(fault.contains("nothing before 2026-04"), "{fault}");
    // what came is true
    assert_eq!(of_days(&given.times()).last().unwrap(), "2026-06-30");
}

#[test]
fn minutes_reach_as_far_back_as_the_service_keeps_them_and_the_rest_is_told() {
    let vendor = Vendor::keeping(TODAY);
    let urls = [vendor.url.clone()];
    let bench = Bench::new();
    let day = |from, to| of_period(asks(&urls, &["600000.SH"], from, to), "5m");
    let given = bench.run(day("2026-09-18 09:30:00", "2026-09-18 15:00:00"));
    assert_eq!((given.bars.len(), given.fault), (48, None));
    let given = bench.run(day("2026-09-17 09:30:00", "2026-09-18 10:00:00"));
    assert_eq!((given.bars.len(), &given.fault), (54, &None));
    assert_eq!(given.times()[0], "2026-09-17 09:35");
    assert!(given.bars.iter().all(|bar| bar.volume_shares == 50_000 && bar.period == "5m"));
    let given = bench.run(day("2026-09-16 09:30:00", "2026-09-18 15:00:00"));
    assert_eq!(given.bars.len(), 96);
    let fault = given.fault.unwrap();
    assert!(fault.contains("600000.SH (nothing before 2026-09-17 09:35"), "{fault}");
}

#[test]
fn minutes_are_asked_further_where_a_page_ends_within_the_span() {
    let vendor = Vendor::keeping(TODAY);
    let options = asks(
        std::slice::from_ref(&vendor.url),
        &["600000.SH"],
        "2026-09-17",
        "2026-09-18 15:00:00",
    );
    let given = Bench::new().run(with(of_period(options, "5m"), json!({ "request_rows": 40 })));
    assert_eq!((given.bars.len(), given.fault), (96, None));
    let ends: Vec<_> = vendor.asked().into_iter().map(|question| question.end).collect();
    assert_eq!(ends, ["", "202609181014", "202609171054"]);
}

#[test]
fn rows_in_disorder_or_twice_leave_in_order_and_once() {
    let rows = ["1500", "1455", "1500", "1450"].map(|minute| {
        json!([format!("20260918{minute}"), "10.00", "10.00", "10.00", "10.00", "5.00", {}, "0.40"])
    });
    let early = json!(["202609170935", "10.00", "10.00", "10.00", "10.00", "5.00", {}, "0.40"]);
    let rows = [&[early][..], &rows].concat();
    let vendor =
        Vendor::besides_index(move |_, question| Reply::Body(answer(&question.code, "m5", &rows)));
    let options = asks(
        std::slice::from_ref(&vendor.url),
        &["600000.SH"],
        "2026-09-18",
        "2026-09-18 15:00:00",
    );
    let given = Bench::new().run(of_period(options, "5m"));
    let expected = ["2026-09-18 14:50", "2026-09-18 14:55", "2026-09-18 15:00"];
    assert_eq!(given.times(), expected);
    assert!(given.fault.unwrap().contains("2026-09-18 begins at 14:50"));
}

#[test]
fn a_day_that_is_a_whole_one_is_asked_for_by_its_name() {
    let vendor = Vendor::keeping(TODAY);
    let urls = [vendor.url.clone()];
    let asked = of_period(asks(&urls, &["600000.SH"], "2026-09-18", "2026-09-18"), "5m");
    let given = Bench::new().run(asked);
    assert_eq!((given.bars.len(), given.fault), (48, None));
}

#[test]
fn a_day_of_which_the_service_has_half_is_told() {
    // of the last day only what ends within these times
    let part = |first: &'static str, last: &'static str| {
        Vendor::besides_index(move |_, question| {
            let whole = market(question, TODAY);
            let whole: Value = serde_json::from_str(&whole).unwrap();
            let rows = whole["data"]["sh600000"]["m5"].as_array().unwrap().iter();
            let is_there = |row: &&Value| {
                let label = row[0].as_str().unwrap();
                !label.starts_with("20260918") || (first..=last).contains(&&label[8..])
            };
            let rows: Vec<_> = rows.filter(is_there).cloned().collect();
            Reply::Body(answer("sh600000", "m5", &rows))
        })
    };
    for (vendor, told) in [
        (part("0935", "1130"), "2026-09-18 ends at 11:30: it was halted"),
        (part("1305", "1500"), "2026-09-18 begins at 13:05: it was halted"),
        (part("1115", "1330"), "2026-09-18 has rows from 11:15 to 13:30 alone"),
    ] {
        let asked =
            asks(std::slice::from_ref(&vendor.url), &["600000.SH"], "2026-09-17", "2026-09-18");
        let given = Bench::new().run(of_period(asked, "5m"));
        let fault = given.fault.unwrap_or_default();
        assert!(fault.contains(told), "{told}: {fault}");
        assert!(!given.bars.is_empty(), "what there is, is given");
    }
}
