//! Signals: what is under way is delivered, nothing else begins.

use harness::Bench;

#[test]
fn a_signal_delivers_what_is_under_way() {
    for signal in ["TERM", "INT"] {
        let bench = Bench::new(&["faulty"]);
        bench.pipeline(
            "[sources.day]\nplugin = \"faulty\"\nbatches = 1000000\nrecords = 5\npace = \"1ms\"\n\
             [sinks.out]\nplugin = \"faulty\"\ninputs = [\"day\"]\nlog = \"out.log\"\ndelay = \"5ms\"\n\
             batch = { max_records = 5 }\n",
        );
        let host = bench.start();
        host.wait_for("the pipeline runs");
        while bench.sequences("out.log").len() < 50 {
            std::thread::park_timeout(std::time::Duration::from_millis(5));
        }
        host.signal(signal);
        let run = host.wait();
        run.assert(0, &["delivering the rest"]);
        let taken = run.summary("day", "out");
        assert_eq!(bench.sequences("out.log"), (1..=taken).collect::<Vec<_>>());
    }
}

#[test]
fn hangup_is_no_reason_to_end() {
    let bench = Bench::new(&["faulty"]);
    bench.pipeline(
        "[sources.day]\nplugin = \"faulty\"\nbatches = 1000000\nrecords = 1\npace = \"1ms\"\n\
         [sinks.out]\nplugin = \"faulty\"\ninputs = [\"day\"]\n",
    );
    let host = bench.start();
    host.wait_for("the pipeline runs");
    host.signal("HUP");
    host.wait_for("nothing to reload");
    host.signal("TERM");
    host.wait().assert(0, &[]);
}
