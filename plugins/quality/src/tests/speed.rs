//! What the way costs on which nothing is found.
//!
//! `cargo test --release -p dataserver-plugin-quality -- --nocapture speed` measures.

use std::time::Instant;

use super::*;

const SYMBOLS: usize = 5_500;
/// So few that the processor's cache holds most of them, as it does what was just received.
const ROUNDS: i64 = 4;
const PASSES: usize = if cfg!(debug_assertions) { 2 } else { 100 };

#[test]
fn a_clean_market_passes_unchanged_and_the_speed_is_told() {
    let codes: Vec<_> = (0..SYMBOLS).map(|index| (600_000 + index).to_string()).collect();
    let rounds: Vec<_> = (0..ROUNDS)
        .map(|round| {
            let time_us = at(10, 0, 0) + round * SECOND_US;
            let record = |code| SpotRecord { code, time_us, recv_time_us: time_us, ..good() };
            let records: Vec<_> = codes.iter().map(|code| record(code)).collect();
            batch(&records)
        })
        .collect();
    let mut nanos: Vec<_> = (0..PASSES)
        .map(|_| {
            let mut bench = Bench::open(json!({}));
            bench.apply(&rounds[0]);
            let started = Instant::now();
            for round in &rounds[1..] {
                let judged = bench.apply(round).unwrap();
                assert_eq!(judged.payload().as_ptr(), round.payload().as_ptr());
            }
            assert_eq!(bench.findings(), []);
            started.elapsed().as_nanos() / ((rounds.len() - 1) * SYMBOLS) as u128
        })
        .collect();
    nanos.sort_unstable();
    let (best, middle) = (nanos[0].max(1), nanos[nanos.len() / 2].max(1));
    // others may use the processor too: the best pass is what the code costs
    eprintln!(
        "{best} ns a quote at best ({} a second), {middle} in the middle",
        1_000_000_000 / best
    );
}
