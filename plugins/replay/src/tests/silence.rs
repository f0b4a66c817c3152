//! Files of which nothing can be read: none of them vanishes.

use arrow::{
    array::{ArrayRef, DurationSecondArray, Float64Array, StringArray},
    record_batch::RecordBatch,
};
use parquet::arrow::ArrowWriter;
use plugin_api::{ErrorKind, PluginError};

use super::*;

/// Plays to the end; also what closing said.
fn ended(options: &Value, dir: &Path) -> (Vec<Batch>, Arc<TestHost>, Result<(), PluginError>) {
    let host = Arc::<TestHost>::default();
    let options = testing::options(options.clone()).unwrap();
    let mut source = Replay::open(options, testing::context(&host, dir)).unwrap();
    let mut batches = Vec::new();
    loop {
        match source.next(Duration::from_millis(50)).unwrap() {
            Polled::Batch(batch) => batches.push(batch),
            Polled::Idle => {}
            Polled::End => break,
        }
    }
    let closed = source.close();
    (batches, host, closed)
}

/// What `check` says of options.
fn checked(options: &Value, dir: &Path) -> Result<(), PluginError> {
    let host = Arc::<TestHost>::default();
    Replay::check(&testing::options(options.clone()).unwrap(), &testing::context(&host, dir))
}

fn log(host: &TestHost) -> String {
    host.told().logs.into_iter().map(|(level, line)| format!("{level:?} {line}\n")).collect()
}

/// A vendor's file whose times are lengths of time since midnight, as of nothing else.
fn write_durations(file: &Path) {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("symbol", Arc::new(StringArray::from(vec!["600000.SH"; 3]))),
        ("time", Arc::new(DurationSecondArray::from(vec![34_200, 34_201, 34_202]))),
        ("close", Arc::new(Float64Array::from(vec![6.61; 3]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer =
        ArrowWriter::try_new(fs::File::create(file).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn a_file_in_which_no_time_can_be_read_is_told_row_by_row_and_fails() {
    let dir = tempfile::tempdir().unwrap();
    let damaged = "v_sh600000=\"1~浦发银行~600000~9.4";
    write_durations(&dir.path().join("lengths.parquet"));
    for (name, text, bad, named) in [
        (
            "no_date.csv",
            "symbol,time,close\n600000.SH,09:30:00,6.61\n600000.SH,09:30:03,6.62\n".to_owned(),
            2,
            "row 2, column time: \"09:30:00\" has no date; set `date` or map a date column",
        ),
        ("lines.txt", format!("{damaged}\n{damaged}\n"), 2, "row 1, column 0"),
        (
            "other.csv",
            "symbol,time,close\n600000.SH,soon,1\n".to_owned(),
            1,
            "row 2, column time: \"soon\" is no time",
        ),
        (
            "codes.csv",
            "symbol,time,close\nABC,2021-12-01 09:30:00,1\n".to_owned(),
            1,
            "row 2, column symbol: \"ABC\" is no code of six digits",
        ),
        ("lengths.parquet", String::new(), 0, "column time: values of type Duration"),
    ] {
        if !text.is_empty() {
            fs::write(dir.path().join(name), &text).unwrap();
        }
        let options = json!({ "path": name, "speed": 0 });
        let (batches, host, closed) = ended(&options, dir.path());
        assert!(batches.is_empty(), "{name}");
        assert_eq!(host.told().dead_letters.len(), bad, "{name}");
        let log = log(&host);
        assert!(
            log.contains("Error") && log.contains(named) && log.contains(name),
            "{name}: {log}"
        );
        let failure = closed.unwrap_err();
        assert_eq!(failure.kind, ErrorKind::Fatal);
        assert!(failure.message.contains(name), "{failure}");
        let found = checked(&options, dir.path()).unwrap_err();
        assert!(found.message.contains(named), "{name}: {found}");
        assert!(found.message.contains(name), "{name}: {found}");
        // beside a good one
        write_own(dir.path(), "good.csv", &["2021-12-01 09:30:00,600001.SH,1"]);
        let both = dir.path().join(format!("both-{name}"));
        fs::create_dir(&both).unwrap();
        fs::copy(dir.path().join(name), both.join(name)).unwrap();
        fs::copy(dir.path().join("good.csv"), both.join("good.csv")).unwrap();
        let options = json!({ "path": both, "speed": 0 });
        let (batches, host, closed) = ended(&options, dir.path());
        assert_eq!(batches.len(), 1, "{name}");
        assert!(self::log(&host).contains(named), "{name}");
        assert!(closed.unwrap_err().message.contains(name));
        assert!(checked(&options, dir.path()).unwrap_err().message.contains(named));
    }
}

#[test]
fn rows_without_a_time_are_told_also_where_the_others_are_out_of_range() {
    let dir = tempfile::tempdir().unwrap();
    write_own(dir.path(), "a.csv", &["2021-12-01 09:30:00,600000.SH,1", "soon,600000.SH,1"]);
    write_own(dir.path(), "b.csv", &["2021-12-02 09:30:00,600000.SH,1"]);
    let options = json!({ "path": "*.csv", "speed": 0, "from": "2021-12-02" });
    let (batches, host, closed) = ended(&options, dir.path());
    assert_eq!((batches.len(), host.told().dead_letters.len()), (1, 1));
    assert_eq!(closed, Ok(()), "rows of the file were read");
}

#[test]
fn files_without_a_row_say_so() {
    let dir = tempfile::tempdir().unwrap();
    write_own(dir.path(), "empty.csv", &[]);
    let options = json!({ "path": "*.csv", "speed": 0 });
    let (_, host, closed) = ended(&options, dir.path());
    assert!(log(&host).contains("empty.csv holds no rows"), "{}", log(&host));
    assert!(closed.unwrap_err().message.contains("no row that can be read"));
    assert!(checked(&options, dir.path()).is_err());
    write_own(dir.path(), "good.csv", &["2021-12-01 09:30:00,600000.SH,1"]);
    let (batches, host, closed) = ended(&options, dir.path());
    assert!(log(&host).contains("empty.csv holds no rows"), "{}", log(&host));
    assert_eq!((batches.len(), closed), (1, Ok(())));
    assert_eq!(checked(&options, dir.path()), Ok(()));
    fs::write(dir.path().join("other.txt"), "v_hk00700=\"100~x~00700~1\";\n").unwrap();
    let (_, host, closed) = ended(&json!({ "path": "other.txt", "speed": 0 }), dir.path());
    assert!(log(&host).contains("its 1 lines answer about others"), "{}", log(&host));
    assert!(closed.is_err());
}

#[test]
fn what_a_filter_leaves_out_is_no_fault() {
    let dir = tempfile::tempdir().unwrap();
    write_own(dir.path(), "a.csv", &["2021-12-01 09:30:00,600000.SH,1"]);
    for more in [json!({ "symbols": ["600001.SH"] }), json!({ "from": "2022-01-01" })] {
        let options = with(json!({ "path": "a.csv", "speed": 0 }), more);
        let (batches, _, closed) = ended(&options, dir.path());
        assert_eq!((batches.len(), closed), (0, Ok(())));
        assert_eq!(checked(&options, dir.path()), Ok(()));
    }
}

#[test]
fn a_file_that_ends_too_early_fails_the_run_behind_what_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = fs::read(samples().join("sse_20211201_0915_1030_20stocks_l1.csv.gz")).unwrap();
    fs::write(dir.path().join("cut.csv.gz"), &bytes[..bytes.len() / 2]).unwrap();
    let (batches, _, closed) =
        ended(&with(sse_2021(), json!({ "path": "cut.csv.gz" })), dir.path());
    assert!(batches.len() > 1_000);
    let failure = closed.unwrap_err();
    assert!(failure.message.contains("cut.csv.gz: ends too early"), "{failure}");
}

#[test]
fn a_long_file_without_a_time_is_read_a_slice_at_a_call() {
    let dir = tempfile::tempdir().unwrap();
    let row = "600000.SH,soon,1\n";
    let text = "symbol,time,close\n".to_owned() + &row.repeat(50_000);
    fs::write(dir.path().join("long.csv"), text).unwrap();
    let host = Arc::<TestHost>::default();
    let options = testing::options(json!({ "path": "long.csv", "speed": 0 })).unwrap();
    let mut source = Replay::open(options, testing::context(&host, dir.path())).unwrap();
    let (mut calls, mut most) = (0, 0);
    loop {
        let before = host.told().dead_letters.len();
        let polled = source.next(Duration::ZERO).unwrap();
        most = most.max(host.told().dead_letters.len() - before);
        calls += 1;
        if matches!(polled, Polled::End) {
            break;
        }
    }
    assert!(calls > 12 && most <= 2 * 4_096, "{calls} calls, {most} rows at most");
    assert_eq!(host.counted("source_bad_rows_total"), 50_000);
}
