//! Python files that are saved while the pipeline runs.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use harness::{Bench, python_plugin};

use super::PATIENT;

const PIPELINE: &str = "[host]\ndrain_timeout = \"5s\"\n\
    [sources.day]\nplugin = \"faulty\"\nbatches = 100000000\nrecords = 5\nsymbols = 5\npace = \"1ms\"\n\
    [transforms.all]\nplugin = \"py-pass\"\ninputs = [\"day\"]\nsay = \"the first\"\n\
    [sinks.out]\nplugin = \"faulty\"\ninputs = [\"all\"]\nlog = \"out.log\"\n";

#[track_caller]
fn wait_for_lines(bench: &Bench, more: usize) {
    let (until, before) = (Instant::now() + PATIENT, bench.sequences("out.log").len());
    while bench.sequences("out.log").len() < before + more {
        assert!(Instant::now() < until, "{before} lines and no more");
        thread::park_timeout(Duration::from_millis(10));
    }
}

#[test]
fn a_file_that_is_saved_runs_at_once_and_no_record_is_lost() {
    let bench = Bench::new(&["faulty"]);
    bench.install_python("pass");
    let host = bench.pipeline(PIPELINE).start();
    host.wait_for("the first");
    wait_for_lines(&bench, 50);
    let text = fs::read_to_string(python_plugin("pass")).unwrap();
    let changed =
        text.replace("self.context.info(self.options.say)", "self.context.info('new code')");
    assert_ne!(changed, text);
    // as an editor saves: a new file in the place of the old one
    bench.write("plugins/pass.py.new", changed);
    fs::rename(bench.path("plugins/pass.py.new"), bench.path("plugins/pass.py")).unwrap();
    host.wait_for("new code");
    host.wait_for("goes on after");
    wait_for_lines(&bench, 50);

    // what cannot run is refused, and the one before goes on
    bench.write("plugins/pass.py", text.replace("import time", "import tim"));
    let log = host.wait_for("No module named 'tim'");
    assert!(log.contains("pass.py"), "{log}");
    wait_for_lines(&bench, 50);
    host.signal("TERM");
    let run = host.wait();
    run.assert(0, &["reloaded"]);
    let written = bench.sequences("out.log");
    assert_eq!(written, (1..=run.summary("day", "out")).collect::<Vec<_>>());
    assert_eq!(run.summary("all", "errors"), 0);
}
