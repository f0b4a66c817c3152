//! Which file is taken, and which is refused.

use std::{collections::BTreeMap, fs};

use plugin_api::{
    Context, Output, PluginError, Transform, export_plugin, native::Descriptor, options,
};
use tempfile::TempDir;

use super::*;

/// A folder with components of those file names, all of one id, which differ in their content.
fn folder(files: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut descriptor = b"DSPLUGIN\x01\0\0\0filter".to_vec();
    descriptor.resize(Descriptor::LEN, 0);
    let text: String = descriptor.iter().map(|byte| format!("\\{byte:02x}")).collect();
    for file in files {
        let component = wat::parse_str(format!(
            "(component
               (core module (@custom \"dataserver-plugin\" \"{text}\") (@custom \"x\" \"{file}\"))
               (component $empty)
               (instance $it (instantiate $empty))
               (export \"dataserver:plugin/plugin@1.0.0\" (instance $it)))"
        ));
        fs::write(folder.path().join(file), component.unwrap()).unwrap();
    }
    folder
}

fn pins(of: &str, hashes: &[&str]) -> Pins {
    let hashes = hashes.iter().map(|it| (*it).to_owned()).collect();
    Pins::new(BTreeMap::from([(of.to_owned(), hashes)]))
}

fn scan(folder: &TempDir, pins: &Pins) -> PluginCatalog {
    let loader = Loader::new(folder.path(), None);
    PluginCatalog::new(&[folder.path().to_owned()], pins, loader)
}

#[test]
fn a_file_whose_content_is_not_pinned_is_refused_with_both_hashes() {
    let folder = folder(&["a.wasm"]);
    let actual = scan(&folder, &Pins::default()).found()[0].sha256.clone();
    let other = "0".repeat(64);
    let refused =
        scan(&folder, &pins("filter", &[&other])).found()[0].identity.clone().unwrap_err();
    assert!(refused.message.contains(&actual) && refused.message.contains(&other), "{refused}");
    for pins in [pins("filter", &[&other, &actual]), pins("another", &[&other])] {
        assert!(scan(&folder, &pins).found()[0].identity.is_ok());
    }
    // a pin that could not be read admits nothing
    assert!(scan(&folder, &pins("filter", &[])).found()[0].identity.is_err());
}

#[test]
fn of_two_files_with_one_id_the_pinned_one_is_taken() {
    let folder = folder(&["a.wasm", "b.wasm"]);
    let all = scan(&folder, &Pins::default());
    let told = all.file("filter", RoleKind::Transform, None).unwrap_err();
    let help = told.help.unwrap();
    assert!(help.contains("a.wasm") && help.contains("b.wasm") && help.contains("pin"), "{help}");
    let second = all.found()[1].sha256.clone();
    let pinned = scan(&folder, &pins("filter", &[&second]));
    let taken = pinned.file("filter", RoleKind::Transform, None).unwrap();
    assert_eq!(taken.path.file_name().unwrap(), "b.wasm");
}

#[test]
fn a_refused_file_is_named_where_nothing_else_fits() {
    let folder = folder(&["a.wasm"]);
    let catalog = scan(&folder, &pins("filter", &[]));
    let told = catalog.file("filter", RoleKind::Transform, None).unwrap_err();
    assert!(told.message.contains("a.wasm") && told.message.contains("pinned"), "{told:?}");
}

#[test]
fn a_component_that_is_asked_for_as_a_library_is_not_there() {
    let folder = folder(&["a.wasm"]);
    let catalog = scan(&folder, &Pins::default());
    let told = catalog.file("filter", RoleKind::Transform, Some(Carrier::Native)).unwrap_err();
    assert!(told.message.contains("not there as a native library"), "{told:?}");
    assert!(catalog.file("filter", RoleKind::Transform, Some(Carrier::Wasm)).is_ok());
    assert!(catalog.file("filter", RoleKind::Transform, None).is_ok());
}

#[test]
fn a_file_that_was_replaced_since_the_folder_was_looked_at_is_not_loaded() {
    let folder = folder(&["a.wasm"]);
    let catalog = scan(&folder, &Pins::default());
    fs::write(folder.path().join("a.wasm"), b"another").unwrap();
    let problem = catalog.load(&catalog.found()[0]).err().unwrap();
    assert!(problem.message.contains("was replaced"), "{problem}");
    let again = catalog.rescan(&[folder.path().to_owned()], &Pins::default());
    assert!(again.found()[0].identity.as_ref().unwrap_err().message.contains("no WebAssembly"));
}

/// A program's own plugin.
struct Pass;

options! {
    /// Has none.
    pub struct Options {}
}

impl Transform for Pass {
    type Options = Options;

    fn open(_: Options, _: Context) -> Result<Self, PluginError> {
        Ok(Self)
    }

    fn apply(&mut self, batch: &plugin_api::Batch, out: &mut Output) -> Result<(), PluginError> {
        out.push(batch.clone());
        Ok(())
    }
}

export_plugin! {
    name: "filter",
    version: "1.2.3",
    description: "Lets everything through",
    author: "A. Trader",
    transform: Pass,
}

#[test]
fn a_plugin_that_is_built_in_needs_no_file_and_stays_after_another_look() {
    let folder = folder(&[]);
    let catalog = scan(&folder, &Pins::default()).with_linked(&[DATASERVER_PLUGIN]);
    let first = catalog.plugin("filter", RoleKind::Transform, None).ok().unwrap();
    assert_eq!((first.path.to_str().unwrap(), first.sha256.as_str()), (BUILT_IN, ""));
    assert_eq!(first.plugin.manifest().version, "1.2.3");
    let again = catalog.rescan(&[folder.path().to_owned()], &Pins::default());
    let second = again.plugin("filter", RoleKind::Transform, Some(Carrier::Native)).ok().unwrap();
    assert!(Arc::ptr_eq(&first.plugin, &second.plugin));
    let told = catalog.file("filter", RoleKind::Transform, Some(Carrier::Wasm)).unwrap_err();
    assert!(told.message.contains("not there as a WebAssembly component"), "{told:?}");
}

#[test]
fn a_file_that_cannot_be_used_is_named_rather_than_passed_over_for_what_is_built_in() {
    let folder = folder(&[]);
    let catalog = scan(&folder, &Pins::default());
    let refused = Candidate {
        path: folder.path().join("libfilter.so"),
        sha256: "00".to_owned(),
        carrier: Carrier::Native,
        identity: Err(Problem::new("is broken", "mend it").of("filter".to_owned())),
        linked: None,
    };
    let catalog = PluginCatalog { found: vec![refused], ..catalog };
    let catalog = catalog.with_linked(&[DATASERVER_PLUGIN]);
    let told = catalog.file("filter", RoleKind::Transform, None).unwrap_err();
    assert!(told.message.ends_with("libfilter.so is broken"), "{told:?}");
}

#[test]
fn a_native_file_goes_before_what_is_built_in_and_a_component_does_not() {
    let folder = folder(&["a.wasm"]);
    let mut catalog = scan(&folder, &Pins::default()).with_linked(&[DATASERVER_PLUGIN]);
    let path = |catalog: &PluginCatalog| {
        catalog.file("filter", RoleKind::Transform, None).unwrap().path.clone()
    };
    assert_eq!(path(&catalog), PathBuf::from(BUILT_IN));
    let file = Candidate {
        path: folder.path().join("libfilter.so"),
        linked: None,
        ..catalog.found[1].clone()
    };
    catalog.found.insert(0, file);
    assert_eq!(path(&catalog), folder.path().join("libfilter.so"));
}

#[test]
fn a_pin_leaves_out_what_is_built_in() {
    let folder = folder(&[]);
    let pins = pins("filter", &[&"0".repeat(64)]);
    let catalog = scan(&folder, &pins).with_linked(&[DATASERVER_PLUGIN]);
    let told = catalog.file("filter", RoleKind::Transform, None).unwrap_err();
    assert!(told.message.contains("is pinned to files"), "{told:?}");
}

#[test]
fn a_python_file_with_a_block_is_a_plugin_in_a_process_and_one_without_is_a_module() {
    let folder = folder(&["a.wasm"]);
    let block = "# /// dataserver\n# id = \"filter\"\n# kind = \"transform\"\n\
                 # version = \"1\"\n# api = 1\n# ///\n";
    fs::write(folder.path().join("filter.py"), block).unwrap();
    fs::write(folder.path().join("helpers.py"), "import os\n").unwrap();
    let catalog = scan(&folder, &Pins::default());
    let found: Vec<_> = catalog.found().iter().map(|it| it.carrier).collect();
    assert_eq!(found, [Carrier::Wasm, Carrier::Process]);
    let path = |carrier| catalog.file("filter", RoleKind::Transform, carrier).unwrap().path.clone();
    assert!(path(None).ends_with("a.wasm"));
    assert!(path(Some(Carrier::Process)).ends_with("filter.py"));
    fs::write(folder.path().join("filter.py"), block.replace("api = 1", "api = one")).unwrap();
    let told = scan(&folder, &Pins::default());
    let problem = told.found()[1].identity.clone().unwrap_err();
    assert!(problem.message.starts_with("line 5: "), "{problem}");
}

#[test]
fn a_library_can_be_asked_for_in_a_process_of_its_own_and_what_is_built_in_cannot() {
    let folder = folder(&[]);
    let mut catalog = scan(&folder, &Pins::default()).with_linked(&[DATASERVER_PLUGIN]);
    let process = Some(Carrier::Process);
    let told = catalog.file("filter", RoleKind::Transform, process).unwrap_err();
    assert!(told.message.contains("not there as a process"), "{told:?}");
    let file = folder.path().join("libfilter.so");
    let library = Candidate { path: file.clone(), linked: None, ..catalog.found[0].clone() };
    catalog.found.insert(0, library);
    assert_eq!(catalog.file("filter", RoleKind::Transform, process).unwrap().path, file);
}
