//! The Python package against a loop over flatc's accessors; `plugin-api/python/benches/feed.py` measures.

use std::process::Command;

use plugin_api::serde_json;

use super::measure::Row;

pub fn rows() -> Vec<Row> {
    let repository = harness::repository();
    let generated = tempfile::tempdir().unwrap();
    let made = Command::new(repository.join("target/venv/bin/flatc"))
        .args(["--python", "-o"])
        .arg(generated.path())
        .arg(repository.join("schemas/spot.fbs"))
        .status();
    assert!(made.unwrap().success());
    let python = repository.join("target/python/venv/bin/python");
    assert!(python.exists(), "{} is missing; `make bench` installs the package", python.display());
    let measured = Command::new(python)
        .arg(repository.join("plugin-api/python/benches/feed.py"))
        .arg(generated.path())
        .output()
        .unwrap();
    assert!(measured.status.success(), "{}", String::from_utf8_lossy(&measured.stderr));
    let lines = String::from_utf8(measured.stdout).unwrap();
    lines
        .lines()
        .map(|line| {
            let [what, figure, against]: [String; 3] = serde_json::from_str(line).unwrap();
            Row::new(&what, figure).against(against)
        })
        .collect()
}
