//! Every cell of the samples, against a plain read of the same file.

use std::{collections::HashMap, io::Read};

use flate2::read::MultiGzDecoder;
use plugin_api::{SpotView, schemas::time::parse_exchange_time};

use super::*;

/// Header and rows of a sample, split at the commas, of which no cell of it has any.
fn plain(name: &str) -> Vec<HashMap<String, String>> {
    let mut text = String::new();
    let file = fs::File::open(samples().join(name)).unwrap();
    MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let row = |line: &str| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .zip(line.split(',').map(str::to_owned))
            .collect()
    };
    lines.map(row).collect()
}

fn number(cell: &str) -> f64 {
    if cell.is_empty() { 0.0 } else { cell.parse().unwrap() }
}

/// The levels of one side as the file has them, without the empty ones at the end.
fn book(row: &HashMap<String, String>, template: &str, first: usize) -> Vec<f64> {
    let cells = (first..first + 5).map(|n| &row[&template.replace("{n}", &n.to_string())]);
    let mut cells: Vec<&String> = cells.collect();
    while cells.last().is_some_and(|cell| cell.is_empty()) {
        cells.pop();
    }
    cells.into_iter().map(|cell| number(cell)).collect()
}

#[allow(clippy::float_cmp)] // every bit counts
#[allow(clippy::cast_precision_loss)]
fn check(
    options: &Value,
    first_level: usize,
    rows: usize,
    time: impl Fn(&HashMap<String, String>) -> String,
) {
    let played = play(options, &samples());
    let plain = plain(options["path"].as_str().unwrap());
    let spots: Vec<SpotView<'_>> =
        played.batches.iter().flat_map(|batch| batch.spots().iter().collect::<Vec<_>>()).collect();
    assert_eq!((spots.len(), plain.len()), (rows, rows));
    let columns = &options["columns"];
    let name = |key: &str| columns[key].as_str().unwrap();
    for (spot, row) in spots.iter().zip(&plain) {
        let cell = |key: &str| number(&row[name(key)]);
        let code = &row[name("code")];
        assert_eq!(spot.symbol().to_string().trim_end_matches(".SH"), code, "{row:?}");
        assert_eq!(Some(spot.time_us()), parse_exchange_time(&time(row)), "{row:?}");
        assert_eq!(spot.recv_time_us(), spot.time_us());
        let prices = [
            spot.pre_close(),
            spot.open(),
            spot.high(),
            spot.low(),
            spot.close(),
            spot.amount_cny(),
        ];
        assert_eq!(
            prices,
            ["pre_close", "open", "high", "low", "close", "amount"].map(cell),
            "{row:?}"
        );
        assert_eq!(spot.volume_shares() as f64, cell("volume"));
        assert_eq!(spot.bid().iter().collect::<Vec<_>>(), book(row, name("bid"), first_level));
        assert_eq!(spot.ask().iter().collect::<Vec<_>>(), book(row, name("ask"), first_level));
        for (lots, side) in [(spot.bid_lots(), "bid_volume"), (spot.ask_lots(), "ask_volume")] {
            let shares: Vec<f64> =
                lots.iter().map(|lots| plugin_api::schemas::spot::shares(lots) as f64).collect();
            assert_eq!(shares, book(row, name(side), first_level));
        }
        assert_eq!((spot.source(), spot.name(), spot.quality_score()), ("day", "", None));
    }
    assert_eq!(played.host.counted("source_bad_rows_total"), 0);
    // a round is what has one time
    for (batch, next) in played.batches.iter().zip(&played.batches[1..]) {
        let last = |batch: &Batch| batch.spots().iter().next_back().unwrap().time_us();
        assert!(last(batch) < last(next) && batch.round() == plugin_api::Round::WHOLE);
    }
}

#[test]
fn twenty_shanghai_stocks_come_out_cell_by_cell() {
    check(&sse_2021(), 0, 21_995, |row| row["DateTime"].clone());
}

#[test]
fn a_day_without_a_date_column_comes_out_cell_by_cell() {
    check(&sse_2023(), 1, 5_109, |row| format!("2023-02-01 {}", row["UpdateTime"]));
}

#[test]
fn four_shenzhen_stocks_come_out_cell_by_cell() {
    check(&szse_2022(), 1, 17_557, |row| format!("{} {}", row["MDDate"], row["MDTime"]));
}
