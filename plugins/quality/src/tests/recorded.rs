//! The recorded days in config/samples, read in the plainest way.

use std::{collections::HashMap, fs::File, io::Read, path::Path};

use flate2::read::MultiGzDecoder;
use plugin_api::{Batch, Round, SpotListEncoder, SpotRecord, schemas::time::parse_exchange_time};

/// A recorded day and where its columns are.
pub struct Day {
    pub file: &'static str,
    pub records: usize,
    market: &'static str,
    /// What the exchange says of the phase.
    status: &'static str,
    /// Columns that make the time, behind each other.
    time: &'static [&'static str],
    date: &'static str,
    /// Previous close, open, high, low, last, amount, volume.
    numbers: [&'static str; 7],
    /// Bid, bid size, ask, ask size, without their level.
    book: [&'static str; 4],
    first_level: usize,
}

pub static DAYS: [Day; 3] = [
    Day {
        file: "sse_20211201_0915_1030_20stocks_l1.csv.gz",
        records: 21_995,
        market: "SH",
        status: "InstrumentStatus",
        time: &["DateTime"],
        date: "",
        numbers: [
            "PreClosePx",
            "OpenPx",
            "HighPx",
            "LowPx",
            "LastPx",
            "TotalValueTrade",
            "TotalVolumeTrade",
        ],
        book: ["BidPrice", "BidOrderQty", "OfferPrice", "OfferOrderQty"],
        first_level: 0,
    },
    Day {
        file: "sse_20230201_600519_l1.csv.gz",
        records: 5_109,
        market: "SH",
        status: "InstruStatus",
        time: &["UpdateTime"],
        date: "2023-02-01 ",
        numbers: [
            "PreCloPrice",
            "OpenPrice",
            "HighPrice",
            "LowPrice",
            "LastPrice",
            "Turnover",
            "TradVolume",
        ],
        book: ["BidPrice", "BidVolume", "AskPrice", "AskVolume"],
        first_level: 1,
    },
    Day {
        file: "szse_20220601_4stocks_l1.csv.gz",
        records: 17_557,
        market: "",
        status: "TradingPhaseCode",
        time: &["MDDate", "MDTime"],
        date: "",
        numbers: [
            "PreClosePx",
            "OpenPx",
            "HighPx",
            "LowPx",
            "LastPx",
            "TotalValueTrade",
            "TotalVolumeTrade",
        ],
        book: ["BuyPrice", "BuyOrderQty", "SellPrice", "SellOrderQty"],
        first_level: 1,
    },
];

/// A recorded quote.
#[derive(Debug, Clone)]
pub struct Row {
    pub market: String,
    pub code: String,
    /// The exchange's code of the phase.
    pub status: String,
    pub time_us: i64,
    /// Previous close, open, high, low, last, amount.
    pub numbers: [f64; 6],
    pub volume: u64,
    pub bid: Vec<f64>,
    pub bid_volume: Vec<u64>,
    pub ask: Vec<f64>,
    pub ask_volume: Vec<u64>,
}

impl Row {
    pub fn record(&self) -> SpotRecord<'_> {
        let [pre_close, open, high, low, close, amount_cny] = self.numbers;
        SpotRecord {
            market: &self.market,
            code: &self.code,
            time_us: self.time_us,
            recv_time_us: self.time_us,
            pre_close,
            open,
            high,
            low,
            close,
            amount_cny,
            volume_shares: self.volume,
            bid: &self.bid,
            bid_volume: &self.bid_volume,
            ask: &self.ask,
            ask_volume: &self.ask_volume,
            source: "day",
            ..SpotRecord::default()
        }
    }
}

impl Day {
    /// All quotes in the file's order.
    pub fn rows(&self) -> Vec<Row> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/samples");
        let mut text = String::new();
        let file = File::open(path.join(self.file)).unwrap();
        MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
        let rows = self.rows_of(&text);
        assert_eq!(rows.len(), self.records);
        rows
    }

    /// Quotes of an excerpt with the same columns.
    pub fn rows_of(&self, text: &str) -> Vec<Row> {
        let mut lines = text.lines();
        let column_by_name: HashMap<_, _> =
            lines.next().unwrap().split(',').enumerate().map(|(at, name)| (name, at)).collect();
        let rows = lines.map(|line| {
            let cells: Vec<_> = line.split(',').collect();
            self.row(&|name| cells[column_by_name[name]])
        });
        rows.collect()
    }

    fn row<'a>(&self, cell: &dyn Fn(&str) -> &'a str) -> Row {
        let number = |text: &str| if text.is_empty() { 0.0 } else { text.parse().unwrap() };
        let size = |text: &str| if text.is_empty() { 0 } else { text.parse().unwrap() };
        let levels = |name: &str| {
            (self.first_level..self.first_level + 5)
                .map(|level| cell(&format!("{name}{level}")))
                .collect::<Vec<_>>()
        };
        let time: Vec<_> = self.time.iter().map(|name| cell(name)).collect();
        let (code, market) =
            cell("SecurityID").split_once('.').unwrap_or((cell("SecurityID"), self.market));
        let [bid, bid_volume, ask, ask_volume] = self.book.map(levels);
        let mut numbers = [0.0; 6];
        for (to, name) in numbers.iter_mut().zip(self.numbers) {
            *to = number(cell(name));
        }
        Row {
            market: market.to_owned(),
            code: code.to_owned(),
            status: cell(self.status).to_owned(),
            time_us: parse_exchange_time(&format!("{}{}", self.date, time.join(" "))).unwrap(),
            numbers,
            volume: size(cell(self.numbers[6])),
            bid: bid.into_iter().map(number).collect(),
            bid_volume: bid_volume.into_iter().map(size).collect(),
            ask: ask.into_iter().map(number).collect(),
            ask_volume: ask_volume.into_iter().map(size).collect(),
        }
    }

    /// All quotes; those of one time are a batch.
    pub fn batches(&self) -> Vec<Batch> {
        let rows = self.rows();
        let rounds = rows.chunk_by(|row, next| row.time_us == next.time_us);
        let batch = |rows: &[Row]| {
            let mut encoder = SpotListEncoder::new(rows.len());
            for row in rows {
                encoder.push(&row.record()).unwrap();
            }
            Batch::from_spots(&mut encoder, Round::WHOLE)
        };
        rounds.map(batch).collect()
    }
}
