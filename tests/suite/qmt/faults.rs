//! Hosts and bridges that are killed, connections that are cut, disks that are full.

use harness::{Proxy, Random, seed};
use serde_json::json;

use super::{Bridge, Site, plan, wait_until, with};

#[test]
fn everything_arrives_once_and_in_order_in_whatever_shape() {
    let site = Site::new(&with(plan(60, 120, 2), &json!({ "odd": 7 })));
    let (host, bridge) = (site.host(), site.bridge());
    host.wait_for("mode whole_quote: one subscription for 60 securities");
    site.wait_for_all(120, &bridge);
    site.end(bridge, host);
    site.assert_all_once(60, 120);
}

#[test]
fn a_host_that_is_killed_and_restarted_loses_and_doubles_nothing() {
    let (rounds, mut random) = (400, Random::new(seed(1)));
    let site = Site::new(&plan(200, rounds, 10));
    let mut host = site.host();
    let bridge = site.bridge();
    for step in 1..=4 {
        site.wait_for_round(step * 70 + random.between(0, 20));
        host.signal("KILL");
        host.wait();
        if step % 2 == 0 {
            // it is away for some rounds
            let now = site.played();
            site.wait_for_round((now + 20).min(rounds));
        }
        host = site.host();
    }
    site.wait_for_all(rounds, &bridge);
    site.end(bridge, host);
    site.assert_all_once(200, rounds);
}

#[test]
fn a_bridge_that_is_killed_sends_what_it_had_spooled_and_nothing_twice() {
    let site = Site::new(&plan(100, 120, 1));
    // killed while the host is away, then while it is there; between rounds, because what xtquant
    // has called and the spool does not have yet is gone with the process
    site.limit(40);
    let bridge = site.bridge();
    bridge.wait_for_records(4_000);
    bridge.kill();
    let host = site.host();
    site.limit(80);
    let bridge = site.bridge();
    bridge.wait_for("the last run did not end in order");
    bridge.wait_for_records(4_000);
    bridge.kill();
    site.limit(120);
    let bridge = site.bridge();
    site.wait_for_all(120, &bridge);
    site.end(bridge, host);
    site.assert_all_once(100, 120);
}

#[test]
fn bridge_and_host_killed_together_lose_and_double_nothing() {
    let site = Site::new(&plan(100, 150, 1));
    for step in 1..=3 {
        site.limit(step * 50);
        let (host, bridge) = (site.host(), site.bridge());
        bridge.wait_for_records(5_000);
        bridge.kill();
        host.signal("KILL");
        host.wait();
    }
    let (host, bridge) = (site.host(), site.bridge());
    bridge.wait_for("connected to the host");
    site.wait_for_all(150, &bridge);
    site.end(bridge, host);
    site.assert_all_once(100, 150);
}

#[test]
fn connections_that_are_cut_within_frames_stalled_and_refused_lose_and_double_nothing() {
    let rounds = 60;
    let site = Site::new(&plan(3_000, rounds, 60));
    let host = site.host();
    let proxy = Proxy::start(site.port);
    let bridge = site.bridge_to(proxy.port(), &[]);
    for step in 1..=8 {
        site.wait_for_round(step * 6);
        match step % 4 {
            0 => {
                proxy.lose_answers();
                site.wait_for_round(step * 6 + 2);
                proxy.cut();
                proxy.forward();
            }
            1 | 2 => {
                // what is under way stays in the proxy, and goes with the connection
                proxy.stall();
                site.wait_for_round(step * 6 + 3);
                proxy.cut();
                proxy.forward();
            }
            _ => {
                proxy.refuse();
                site.wait_for_round(step * 6 + 2);
                proxy.forward();
            }
        }
    }
    site.wait_for_all(rounds, &bridge);
    site.end(bridge, host);
    site.assert_all_once(3_000, rounds);
}

#[test]
fn a_bridge_with_a_wrong_token_is_refused_and_keeps_everything_for_the_right_one() {
    let site = Site::new(&plan(20, 30, 1));
    let host = site.host();
    let bridge = Bridge::start(&site.bench, site.port, "some other token", &[]);
    bridge.wait_for("the host refused: the token is wrong");
    let log = host.wait_for("a bridge with a wrong token was refused");
    assert!(!log.contains("some other token") && !log.contains(super::TOKEN), "{log}");
    bridge.wait_for_records(600);
    assert!(!bridge.log().contains("token of tests"));
    bridge.end();
    let bridge = site.bridge();
    site.wait_for_all(30, &bridge);
    site.end(bridge, host);
    site.assert_all_once(20, 30);
}

#[test]
fn twenty_thousand_securities_in_one_callback_arrive() {
    let site = Site::new(&plan(20_000, 3, 50));
    let (host, bridge) = (site.host(), site.bridge());
    site.wait_for_all(3, &bridge);
    site.end(bridge, host);
    site.assert_all_once(20_000, 3);
}

#[test]
fn a_full_spool_drops_the_oldest_counts_it_and_tells_the_host() {
    let (symbols, rounds) = (500_u64, 200);
    let site = Site::new(&plan(500, rounds, 1));
    let bridge = site.bridge_to(site.port, &["--spool-max-bytes", "1048576"]);
    bridge.wait_for_records(symbols * rounds);
    bridge.wait_for("the spool is full");
    let host = site.host();
    bridge.wait_until_nothing_waits();
    let dropped =
        || host.metric(site.http, "dataserver_records_dropped_total", "bridge_spool_full");
    wait_until("the count", || dropped() > 0.0);
    let lost = bridge.log();
    let lost = lost.lines().rev().find(|line| line.contains("records so far")).unwrap();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let dropped = dropped() as u64;
    assert!(lost.contains(&format!("{dropped} spool full")), "{lost}");
    site.end(bridge, host);
    let found = site.rounds_by_symbol();
    let arrived: usize = found.values().map(Vec::len).sum();
    assert_eq!(arrived as u64 + dropped, symbols * rounds, "all are accounted for");
    for (symbol, found) in &found {
        let first = rounds + 1 - found.len() as u64;
        assert_eq!(found, &(first..=rounds).collect::<Vec<_>>(), "{symbol}: the newest are kept");
    }
}

#[test]
fn two_bridges_never_write_one_spool() {
    let site = Site::new(&plan(5, 5, 1));
    let first = site.bridge();
    first.wait_for_records(25);
    let second = site.bridge();
    second.wait_for("another bridge uses spool");
    first.end();
}
