//! A pipeline gives the same whatever its plugins are packed in.

use harness::{Bench, DAYS};
use plugin_api::{
    Batch, RoleKind, Round,
    testing::{bar_batch, spot_batch},
};
use serde_json::json;

use super::{Case, load, load_apart, load_native};

fn pipeline(carriers: [&str; 3]) -> String {
    let [source, transform, sink] = carriers;
    let folder = |carrier| match carrier {
        "wasm" => "grants = { dirs = { out = \"write\" } }\n",
        _ => "",
    };
    format!(
        "[sources.day]\nplugin = \"faulty\"\ncarrier = \"{source}\"\nbatches = 50\nrecords = 7\n\
         symbols = 20\n\
         [transforms.only]\nplugin = \"filter\"\ncarrier = \"{transform}\"\ninputs = [\"day\"]\n\
         symbols = [\"SH600003\", \"SH600005\", \"SH600007\", \"SH600011\"]\n\
         [sinks.last]\nplugin = \"faulty\"\ncarrier = \"{sink}\"\ninputs = [\"only\"]\n\
         log = \"out/last.log\"\n{}",
        folder(sink)
    )
}

#[test]
fn all_of_each_carrier_and_mixed_give_identical_output() {
    let mut outputs = Vec::new();
    for carriers in [
        ["native", "native", "native"],
        ["wasm", "wasm", "wasm"],
        ["native", "wasm", "native"],
        ["wasm", "native", "wasm"],
        ["process", "process", "process"],
        ["native", "process", "wasm"],
    ] {
        let bench = Bench::new(&["faulty", "filter"]);
        bench.install_wasm("faulty");
        bench.install_wasm("filter");
        bench.write("out/.keep", "");
        let run = bench.pipeline(&pipeline(carriers)).run(&["run"]);
        run.assert(0, &[]);
        assert_eq!(run.summary("last", "out"), bench.sequences("out/last.log").len() as u64);
        outputs.push((carriers, bench.read("out/last.log")));
    }
    let (_, native) = outputs[0].clone();
    assert!(native.lines().count() > 40, "{native}");
    for (carriers, output) in outputs {
        assert_eq!(output, native, "{carriers:?}");
    }
}

#[test]
fn a_recorded_morning_passes_a_filter_of_either_carrier_alike() {
    let printed = |carrier: &str| {
        let bench = Bench::new(&["replay", "filter", "console"]);
        bench.install_wasm("filter");
        bench.pipeline(&format!(
            "{}[transforms.only]\nplugin = \"filter\"\ncarrier = \"{carrier}\"\n\
             inputs = [\"day\"]\nsymbols = [\"SH600519\", \"SH600000\"]\n\
             [sinks.out]\nplugin = \"console\"\ninputs = [\"only\"]\n",
            DAYS[1].source()
        ));
        let run = bench.run(&["run"]);
        run.assert(0, &[]);
        // all but the time of receipt, which is that of the run
        let line = |line: &str| {
            let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
            line.as_object_mut().unwrap().remove("recv_time");
            line.to_string()
        };
        run.stdout.lines().map(line).collect::<Vec<_>>()
    };
    let native = printed("native");
    assert!(native.len() > 100, "{}", native.len());
    assert_eq!(printed("wasm"), native);
}

#[test]
fn a_filter_gives_the_same_bytes_rounds_and_places_in_every_carrier() {
    let folder = tempfile::tempdir().unwrap();
    let batches: Vec<Batch> = (0..20)
        .map(|number| {
            let round = Round { first: number % 3 == 0, last: number % 3 == 2 };
            spot_batch(1 + number * 7, round)
        })
        .chain([bar_batch(), spot_batch(1, Round::MIDDLE)])
        .zip(1..)
        .map(|(batch, sequence)| batch.numbered(77, sequence, 5))
        .collect();
    for options in [
        json!({ "symbols": ["SH600001", "SH600009", "SH600100"] }),
        json!({ "markets": ["SZ"] }),
        json!({ "kinds": ["spot"] }),
        json!({}),
    ] {
        let outputs = [
            load("filter", RoleKind::Transform),
            load_native("filter", RoleKind::Transform),
            load_apart("filter", RoleKind::Transform),
        ];
        let outputs = outputs.map(|plugin| {
            let mut case = Case::new(options.clone(), folder.path());
            case.opening.limits.memory = 1 << 30;
            let mut transform = plugin.open_transform(case.opening.clone()).unwrap();
            let mut given = Vec::new();
            for batch in &batches {
                given.extend(transform.apply(batch).unwrap().iter().map(seen));
            }
            given.extend(transform.close().unwrap().iter().map(seen));
            given
        });
        for output in &outputs[1..] {
            assert!(outputs[0] == *output, "{options}: {:?}\n{output:?}", outputs[0]);
        }
    }
}

type Seen = (Vec<u8>, String, Round, (String, u64, u64, u64, i64));

fn seen(batch: &Batch) -> Seen {
    let of = batch.provenance();
    let place = (of.source().to_owned(), of.epoch, of.sequence, of.part, of.received_at_us);
    (batch.payload().to_vec(), format!("{:?}", batch.kind()), batch.round(), place)
}

#[test]
fn a_batch_that_passes_unchanged_shares_the_payload_of_its_input() {
    let folder = tempfile::tempdir().unwrap();
    let case = Case::new(json!({}), folder.path());
    let plugin = load("filter", RoleKind::Transform);
    let mut transform = plugin.open_transform(case.opening.clone()).unwrap();
    let batch = spot_batch(100, Round::WHOLE).numbered(1, 1, 0);
    let given = transform.apply(&batch).unwrap();
    assert_eq!(given[0].payload().as_ptr(), batch.payload().as_ptr());
}
