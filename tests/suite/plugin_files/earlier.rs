//! Plugins that were built before calls were added to the interface load and run as they did.

use std::{fs, path::PathBuf, sync::Arc};

use dataserver::{
    config::Carrier,
    loader::{AnyInstance, Opening, Plugin, PluginCatalog},
};
use harness::{Bench, Need, repository, skip};
use plugin_api::{
    Action, ErrorKind, RoleKind, Round,
    testing::{self, TestHost, spot_batch},
};

/// The sink `null` and the transform `filter`; PROVENANCE.md beside them tells of what time.
const LIBRARY: &str = "libdataserver_null.so";
const COMPONENT: &str = "dataserver_filter.wasm";

fn kept(file: &str) -> PathBuf {
    let path = repository().join("tests/fixtures/plugins/2026-11").join(file);
    assert!(path.exists(), "{} is part of the repository", path.display());
    path
}

/// Whether this machine runs the library.
fn runs_library() -> bool {
    let runs = cfg!(all(target_arch = "x86_64", target_os = "linux"));
    if !runs {
        skip(Need::X86, "the library of 2026-11 was not loaded");
    }
    runs
}

/// One of the kept files alone, loaded as the host loads it.
fn load(file: &str, id: &str, kind: RoleKind, carrier: Carrier) -> Arc<dyn Plugin> {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(kept(file), folder.path().join(file)).unwrap();
    let catalog = PluginCatalog::scan(&[folder.path().to_owned()], folder.path());
    let found = catalog.plugin(id, kind, Some(carrier));
    found.unwrap_or_else(|error| panic!("{error:?}")).plugin
}

fn opening(options: &str) -> Opening {
    let host = Arc::<TestHost>::default();
    Opening::plain(options, testing::context(&host, std::path::Path::new(".")))
}

/// What was added since is answered for them.
fn assert_knows_no_readers(instance: &mut dyn AnyInstance) {
    assert_eq!(instance.readers(), Ok(None));
    let refused = instance.act("1", &Action::Disconnect, false).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Config, "{refused}");
}

#[test]
fn a_pipeline_of_earlier_files_gives_what_it_gave() {
    let bench = Bench::new(&["faulty"]);
    fs::copy(kept(COMPONENT), bench.path("plugins/filter.wasm")).unwrap();
    let sink = match runs_library() {
        true => {
            fs::copy(kept(LIBRARY), bench.path("plugins/libnull.so")).unwrap();
            "null"
        }
        false => "faulty",
    };
    bench.pipeline(&format!(
        "[sources.day]\nplugin = \"faulty\"\nbatches = 50\nrecords = 7\nsymbols = 20\n\
         [transforms.only]\nplugin = \"filter\"\ninputs = [\"day\"]\n\
         symbols = [\"SH600003\", \"SH600005\"]\n\
         [sinks.end]\nplugin = \"{sink}\"\ninputs = [\"only\"]\n\
         [sinks.log]\nplugin = \"faulty\"\ninputs = [\"only\"]\nlog = \"log\"\n"
    ));
    let run = bench.run(&["run"]);
    run.assert(0, &[]);
    let passed: Vec<u64> = (1..=350).filter(|it| [3, 5].contains(&(it % 20))).collect();
    assert_eq!(bench.sequences("log"), passed);
    assert_eq!(run.summary("end", "out"), passed.len() as u64);
}

#[test]
fn an_earlier_library_lacks_what_was_added_and_nothing_else() {
    if !runs_library() {
        return;
    }
    let plugin = load(LIBRARY, "null", RoleKind::Sink, Carrier::Native);
    let mut sink = plugin.open_sink(opening("{}")).unwrap();
    assert_knows_no_readers(sink.as_mut());
    sink.write(&[spot_batch(3, Round::WHOLE)]).unwrap();
    assert_eq!(sink.export_state(), Ok(None));
    sink.close().unwrap();
}

#[test]
fn an_earlier_component_lacks_what_was_added_and_nothing_else() {
    let plugin = load(COMPONENT, "filter", RoleKind::Transform, Carrier::Wasm);
    let mut transform = plugin.open_transform(opening("{\"symbols\":[\"SH600000\"]}")).unwrap();
    assert_knows_no_readers(transform.as_mut());
    let batch = spot_batch(3, Round::WHOLE).numbered(1, 1, 0);
    assert_eq!(transform.apply(&batch).unwrap()[0].records(), 1);
    transform.close().unwrap();
}
