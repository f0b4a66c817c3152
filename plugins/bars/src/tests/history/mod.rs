//! Minutes that a source of history tells are joined to those of the quotes without a seam.
//!
//! History here kept the bars of a whole run with their own source, which is that of the quotes: so
//! bars are compared to the last byte, their source included. What bars say whose history is of
//! another source, [`joined::bars_name_the_sources_of_both_sides`] tells.

mod joined;
mod lacking;
mod restarted;

use plugin_api::{BarRecord, Symbol, encode_bars, schemas::time::SECOND_US};

use super::{
    random::Seeded,
    recorded::{Day, FOUR, MANY, ONE, Row, feed, market_of, recorded, thinned},
    *,
};

const MINUTE_US: i64 = 60 * SECOND_US;

/// A minute as a source of history gives it.
#[derive(Debug, Clone)]
pub struct Told {
    pub code: String,
    pub time_us: i64,
    pub bar: Kept,
}

/// The minutes that a reader of a whole run knows, in the order of securities and time.
fn minutes_of(kept: &BTreeMap<Key, Kept>) -> Vec<Told> {
    let told = kept.iter().filter_map(|(key, bar)| {
        let (code, rest) = key.split_once(' ')?;
        let time = rest.strip_prefix("1m ")?;
        Some(Told { code: code.to_owned(), time_us: us(time), bar: bar.clone() })
    });
    told.collect()
}

/// A batch of the source of history.
pub fn history(minutes: &[Told]) -> Batch {
    let bars = minutes.iter().map(|Told { code, time_us, bar }| BarRecord {
        symbol: Symbol { market: market_of(code), code },
        period: "1m",
        time_us: *time_us,
        open: bar.open,
        high: bar.high,
        low: bar.low,
        close: bar.close,
        amount_cny: bar.amount,
        volume_shares: bar.volume,
        closed: bar.closed,
        quality_score: None,
        source: &bar.source,
    });
    let batch = Batch::from_bars(encode_bars(bars)).unwrap();
    batch.with_provenance(Provenance::of_source("past"))
}

/// Options of a transform that may be told history.
fn options(more: Value) -> Value {
    let mut options = json!({
        "periods": ["1m", "3m", "5m", "30m", "60m", "2h", "day", "year"],
        "history": "past",
    });
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    options
}

/// A transform at the start of a live feed.
fn bench_at(options: Value, time_us: i64) -> Bench {
    let bench = Bench::new(options);
    bench.host.set_now_us(time_us);
    bench
}

/// Ends a live feed: the clock closes what is over.
fn finish(mut bench: Bench, rows: &[Row]) -> BTreeMap<Key, Kept> {
    let last_us = rows.last().unwrap().time_us;
    for minutes in [2, 40] {
        bench.host.set_now_us(last_us + minutes * MINUTE_US);
        let mut output = Output::default();
        bench.bars.tick(&mut output).unwrap();
        bench.hear(output);
    }
    bench.end();
    bench.kept
}

/// What a transform emits that sees all quotes, and what its reader knows after so many of them.
fn whole(
    rows: &[Row],
    options: &Value,
    moments: &[usize],
) -> (BTreeMap<Key, Kept>, Vec<Vec<Told>>) {
    let mut bench = bench_at(options.clone(), rows[0].time_us);
    let (mut known, mut from) = (Vec::new(), 0);
    for &moment in moments {
        feed(&mut bench, &rows[from..moment]);
        known.push(minutes_of(&bench.kept));
        from = moment;
    }
    feed(&mut bench, &rows[from..]);
    (finish(bench, rows), known)
}

/// What a transform emits that starts late: history comes before the quote `comes`.
fn late(rows: &[Row], options: &Value, start: usize, comes: usize, batches: &[Batch]) -> Bench {
    let mut bench = bench_at(options.clone(), rows[start].time_us);
    feed(&mut bench, &rows[start..comes]);
    for batch in batches {
        bench.apply(batch);
    }
    feed(&mut bench, &rows[comes..]);
    bench
}

fn assert_same(found: &BTreeMap<Key, Kept>, expected: &BTreeMap<Key, Kept>, about: &str) {
    let differ: Vec<_> = expected
        .iter()
        .filter(|(key, bar)| found.get(*key) != Some(bar))
        .map(|(key, bar)| (key, bar, found.get(key)))
        .collect();
    assert!(differ.is_empty(), "{about}: {} differ: {:?}", differ.len(), &differ[..1]);
    let more: Vec<_> = found.keys().filter(|key| !expected.contains_key(*key)).collect();
    assert!(more.is_empty(), "{about}: nobody else has {more:?}");
}

/// Where a day can be cut: behind the opening auction.
fn moments(rows: &[Row], count: usize, random: &mut Seeded) -> Vec<usize> {
    let open =
        rows.iter().position(|row| row.time_us % (86_400 * SECOND_US) >= us("1970-01-01 09:31:00"));
    let open = open.unwrap();
    let mut moments: Vec<_> =
        (0..count).map(|_| open + random.below(rows.len() - open - 200)).collect();
    moments.sort_unstable();
    moments
}

fn days() -> impl Iterator<Item = (Day, Vec<Row>)> {
    [MANY, ONE, FOUR].into_iter().map(|day| (day, recorded(day)))
}

fn time_text(time_us: i64) -> String {
    String::from_utf8(DatetimeText::default().format(time_us).to_vec()).unwrap()
}
