//! Subscriptions that fail, terminals that are away, snapshots.

use serde_json::json;

use super::{Site, plan, wait_until, with};

/// Asserts that each security's rounds never go back and end with the last; snapshots may repeat one.
#[track_caller]
fn assert_in_order(site: &Site, symbols: usize, rounds: u64, every: bool) {
    let found = site.rounds_by_symbol();
    assert_eq!(found.len(), symbols);
    for (symbol, found) in &found {
        assert!(found.is_sorted(), "{symbol}: {found:?}");
        assert_eq!(found.last(), Some(&rounds), "{symbol}");
        let mut distinct = found.clone();
        distinct.dedup();
        let all: Vec<_> = (1..=rounds).collect();
        assert!(!every || distinct == all, "{symbol}: {found:?}");
    }
}

#[test]
fn a_subscription_that_is_refused_falls_back_to_one_for_each_stock_and_polls_the_rest() {
    for how in ["refuse", "raise"] {
        let more =
            json!({ "whole_quote": how, "refuse": ["600003.SH", "600007.SH"], "full_tick": "ok" });
        let site = Site::new(&with(plan(10, 40, 20), &more));
        let (host, bridge) = (site.host(), site.bridge());
        host.wait_for("mode per_stock: 8 subscriptions; 2 securities were refused and are polled");
        site.wait_for_all(40, &bridge);
        site.end(bridge, host);
        assert_in_order(&site, 10, 40, false);
    }
}

#[test]
fn without_any_subscription_quotes_are_polled() {
    let more = json!({ "whole_quote": "raise", "quote": "refuse", "full_tick": "ok" });
    let site = Site::new(&with(plan(30, 20, 100), &more));
    let (host, bridge) = (site.host(), site.bridge());
    host.wait_for("mode polling: 30 securities every 0.05 s, because subscriptions fail");
    site.wait_for_all(20, &bridge);
    site.end(bridge, host);
    assert_in_order(&site, 30, 20, false);
}

#[test]
fn a_terminal_that_calls_once_for_each_security_is_joined_to_batches() {
    let site = Site::new(&with(plan(300, 20, 50), &json!({ "per_call": 1 })));
    let (host, bridge) = (site.host(), site.bridge());
    site.wait_for_all(20, &bridge);
    site.end(bridge, host);
    site.assert_all_once(300, 20);
}

#[test]
fn every_connect_is_followed_by_a_snapshot_that_keeps_the_order() {
    let site = Site::new(&with(plan(50, 150, 10), &json!({ "full_tick": "ok" })));
    let mut host = site.host();
    let bridge = site.bridge();
    for round in [30, 70] {
        site.wait_for_round(round);
        host.signal("KILL");
        host.wait();
        host = site.host();
        bridge.wait_for("(connected to the host)");
        let snapshots = || host.metric(site.http, "dataserver_qmt_snapshot_batches_total", "");
        wait_until("a snapshot", || snapshots() > 0.0);
    }
    site.wait_for_all(150, &bridge);
    site.end(bridge, host);
    assert_in_order(&site, 50, 150, true);
}

#[test]
fn a_terminal_that_is_away_is_told_and_subscribed_again_when_it_is_back() {
    let site = Site::new(&with(plan(20, 60, 5), &json!({ "full_tick": "ok" })));
    site.set("connected", 0);
    site.limit(30);
    let (host, bridge) = (site.host(), site.bridge());
    host.wait_for("QMT is not there");
    host.wait_for("start miniQMT and log in");
    site.set("connected", 1);
    host.wait_for("mode whole_quote");
    site.wait_for_round(30);
    site.set("connected", 0);
    let gone = "the connection of xtquant is gone";
    bridge.wait_for(gone);
    site.limit(60);
    site.set("connected", 1);
    // what was played before the new subscription is in the snapshot behind it
    site.wait_for_round(60);
    wait_until("a snapshot", || {
        let log = bridge.log();
        log.split_once(gone).unwrap().1.contains("full snapshot of 20 securities (subscribed)")
    });
    site.wait_for_all(60, &bridge);
    site.end(bridge, host);
    assert_in_order(&site, 20, 60, false);
}
