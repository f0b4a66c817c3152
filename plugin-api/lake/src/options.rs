//! What may stand in the table of a `parquet` sink.

use std::path::PathBuf;

use kit::{Faults, count};
use parquet::basic::{Compression, ZstdLevel};
use plugin_api::{ByteSize, Duration, PluginError, options};

options! {
    /// Options of the `parquet` sink.
    pub struct Options {
        /// Folder of the lake; made when absent. A relative path counts from pipeline.toml.
        pub path: PathBuf,
        /// Folders within the lake, outermost first: any of `kind`, `date` (of the record's time
        /// on the exchange's clock), `market`, `symbol`. Default ["kind", "date"].
        ///
        /// `symbol` makes thousands of files: raise `flush_interval` and `row_group_records` with
        /// it. Without `kind`, quotes and bars share folders and differ by the start of the name.
        #[serde(default = "default_partition")]
        pub partition: Vec<PartitionBy>,
        /// How columns are compressed: zstd, snappy, lz4 or none. Default zstd.
        #[serde(default = "default_compression")]
        pub compression: Codec,
        /// Level of zstd, 1 (fast) to 22 (small); only with zstd. Default 1.
        #[serde(default)]
        pub compression_level: Option<i32>,
        /// A file is finished when it holds so many records; at least 1. Default 5000000.
        #[serde(default = "default_roll_records")]
        pub roll_records: u64,
        /// A file is finished when it is at least so large; at least 1B. Default 256MiB.
        #[serde(default = "default_roll_bytes")]
        pub roll_bytes: ByteSize,
        /// A file is finished when it is so old; at least 1s. Default 1h.
        #[serde(default = "default_roll_interval")]
        pub roll_interval: Duration,
        /// Records are written and confirmed when so many are held over all partitions, 1 to
        /// 10000000; also the largest row group. Default 100000.
        #[serde(default = "default_row_group_records")]
        pub row_group_records: u64,
        /// Records are written and confirmed at the latest so long after the first of them came;
        /// 0s = with every call. Default 10s.
        #[serde(default = "default_flush_interval")]
        pub flush_interval: Duration,
        /// Days that are kept besides today, by the date of their folders, 1 to 36500: older ones
        /// are removed. Needs `date` in `partition`. Default: all are kept.
        #[serde(default)]
        pub keep_days: Option<u32>,
    }
}

options! {
    /// What a level of folders stands for.
    #[derive(Hash)]
    pub enum PartitionBy {
        /// `spot` or `bar`.
        Kind,
        /// Local date of the record's time, e.g. `2021-12-01`.
        Date,
        /// Exchange, e.g. `SH`.
        Market,
        /// Security, e.g. `600000.SH`.
        Symbol,
    }
}

options! {
    /// A compression.
    pub enum Codec {
        /// Small; as fast as the others at level 1.
        Zstd,
        /// For readers that lack zstd.
        Snappy,
        /// Fast to read (LZ4_RAW).
        Lz4,
        /// Not compressed.
        None,
    }
}

const MIN_ROLL_INTERVAL: Duration = Duration(std::time::Duration::from_secs(1));
const MAX_ROW_GROUP_RECORDS: u64 = 10_000_000;
const MAX_KEEP_DAYS: u32 = 36_500;
const ZSTD_LEVELS: std::ops::RangeInclusive<i32> = 1..=22;

fn default_partition() -> Vec<PartitionBy> {
    vec![PartitionBy::Kind, PartitionBy::Date]
}

fn default_compression() -> Codec {
    Codec::Zstd
}

fn default_roll_records() -> u64 {
    5_000_000
}

fn default_roll_bytes() -> ByteSize {
    ByteSize(256 << 20)
}

fn default_roll_interval() -> Duration {
    Duration(std::time::Duration::from_secs(3_600))
}

fn default_row_group_records() -> u64 {
    100_000
}

fn default_flush_interval() -> Duration {
    Duration(std::time::Duration::from_secs(10))
}

/// The options after their check, in the units that the sink counts in.
#[derive(Debug, Clone)]
pub struct Settings {
    pub partition: Vec<PartitionBy>,
    pub compression: Compression,
    pub roll_records: u64,
    pub roll_bytes: u64,
    pub roll_interval_us: i64,
    pub row_group_records: u64,
    pub flush_interval_us: i64,
    pub keep_days: Option<u32>,
}

impl Options {
    /// Checks the options and reports all faults at once.
    pub fn check(&self) -> Result<Settings, PluginError> {
        let mut faults = Faults::default();
        for (place, by) in self.partition.iter().enumerate() {
            if self.partition[..place].contains(by) {
                faults
                    .push(format!("`partition` names {by:?} twice; name each once").to_lowercase());
            }
        }
        faults.at_least("`roll_records`", self.roll_records, 1, "the least is");
        faults.at_least("`roll_bytes`", self.roll_bytes, ByteSize(1), "the least is");
        faults.at_least("`roll_interval`", self.roll_interval, MIN_ROLL_INTERVAL, "the least is");
        let records = self.row_group_records;
        faults.within("`row_group_records`", records, 1..=MAX_ROW_GROUP_RECORDS, "allowed is");
        if let Some(days) = self.keep_days {
            faults.within("`keep_days`", days, 1..=MAX_KEEP_DAYS, "allowed is");
            if !self.partition.contains(&PartitionBy::Date) {
                let text = "`keep_days` removes folders of days, and `partition` makes none; add \
                            \"date\" to it";
                faults.push(text.to_owned());
            }
        }
        let compression = self.compression(&mut faults);
        faults.check()?;
        Ok(Settings {
            partition: self.partition.clone(),
            compression,
            roll_records: self.roll_records,
            roll_bytes: self.roll_bytes.0,
            roll_interval_us: count::micros(self.roll_interval),
            row_group_records: records,
            flush_interval_us: count::micros(self.flush_interval),
            keep_days: self.keep_days,
        })
    }

    fn compression(&self, faults: &mut Faults) -> Compression {
        if let Some(level) = self.compression_level {
            if self.compression != Codec::Zstd {
                faults.push("`compression_level` is for zstd alone; leave it out".to_owned());
            } else {
                faults.within("`compression_level`", level, ZSTD_LEVELS, "allowed is");
            }
        }
        match self.compression {
            Codec::Zstd => {
                let level = ZstdLevel::try_new(self.compression_level.unwrap_or(1));
                Compression::ZSTD(level.unwrap_or_default())
            }
            Codec::Snappy => Compression::SNAPPY,
            Codec::Lz4 => Compression::LZ4_RAW,
            Codec::None => Compression::UNCOMPRESSED,
        }
    }
}
