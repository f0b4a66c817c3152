//! What holds for any three sources, however they are cut off, delayed and wrong.
//!
//! `PROPTEST_RNG_SEED` repeats a run.

use std::collections::HashMap;

use plugin_api::schemas::time::DAY_US;
use proptest::prelude::*;

use super::*;

const TEN: i64 = MIDNIGHT_US + 36_000 * SECOND_US;
const SOURCES: [&str; 3] = ["a", "b", "c"];
const CODES: [&str; 3] = ["600000", "600001", "600002"];
/// Seconds that a run has.
const LENGTH: i64 = 420;
/// Longest way of a quote to the host, milliseconds.
const LONGEST_DELAY_MS: i64 = 3_900;

/// How a source behaves.
#[derive(Debug, Clone)]
struct Behaviour {
    /// What each quote takes to the host, milliseconds, and how much that varies.
    delay_ms: (i64, i64),
    /// Second from which nothing comes, and for how long.
    cut: Option<(i64, i64)>,
    /// Counts in lots.
    in_lots: bool,
    /// Gives each quote so many times.
    times: usize,
}

/// A run: how the sources behave, when each security trades, and what strays there are.
#[derive(Debug, Clone)]
struct Run {
    sources: Vec<Behaviour>,
    /// By security, for each three seconds: shares traded.
    trades: Vec<Vec<u64>>,
    /// Source, second, and the distance of a quote with a stray time, seconds.
    strays: Vec<(usize, i64, i64)>,
    /// Decides what varies.
    noise: Vec<i64>,
}

/// Something that the host receives.
#[derive(Debug, Clone, Copy)]
struct Arrival {
    at_us: i64,
    rank: usize,
    quote: Quote,
}

fn behaviour() -> impl Strategy<Value = Behaviour> {
    let delay = (0..3_000_i64, 0..900_i64);
    let cut = prop::option::of((30..LENGTH, 1..200_i64));
    (delay, cut, any::<bool>(), 1..3_usize).prop_map(|(delay_ms, cut, in_lots, times)| Behaviour {
        delay_ms,
        cut,
        in_lots,
        times,
    })
}

fn run() -> impl Strategy<Value = Run> {
    let steps = usize::try_from(LENGTH / 3).unwrap();
    // sources that count in lots hide less than two
    let traded = 200..90_000_u64;
    let always = prop::collection::vec(traded.clone(), steps);
    let often = prop::collection::vec(prop_oneof![2 => Just(0), 3 => traded.clone()], steps);
    let rarely = prop::collection::vec(prop_oneof![20 => Just(0), 1 => traded], steps);
    let distance = prop_oneof![90..20_000_i64, -40_000..-1_900_i64, Just(DAY_US / SECOND_US)];
    (
        prop::collection::vec(behaviour(), SOURCES.len()),
        (always, often, rarely),
        prop::collection::vec((0..SOURCES.len(), 30..LENGTH - 60, distance), 0..4),
        prop::collection::vec(0..1_000_i64, 64),
    )
        .prop_map(|(sources, trades, strays, noise)| Run {
            sources,
            trades: vec![trades.0, trades.1, trades.2],
            strays,
            noise,
        })
}

impl Run {
    /// What happened in the market: moment, security, volume.
    fn market(&self) -> Vec<(i64, usize, u64)> {
        let mut all = Vec::new();
        let mut volumes = [10_000_u64; CODES.len()];
        for step in 0..self.trades[0].len() {
            for (security, volume) in volumes.iter_mut().enumerate() {
                let traded = self.trades[security][step];
                *volume += traded;
                // a quote at the start, and with each trade
                if traded > 0 || step < 4 {
                    all.push((TEN + step as i64 * 3 * SECOND_US, security, *volume));
                }
            }
        }
        all
    }

    fn is_cut(&self, rank: usize, at_us: i64) -> bool {
        let second = (at_us - TEN) / SECOND_US;
        self.sources[rank].cut.is_some_and(|(from, length)| (from..from + length).contains(&second))
    }

    /// Whether a source was there for all of the last seconds.
    fn was_there(&self, rank: usize, at_us: i64, seconds: i64) -> bool {
        (0..=seconds).all(|it| !self.is_cut(rank, at_us - it * SECOND_US))
    }

    fn arrivals(&self) -> Vec<Arrival> {
        let mut all = Vec::new();
        let mut noise = self.noise.iter().cycle();
        for (rank, source) in self.sources.iter().enumerate() {
            // what is sent first arrives first
            let mut before_us = 0;
            for (time_us, security, volume) in self.market() {
                let (least, varies) = source.delay_ms;
                let delay_ms = least + noise.next().map_or(0, |it| it * varies / 1_000);
                let volume = if source.in_lots { volume / 100 * 100 } else { volume };
                let code = CODES[security];
                let quote = quote(SOURCES[rank], time_us, volume).code(code);
                before_us = (time_us + delay_ms * 1_000).max(before_us);
                if self.is_cut(rank, time_us) {
                    continue;
                }
                for again in 0..source.times {
                    let at_us = before_us + again as i64 * 900_000;
                    all.push(Arrival { at_us, rank, quote });
                }
            }
        }
        for (rank, second, distance) in &self.strays {
            // it is refuted by what follows
            let is_followed = self.sources[*rank].cut.is_none_or(|(from, _)| from > second + 60);
            if !is_followed {
                continue;
            }
            let at_us = TEN + second * SECOND_US;
            let quote = quote(SOURCES[*rank], at_us + distance * SECOND_US, 7_777_777);
            all.push(Arrival { at_us, rank: *rank, quote });
        }
        all.sort_by_key(|it| it.at_us);
        all
    }
}

/// What came out, with the moment of the clock and the security.
#[derive(Debug)]
struct Passed {
    at_us: i64,
    rank: usize,
    code: String,
    time_us: i64,
    volume: u64,
}

fn passed(at_us: i64, batches: &[Batch]) -> Vec<Passed> {
    let spots = batches.iter().flat_map(|batch| batch.spots().iter());
    let spots = spots.map(|spot| Passed {
        at_us,
        rank: SOURCES.iter().position(|it| *it == spot.source()).unwrap(),
        code: spot.code().to_owned(),
        time_us: spot.time_us(),
        volume: spot.volume_shares(),
    });
    spots.collect()
}

/// Plays a run with a tick each second, live or as a recording, in batches of one source each.
fn play(run: &Run, is_live: bool) -> (Vec<Passed>, Bench) {
    let mut bench = Bench::open(json!({}));
    let mut all = Vec::new();
    let clock = |at_us: i64| if is_live { at_us } else { at_us + 900 * DAY_US };
    let arrivals = run.arrivals();
    let mut groups =
        arrivals.chunk_by(|one, next| (one.rank, one.at_us) == (next.rank, next.at_us)).peekable();
    for second in 0..LENGTH + 20 {
        let tick_us = TEN + second * SECOND_US;
        while let Some(group) = groups.next_if(|group| group[0].at_us < tick_us) {
            let at_us = group[0].at_us;
            bench.host.set_now_us(clock(at_us));
            let quotes: Vec<_> = group.iter().map(|it| it.quote).collect();
            all.extend(passed(at_us, &bench.apply(&batch(&quotes, clock(at_us)))));
        }
        bench.host.set_now_us(clock(tick_us));
        let mut output = Output::default();
        bench.transform.tick(&mut output).unwrap();
        all.extend(passed(tick_us, &output.into_batches()));
    }
    assert!(groups.next().is_none(), "the run is too short");
    let mut output = Output::default();
    bench.transform.close(&mut output).unwrap();
    all.extend(passed(i64::MAX, &output.into_batches()));
    (all, bench)
}

/// No quote goes back, none goes out twice, and each is what its source gave.
fn check_order(run: &Run, all: &[Passed]) -> Result<(), TestCaseError> {
    let market = run.market();
    let mut last: HashMap<&str, (i64, u64)> = HashMap::new();
    for it in all {
        let before = last.insert(&it.code, (it.time_us, it.volume));
        let now = (it.time_us, it.volume);
        prop_assert!(
            before.is_none_or(|before| now > before),
            "{now:?} of {} after {before:?}",
            it.code
        );
        let is_of_market = market.iter().any(|(time_us, security, volume)| {
            let counted = if run.sources[it.rank].in_lots { volume / 100 * 100 } else { *volume };
            (*time_us, CODES[*security], counted) == (it.time_us, it.code.as_str(), it.volume)
        });
        prop_assert!(is_of_market, "{now:?} of {} is none of the market's", it.code);
    }
    Ok(())
}

/// The newest quote of each security that any source gave has gone out in the end.
fn check_end(run: &Run, all: &[Passed]) -> Result<(), TestCaseError> {
    for code in CODES {
        let is_real = |it: &&Arrival| it.quote.code == code && it.quote.volume != 7_777_777;
        let arrivals = run.arrivals();
        let newest = arrivals.iter().filter(is_real).map(|it| it.quote.time_us).max();
        let out = all.iter().filter(|it| it.code == code).map(|it| it.time_us).max();
        prop_assert_eq!(out, newest, "{}", code);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_live_feed_of_any_sources_is_one_feed(run in run()) {
        let (all, _) = play(&run, true);
        check_order(&run, &all)?;
        check_end(&run, &all)?;
        // of the security that trades all the time, so that each source shows at once that it is back
        let outs: Vec<_> = all.iter().filter(|it| it.at_us < i64::MAX && it.code == CODES[0]).collect();
        let better = |it: &Passed| {
            // hold, stale_after, the way to the host, and some quotes
            let seconds = 30 + 6 + LONGEST_DELAY_MS / 1_000 + 30;
            let was_there = |rank: &usize| run.was_there(*rank, it.at_us, seconds);
            (0..it.rank).find(|rank| it.at_us > TEN + seconds * SECOND_US && was_there(rank))
        };
        // one quote of another goes out when the source that served is gone
        for pair in outs.windows(2) {
            let found = better(pair[0]).and(better(pair[1]));
            prop_assert!(found.is_none(), "{found:?} was there, and another one served: {pair:?}");
        }
        // what was traded while somebody was there goes out soon
        for (time_us, security, _) in run.market() {
            let until_us = time_us + (6 + 2 + 1) * SECOND_US + LONGEST_DELAY_MS * 1_000;
            if (0..SOURCES.len()).any(|rank| !run.is_cut(rank, time_us)) {
                let is_out = |it: &Passed| {
                    it.code == CODES[security] && it.at_us <= until_us && it.time_us >= time_us
                };
                let is_over = until_us > TEN + LENGTH * SECOND_US;
                prop_assert!(is_over || all.iter().any(is_out), "{} of {}", time_us - TEN, CODES[security]);
            }
        }
    }

    #[test]
    fn a_recorded_feed_of_any_sources_is_one_feed(run in run()) {
        let (all, bench) = play(&run, false);
        check_order(&run, &all)?;
        check_end(&run, &all)?;
        let (again, _) = play(&run, false);
        prop_assert_eq!(all.len(), again.len());
        let given = run.arrivals().len() as u64;
        let counts = ["repeated", "older", "standby"].map(|name| bench.counted(name));
        let dropped: u64 = bench.host.told().dropped.iter().map(|(_, by)| by).sum();
        let strays = bench.host.counted("stray_times_total");
        let gone = counts.iter().sum::<u64>() + dropped + strays;
        // what stood by may go out later
        prop_assert!((given..=given + counts[2]).contains(&(gone + all.len() as u64)));
    }

    #[test]
    fn any_bytes_for_a_state_are_taken_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut bench = Bench::open(json!({}));
        prop_assert!(bench.transform.import_state(&bytes).is_err());
        let first = quote("a", TEN, 1_000);
        prop_assert_eq!(bench.give(TEN, &[first]), [out(first)]);
    }
}
