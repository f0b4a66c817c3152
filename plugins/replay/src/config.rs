//! Options as they are written.

use plugin_api::{Duration, options};

options! {
    /// Options of the `replay` source.
    pub struct Options {
        /// File, folder (searched with its subfolders) or glob of what was recorded; relative to
        /// pipeline.toml. `.csv`, `.txt` (QQ lines), each also `.gz` or `.zst`, and `.parquet`.
        /// Text is in UTF-8, GBK or UTF-16. A run of which a file could not be read, or nothing at
        /// all, ends with exit code 1.
        pub path: String,
        /// How the files are written. Default auto: told by their first bytes.
        #[serde(default)]
        pub format: Format,
        /// How many times faster than recorded; 0 is as fast as the sinks take it. Default 1.0.
        #[serde(default = "one")]
        pub speed: f64,
        /// Longest pause between two rounds in recorded time; longer ones (lunch, night) are cut
        /// to it. Has no effect with `speed = 0`. Default 5m, more than 0.
        #[serde(default = "five_minutes")]
        pub max_gap: Duration,
        /// Securities to play, as 600000.SH, SH600000 or sh600000; with `market` also 600000.
        /// Default: all.
        #[serde(default)]
        pub symbols: Vec<String>,
        /// First exchange time to play, inclusive: `2021-12-01`, `2021-12-01 09:30`, or `09:30`
        /// for that time of every day. Default: from the start.
        #[serde(default)]
        pub from: Option<String>,
        /// Last exchange time to play, inclusive, written like `from`; a date alone includes that
        /// whole day. Default: to the end.
        #[serde(default)]
        pub to: Option<String>,
        /// Starts over at the end, for ever. Default false.
        #[serde(default, rename = "loop")]
        pub repeat: bool,
        /// `recorded` keeps the recorded times; `now` moves all of them by one distance, so that
        /// the first record is stamped with the time at which it leaves. Default recorded.
        #[serde(default)]
        pub clock: Clock,
        /// Lets an unfinished run go on after a restart with the first round that not every sink
        /// had confirmed. A finished run starts over. Default false.
        #[serde(default)]
        pub resume: bool,
        /// Exchange of codes that carry none: SH, SZ or BJ, also by other names such as XSHG.
        #[serde(default)]
        pub market: Option<String>,
        /// Date of files whose times carry none, as 2021-12-01.
        #[serde(default)]
        pub date: Option<String>,
        /// Units of volume and amount in the files.
        #[serde(default)]
        pub units: Units,
        /// Number of the best book level in column names with `{n}`. Default: 0 where the file has
        /// such a column, otherwise 1.
        #[serde(default)]
        pub first_level: Option<u32>,
        /// Most book levels to read. Default 10, at most 10.
        #[serde(default = "ten")]
        pub levels: usize,
        /// Names of the columns. Default: the names that the `parquet` sink writes. No column that
        /// is read may be there twice.
        #[serde(default)]
        pub columns: Option<Columns>,
    }
}

options! {
    /// How files are written.
    #[derive(Default)]
    pub enum Format {
        /// Told by the first bytes of each file.
        #[default]
        Auto,
        /// Columns, of any vendor or of the `parquet` sink.
        Parquet,
        /// A header line, then one quote or bar a line, its cells between commas.
        Csv,
        /// Lines of the Tencent quote service.
        Qq,
    }
}

options! {
    /// Which times records carry.
    #[derive(Default)]
    pub enum Clock {
        /// The recorded ones.
        #[default]
        Recorded,
        /// The recorded ones, moved so that the first record is now.
        Now,
    }
}

options! {
    /// Units of the files.
    #[derive(Default)]
    pub struct Units {
        /// Unit of volumes, the book's included. Default shares.
        #[serde(default)]
        pub volume: VolumeUnit,
        /// Unit of amounts. Default cny.
        #[serde(default)]
        pub amount: AmountUnit,
    }
}

options! {
    /// Unit of volumes.
    #[derive(Default)]
    pub enum VolumeUnit {
        /// Shares.
        #[default]
        Shares,
        /// Lots of 100 shares.
        Lots,
    }
}

options! {
    /// Unit of amounts.
    #[derive(Default)]
    pub enum AmountUnit {
        /// CNY.
        #[default]
        Cny,
        /// 10,000 CNY.
        #[serde(rename = "10k_cny")]
        TenThousandCny,
    }
}

options! {
    /// Names of the columns; what is not named is not read.
    #[derive(Default, PartialEq, Eq)]
    pub struct Columns {
        /// Code of six digits, as 600332, 600332.SH, sh600332, sh.600332 or 600332.XSHG; zeros that
        /// a column of numbers lost are restored.
        pub code: String,
        /// Exchange, where the code carries none.
        #[serde(default)]
        pub market: Option<String>,
        /// Time, with its date unless `date` (here or beside `columns`) gives that; in the zone that
        /// stands behind it (`Z`, `+08:00`), otherwise on the exchange's clock.
        pub time: String,
        /// Date.
        #[serde(default)]
        pub date: Option<String>,
        /// Time of reception.
        #[serde(default)]
        pub recv_time: Option<String>,
        /// Display name.
        #[serde(default)]
        pub name: Option<String>,
        /// Close of the day before.
        #[serde(default)]
        pub pre_close: Option<String>,
        /// First price of the day.
        #[serde(default)]
        pub open: Option<String>,
        /// Highest price of the day.
        #[serde(default)]
        pub high: Option<String>,
        /// Lowest price of the day.
        #[serde(default)]
        pub low: Option<String>,
        /// Last price.
        #[serde(default)]
        pub close: Option<String>,
        /// Volume since the open.
        #[serde(default)]
        pub volume: Option<String>,
        /// Turnover since the open.
        #[serde(default)]
        pub amount: Option<String>,
        /// Bid prices; `{n}` stands for the level. A name without it is a column of lists, also as
        /// text: `[9.39, 9.38]`, `[9.39 9.38]`, `9.39,9.38`.
        #[serde(default)]
        pub bid: Option<String>,
        /// Bid sizes.
        #[serde(default)]
        pub bid_volume: Option<String>,
        /// Ask prices.
        #[serde(default)]
        pub ask: Option<String>,
        /// Ask sizes.
        #[serde(default)]
        pub ask_volume: Option<String>,
    }
}

fn one() -> f64 {
    1.0
}

fn ten() -> usize {
    10
}

fn five_minutes() -> Duration {
    Duration(std::time::Duration::from_secs(300))
}
