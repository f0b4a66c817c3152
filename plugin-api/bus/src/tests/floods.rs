//! Publishers that flood, hang up, or make no sense, again and again.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use super::*;

/// Greets everybody, says the same to each, and goes on saying the rest or hangs up.
struct Nuisance {
    address: String,
    dialled: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Nuisance {
    fn start(first: Vec<u8>, flood: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("tcp://{}", listener.local_addr().unwrap());
        let (dialled, is_over) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (count, end) = (Arc::clone(&dialled), Arc::clone(&is_over));
        let thread = thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                if end.load(Ordering::Relaxed) {
                    return;
                }
                count.fetch_add(1, Ordering::Relaxed);
                let _ = stream.write_all(b"\0SP\0\0\x20\0\0");
                let _ = stream.read_exact(&mut [0; 8]);
                let _ = stream.write_all(&first);
                while !flood.is_empty() && !end.load(Ordering::Relaxed) {
                    if stream.write_all(&flood).is_err() {
                        break;
                    }
                }
            }
        });
        Self { address, dialled, is_over, thread: Some(thread) }
    }

    fn dialled(&self) -> usize {
        self.dialled.load(Ordering::Relaxed)
    }
}

impl Drop for Nuisance {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _ = std::net::TcpStream::connect(self.address.strip_prefix("tcp://").unwrap());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn framed(bodies: &[&[u8]]) -> Vec<u8> {
    let frame = |body: &&[u8]| [&(body.len() as u64).to_be_bytes(), *body].concat();
    bodies.iter().flat_map(frame).collect()
}

#[test]
fn a_call_for_a_batch_ends_in_time_whatever_floods_in() {
    let twisted: Vec<&[u8]> = [START, START, END, END].repeat(1_000);
    let floods = [
        // what comes without end
        framed(&[b"".as_slice(); 10_000]),
        framed(&[START; 4_000]),
        framed(&[END; 4_000]),
        framed(&[START, END].repeat(2_000)),
        framed(&twisted),
        framed(&[TOPIC; 4_000]),
        framed(&[b":spot:garbage".as_slice(); 4_000]),
        framed(&[b"another topic".as_slice(); 4_000]),
    ];
    for (index, flood) in floods.into_iter().enumerate() {
        for slow_pipeline in ["drop", "wait"] {
            let nuisance = Nuisance::start(Vec::new(), flood.clone());
            let mut bench = Bench::with(json!({
                "dial": nuisance.address,
                "slow_pipeline": slow_pipeline,
                "receive_buffer": "1MiB",
                "max_message": "64KiB",
            }));
            bench.idle_until("a connection", |host| {
                host.told().logs.iter().any(|(_, line)| line.contains("reading"))
            });
            for _ in 0..20 {
                let begun = Instant::now();
                let _ = bench.source.next(Duration::from_millis(5));
                // far more than a busy machine adds
                assert!(begun.elapsed() < Duration::from_secs(5), "flood {index}");
            }
            bench.source.close().unwrap();
            let lines = bench.host.told().logs.len();
            assert!(lines < 100, "flood {index} wrote {lines} lines");
        }
    }
}

#[test]
fn a_publisher_that_is_of_no_use_is_dialled_more_and_more_rarely() {
    let claim = [u8::MAX; 8].to_vec();
    let twice = [framed(&[START]), claim.clone()].concat();
    let after_quotes = [framed(&[START, &list(0..1), END]), claim.clone()].concat();
    // what it says before it hangs up
    for says in [Vec::new(), claim, twice, framed(&[b":spot:garbage", b""]), after_quotes] {
        let nuisance = Nuisance::start(says.clone(), Vec::new());
        let options = json!({ "dial": nuisance.address, "reconnect_max": "2s" });
        let mut bench = Bench::with(options);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(3) {
            let _ = bench.source.next(Duration::from_millis(20));
        }
        // at 0, 0.1, 0.3, 0.7, 1.5, 3.1 seconds; it was 30 times
        let dialled = nuisance.dialled();
        assert!((2..=7).contains(&dialled), "{dialled} times after {says:?}");
        bench.source.close().unwrap();
        assert!(bench.warnings().len() <= 20, "{:#?}", bench.warnings());
    }
}

#[test]
fn a_publisher_that_served_well_is_dialled_at_once_when_it_comes_back() {
    let mut publisher = RawPublisher::new();
    let address = publisher.address();
    let mut bench = Bench::with(json!({ "dial": address, "reconnect_max": "5m" }));
    // grows the pause
    for _ in 0..4 {
        bench.idle_until("it", |_| publisher.try_accept());
        publisher.hang_up();
    }
    bench.idle_until("it", |_| publisher.try_accept());
    let served = Instant::now();
    while served.elapsed() < Duration::from_millis(1_800) {
        publisher.send(START);
        publisher.send(&list(0..1));
        publisher.send(END);
        bench.batch();
    }
    publisher.hang_up();
    let begun = Instant::now();
    while !publisher.try_accept() {
        assert!(begun.elapsed() < PATIENCE);
        let _ = bench.source.next(Duration::from_millis(5));
    }
    assert!(begun.elapsed() < Duration::from_millis(1_400), "{:?}", begun.elapsed());
}
