//! What the sink promises, tried on real folders.

mod again;
mod damaged;
mod delivery;
mod disk_full;
mod expiry;
mod killed;
mod python;
mod reading;
mod recovery;
mod rolling;
mod round_trip;
mod scanning;

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use parquet::{
    arrow::arrow_reader::ParquetRecordBatchReaderBuilder, file::metadata::ParquetMetaData,
};
use plugin_api::{
    Ack, Batch, Context, Round, Sink, SpotListEncoder, SpotRecord,
    serde_json::{Value, json},
    testing::{self, TestHost},
};

use crate::{disk::Disk, sink::Parquet};

/// 2021-12-01 09:15:01 in Shanghai.
const MORNING_US: i64 = 1_638_321_301_000_000;

/// A disk that nobody waits for, since no test cuts the power.
struct FastDisk;

impl Disk for FastDisk {
    fn write_at(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        file.write_all_at(bytes, at)
    }

    fn sync(&self, _: &File) -> io::Result<()> {
        Ok(())
    }
}

/// A lake in a folder of its own, with the host that its sinks talk to.
struct Lake {
    dir: tempfile::TempDir,
    host: Arc<TestHost>,
}

impl Lake {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), host: Arc::default() }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("lake")
    }

    fn context(&self) -> Context {
        self.context_of("state")
    }

    /// The context of another host's component, with a folder of its own.
    fn context_of(&self, state: &str) -> Context {
        let dir = self.dir.path();
        Context::new("test", dir, dir.join(state), self.host.clone())
    }

    /// A sink with further options.
    fn open(&self, more: Value) -> Parquet {
        let options = testing::options(with_path(more)).unwrap();
        Parquet::open_on(Box::new(FastDisk), &options, self.context()).unwrap()
    }

    /// All files of that ending, in the order of their names.
    fn files(&self, ending: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        list(&self.path(), ending, &mut found);
        found.sort();
        found
    }

    fn finished(&self) -> Vec<PathBuf> {
        self.files(".parquet")
    }

    /// Codes of all finished quotes, in the order of files and rows.
    fn codes(&self) -> Vec<String> {
        self.finished().iter().flat_map(|path| codes(path)).collect()
    }

    fn logged(&self, text: &str) -> bool {
        self.host.told().logs.iter().any(|(_, line)| line.contains(text))
    }
}

fn with_path(more: Value) -> Value {
    let mut options = json!({ "path": "lake" });
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    options
}

fn list(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(&path, ending, found);
        } else if path.to_str().unwrap().ends_with(ending) {
            found.push(path);
        }
    }
}

fn metadata(path: &Path) -> Arc<ParquetMetaData> {
    let file = File::open(path).unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    Arc::clone(builder.metadata())
}

fn codes(path: &Path) -> Vec<String> {
    use arrow::array::AsArray as _;
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let mut codes = Vec::new();
    for batch in reader.build().unwrap() {
        let batch = batch.unwrap();
        let column = batch.column_by_name("code").unwrap().as_string::<i32>();
        codes.extend(column.iter().map(|code| code.unwrap().to_owned()));
    }
    codes
}

/// Quotes of those codes at one moment.
fn spots_at(time_us: i64, codes: impl IntoIterator<Item = u32>) -> Batch {
    let mut encoder = SpotListEncoder::new(0);
    for code in codes {
        let code = code.to_string();
        let spot = SpotRecord {
            market: if code.starts_with('6') { "SH" } else { "SZ" },
            code: &code,
            time_us,
            close: 10.0,
            bid: &[9.99, 9.98],
            bid_volume: &[100, 250],
            source: "test",
            sequence: 1,
            ..SpotRecord::default()
        };
        encoder.push(&spot).unwrap();
    }
    Batch::from_spots(&mut encoder, Round::MIDDLE)
}

fn spots(codes: impl IntoIterator<Item = u32>) -> Batch {
    spots_at(MORNING_US, codes)
}

fn texts(codes: impl IntoIterator<Item = u32>) -> Vec<String> {
    codes.into_iter().map(|code| code.to_string()).collect()
}

#[test]
fn the_sink_keeps_its_contract() {
    let lake = Lake::new();
    testing::check_sink::<Parquet>(&with_path(json!({})), lake.context());
    let rows: i64 =
        lake.finished().iter().map(|path| metadata(path).file_metadata().num_rows()).sum();
    assert_eq!(rows, 2 * (3 + 2 + 1 + 1));
    assert_eq!(lake.files("").len(), 2, "nothing hidden stays: {:?}", lake.files(""));
}

#[test]
fn options_that_cannot_work_are_all_named_at_once() {
    let lake = Lake::new();
    let wrong = json!({
        "partition": ["date", "kind", "date"], "compression": "snappy", "compression_level": 3,
        "roll_records": 0, "roll_bytes": "0B", "roll_interval": "999ms", "row_group_records": 0,
    });
    let error = Parquet::open(testing::options(with_path(wrong)).unwrap(), lake.context());
    let error = error.err().unwrap();
    assert_eq!(error.kind, plugin_api::ErrorKind::Config);
    for named in [
        "`partition` names date twice",
        "compression_level",
        "roll_records",
        "roll_bytes",
        "`roll_interval` is 999ms",
        "row_group_records",
    ] {
        assert!(error.message.contains(named), "{error}");
    }
    assert!(!lake.path().exists(), "a sink that cannot work leaves no folder");
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_of_the_options() {
    let lake = Lake::new();
    std::fs::write(lake.path(), "in the way").unwrap();
    for path in ["lake", "lake/below"] {
        let options = testing::options(json!({ "path": path })).unwrap();
        let error = Parquet::open(options, lake.context()).err().unwrap();
        assert_eq!(error.kind, plugin_api::ErrorKind::Config, "{error}");
        assert!(error.message.contains("lake") && error.message.contains("`path`"), "{error}");
    }
}
