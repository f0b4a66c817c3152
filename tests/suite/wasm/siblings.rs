//! A guest that misbehaves harms its own component alone, and health says why.

use harness::{Bench, free_port};

/// A source, a sound branch, and a branch with a hostile transform.
fn pipeline(port: u16, hostile: &str, deadline: &str) -> String {
    format!(
        "[host]\nhttp = \"127.0.0.1:{port}\"\ndrain_timeout = \"3s\"\n\
         [sources.day]\nplugin = \"faulty\"\nbatches = 100000\nrecords = 5\nsymbols = 5\n\
         pace = \"5ms\"\n\
         [transforms.sound]\nplugin = \"filter\"\ncarrier = \"wasm\"\ninputs = [\"day\"]\n\
         [transforms.hostile]\nplugin = \"malicious\"\ninputs = [\"day\"]\n{hostile}\n\
         limits = {{ deadline = \"{deadline}\", memory = \"32MiB\" }}\n\
         [transforms.hostile.buffer]\nwhen_full = \"drop_oldest\"\n\
         [sinks.kept]\nplugin = \"faulty\"\ninputs = [\"sound\"]\nlog = \"kept.log\"\n\
         [sinks.lost]\nplugin = \"null\"\ninputs = [\"hostile\"]\n"
    )
}

#[test]
fn a_hostile_guest_is_restarted_beside_siblings_that_lose_nothing() {
    // how, deadline, what is said
    for (how, deadline, said) in [
        ("loop", "200ms", "deadline of 200ms exceeded in apply"),
        ("memory", "20s", "memory limit of 32MiB reached in apply"),
        ("stack", "20s", "stack overflow in apply"),
        ("malformed", "20s", "malformed"),
    ] {
        let (bench, port) = (Bench::new(&["faulty", "null"]), free_port());
        bench.install_wasm("filter");
        bench.install_wasm("malicious");
        bench.pipeline(&pipeline(port, &format!("how = \"{how}\"\nafter = 3"), deadline));
        let host = bench.start();
        let log = host.wait_for(said);
        assert!(log.contains("hostile"), "{log}");
        let health = host.wait_for_answer(port, "/health", said);
        assert!(health.contains("\"hostile\""), "{health}");
        host.wait_for_answer(
            port,
            "/metrics",
            "dataserver_restarts_total{component=\"hostile\",kind=\"transform\",plugin=\"malicious\"} 1",
        );
        host.signal("TERM");
        let run = host.wait();
        // records still waited for the guest or not; the code says so, and so does a line
        let is_told = run.stderr.lines().any(|line| line.starts_with("error: "));
        assert_eq!(run.code, i32::from(is_told), "{}", run.stderr);
        assert!(!run.stderr.contains("thread '"), "{}", run.stderr);
        let kept = bench.sequences("kept.log");
        assert!(!kept.is_empty());
        assert_eq!(kept, (1..=kept.len() as u64).collect::<Vec<_>>(), "{how}");
        assert_eq!(run.summary("kept", "dropped"), 0);
    }
}

#[test]
fn the_batch_that_a_guest_fails_at_once_is_repeated_and_nothing_is_lost() {
    let bench = Bench::new(&[]);
    bench.install_wasm("faulty");
    bench.write("out/.keep", "");
    bench.pipeline(
        "[sources.day]\nplugin = \"faulty\"\nbatches = 40\nrecords = 5\nsymbols = 5\n\
         [transforms.middle]\nplugin = \"faulty\"\ninputs = [\"day\"]\n\
         call = \"apply\"\nhow = \"panic\"\nafter = 7\ncounter = \"out/counter\"\ntimes = 1\n\
         grants = { dirs = { out = \"write\" } }\n\
         [sinks.last]\nplugin = \"faulty\"\ninputs = [\"middle\"]\nlog = \"out/last.log\"\n\
         grants = { dirs = { out = \"write\" } }\n",
    );
    let run = bench.run(&["run"]);
    run.assert(0, &["middle", "panicked: told to fail in apply"]);
    assert_eq!(bench.sequences("out/last.log"), (1..=200).collect::<Vec<_>>());
    assert_eq!(run.summary("middle", "errors"), 1);
}
