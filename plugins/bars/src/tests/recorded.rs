//! The recorded days as quotes, and a feed that plays them live.

use std::{fs::File, io::Read, path::Path};

use flate2::read::MultiGzDecoder;
use plugin_api::schemas::time::SECOND_US;

use super::*;

/// A quote of a recorded day.
#[derive(Debug, Clone)]
pub struct Row {
    pub code: String,
    pub time_us: i64,
    pub pre_close: f64,
    /// Open, high, low, close, amount.
    pub numbers: [f64; 5],
    pub volume: u64,
    pub bid: Vec<f64>,
    pub ask: Vec<f64>,
}

/// A file of recorded quotes: its columns for time, previous close, open, high, low, close, amount
/// and volume, then the columns of the book without their number, and the first number.
#[derive(Debug, Clone, Copy)]
pub struct Day {
    pub file: &'static str,
    /// What stands before the time of day.
    date: &'static str,
    columns: [&'static str; 8],
    book: [&'static str; 2],
    first_level: usize,
}

/// Twenty stocks of Shanghai until 10:30.
pub const MANY: Day = Day {
    file: "sse_20211201_0915_1030_20stocks_l1.csv.gz",
    date: "",
    columns: [
        "DateTime",
        "PreClosePx",
        "OpenPx",
        "HighPx",
        "LowPx",
        "LastPx",
        "TotalValueTrade",
        "TotalVolumeTrade",
    ],
    book: ["BidPrice", "OfferPrice"],
    first_level: 0,
};

/// One stock of Shanghai for a day.
pub const ONE: Day = Day {
    file: "sse_20230201_600519_l1.csv.gz",
    date: "2023-02-01 ",
    columns: [
        "UpdateTime",
        "PreCloPrice",
        "OpenPrice",
        "HighPrice",
        "LowPrice",
        "LastPrice",
        "Turnover",
        "TradVolume",
    ],
    book: ["BidPrice", "AskPrice"],
    first_level: 1,
};

/// Four stocks of Shenzhen for a day.
pub const FOUR: Day = Day {
    file: "szse_20220601_4stocks_l1.csv.gz",
    date: "2022-06-01 ",
    columns: [
        "MDTime",
        "PreClosePx",
        "OpenPx",
        "HighPx",
        "LowPx",
        "LastPx",
        "TotalValueTrade",
        "TotalVolumeTrade",
    ],
    book: ["BuyPrice", "SellPrice"],
    first_level: 1,
};

/// The quotes of a recorded day in the order of their times.
pub fn recorded(day: Day) -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/samples").join(day.file);
    let mut text = String::new();
    MultiGzDecoder::new(File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    let mut lines = text.lines();
    let head: Vec<_> = lines.next().unwrap().split(',').collect();
    let place = |name: &str| head.iter().position(|it| *it == name).unwrap();
    let places = day.columns.map(place);
    let levels = |name: &str| {
        let levels = day.first_level..day.first_level + 5;
        levels.map(|level| place(&format!("{name}{level}"))).collect::<Vec<_>>()
    };
    let [bids, asks] = day.book.map(levels);
    let mut rows: Vec<_> = lines
        .map(|line| {
            let cells: Vec<_> = line.split(',').collect();
            let number = |at: usize| cells[at].parse().unwrap_or(0.0);
            let of_places = |places: &[usize]| places.iter().map(|at| number(*at)).collect();
            Row {
                code: cells[0].split('.').next().unwrap().to_owned(),
                time_us: parse_exchange_time(&format!("{}{}", day.date, cells[places[0]])).unwrap(),
                pre_close: number(places[1]),
                numbers: [2, 3, 4, 5, 6].map(|at| number(places[at])),
                volume: cells[places[7]].parse().unwrap_or(0),
                bid: of_places(&bids),
                ask: of_places(&asks),
            }
        })
        .collect();
    rows.sort_by_key(|row| row.time_us);
    rows
}

/// The day without most quotes of every other security: each fourth minute is left.
pub fn thinned(rows: &[Row]) -> Vec<Row> {
    let is_kept = |row: &&Row| {
        let minute = row.time_us / (60 * SECOND_US) % (24 * 60) + 8 * 60;
        let is_thin = row.code.bytes().map(u32::from).sum::<u32>() % 2 == 0;
        !is_thin || minute < 9 * 60 + 30 || minute % 4 == 0
    };
    rows.iter().filter(is_kept).cloned().collect()
}

/// The exchange of a code.
pub fn market_of(code: &str) -> &'static str {
    if code.starts_with('6') || code.starts_with('9') { "SH" } else { "SZ" }
}

/// The quotes as one batch.
pub fn list_of(rows: &[Row]) -> Batch {
    let mut encoder = SpotListEncoder::new(rows.len());
    for row in rows {
        let [open, high, low, close, amount_cny] = row.numbers;
        let sizes = [100_u64; 5];
        let record = SpotRecord {
            market: market_of(&row.code),
            code: &row.code,
            time_us: row.time_us,
            pre_close: row.pre_close,
            open,
            high,
            low,
            close,
            amount_cny,
            volume_shares: row.volume,
            bid: &row.bid,
            bid_volume: &sizes,
            ask: &row.ask,
            ask_volume: &sizes,
            ..SpotRecord::default()
        };
        encoder.push(&record).unwrap();
    }
    Batch::from_spots(&mut encoder, Round::MIDDLE)
}

/// A batch a second after its last quote was made.
pub fn live(rows: &[Row]) -> (i64, Batch) {
    let received_us = rows.iter().map(|row| row.time_us).max().unwrap() + SECOND_US;
    let mut provenance = Provenance::of_source("live");
    provenance.received_at_us = received_us;
    (received_us, list_of(rows).with_provenance(provenance))
}

/// Gives quotes as a live feed does, a few at a time.
pub fn feed(bench: &mut Bench, rows: &[Row]) {
    for rows in rows.chunks(20) {
        let (received_us, batch) = live(rows);
        bench.host.set_now_us(received_us);
        bench.apply(&batch);
    }
}
