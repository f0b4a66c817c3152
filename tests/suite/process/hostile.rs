//! What a child does against its host ends in bounded time, with its cause in words.

use std::time::{Duration, Instant};

use dataserver::config::Limits;
use harness::Bench;
use plugin_api::{ErrorKind, RoleKind, Round, testing::spot_batch};
use serde_json::{Value, json};

use super::{Case, Loaded, PATIENT, load};

/// What goes on for ever, and so ends by its deadline alone.
const ENDLESS: [&str; 5] = ["sleep", "ignore_sigterm", "spin", "flood_stdout", "flood_log"];
const MEMORY: u64 = 64 << 20;

fn hostile() -> Loaded {
    load("hostile", "hostile", RoleKind::Transform)
}

/// A short deadline for what ends by it alone; the others must end by their own cause, also on a
/// busy machine.
fn case(loaded: &Loaded, options: &Value) -> Case {
    let is_endless = ENDLESS.contains(&options["how"].as_str().unwrap_or_default());
    let deadline = if is_endless { Duration::from_millis(300) } else { PATIENT };
    let limits = Limits { memory: MEMORY, deadline, nice: 0 };
    Case::new(options, loaded.folder.path()).limits(limits)
}

#[test]
fn a_child_that_breaks_its_bounds_ends_with_the_cause_named() {
    let loaded = hostile();
    // how, kind, what is said
    let cases = [
        ("exit", ErrorKind::Panic, "ended with exit code 3 in apply, printing: no more of this"),
        ("kill", ErrorKind::Fatal, "ended with SIGKILL in apply"),
        ("crash", ErrorKind::Panic, "crashed with SIGSEGV in apply"),
        ("sleep", ErrorKind::Fatal, "deadline of 300ms exceeded in apply, while the plugin waited"),
        ("ignore_sigterm", ErrorKind::Fatal, "deadline of 300ms exceeded in apply"),
        ("spin", ErrorKind::Panic, "deadline of 300ms exceeded in apply; mend the plugin"),
        ("garbage", ErrorKind::Panic, "broke the protocol in apply: what came is no frame"),
        ("cut", ErrorKind::Panic, "closed its socket in apply"),
        ("huge_frame", ErrorKind::Panic, "is no frame"),
        ("no_memory", ErrorKind::Panic, "memory that did not come"),
        ("beyond_memory", ErrorKind::Panic, "in memory of"),
        ("short_memory", ErrorKind::Panic, "in memory of 10 bytes"),
        ("malformed", ErrorKind::Panic, "malformed"),
        ("wrong_place", ErrorKind::Panic, "its place is"),
        ("odd_answer", ErrorKind::Panic, "answered apply with"),
        ("call_of_the_host", ErrorKind::Panic, "is none of a child"),
        ("dead_letters", ErrorKind::Panic, "handed over more than 256MiB in one call"),
        ("allocate", ErrorKind::Panic, "raise limits.memory"),
        ("ugly_error", ErrorKind::BadData, "a b [31mcxxx"),
        ("retry", ErrorKind::Retry, "the server is away"),
        ("fatal", ErrorKind::Fatal, "no use"),
        ("raise", ErrorKind::Panic, "KeyError: 'missing' (hostile.py:"),
    ];
    for (how, kind, said) in cases {
        let case = case(&loaded, &json!({ "how": how }));
        let error = case.apply(loaded.plugin.as_ref()).unwrap_err();
        assert_eq!(error.kind, kind, "{how}: {error}");
        assert!(error.message.contains(said), "{how}: {error}");
        assert!(error.message.len() < 8 << 10, "{how}: {} bytes", error.message.len());
    }
}

#[test]
fn a_child_that_floods_its_host_ends_by_its_deadline() {
    let loaded = hostile();
    for how in ["flood_stdout", "flood_log"] {
        let case = case(&loaded, &json!({ "how": how }));
        let error = case.apply(loaded.plugin.as_ref()).unwrap_err();
        // whether it computes or waits for its host is a matter of chance
        assert!(error.message.contains("deadline of 300ms exceeded in apply"), "{how}: {error}");
        assert!(case.host.told().logs.len() < 2_000, "{how}");
    }
}

#[test]
fn a_child_that_does_it_when_it_is_opened_is_not_opened() {
    let loaded = hostile();
    for (how, said) in [
        ("exit", "ended with exit code 3 in open"),
        ("garbage", "broke the protocol in open"),
        ("raise", "KeyError"),
    ] {
        let case = case(&loaded, &json!({ "how": how, "at_open": true }));
        let error = loaded.plugin.open_transform(case.opening.clone()).err().unwrap();
        assert!(error.message.contains(said), "{how}: {error}");
    }
    let case = case(&loaded, &json!({ "how": 7 }));
    let error = loaded.plugin.open_transform(case.opening.clone()).err().unwrap();
    assert_eq!(error.kind, ErrorKind::Config, "{error}");
    assert!(error.message.contains("how: 7 is no str"), "{error}");
}

#[test]
fn floods_of_lines_names_and_reasons_are_bounded_and_counted() {
    let loaded = hostile();
    let flood = case(&loaded, &json!({ "how": "some_output" }));
    flood.apply(loaded.plugin.as_ref()).unwrap();
    let told = flood.host.told();
    assert!(told.logs.len() < 2_000, "{}", told.logs.len());
    assert!(told.logs.iter().all(|(_, line)| line.len() < 8 << 10));
    assert!(flood.host.counted("process_log_lines_left_out") > 15_000);

    let names = case(&loaded, &json!({ "how": "names" }));
    names.apply(loaded.plugin.as_ref()).unwrap();
    let told = names.host.told();
    let different =
        |names: Vec<&str>| names.into_iter().collect::<std::collections::HashSet<_>>().len();
    assert_eq!(different(told.counts.iter().map(|(name, _)| name.as_str()).collect()), 64);
    assert_eq!(told.dropped.len(), 5_000, "no dropped record goes uncounted");
    assert!(different(told.dropped.iter().map(|(name, _)| name.as_str()).collect()) <= 65);
}

#[test]
fn an_instance_that_ended_takes_no_call_and_another_one_is_as_new() {
    let loaded = hostile();
    let case = case(&loaded, &json!({ "how": "exit" }));
    let batch = spot_batch(1, Round::WHOLE).numbered(1, 1, 0);
    let mut transform = loaded.plugin.open_transform(case.opening.clone()).unwrap();
    assert!(transform.apply(&batch).is_err());
    let after = transform.apply(&batch).unwrap_err();
    assert!(after.message.contains("has ended"), "{after}");
    assert!(transform.close().is_err());
    let next = self::case(&loaded, &json!({ "how": "nothing" }));
    assert_eq!(next.apply(loaded.plugin.as_ref()).unwrap().len(), 1);
}

/// Whether a process is there and no zombie.
fn lives(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

#[test]
fn what_a_child_has_started_ends_with_it() {
    let loaded = hostile();
    for how in ["fork", "fork_and_stay"] {
        let file = loaded.folder.path().join(how);
        let case = case(&loaded, &json!({ "how": how, "file": file.display().to_string() }));
        // the one that stays is dropped with its instance
        let _ = case.apply(loaded.plugin.as_ref());
        let pid = std::fs::read_to_string(&file).unwrap();
        let since = Instant::now();
        while lives(&pid) {
            assert!(since.elapsed() < PATIENT, "{how}: {pid} is left");
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_child_has_a_session_of_its_own_and_nothing_of_the_hosts() {
    let loaded = hostile();
    // one that a library left open for its children
    let leaked = std::fs::File::open("/proc/self/status").unwrap();
    rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();
    let case = case(&loaded, &json!({ "how": "tell" }));
    case.apply(loaded.plugin.as_ref()).unwrap();
    let logs = case.logs();
    assert!(logs.contains("session True nice "), "{logs}");
    assert!(logs.contains("env DATASERVER_PROTOCOL") && logs.contains("env PATH"), "{logs}");
    assert!(!logs.contains("env CARGO"), "{logs}");
    for line in logs.lines().filter(|line| line.contains(" fd ")) {
        let is_own = ["socket:", "pipe:", "/dev/null", "/proc/"].iter().any(|it| line.contains(it));
        assert!(is_own && !line.ends_with("/status"), "{logs}");
    }
    let sockets = logs.lines().filter(|line| line.contains("socket:")).count();
    assert_eq!(sockets, 1, "its own to the host: {logs}");
}

#[test]
fn hostile_components_leave_the_others_untouched() {
    let bench = Bench::new(&["faulty"]);
    bench.install_python("hostile");
    let mut text = "[sources.day]\nplugin = \"faulty\"\nbatches = 100\nrecords = 5\nsymbols = 5\n\
                    [sinks.good]\nplugin = \"faulty\"\ninputs = [\"day\"]\nlog = \"good.log\"\n"
        .to_owned();
    for how in ["exit", "spin", "garbage", "flood_stdout", "allocate", "fork_and_stay"] {
        text += &format!(
            "[transforms.{how}]\nplugin = \"hostile\"\ninputs = [\"day\"]\nhow = \"{how}\"\n\
             file = \"{how}.pid\"\nlimits = {{ memory = \"256MiB\", deadline = \"300ms\" }}\n\
             buffer.when_full = \"drop_newest\"\n\
             [sinks.{how}_out]\nplugin = \"faulty\"\ninputs = [\"{how}\"]\n"
        );
    }
    bench.pipeline(&format!("[host]\ndrain_timeout = \"0s\"\n{text}"));
    let host = bench.start();
    host.wait_for("exceeded in apply");
    let until = Instant::now() + PATIENT;
    while bench.sequences("good.log").len() < 500 {
        assert!(Instant::now() < until, "{}", host.log());
        std::thread::park_timeout(Duration::from_millis(5));
    }
    host.signal("TERM");
    let run = host.wait();
    assert_eq!(bench.sequences("good.log"), (1..=500).collect::<Vec<_>>());
    assert_eq!(run.summary("good", "out"), 500);
    assert_eq!(run.summary("good", "errors"), 0);
}
