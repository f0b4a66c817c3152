//! What transforms in Python give back: rows in many forms, and rows that cannot be sent.

use harness::Bench;
use plugin_api::{RoleKind, Round, testing::spot_batch};
use serde_json::json;

use super::{Case, load};

#[test]
fn rows_in_any_form_become_a_batch_at_the_place_of_the_one_before() {
    let loaded = load("rows", "py-rows", RoleKind::Transform);
    for form in ["dicts", "pandas", "arrow", "several"] {
        let case = Case::new(&json!({ "form": form }), loaded.folder.path());
        let mut transform = loaded.plugin.open_transform(case.opening.clone()).unwrap();
        let batch = spot_batch(600, Round::WHOLE).numbered(7, 3, 0);
        let given = transform.apply(&batch).unwrap();
        let closes = |batch: &plugin_api::Batch| {
            batch
                .spots()
                .iter()
                .map(|spot| (spot.code().to_owned(), spot.close()))
                .collect::<Vec<_>>()
        };
        let all: Vec<_> = given.iter().flat_map(closes).collect();
        assert_eq!(all, closes(&batch), "{form}");
        assert!(given[0].round().first && given[given.len() - 1].round().last, "{form}");
        assert!(given.iter().all(|it| it.provenance().sequence == 3), "{form}");
    }
}

#[test]
fn a_frame_without_a_column_is_set_aside_with_the_reason() {
    let bench = Bench::new(&["faulty"]);
    bench.install_python("rows");
    bench.pipeline(
        "[sources.day]\nplugin = \"faulty\"\nbatches = 3\nrecords = 2\nsymbols = 2\n\
         [transforms.half]\nplugin = \"py-rows\"\ninputs = [\"day\"]\nform = \"missing\"\n\
         [sinks.out]\nplugin = \"faulty\"\ninputs = [\"half\"]\nlog = \"out.log\"\n",
    );
    let run = bench.run(&["run"]);
    run.assert(0, &["bad data: what was made of the batch cannot be sent"]);
    assert_eq!(run.summary("half", "dropped"), 6);
    let letters = bench.run(&["dead-letter", "show", "half"]);
    letters.assert(0, &["cannot be sent: the column `time` is missing; add it"]);
}
