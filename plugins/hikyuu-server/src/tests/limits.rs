//! Memory and connections stay within their bounds.

use std::io::{Read, Write};

use super::{raw::RawClient, *};

/// Quotes of one security, two a second from midnight.
fn fill(bench: &mut Bench, code: &str, quotes: usize) {
    let first = spot(code, "00:00:00", 8.5);
    let spots: Vec<_> = (0..quotes)
        .map(|number| SpotRecord {
            time_us: first.time_us + i64::try_from(number).unwrap() * 500_000,
            volume_shares: number as u64 * 100,
            ..first
        })
        .collect();
    bench.spots(&spots);
}

#[test]
fn clients_that_never_read_are_put_out_and_others_are_served() {
    let mut bench = Bench::new(json!({ "stall_timeout": "300ms", "transfer_memory": "64MiB" }));
    fill(&mut bench, "600000", 100_000); // more than the sockets take
    let mut body = Vec::new();
    rmpv::encode::write_value(&mut body, &tick("SH", "600000", "1400-01-01")).unwrap();
    let mut deaf: Vec<_> = (0..8).map(|_| RawClient::dial(&bench.address())).collect();
    for client in &mut deaf {
        client.write(&raw::framed(0x8000_0001, &body));
    }
    assert!(bench.client().is_alive(), "small questions do not wait");
    wait_until("the deaf to be put out", || bench.logged("took nothing of its answer") > 0);
    // those for whom there was no memory were told so, and may ask again
    drop(deaf);
    let client = bench.client();
    let stats = || client.ask(&map(&[("cmd", "stats".into())]));
    wait_until("all of them to go", || stats()["data"]["clients"].as_u64() == Some(1));
    assert_eq!(client.data(&tick("SH", "600000", "1400-01-01")).len(), 100_000);
}

#[test]
fn an_answer_that_could_not_be_held_is_refused_with_the_remedy() {
    let mut bench = Bench::new(json!({ "transfer_memory": "1MiB" }));
    fill(&mut bench, "600000", 20_000);
    let client = bench.client();
    let answer = client.ask(&tick("SH", "600000", "1400-01-01"));
    assert_eq!(answer["ret"], Value::from(1));
    assert!(answer["msg"].as_str().unwrap().contains("later date"), "{answer}");
    assert!(!client.data(&tick("SH", "600000", "2026-11-20 02:00:00")).is_empty());
    // a code repeated a million times
    bench.bars(&[bar("600000", "1m", "2026-11-20 09:31:00", 8.5)]);
    let many = vec![("SH600000", "2026-11-20"); 20_000];
    assert_eq!(client.ask(&market("MIN", &many))["ret"], Value::from(1));
    assert!(client.is_alive());
}

#[test]
fn the_oldest_ticks_go_when_memory_is_used_up() {
    let mut bench = Bench::new(json!({ "max_memory": "16MiB" }));
    let codes: Vec<_> = (0..100).map(|number| format!("{}", 600_000 + number)).collect();
    let mut given = 0_i64;
    let mut random = 1_u64;
    while bench.logged("max_memory is used up") == 0 {
        let spots: Vec<_> = codes
            .iter()
            .map(|code| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let first = spot(code, "09:30:00", 8.5);
                let time_us = first.time_us + given * 100_000;
                // numbers that cannot be packed well
                #[allow(clippy::cast_precision_loss)]
                let amount_cny = random as f64 / 3.0;
                SpotRecord { time_us, amount_cny, close: amount_cny, ..first }
            })
            .collect();
        bench.spots(&spots);
        given += 1;
        assert!(given < 10_000);
    }
    let client = bench.client();
    let stats = client.ask(&map(&[("cmd", "stats".into())]));
    let figure = |name: &str| stats["data"][name].as_u64().unwrap();
    assert!(figure("bytes") <= 16 << 20);
    assert_eq!(figure("ticks") + figure("ticks_forgotten"), given.unsigned_abs() * 100);
    assert_eq!(bench.host.counted("ticks_forgotten_total"), figure("ticks_forgotten"));
    for code in [&codes[0], &codes[99]] {
        let rows = client.data(&tick("SH", code, "1400-01-01 00:00:00"));
        let first = rows[0][0].as_str().unwrap();
        assert!(first > "2026-11-20 09:30:00" && rows.len() > 100, "{code} from {first}");
    }
}

#[test]
fn of_more_clients_than_allowed_one_that_rests_gives_way() {
    let bench = Bench::new(json!({ "max_clients": 2 }));
    let mut clients: Vec<_> = (0..2).map(|_| RawClient::dial(&bench.address())).collect();
    assert!(clients.iter_mut().all(RawClient::is_alive));
    let mut third = RawClient::dial(&bench.address());
    assert!(third.is_alive());
    wait_until("one to go", || bench.logged("gave way to tcp://127.0.0.1:") == 1);
    let is_left = |client: &mut RawClient| {
        client.0.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        client.0.read(&mut [0]).is_ok_and(|count| count == 0)
    };
    let left = clients.iter_mut().filter_map(|client| is_left(client).then_some(())).count();
    assert!(left == 1 && third.is_alive());
    // those that say nothing at all give way as well
    let _silent: Vec<_> = (0..20).map(|_| raw::connect(&bench.address())).collect();
    assert!(RawClient::dial(&bench.address()).is_alive());
}

#[test]
fn clients_that_wait_for_answers_do_not_give_way() {
    let question = raw::framed(0x8000_0001, b"\x81\xa3cmd\xa4ping");
    let (half, rest) = question.split_at(10);
    // whether the server has read a half already is not seen, so that more than one try may be due,
    // each with a server of its own, as lines of the log that are alike are written now and then
    wait_until("two that are kept", || {
        let bench = Bench::new(json!({ "max_clients": 2, "stall_timeout": "60s" }));
        let mut clients: Vec<_> = (0..2).map(|_| RawClient::dial(&bench.address())).collect();
        for client in &mut clients {
            client.write(half);
        }
        let mut third = raw::connect(&bench.address());
        let is_refused = matches!(third.read(&mut [0; 8]), Ok(0) | Err(_));
        let is_kept = |client: &mut RawClient| client.0.write_all(rest).is_ok() && client.hears();
        let is_it = is_refused && clients.iter_mut().all(is_kept);
        if is_it {
            wait_until("a line that says why", || {
                bench.logged("as many clients wait for answers as may be connected") > 0
            });
        }
        is_it
    });
}

#[test]
fn a_client_that_asks_nothing_is_disconnected_and_one_that_asks_is_not() {
    let bench = Bench::new(json!({ "idle_timeout": "300ms" }));
    let idle = RawClient::dial(&bench.address());
    let mut busy = RawClient::dial(&bench.address());
    let mut idle = idle.0;
    let is_gone = std::thread::spawn(move || idle.read(&mut [0]).unwrap() == 0);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(900) {
        assert!(busy.is_alive());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(is_gone.join().unwrap());
    let stats = busy.ask(&map(&[("cmd", "stats".into())]));
    assert_eq!(stats["data"]["clients"].as_u64(), Some(1));
    assert_eq!(bench.logged("connection was closed"), 0, "it did nothing wrong");
    // NNG's own clients connect again by themselves
    let client = bench.client();
    assert!(client.is_alive());
    std::thread::sleep(Duration::from_millis(700));
    assert!(client.is_alive());
}

/// In a process of its own, whose bound on open files is low.
#[test]
fn a_crowd_of_idle_clients_leaves_files_for_everything_else() {
    let test = "tests::limits::a_crowd_of_idle_clients_leaves_files_for_everything_else";
    if is_alone(test, "ulimit -n 256") {
        crowd();
    }
}

fn crowd() {
    let bench = Bench::new(json!({}));
    assert_eq!(bench.logged("may have 256 files open in all: 128 are let in at a time"), 1);
    // other processes: their files are not ours
    let address = bench.address();
    let mut crowds: Vec<_> = (0..4)
        .map(|_| {
            let port = address.rsplit_once(':').unwrap().1;
            let script = format!(
                "import socket, sys\nheld = [socket.create_connection(('127.0.0.1', {port})) for _ \
                 in range(100)]\nprint('there', flush=True)\nsys.stdin.read()"
            );
            std::process::Command::new("python3")
                .args(["-c", &script])
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for crowd in &mut crowds {
        let mut said = [0; 5];
        crowd.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
    }
    let mut client = RawClient::dial(&address);
    assert!(client.is_alive());
    let files: Vec<_> = (0..64).map(|_| std::fs::File::open("/dev/null")).collect();
    assert!(files.iter().all(Result::is_ok), "others need files too");
    drop(files);
    // and even without any file left the accepting thread neither spins nor gives up
    let mut files = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        files.push(file);
    }
    for crowd in &mut crowds {
        drop(crowd.stdin.take());
        crowd.wait().unwrap();
    }
    drop(files);
    wait_until("an answer", || RawClient::dial(&address).is_alive());
    assert!(bench.logged("nobody is let in") <= 1);
}

#[test]
fn answers_are_whole_while_their_security_changes() {
    let mut bench = Bench::new(json!({}));
    fill(&mut bench, "600000", 100);
    let address = bench.address();
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let client = Client::dial(&address);
                    let mut seen = 0;
                    while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                        let rows = client.data(&tick("SH", "600000", "1400-01-01"));
                        assert!(rows.len() >= seen, "quotes vanished");
                        assert!(texts(&rows).is_sorted());
                        seen = rows.len();
                        client.data(&market("MIN", &[("SH600000", "2026-11-20")]));
                    }
                })
            })
            .collect();
        for second in 0..600 {
            let first = spot("600000", "11:00:00", 8.5);
            let late = spot("600000", "09:30:00", 9.0);
            bench.spots(&[
                SpotRecord { time_us: first.time_us + second * 1_000_000, ..first },
                SpotRecord { time_us: late.time_us + second * 1_000, ..late },
            ]);
            bench.bars(&[bar("600000", "1m", "2026-11-20 11:01:00", 8.5)]);
        }
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
    assert_eq!(bench.client().data(&tick("SH", "600000", "1400-01-01")).len(), 1_300);
}
