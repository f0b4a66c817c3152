//! The recorded days in config/samples and how `replay` reads them.

use crate::sample;

/// A recorded day.
#[derive(Debug, Clone, Copy)]
pub struct Day {
    /// File in config/samples.
    pub file: &'static str,
    /// Rows, each one record.
    pub records: u64,
    options: &'static str,
    columns: &'static str,
}

/// Every recorded day.
pub const DAYS: [Day; 3] = [
    Day {
        file: "sse_20211201_0915_1030_20stocks_l1.csv.gz",
        records: 21_995,
        options: "market = \"SH\"\nfirst_level = 0",
        columns: r#"
code = "SecurityID"
time = "DateTime"
pre_close = "PreClosePx"
open = "OpenPx"
high = "HighPx"
low = "LowPx"
close = "LastPx"
volume = "TotalVolumeTrade"
amount = "TotalValueTrade"
bid = "BidPrice{n}"
bid_volume = "BidOrderQty{n}"
ask = "OfferPrice{n}"
ask_volume = "OfferOrderQty{n}""#,
    },
    Day {
        file: "sse_20230201_600519_l1.csv.gz",
        records: 5_109,
        options: "market = \"SH\"\ndate = \"2023-02-01\"\nfirst_level = 1",
        columns: r#"
code = "SecurityID"
time = "UpdateTime"
pre_close = "PreCloPrice"
open = "OpenPrice"
high = "HighPrice"
low = "LowPrice"
close = "LastPrice"
volume = "TradVolume"
amount = "Turnover"
bid = "BidPrice{n}"
bid_volume = "BidVolume{n}"
ask = "AskPrice{n}"
ask_volume = "AskVolume{n}""#,
    },
    Day {
        file: "szse_20220601_4stocks_l1.csv.gz",
        records: 17_557,
        options: "first_level = 1",
        columns: r#"
code = "SecurityID"
date = "MDDate"
time = "MDTime"
pre_close = "PreClosePx"
open = "OpenPx"
high = "HighPx"
low = "LowPx"
close = "LastPx"
volume = "TotalVolumeTrade"
amount = "TotalValueTrade"
bid = "BuyPrice{n}"
bid_volume = "BuyOrderQty{n}"
ask = "SellPrice{n}"
ask_volume = "SellOrderQty{n}""#,
    },
];

impl Day {
    /// A source `day` that replays it as fast as possible.
    pub fn source(&self) -> String {
        self.source_of(&sample(self.file).display().to_string())
    }

    /// A source `day` that replays another file with the same columns.
    pub fn source_of(&self, path: &str) -> String {
        let Self { options, columns, .. } = self;
        format!(
            "[sources.day]\nplugin = \"replay\"\npath = \"{path}\"\nspeed = 0.0\n\
             units = {{ volume = \"shares\", amount = \"cny\" }}\n{options}\n\n\
             [sources.day.columns]{columns}\n"
        )
    }
}
