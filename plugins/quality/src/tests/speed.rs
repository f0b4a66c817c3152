//! What the way costs on which nothing is found.
//!
//! `cargo test --release -p dataserver-plugin-quality -- --nocapture speed` measures.

use std::time::Instant;

use super::*;

const SYMBOLS: usize = 5_500;
const ROUNDS: i64 = if cfg!(debug_assertions) { 5 } else { 400 };

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
    let mut bench = Bench::open(json!({}));
    let started = Instant::now();
    for round in &rounds {
        let judged = bench.apply(round).unwrap();
        assert_eq!(judged.payload().as_ptr(), round.payload().as_ptr());
    }
    let seconds = started.elapsed().as_secs_f64();
    #[allow(clippy::cast_precision_loss)]
    let spots = (rounds.len() * SYMBOLS) as f64;
    eprintln!("{:.2} million spots/s, {:.0} ns each", spots / seconds / 1e6, seconds / spots * 1e9);
    assert_eq!(bench.findings(), []);
}
