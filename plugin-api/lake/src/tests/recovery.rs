//! What becomes of the files that a dead writer left behind.

use std::{fs, os::unix::fs::FileExt as _};

use super::*;
use crate::{
    file::{BEGIN_LENGTH, pages},
    owner::Owner,
    recover::{self, Recovered},
    writer_lock::WriterLock,
};

fn lock(lake: &Lake) -> WriterLock {
    let owner = Owner::of(&FastDisk, &lake.context()).unwrap();
    WriterLock::acquire(&FastDisk, &lake.path(), "test", owner, 0).unwrap()
}

/// A lake whose writer was killed after three commits of 1, 2 and 3 quotes, with the places where
/// each commit's footer ends.
fn killed() -> (Lake, PathBuf, Vec<u64>) {
    let lake = Lake::new();
    let mut sink = lake.open(json!({ "compression": "none" }));
    let mut ends = Vec::new();
    for codes in [1..=1, 2..=3, 4..=6] {
        sink.write(&[spots(codes)]).unwrap();
        sink.flush().unwrap();
        ends.push(lake.files(".tmp")[0].metadata().unwrap().len());
    }
    sink.write(&[spots(7..=9)]).unwrap();
    drop(sink);
    let path = lake.files(".tmp")[0].clone();
    (lake, path, ends)
}

#[test]
fn a_killed_writers_rows_are_there_after_the_next_start() {
    let (lake, path, _) = killed();
    assert_eq!(codes(&path), texts(1..=6), "the hidden file can be read at once");
    let mut sink = lake.open(json!({}));
    assert_eq!(lake.codes(), texts(1..=6));
    assert!(lake.logged("recovered 6 rows in 1 unfinished files"));
    sink.write(&[spots(7..=9)]).unwrap();
    sink.close().unwrap();
    assert_eq!(lake.codes(), texts(1..=9));
    assert!(lake.files(".tmp").is_empty());
}

#[test]
fn a_file_cut_anywhere_is_recovered_to_its_last_whole_row_group() {
    let (lake, path, ends) = killed();
    let whole = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let lock = lock(&lake);
    let len = whole.len();
    let near_an_end =
        |cut: usize| ends.iter().any(|end| cut.abs_diff(usize::try_from(*end).unwrap()) < 24);
    for cut in (0..=len).filter(|cut| cut % 41 == 0 || near_an_end(*cut) || *cut < 16) {
        // cut off, lost to zeroes, and followed by noise
        let zeroes = [&whole[..cut], &vec![0; (len - cut).min(100)]].concat();
        let noise = [&whole[..cut], b"PAR1\x05\0\0\0PAR1\xff\xff\xff\xffPAR1PA"].concat();
        for (tail, bytes) in [("none", &whole[..cut]), ("zeroes", &zeroes), ("noise", &noise)] {
            fs::write(&path, bytes).unwrap();
            let recovered = recover::lake(&FastDisk, &lake.path(), &lock).unwrap();
            // what lost nothing but trailing zeroes is whole
            let kept = ends
                .iter()
                .filter(|end| bytes.starts_with(&whole[..usize::try_from(**end).unwrap()]));
            let commits = kept.count();
            assert_eq!(recovered.rows, [0, 1, 3, 6][commits], "cut at {cut}, tail {tail}");
            assert_eq!(recovered.files, usize::from(commits > 0));
            // what says that it belongs to a commit that holds is kept
            let begin = if commits == 0 { 4 } else { usize::try_from(ends[commits - 1]).unwrap() };
            let is_kept = commits < 3 && cut > begin + BEGIN_LENGTH;
            assert_eq!(recovered.damaged.len(), usize::from(is_kept), "cut at {cut}, tail {tail}");
            assert_eq!(lake.files(".damaged").len(), usize::from(is_kept));
            lake.files(".damaged").iter().for_each(|path| fs::remove_file(path).unwrap());
            assert_eq!(recovered.removed, usize::from(commits == 0 && !is_kept));
            for finished in lake.finished() {
                if cut % 410 == 0 {
                    assert_eq!(codes(&finished), texts(1..=u32::try_from(recovered.rows).unwrap()));
                }
                fs::remove_file(finished).unwrap();
            }
        }
    }
}

#[test]
fn a_footer_far_before_the_end_is_found() {
    let (lake, path, ends) = killed();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&vec![b'P'; 3 << 20], *ends.last().unwrap()).unwrap();
    lake.open(json!({}));
    assert_eq!(lake.codes(), texts(1..=6));
    assert!(lake.logged("cut off 3145728 bytes"));
}

#[test]
fn a_file_without_a_whole_row_group_is_removed() {
    let (lake, path, _) = killed();
    fs::write(&path, b"PAR1 and no more").unwrap();
    lake.open(json!({}));
    assert!(lake.files(".parquet").is_empty() && lake.files(".tmp").is_empty());
    assert!(lake.logged("removed 1 files without a complete row group"));
}

#[test]
fn a_foreign_parquet_file_with_a_hidden_name_is_not_taken_for_ours() {
    let (lake, path, _) = killed();
    let other = path.with_file_name(".upload.tmp");
    fs::write(&other, b"of somebody else").unwrap();
    lake.open(json!({}));
    assert_eq!(fs::read(&other).unwrap(), b"of somebody else");
}

#[test]
fn two_writers_of_one_lake_leave_each_other_alone() {
    let lake = Lake::new();
    let open = |state| {
        let options = testing::options(with_path(json!({}))).unwrap();
        Parquet::open_on(Box::new(FastDisk), &options, lake.context_of(state)).unwrap()
    };
    let mut first = open("first");
    first.write(&[spots([1])]).unwrap();
    first.flush().unwrap();
    let mut second = open("second");
    assert!(lake.finished().is_empty(), "the first one's file is not recovered while it lives");
    second.write(&[spots([2])]).unwrap();
    second.flush().unwrap();
    first.write(&[spots([3])]).unwrap();
    first.flush().unwrap();
    let mut third = open("third");
    first.close().unwrap();
    second.close().unwrap();
    third.close().unwrap();
    let mut codes = lake.codes();
    codes.sort();
    assert_eq!(codes, ["1", "2", "3"]);
    assert_eq!(lake.files("").len(), 2, "nothing else is left: {:?}", lake.files(""));
}

#[test]
fn leftovers_of_a_component_that_was_renamed_are_recovered_too() {
    let (lake, ..) = killed();
    let context =
        plugin_api::Context::new("renamed", lake.dir.path(), lake.dir.path(), lake.host.clone());
    let options = testing::options(with_path(json!({}))).unwrap();
    Parquet::open(options, context).unwrap();
    assert_eq!(lake.codes(), texts(1..=6));
}

#[test]
fn a_copy_that_was_not_ended_is_removed() {
    let (lake, path, _) = killed();
    let copy = PathBuf::from(path.to_str().unwrap().replace(".parquet.tmp", ".parquet.copy"));
    fs::copy(&path, &copy).unwrap();
    lake.open(json!({}));
    assert!(!copy.exists());
    assert_eq!(lake.codes(), texts(1..=6));
}

#[test]
fn an_orderly_end_leaves_nothing_to_recover() {
    let lake = Lake::new();
    let mut sink = lake.open(json!({}));
    sink.write(&[spots([1])]).unwrap();
    sink.close().unwrap();
    drop(sink);
    let lock = lock(&lake);
    let recovered = recover::lake(&FastDisk, &lake.path(), &lock).unwrap();
    assert_eq!(recovered, Recovered::default());
    let begin = 4 + BEGIN_LENGTH as u64 + 1;
    assert_eq!(pages(metadata(&lake.finished()[0]).row_group(0)).0, begin);
}
