//! Which file is taken, and which is refused.

use std::{collections::BTreeMap, fs};

use plugin_api::native::Descriptor;
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
    let loader = Loader::new(folder.path());
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
