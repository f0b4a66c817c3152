//! Bytes of the lake that are not what was written.

use std::{collections::BTreeSet, fs};

use parquet::{
    arrow::ArrowWriter,
    file::{metadata::KeyValue, properties::WriterProperties},
};

use super::{python::python, *};
use crate::{
    file::pages,
    owner::Owner,
    recover::{self, Recovered},
    schema::SCHEMA_KEY,
    writer_lock::WriterLock,
};

/// The name of an unfinished file, as the next writer finds it.
const UNFINISHED: &str = ".spot-20211201T011501.000000Z-test-0.parquet.tmp";

/// An unfinished file of a killed writer, with three row groups of 20 quotes.
fn killed(compression: &str) -> (Lake, PathBuf) {
    let lake = Lake::new();
    let mut sink = lake.open(json!({ "compression": compression }));
    for first in [600_000, 600_020, 600_040] {
        sink.write(&[spots(first..first + 20)]).unwrap();
        sink.flush().unwrap();
    }
    drop(sink);
    let path = lake.files(".tmp")[0].clone();
    (lake, path)
}

fn recover_in(lake: &Lake) -> Recovered {
    let owner = Owner::of(&FastDisk, &lake.context()).unwrap();
    let lock = WriterLock::acquire(&FastDisk, &lake.path(), "test", owner, 0).unwrap();
    recover::lake(&FastDisk, &lake.path(), &lock).unwrap()
}

#[test]
fn whatever_byte_of_a_killed_writers_file_is_spoilt_all_else_is_recovered_and_nothing_is_silent() {
    let (lake, path) = killed("zstd");
    let whole = fs::read(&path).unwrap();
    let groups: Vec<_> = metadata(&path).row_groups().iter().map(pages).collect();
    fs::remove_file(&path).unwrap();
    let mut costs = BTreeSet::new();
    let last_footer = usize::try_from(groups[2].1).unwrap();
    let in_footer = (last_footer..whole.len()).step_by(11).chain(whole.len() - 120..whole.len());
    for at in (0..last_footer).step_by(53).chain(in_footer) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&path, &bytes).unwrap();
        let recovered = recover_in(&lake);
        let hit = groups.iter().position(|(from, to)| (*from..*to).contains(&(at as u64)));
        let expected = if hit.is_some() || at >= last_footer { 40 } else { 60 };
        assert_eq!(recovered.rows, expected, "byte {at}: {recovered:?}");
        assert_eq!(recovered.damaged.len(), usize::from(expected < 60), "byte {at}");
        let rows: BTreeSet<_> = lake.codes().into_iter().collect();
        assert_eq!(rows.len(), usize::try_from(expected).unwrap(), "byte {at}");
        if let Some(hit) = hit {
            let lost = 600_000 + 20 * u32::try_from(hit).unwrap();
            assert!(rows.is_disjoint(&texts(lost..lost + 20).into_iter().collect()), "byte {at}");
            assert_eq!(fs::read(&lake.files(".damaged")[0]).unwrap(), bytes, "byte {at}");
        }
        assert_eq!(lake.files(".damaged").len(), recovered.damaged.len(), "byte {at}");
        costs.insert(expected);
        for path in lake.finished().into_iter().chain(lake.files(".damaged")) {
            fs::remove_file(path).unwrap();
        }
    }
    assert_eq!(costs.len(), 2);
}

#[test]
fn zeroed_pages_and_lost_ends_of_a_killed_writers_file_are_kept_and_told() {
    let (lake, path) = killed("none");
    let whole = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    for at in (0..whole.len()).step_by(512) {
        for bytes in [
            [
                &whole[..at],
                &vec![0; 512.min(whole.len() - at)],
                &whole[whole.len().min(at + 512)..],
            ]
            .concat(),
            whole[..at].to_vec(),
        ] {
            fs::write(&path, &bytes).unwrap();
            let recovered = recover_in(&lake);
            let codes = lake.codes();
            assert_eq!(codes.len(), usize::try_from(recovered.rows).unwrap(), "byte {at}");
            // a file that ends right behind a commit says nothing of the next
            let is_told = !recovered.damaged.is_empty() || recovered.removed > 0;
            let is_cut = recovered.cut_bytes > 0;
            assert!(codes.len() == 60 || is_told || is_cut, "byte {at}: {recovered:?}");
            for path in lake.finished().into_iter().chain(lake.files(".damaged")) {
                fs::remove_file(path).unwrap();
            }
        }
    }
}

#[test]
fn pyarrow_checks_the_pages_of_the_lake() {
    let lake = Lake::new();
    for compression in ["none", "zstd", "lz4"] {
        let mut sink = lake.open(json!({ "compression": compression }));
        sink.write(&[spots(600_000..600_400)]).unwrap();
        sink.flush().unwrap();
        sink.write(&[spots(600_400..600_500)]).unwrap();
        sink.close().unwrap();
    }
    let script = r#"
import sys, glob
import pyarrow.parquet as pq
names = sorted(glob.glob(sys.argv[1] + "/**/*.parquet", recursive=True))
rows = 0
for name in names:
    rows += pq.ParquetFile(name, page_checksum_verification=True).read().num_rows
print(len(names), rows)
name = names[0]
group = pq.ParquetFile(name).metadata.row_group(0)
refused = 0
for index in range(group.num_columns):
    column = group.column(index)
    bytes = bytearray(open(name, "rb").read())
    bytes[(column.dictionary_page_offset or column.data_page_offset) + column.total_compressed_size - 1] ^= 1
    open(name + ".spoilt", "wb").write(bytes)
    try:
        pq.ParquetFile(name + ".spoilt", page_checksum_verification=True).read()
    except OSError as error:
        refused += "CRC" in str(error)
print(refused == group.num_columns)
"#;
    assert_eq!(python(script, &lake.path()), "3 1500\nTrue");
}

#[test]
fn what_is_recovered_can_be_read_by_pyarrow() {
    let (lake, path) = killed("zstd");
    let at = usize::try_from(pages(metadata(&path).row_group(1)).1).unwrap() - 3;
    let mut bytes = fs::read(&path).unwrap();
    bytes[at] ^= 4;
    fs::write(&path, bytes).unwrap();
    lake.open(json!({}));
    assert!(lake.logged("1 of its 3 row groups with 20 rows are damaged"));
    let script = r#"
import sys, glob
import pyarrow.parquet as pq
name, = glob.glob(sys.argv[1] + "/**/*.parquet", recursive=True)
file = pq.ParquetFile(name, page_checksum_verification=True)
print(file.metadata.num_rows, file.read().num_rows)
"#;
    assert_eq!(python(script, &lake.path()), "40 40");
}

/// A file as earlier writers left it: without checksums.
fn of_an_earlier_writer(lake: &Lake) -> (PathBuf, Vec<u8>) {
    let mut sink = lake.open(json!({}));
    sink.write(&[spots(600_000..600_050)]).unwrap();
    sink.close().unwrap();
    drop(sink);
    let finished = lake.finished().remove(0);
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&finished).unwrap());
    let batches: Vec<_> = reader.unwrap().build().unwrap().map(Result::unwrap).collect();
    let keys = vec![KeyValue::new(SCHEMA_KEY.to_owned(), "spot".to_owned())];
    let properties = WriterProperties::builder().set_key_value_metadata(Some(keys)).build();
    let mut bytes = Vec::new();
    let mut writer =
        ArrowWriter::try_new(&mut bytes, batches[0].schema(), Some(properties)).unwrap();
    for batch in &batches {
        writer.write(batch).unwrap();
    }
    writer.close().unwrap();
    let path = finished.with_file_name(UNFINISHED);
    fs::remove_file(finished).unwrap();
    fs::write(&path, &bytes).unwrap();
    (path, bytes)
}

#[test]
fn files_of_earlier_writers_are_recovered_if_they_can_be_read() {
    let lake = Lake::new();
    let (path, mut bytes) = of_an_earlier_writer(&lake);
    let (from, to) = pages(metadata(&path).row_group(0));
    lake.open(json!({}));
    assert_eq!(lake.codes(), texts(600_000..600_050));
    fs::remove_file(&lake.finished()[0]).unwrap();
    bytes[usize::try_from(from).unwrap()..usize::try_from(to).unwrap()].fill(0xee);
    fs::write(&path, &bytes).unwrap();
    lake.open(json!({}));
    assert!(lake.finished().is_empty() && lake.files(".tmp").is_empty());
    assert_eq!(fs::read(&lake.files(".damaged")[0]).unwrap(), bytes);
    assert!(lake.logged("row groups with 50 rows are damaged"));
}
