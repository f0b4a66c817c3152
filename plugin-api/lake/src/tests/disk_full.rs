//! A disk that fills up, fails, or is cut off from power.

use std::{
    fs, io,
    os::unix::fs::FileExt as _,
    sync::atomic::{AtomicI64, Ordering},
};

use plugin_api::{ErrorKind, PluginError};

use super::*;
use crate::{disk::Disk, options::Options};

/// A disk with room for so many bytes; a write that does not fit is done in part.
#[derive(Clone, Default)]
struct SmallDisk {
    room: Arc<AtomicI64>,
}

impl SmallDisk {
    /// A sink that was opened while there was room; now there is none.
    fn open(&self, lake: &Lake) -> Parquet {
        self.room.store(1 << 20, Ordering::Relaxed);
        let sink = Parquet::open_on(Box::new(self.clone()), &options(), lake.context()).unwrap();
        self.room.store(0, Ordering::Relaxed);
        sink
    }
}

impl Disk for SmallDisk {
    fn write_at(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        let wanted = i64::try_from(bytes.len()).unwrap();
        let room = self.room.fetch_sub(wanted, Ordering::Relaxed).clamp(0, wanted);
        file.write_all_at(&bytes[..usize::try_from(room).unwrap()], at)?;
        if room < wanted {
            self.room.store(0, Ordering::Relaxed);
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn sync(&self, _: &File) -> io::Result<()> {
        Ok(())
    }
}

/// A disk whose call of that number fails, after it was done.
#[derive(Clone)]
struct FaultyDisk {
    calls_left: Arc<AtomicI64>,
}

impl FaultyDisk {
    fn call(&self) -> io::Result<()> {
        match self.calls_left.fetch_sub(1, Ordering::Relaxed) {
            1 => Err(io::Error::other("staged fault")),
            _ => Ok(()),
        }
    }
}

impl Disk for FaultyDisk {
    fn write_at(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        file.write_all_at(bytes, at)?;
        self.call()
    }

    fn sync(&self, _: &File) -> io::Result<()> {
        self.call()
    }
}

/// A disk that keeps a picture of the lake as every call of it finds it.
struct FilmedDisk {
    lake: PathBuf,
    pictures: PathBuf,
    taken: AtomicI64,
}

impl FilmedDisk {
    fn picture(&self) {
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        copy_folder(&self.lake, &self.pictures.join(format!("{number:04}/lake")));
    }
}

impl Disk for FilmedDisk {
    fn write_at(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        self.picture();
        let (half, rest) = bytes.split_at(bytes.len() / 2);
        file.write_all_at(half, at)?;
        self.picture();
        file.write_all_at(rest, at + half.len() as u64)
    }

    fn sync(&self, _: &File) -> io::Result<()> {
        self.picture();
        Ok(())
    }
}

pub(super) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in from.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let copy = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &copy)
        } else {
            fs::copy(&path, &copy).map(drop).unwrap()
        }
    }
}

fn options() -> Options {
    testing::options(with_path(
        json!({ "row_group_records": 7, "roll_records": 30, "compression": "none" }),
    ))
    .unwrap()
}

/// Calls with quotes of two days and with bars, each quote with a code of its own.
fn calls() -> Vec<Vec<Batch>> {
    (0..12)
        .map(|call: u32| {
            let first = 600_000 + 10 * call;
            vec![
                spots(first..first + 2),
                spots_at(MORNING_US + 86_400_000_000, first + 2..first + 4),
                testing::bar_batch(),
            ]
        })
        .collect()
}

fn all_codes() -> Vec<String> {
    let of_day = |day: u32| {
        (0..12).flat_map(move |call| {
            let first = 600_000 + 10 * call + 2 * day;
            first..first + 2
        })
    };
    texts(of_day(0).chain(of_day(1)))
}

fn bars(lake: &Lake) -> i64 {
    let files = lake.finished();
    let of_bars = files.iter().filter(|path| path.to_str().unwrap().contains("kind=bar"));
    of_bars.map(|path| metadata(path).file_metadata().num_rows()).sum()
}

fn spot_codes(lake: &Lake) -> Vec<String> {
    let files = lake.finished();
    let of_spots = files.iter().filter(|path| path.to_str().unwrap().contains("kind=spot"));
    of_spots.flat_map(|path| codes(path)).collect()
}

/// Repeats a call as the host does.
fn until_done<T>(
    mut call: impl FnMut() -> Result<T, PluginError>,
    mut after_fault: impl FnMut(PluginError),
) -> T {
    loop {
        match call() {
            Ok(done) => return done,
            Err(error) => after_fault(error),
        }
    }
}

#[test]
fn a_disk_that_fills_up_loses_and_doubles_nothing() {
    for step in [100, 1_234, 3_000, 9_999, 40_000] {
        let lake = Lake::new();
        let disk = SmallDisk::default();
        let mut sink = disk.open(&lake);
        let mut faults = 0;
        let mut more_room = |error: PluginError| {
            assert_eq!(error.kind, ErrorKind::Retry, "{error}");
            faults += 1;
            assert!(faults < 10_000, "{error}");
            disk.room.store(step * faults, Ordering::Relaxed);
        };
        for call in calls() {
            until_done(|| sink.write(&call), &mut more_room);
        }
        until_done(|| sink.flush(), &mut more_room);
        sink.close().unwrap();
        assert!(faults > 0);
        assert_eq!(spot_codes(&lake), all_codes(), "room in steps of {step}");
        assert_eq!(bars(&lake), 12);
    }
}

#[test]
fn the_error_of_a_full_disk_says_what_to_do() {
    let lake = Lake::new();
    let mut sink = SmallDisk::default().open(&lake);
    assert_eq!(sink.write(&[spots(0..8)]).unwrap(), Ack::Held, "taken, but not safe");
    assert!(lake.logged("records wait in memory: cannot write"));
    let tick = sink.tick().unwrap_err();
    let error = sink.write(&[spots(8..9)]).unwrap_err();
    assert_eq!((tick.kind, error.kind), (ErrorKind::Retry, ErrorKind::Retry));
    for text in
        ["kind=spot/date=2021-12-01/.spot-", "no storage space", "MiB free", "free space there"]
    {
        assert!(error.message.contains(text), "{error}");
    }
    assert_eq!(lake.files(".tmp")[0].metadata().unwrap().len(), 0, "the room is given back");
}

#[test]
fn a_fault_of_any_call_loses_and_doubles_nothing() {
    for call in 1.. {
        let lake = Lake::new();
        let disk = FaultyDisk { calls_left: Arc::new(call.into()) };
        let opened = Parquet::open_on(Box::new(disk.clone()), &options(), lake.context());
        let mut sink = opened.unwrap_or_else(|_| lake.open(json!({})));
        for batches in calls() {
            until_done(|| sink.write(&batches), |_| {});
        }
        until_done(|| sink.flush(), |_| {});
        until_done(|| sink.close(), |_| {});
        assert_eq!(spot_codes(&lake), all_codes(), "fault at call {call}");
        assert_eq!(bars(&lake), 12);
        if disk.calls_left.load(Ordering::Relaxed) > 0 {
            assert!(call > 100, "all calls were tried");
            break;
        }
    }
}

#[test]
fn a_new_instance_finds_what_its_predecessor_confirmed_and_no_more() {
    for call in (1..200).step_by(3) {
        let lake = Lake::new();
        let disk = FaultyDisk { calls_left: Arc::new(call.into()) };
        let Ok(mut sink) = Parquet::open_on(Box::new(disk), &options(), lake.context()) else {
            continue;
        };
        let mut unconfirmed: Vec<Batch> = Vec::new();
        for batches in calls() {
            unconfirmed.extend(batches.clone());
            match sink.write(&batches) {
                Ok(Ack::Delivered) => unconfirmed.clear(),
                Ok(Ack::Held) => {}
                Err(_) => {
                    drop(sink);
                    sink = lake.open(json!({ "row_group_records": 7 }));
                    if sink.write(&unconfirmed).unwrap() == Ack::Delivered {
                        unconfirmed.clear();
                    }
                }
            }
        }
        if sink.flush().is_err() {
            drop(sink);
            sink = lake.open(json!({}));
            sink.write(&unconfirmed).unwrap();
        }
        if sink.close().is_err() {
            drop(sink);
            lake.open(json!({})).close().unwrap();
        }
        assert_eq!(spot_codes(&lake), all_codes(), "fault at call {call}");
        assert_eq!(bars(&lake), 12);
    }
}

#[test]
fn a_kill_at_any_moment_leaves_whole_commits() {
    let lake = Lake::new();
    let pictures = tempfile::tempdir().unwrap();
    let disk =
        FilmedDisk { lake: lake.path(), pictures: pictures.path().to_owned(), taken: 0.into() };
    let mut sink = Parquet::open_on(Box::new(disk), &options(), lake.context()).unwrap();
    for batches in &calls()[..4] {
        sink.write(batches).unwrap();
    }
    sink.close().unwrap();
    let mut seen = Vec::new();
    for picture in 0.. {
        let dir = pictures.path().join(format!("{picture:04}"));
        if !dir.exists() {
            break;
        }
        let context = testing::context(&Arc::default(), &dir);
        Parquet::open(options(), context).unwrap().close().unwrap();
        let rows = |part: &str| {
            let mut files = Vec::new();
            list(&dir.join("lake"), ".parquet", &mut files);
            let files = files.iter().filter(|path| path.to_str().unwrap().contains(part));
            files.map(|path| metadata(path).file_metadata().num_rows()).sum::<i64>()
        };
        seen.push((rows("date=2021-12-01/spot"), rows("date=2021-12-02/spot"), rows("kind=bar")));
    }
    assert!(seen.is_sorted(), "{seen:?}");
    seen.dedup();
    // a commit after every second call: two quotes a call for each day, and a bar
    assert_eq!(seen, [(0, 0, 0), (4, 4, 2), (8, 8, 4)]);
}
