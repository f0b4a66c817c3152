//! Many instances at once, and what they leave behind.

use std::{thread, time::Duration};

use dataserver::config::{Carrier, Limits};
use plugin_api::{RoleKind, Round, testing::spot_batch};
use serde_json::json;

use super::{Case, context, load};

#[test]
fn instances_come_and_go_without_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = load("malicious", RoleKind::Transform);
    let batch = spot_batch(1, Round::WHOLE).numbered(1, 1, 0);
    // more than there are places in the pool, half of them ended by a trap
    for at in 0..500 {
        let how = if at % 2 == 0 { "behave" } else { "trap" };
        let case = Case::new(json!({ "how": how }), folder.path());
        let mut transform = plugin.open_transform(case.opening.clone()).unwrap();
        assert_eq!(transform.apply(&batch).is_ok(), how == "behave", "instance {at}");
    }
}

#[test]
fn instances_work_side_by_side_and_one_that_hangs_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = load("malicious", RoleKind::Transform);
    let batch = spot_batch(10, Round::WHOLE).numbered(1, 1, 0);
    let limits = Limits { deadline: Duration::from_secs(2), ..Limits::of(Carrier::Wasm) };
    thread::scope(|scope| {
        let hung: Vec<_> = ["loop", "sleep"]
            .map(|how| {
                let case = Case::new(json!({ "how": how }), folder.path()).limits(limits);
                let (plugin, batch) = (&plugin, &batch);
                scope.spawn(move || {
                    let mut transform = plugin.open_transform(case.opening.clone()).unwrap();
                    transform.apply(batch).unwrap_err().message
                })
            })
            .into();
        let case = Case::new(json!({}), folder.path());
        let mut transform = plugin.open_transform(case.opening.clone()).unwrap();
        for _ in 0..1_000 {
            assert_eq!(transform.apply(&batch).unwrap().len(), 1);
        }
        for thread in hung {
            let said = thread.join().unwrap();
            assert!(said.contains("deadline of 2s exceeded"), "{said}");
        }
    });
}

#[test]
fn a_plugin_is_asked_within_an_asynchronous_runtime_as_well() {
    // the control interface answers from such threads
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let plugin = load("filter", RoleKind::Transform);
        let opening = dataserver::loader::Opening::plain("{}", context(folder.path()));
        plugin.check(RoleKind::Transform, opening).unwrap();
    });
}

#[test]
fn memory_of_an_instance_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let case = Case::new(json!({}), folder.path());
    case.apply().unwrap();
    let gauges = case.host.told().gauges;
    let (_, bytes) = gauges.iter().rfind(|(name, _)| name == "sandbox_memory_bytes").unwrap();
    assert!((65_536.0..8e6).contains(bytes), "{bytes}");
}
