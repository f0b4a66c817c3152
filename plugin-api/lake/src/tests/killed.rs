//! A host that is killed and offers again whatever it had not heard of.

use std::{
    io,
    os::unix::fs::FileExt as _,
    sync::{
        Mutex,
        atomic::{AtomicI64, Ordering},
    },
};

use plugin_api::PluginError;

use super::{
    again::{bars, numbers, quotes},
    disk_full::copy_folder,
    *,
};

/// A disk that keeps a picture of everything as its call of that number was half done, and that
/// fails now and then.
#[derive(Clone)]
struct DoomedDisk {
    dir: PathBuf,
    picture: PathBuf,
    calls_left: Arc<AtomicI64>,
    faults: Arc<Mutex<Option<Random>>>,
}

impl DoomedDisk {
    fn new(dir: &Path, picture: &Path, calls: i64, faults: Option<Random>) -> Self {
        Self {
            dir: dir.to_owned(),
            picture: picture.to_owned(),
            calls_left: Arc::new(calls.into()),
            faults: Arc::new(Mutex::new(faults)),
        }
    }

    fn is_dead(&self) -> bool {
        self.calls_left.load(Ordering::Relaxed) <= 0
    }

    fn call(&self) -> io::Result<()> {
        if self.calls_left.fetch_sub(1, Ordering::Relaxed) == 1 {
            copy_folder(&self.dir, &self.picture);
        }
        let mut faults = self.faults.lock().unwrap();
        match faults.as_mut().is_some_and(|random| random.below(40) == 0) {
            true => Err(io::Error::other("staged fault")),
            false => Ok(()),
        }
    }
}

impl Disk for DoomedDisk {
    fn write_at(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        let (half, rest) = bytes.split_at(bytes.len() / 2);
        file.write_all_at(half, at)?;
        self.call()?;
        file.write_all_at(rest, at + half.len() as u64)?;
        self.call()
    }

    fn sync(&self, _: &File) -> io::Result<()> {
        self.call()
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }
}

fn open(dir: &Path, disk: DoomedDisk, options: &Value) -> Result<Parquet, PluginError> {
    let options = testing::options(with_path(options.clone())).unwrap();
    Parquet::open_on(Box::new(disk), &options, testing::context(&Arc::default(), dir))
}

#[test]
fn a_kill_at_any_call_of_the_disk_and_all_offered_again_gives_every_row_once() {
    let batches: Vec<_> = (0..6_u32)
        .map(|place| match place % 3 {
            2 => bars(10 * place..10 * place + 4, u64::from(place) + 7),
            _ => quotes(10 * place + 1..10 * place + 5, u64::from(place) + 7),
        })
        .collect();
    let expected: Vec<u32> = (0..6_u32)
        .flat_map(|place| {
            let first = 10 * place + u32::from(place % 3 != 2);
            first..first + 4
        })
        .collect();
    // a commit for every second batch, files that are full at once, and both
    for options in [
        json!({ "row_group_records": 8, "compression": "none" }),
        json!({ "row_group_records": 3, "roll_records": 3, "compression": "none" }),
    ] {
        for call in 1.. {
            let (dir, picture) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let disk = DoomedDisk::new(dir.path(), picture.path(), call, None);
            let mut sink = open(dir.path(), disk.clone(), &options).unwrap();
            let mut confirmed = 0;
            for (place, batch) in batches.iter().enumerate() {
                let ack = sink.write(std::slice::from_ref(batch)).unwrap();
                if ack == Ack::Delivered && !disk.is_dead() {
                    confirmed = place + 1;
                }
            }
            sink.close().unwrap();
            if !disk.is_dead() {
                assert!(call > 40, "all calls were tried");
                break;
            }
            // from where the host had heard of, and from the very start
            for from in [confirmed, 0] {
                let copy = tempfile::tempdir().unwrap();
                copy_folder(picture.path(), copy.path());
                let healthy = DoomedDisk::new(dir.path(), dir.path(), i64::MAX, None);
                let mut sink = open(copy.path(), healthy, &options).unwrap();
                sink.write(&batches[from..]).unwrap();
                sink.close().unwrap();
                assert_eq!(numbers(copy.path()), expected, "killed at call {call}, from {from}");
            }
        }
    }
}

/// What a host does in its life, until the disk dies or all is done.
struct Life<'a> {
    random: &'a mut Random,
    batches: &'a [Batch],
    /// The host has heard that so many are safe.
    settled: usize,
}

impl Life<'_> {
    fn live(&mut self, dir: &Path, disk: &DoomedDisk, options: &Value) -> bool {
        loop {
            if disk.is_dead() {
                return false;
            }
            match open(dir, disk.clone(), options) {
                Ok(mut sink) => return self.deliver(&mut sink, disk),
                Err(error) => assert_eq!(error.kind, plugin_api::ErrorKind::Retry, "{error}"),
            }
        }
    }

    fn deliver(&mut self, sink: &mut Parquet, disk: &DoomedDisk) -> bool {
        // what it heard last may be lost with it
        self.settled -= usize::try_from(self.random.below(4)).unwrap().min(self.settled);
        let mut given = self.settled;
        while given < self.batches.len() {
            let most = (self.batches.len() - given).min(4) as u64;
            let group = 1 + usize::try_from(self.random.below(most)).unwrap();
            let mut calls = vec![self.batches[given..given + group].to_vec()];
            if group == 1
                && self.random.below(3) == 0
                && let Ok(Some((first, second))) = self.batches[given].halves()
            {
                calls = vec![vec![first], vec![second]];
            }
            let mut ack = Ack::Held;
            for call in calls {
                ack = until_done(disk, || sink.write(&call)).unwrap_or(Ack::Held);
            }
            given += group;
            if self.random.below(6) == 0 && until_done(disk, || sink.flush()).is_some() {
                ack = Ack::Delivered;
            }
            if disk.is_dead() {
                return false;
            }
            if ack == Ack::Delivered {
                self.settled = given;
            }
        }
        until_done(disk, || sink.close());
        !disk.is_dead()
    }
}

/// Repeats a call as the host does; `None` once the disk is dead.
fn until_done<T>(disk: &DoomedDisk, mut call: impl FnMut() -> Result<T, PluginError>) -> Option<T> {
    loop {
        match call() {
            _ if disk.is_dead() => return None,
            Ok(done) => return Some(done),
            Err(error) => assert_eq!(error.kind, plugin_api::ErrorKind::Retry, "{error}"),
        }
    }
}

#[test]
fn a_host_that_is_killed_over_and_over_has_every_row_once() {
    let first_seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = match first_seed {
        Some(seed) => seed..seed + 1,
        None => 1..41_u64,
    };
    for seed in seeds {
        println!("SEED={seed}");
        let mut random = Random(seed);
        let mut next = 1;
        let batches: Vec<_> = (0..30)
            .map(|place| {
                let records = u32::try_from(random.below(9)).unwrap();
                let numbers = next..next + records;
                next += records;
                let delivery = 1_000 + 3 * place;
                if random.below(4) == 0 {
                    bars(numbers, delivery)
                } else {
                    quotes(numbers, delivery)
                }
            })
            .collect();
        let options = json!({
            "row_group_records": 1 + random.below(20),
            "roll_records": 1 + random.below(30),
            "partition": match random.below(3) {
                0 => json!(["kind"]),
                1 => json!(["date"]),
                _ => json!(["kind", "date"]),
            },
            "compression": "none",
        });
        let mut dir = tempfile::tempdir().unwrap();
        let mut life = Life { random: &mut random, batches: &batches, settled: 0 };
        for lives in 0.. {
            let picture = tempfile::tempdir().unwrap();
            let calls =
                if lives < 12 { 1 + life.random.below(120) } else { i64::MAX.unsigned_abs() };
            let faults = (lives % 2 == 0).then(|| Random(life.random.below(u64::MAX)));
            let disk =
                DoomedDisk::new(dir.path(), picture.path(), i64::try_from(calls).unwrap(), faults);
            if life.live(dir.path(), &disk, &options) {
                break;
            }
            dir = picture;
        }
        assert_eq!(
            numbers(dir.path()),
            (1..next).collect::<Vec<_>>(),
            "SEED={seed} with {options}"
        );
    }
}
