//! Components that are costly to compile cost a bounded child process.

use std::{fmt::Write, time::Duration};

use harness::{Bench, wasm_plugin};

const PIPELINE: &str = "[sources.day]\nplugin = \"faulty\"\nbatches = 1\nrecords = 1\n\
    [transforms.t]\nplugin = \"heavy\"\ninputs = [\"day\"]\n\
    [sinks.out]\nplugin = \"null\"\ninputs = [\"t\"]\n";

/// A component that says it is the plugin `heavy`, with that core module.
fn component(module: &str) -> Vec<u8> {
    let mut descriptor = b"DSPLUGIN\x01\0\0\0heavy".to_vec();
    descriptor.resize(108, 0);
    let text = descriptor.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "\\{byte:02x}");
        text
    });
    wat::parse_str(format!(
        "(component
           (core module (@custom \"dataserver-plugin\" \"{text}\") {module})
           (component $empty)
           (instance $it (instantiate $empty))
           (export \"dataserver:plugin/plugin@1.0.0\" (instance $it)))"
    ))
    .unwrap()
}

/// So many functions of so many steps, each of which takes a compiler some work.
fn functions(count: usize, steps: usize) -> String {
    let step = "local.get 0 local.get 1 i64.mul local.get 0 i64.rotl local.set 1 \
                local.get 1 local.get 0 i64.xor local.set 0 ";
    let steps = step.repeat(steps);
    format!("(func (param i64 i64) (result i64) {steps} local.get 1)").repeat(count)
}

fn bench(compile: &str, module: &str) -> Bench {
    let bench = Bench::new(&["faulty", "null"]);
    bench.write("plugins/heavy.wasm", component(module));
    bench.pipeline(&format!("[host]\ncompile = {{ {compile} }}\n{PIPELINE}"));
    bench
}

#[test]
fn a_component_of_too_many_functions_is_refused_before_it_is_compiled() {
    let bench = bench("time = \"60s\"", &"(func)".repeat(900_000));
    let run = bench.run(&["check"]);
    run.assert(78, &["heavy.wasm has 900000 functions, the most is 100000"]);
    assert!(run.elapsed < Duration::from_secs(30), "{:?}", run.elapsed);
}

#[test]
fn a_component_that_takes_too_long_or_too_much_to_compile_is_named_with_the_bound() {
    let long = bench("time = \"1s\"", &functions(16_000, 40));
    let limit = "heavy.wasm takes longer than 1s to compile";
    long.run(&["check"]).assert(78, &[limit, "raise `time` of [host] compile"]);
    long.run(&["run"]).assert(78, &[limit]);
    let large = bench("memory = \"256MiB\", time = \"10m\"", &functions(10, 40_000));
    let run = large.run(&["check"]);
    run.assert(78, &["heavy.wasm takes more than 256MiB of memory to compile", "[host] compile"]);
    // nothing of it is left behind
    assert!(!large.path("data/cache/wasm").exists());
}

#[test]
fn a_running_host_keeps_its_memory_while_a_costly_component_is_compiled() {
    let (bench, port) = (Bench::new(&["faulty", "null"]), harness::free_port());
    let head = format!("[host]\nhttp = \"127.0.0.1:{port}\"\ncompile = {{ time = \"3s\" }}\n");
    let plain = PIPELINE.replace("batches = 1", "batches = 1000000000\npace = \"1ms\"");
    let (source, rest) = plain.split_once("[transforms").unwrap();
    let (_, sink) = rest.split_once("[sinks").unwrap();
    bench.pipeline(&format!("{head}{source}[sinks{}", sink.replace("[\"t\"]", "[\"day\"]")));
    let mut host = bench.start();
    host.wait_for("the pipeline runs");
    let before = host.peak_memory();
    bench.write("plugins/heavy.wasm", component(&functions(16_000, 40)));
    bench.pipeline(&format!("{head}{plain}"));
    host.wait_for("takes longer than 3s to compile");
    assert!(!host.has_ended());
    let grown = host.peak_memory() - before;
    assert!(grown < 300 << 20, "{} MiB", grown >> 20);
    // and what another component needs is there
    std::fs::remove_file(bench.path("plugins/heavy.wasm")).unwrap();
    std::fs::copy(wasm_plugin("filter"), bench.path("plugins/filter.wasm")).unwrap();
    bench.pipeline(&format!(
        "{}{}",
        head.replace("3s", "60s"),
        plain.replace("\"heavy\"", "\"filter\"\nmarkets = [\"SH\"]")
    ));
    host.wait_for("added t");
    host.signal("TERM");
    host.wait().assert(0, &[]);
}
