//! Another implementation reads the lake: pyarrow, and pandas on top of it.

use std::process::Command;

use super::*;

/// Leaves without taking the interpreter apart: pyarrow's thread pools may still be winding down
/// then, and now and then that ends in `terminate called without an active exception`.
const LEAVE: &str = "\nimport os, sys\nsys.stdout.flush()\nos._exit(0)\n";

/// Runs a script with the lake's path; its output is what it prints.
pub fn python(script: &str, path: &Path) -> String {
    let interpreter = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/venv/bin/python");
    assert!(
        interpreter.exists(),
        "no python with pyarrow at {}; run `make venv`",
        interpreter.display()
    );
    let output = Command::new(interpreter)
        .arg("-c")
        .arg(format!("{script}{LEAVE}"))
        .arg(path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A lake of 20 quotes of two days and a bar, finished, and of 5 more quotes in a hidden file.
fn half_finished() -> (Lake, Parquet) {
    let lake = Lake::new();
    let mut sink = lake.open(json!({}));
    for code in 600_000..600_010 {
        sink.write(&[spots([code]), spots_at(MORNING_US + 86_400_000_000, [code])]).unwrap();
        sink.flush().unwrap();
    }
    sink.write(&[testing::bar_batch()]).unwrap();
    sink.close().unwrap();
    let mut sink = lake.open(json!({}));
    sink.write(&[spots(600_010..600_015)]).unwrap();
    sink.flush().unwrap();
    (lake, sink)
}

#[test]
fn pyarrow_reads_the_finished_files_of_a_lake_in_use() {
    let (lake, _sink) = half_finished();
    let script = r#"
import json, sys
import pyarrow.dataset as ds
lake = ds.dataset(sys.argv[1] + "/kind=spot", partitioning="hive")
table = lake.to_table()
first = table.slice(0, 1).to_pylist()[0]
day = lake.to_table(filter=ds.field("date") == "2021-12-02")
print(json.dumps([table.num_rows, day.num_rows, first["symbol"], first["time"].isoformat(),
    str(table.schema.field("time").type), first["bid"], first["bid_volume"], first["ask"],
    first["name"], first["recv_time"], table.schema.field("volume").metadata[b"unit"].decode(),
    table.column("code").to_pylist()[:10] == [str(code) for code in range(600000, 600010)]]))
"#;
    let expected = r#"[20, 10, "600000.SH", "2021-12-01T01:15:01+00:00", "timestamp[us, tz=UTC]", [9.99, 9.98, null, null, null], [100, 250, null, null, null], [null, null, null, null, null], null, null, "shares", true]"#;
    assert_eq!(python(script, &lake.path()), expected);
}

#[test]
fn pandas_reads_the_whole_lake_and_ignores_hidden_files() {
    let (lake, _sink) = half_finished();
    let script = r#"
import sys
import pandas
bars = pandas.read_parquet(sys.argv[1], filters=[("kind", "==", "bar")])
spots = pandas.read_parquet(sys.argv[1] + "/kind=spot")
print(len(bars), len(spots), sorted(spots["date"].unique()), spots["close"].sum(), spots["volume"].dtype)
"#;
    let expected = "1 20 ['2021-12-01', '2021-12-02'] 200.0 uint64";
    assert_eq!(python(script, &lake.path()), expected);
}

#[test]
fn pyarrow_reads_a_hidden_file_of_a_run_that_never_ended() {
    let (lake, sink) = half_finished();
    let copy = lake.dir.path().join("copy.parquet");
    std::fs::copy(&lake.files(".tmp")[0], &copy).unwrap();
    drop(sink);
    let script = r#"
import sys
import pyarrow.parquet as pq
file = pq.ParquetFile(sys.argv[1])
keys = file.metadata.metadata
print(file.metadata.num_rows, file.read()["code"].to_pylist(), keys[b"dataserver.zone"].decode(),
    keys[b"dataserver.sequences"].decode(), file.metadata.created_by[:18])
"#;
    let expected = "5 ['600010', '600011', '600012', '600013', '600014'] Asia/Shanghai \
        {\"test\":{\"first\":1,\"last\":1}} dataserver version";
    assert_eq!(python(script, &copy), expected);
}

/// Reads the file of a lake and writes it as an earlier build wrote it, under an earlier name.
const AS_OF_AN_EARLIER_BUILD: &str = r#"
import pathlib, sys
import pyarrow.parquet as pq
for file in pathlib.Path(sys.argv[1]).rglob("*.parquet"):
    table = pq.ParquetFile(file).read()
    pq.write_table(table.drop(["phase"]), file.with_name("spot-0-earlier.parquet"))
    file.unlink()
print("written")
"#;

#[test]
fn a_lake_that_an_earlier_build_began_goes_on_and_is_read_whole() {
    let lake = Lake::new();
    let write = |codes| {
        let mut sink = lake.open(json!({}));
        sink.write(&[spots(codes)]).unwrap();
        sink.close().unwrap();
    };
    write(600_000..=600_004);
    assert_eq!(python(AS_OF_AN_EARLIER_BUILD, &lake.path()), "written");
    write(600_005..=600_007);
    let script = r#"
import pathlib, sys
import pandas, pyarrow
import pyarrow.dataset as ds
import pyarrow.parquet as pq
lake = sys.argv[1] + "/kind=spot"
files = sorted(pathlib.Path(lake).rglob("*.parquet"))
whole = pyarrow.unify_schemas([pq.read_schema(file) for file in files])
table = ds.dataset(lake, schema=whole).to_table().sort_by("code")
print(len(files), len(pandas.read_parquet(lake)), table["phase"].to_pylist())
"#;
    let expected = "2 8 [None, None, None, None, None, 'auction', 'auction', 'auction']";
    assert_eq!(python(script, &lake.path()), expected);
}
