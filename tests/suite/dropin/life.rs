//! Starting, stopping and leaving, in every order that a caller may choose.

use std::{
    fs,
    io::Write,
    net::TcpStream,
    time::{Duration, Instant},
};

use harness::{Bench, free_port};
use tempfile::TempDir;

use super::{Client, driver::Driver, is_success};

/// Longest that a call may take which returns before its work is done.
const AT_ONCE: Duration = Duration::from_millis(500);

/// Arguments that serve at a port and keep quotes.
fn serving(port: u16) -> String {
    format!("tcp://127.0.0.1:{port} 3 0 1")
}

#[track_caller]
fn assert_answered(port: u16) {
    let answer = Client::dial(port).ticks("SH", "600000");
    assert!(is_success(&answer), "{}", String::from_utf8_lossy(&answer));
}

fn is_open(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

#[test]
fn a_second_start_keeps_what_runs_unless_it_asks_for_something_else() {
    let mut driver = Driver::new();
    let (first, second) = (free_port(), free_port());
    assert!(driver.start(0, &serving(first)) < AT_ONCE);
    let client = Client::dial(first);
    assert!(is_success(&client.ticks("SH", "600000")));
    driver.start(0, &serving(first));
    driver.wait_for("the data server runs already", 1);
    assert!(is_success(&client.ticks("SH", "600000")));
    assert!(driver.start(0, &serving(second)) < AT_ONCE);
    assert_answered(second);
    assert!(!is_open(first));
    driver.finish();
}

#[test]
fn it_stops_while_clients_are_connected_and_starts_at_the_same_port_at_once() {
    let mut driver = Driver::new();
    let port = free_port();
    // without anything to stop
    assert_eq!(driver.step("stop 0"), "ok");
    for _ in 0..5 {
        driver.start(0, &serving(port));
        let clients = [Client::dial(port), Client::dial(port)];
        assert!(clients.iter().all(|client| is_success(&client.ticks("SH", "600000"))));
        // one that never says what it wants
        let mut silent = TcpStream::connect(("127.0.0.1", port)).unwrap();
        silent.write_all(b"\0SP").unwrap();
        assert_eq!(driver.step("stop 0"), "ok");
        assert_eq!(driver.step("stop 0"), "ok");
        assert!(!is_open(port));
        driver.wait_for_no_threads();
    }
    driver.wait_for("the data server has stopped", 5);
    driver.finish();
}

#[test]
fn a_stop_that_comes_before_it_runs_holds() {
    let mut driver = Driver::new();
    let port = free_port();
    for _ in 0..20 {
        driver.start(0, &serving(port));
        driver.step("stop 0");
        assert!(!is_open(port));
    }
    driver.start(0, &serving(port));
    assert_answered(port);
    driver.finish();
}

#[test]
fn two_objects_serve_side_by_side_and_a_taken_port_is_told() {
    let mut driver = Driver::new();
    driver.make(1);
    let (first, second) = (free_port(), free_port());
    driver.start(0, &serving(first));
    assert_answered(first);
    driver.start(1, &serving(first));
    driver.wait_for(&format!("tcp://127.0.0.1:{first} is in use"), 1);
    driver.start(1, &serving(second));
    assert_answered(second);
    assert_eq!(driver.step("delete 0"), "ok");
    assert!(!is_open(first));
    assert_answered(second);
    driver.finish();
}

#[test]
fn the_library_can_be_closed_and_opened_again() {
    let mut driver = Driver::new();
    let port = free_port();
    driver.start(0, &serving(port));
    let client = Client::dial(port);
    assert!(is_success(&client.ticks("SH", "600000")));
    assert_eq!(driver.step("delete 0"), "ok");
    assert_eq!(driver.step("close"), "ok");
    driver.wait_for_no_threads();
    assert_eq!(driver.step(&format!("open {}", super::driver::library().display())), "ok");
    driver.make(1);
    driver.start(1, &serving(port));
    assert_answered(port);
    driver.step("delete 1");
    driver.step("close");
    driver.finish();
}

#[test]
fn a_process_may_end_with_all_of_it_running() {
    for step in ["exit", ""] {
        let mut driver = Driver::new();
        let port = free_port();
        let lake = driver.home.path().join("lake");
        driver.start(0, &format!("tcp://127.0.0.1:{port} 3 1 1 {}", lake.display()));
        let client = Client::dial(port);
        assert!(is_success(&client.ticks("SH", "600000")));
        if !step.is_empty() {
            assert_eq!(driver.step(step), "ok");
        }
        driver.finish();
    }
}

#[test]
fn a_child_that_was_forked_may_give_the_object_up() {
    let mut driver = Driver::new();
    let port = free_port();
    driver.start(0, &serving(port));
    assert_answered(port);
    assert_eq!(driver.step("fork 0"), "7");
    assert_answered(port);
    driver.finish();
}

#[test]
fn signals_stay_the_callers() {
    let mut driver = Driver::new();
    let port = free_port();
    driver.start(0, &serving(port));
    assert_answered(port);
    assert_eq!(driver.step("handlers"), "0");
    // the program does not ignore SIGPIPE, as C++ programs do not
    for _ in 0..50 {
        let client = Client::dial(port);
        client.0.send(&b"\x80"[..]).map_err(|(_, error)| error).unwrap();
    }
    assert_answered(port);
    driver.finish();
}

#[test]
fn a_home_that_cannot_be_written_is_told_and_harms_nobody() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join(".hikyuu")).unwrap();
    // in the way, for whoever it is that runs the tests
    fs::write(home.path().join(".hikyuu/dataserver"), "").unwrap();
    let mut driver = Driver::at(home);
    driver.make(0);
    driver.start(0, &serving(free_port()));
    driver.wait_for("the data server does not run: ", 1);
    driver.wait_for("Not a directory", 1);
    driver.wait_for_no_threads();
    driver.finish();

    // not even the log
    let home: TempDir = tempfile::tempdir().unwrap();
    fs::write(home.path().join(".hikyuu"), "").unwrap();
    let mut driver = Driver::at(home);
    driver.make(0);
    driver.start(0, &serving(free_port()));
    driver.wait_for_no_threads();
    driver.finish();
}

#[test]
fn what_is_wrong_is_told_with_the_remedy() {
    let mut driver = Driver::new();
    for (arguments, told) in [
        ("tcp://127.0.0.1:9201 3 1 0", "name a folder for Parquet files with parquet_path"),
        ("udp://127.0.0.1:9201 3 0 0", "use tcp://"),
        ("tcp://127.0.0.1:9201 5000 0 0", "use at most 1024"),
    ] {
        driver.start(0, arguments);
        driver.wait_for(told, 1);
    }
    driver.finish();
    let mut driver = Driver::with_files(&[("hikyuu.ini", "[hikyuu\n")]);
    driver.make(0);
    driver.start(0, &serving(free_port()));
    driver.wait_for("hikyuu.ini, line 1", 1);
    driver.finish();
}

#[test]
fn the_users_own_pipeline_runs_with_plugins_of_both_kinds() {
    let bench = Bench::with_links(&["filter"]);
    let port = free_port();
    let own = format!(
        "[host]\nplugins = [{:?}]\ndata_dir = \"mine\"\n\
         [sources.bus]\nplugin = \"nng-sub\"\ndial = \"tcp://127.0.0.1:{}\"\n\
         [transforms.shanghai]\nplugin = \"filter\"\ninputs = [\"bus\"]\nmarkets = [\"SH\"]\n\
         [sinks.server]\nplugin = \"hikyuu-server\"\ninputs = [\"shanghai\"]\n\
         listen = \"tcp://127.0.0.1:{port}\"\n",
        bench.path("plugins"),
        free_port(),
    );
    let mut driver = Driver::with_files(&[("dataserver.toml", &own)]);
    driver.make(0);
    driver.start(0, &serving(free_port()));
    assert_answered(port);
    assert!(driver.log().contains("is left aside"), "{}", driver.log());
    assert!(driver.home.path().join(".hikyuu/mine").is_dir());
    // it is watched as any pipeline, from when it is said to run
    driver.wait_for("the data server runs", 1);
    let another = free_port();
    let changed = own.replace(&format!("{port}\"\n"), &format!("{another}\"\n"));
    fs::write(driver.home.path().join(".hikyuu/dataserver.toml"), changed).unwrap();
    driver.wait_for("reloaded", 1);
    assert_answered(another);
    let begin = Instant::now();
    assert_eq!(driver.step("stop 0"), "ok");
    assert!(begin.elapsed() < Duration::from_secs(5));
    driver.wait_for_no_threads();
    driver.finish();
}
