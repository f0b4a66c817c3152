//! The package that plugins in Python are written with.

use std::process::Command;

use harness::{python_package, repository};

#[test]
fn the_package_for_plugins_keeps_its_own_tests() {
    let tested = Command::new("python3")
        .args(["-B", "plugin-api/python/tests/test_plugin.py"])
        .current_dir(repository())
        .env("PYTHONPATH", python_package())
        .output()
        .unwrap();
    assert!(tested.status.success(), "{}", String::from_utf8_lossy(&tested.stderr));
}
