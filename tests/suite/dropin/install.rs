//! Putting the library where Hikyuu finds it, with a package that has its files as Hikyuu's has.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use harness::repository;
use tempfile::TempDir;

/// A user's machine.
struct Machine(TempDir);

impl Machine {
    /// With a package that has those plugins.
    fn new(plugins: &[&str]) -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(machine.package()).unwrap();
        fs::create_dir(machine.path("home")).unwrap();
        // importing it would fail: it is only looked for
        fs::write(machine.path("site/hikyuu/__init__.py"), "raise SystemExit(9)").unwrap();
        for plugin in plugins {
            fs::write(machine.package().join(plugin), "original").unwrap();
        }
        fs::write(machine.path("libdataserver.so"), "ours").unwrap();
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn package(&self) -> PathBuf {
        self.path("site/hikyuu/plugin")
    }

    fn installed(&self, name: &str) -> PathBuf {
        self.path("home/.hikyuu/plugin").join(name)
    }

    fn install(&self, site: &str) -> Output {
        Command::new(repository().join("plugins/hikyuu-dropin/install.sh"))
            .arg(self.path("libdataserver.so"))
            .env("HOME", self.path("home"))
            .env("PYTHONPATH", self.path(site))
            .env("PYTHON", "python3")
            .output()
            .unwrap()
    }
}

#[track_caller]
fn assert_told(output: &Output, code: i32, texts: &[&str]) {
    let told = [&output.stdout[..], &output.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    assert_eq!(output.status.code(), Some(code), "{told}");
    for text in texts {
        assert!(told.contains(text), "{text:?} is missing in {told}");
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn ours_is_a_file_and_the_others_are_links_however_often_it_is_installed() {
    let machine = Machine::new(&["libdataserver.so", "libbacktest.so", "libtmreport.so"]);
    for text in ["ours", "ours, newer"] {
        fs::write(machine.path("libdataserver.so"), text).unwrap();
        let told = machine.install("site");
        assert_told(&told, 0, &["plugin/libdataserver.so", "linked 2 plugins"]);
        assert!(machine.installed("libdataserver.so").symlink_metadata().unwrap().is_file());
        assert_eq!(read(&machine.installed("libdataserver.so")), text);
        assert_eq!(
            fs::read_link(machine.installed("libbacktest.so")).unwrap(),
            machine.package().join("libbacktest.so")
        );
        assert_eq!(fs::read_dir(machine.installed("")).unwrap().count(), 3);
    }
    for entry in fs::read_dir(machine.package()).unwrap() {
        assert_eq!(read(&entry.unwrap().path()), "original");
    }
}

#[test]
fn what_stood_there_before_is_replaced_only_where_it_is_a_link() {
    let machine = Machine::new(&["libdataserver.so", "libbacktest.so", "libdevice.so"]);
    fs::create_dir_all(machine.installed("")).unwrap();
    // as by `ln -s …/lib*.so`, of this package and of one that is gone
    symlink(machine.package().join("libdataserver.so"), machine.installed("libdataserver.so"))
        .unwrap();
    symlink("/nowhere/libold.so", machine.installed("libold.so")).unwrap();
    symlink("/nowhere/libdevice.so", machine.installed("libdevice.so")).unwrap();
    fs::write(machine.installed("libbacktest.so"), "the user's own").unwrap();
    let kept = format!("kept {}", machine.installed("libbacktest.so").display());
    assert_told(&machine.install("site"), 0, &["linked 1 plugins", &kept]);
    assert_eq!(read(&machine.installed("libdataserver.so")), "ours");
    assert_eq!(read(&machine.installed("libbacktest.so")), "the user's own");
    assert_eq!(read(&machine.installed("libdevice.so")), "original");
    assert!(machine.installed("libold.so").symlink_metadata().is_err());
    assert_eq!(read(&machine.package().join("libdataserver.so")), "original");
}

#[test]
fn without_hikyuu_the_file_alone_is_put_there_and_that_is_told() {
    let machine = Machine::new(&[]);
    assert_told(&machine.install("elsewhere"), 1, &["no package hikyuu", "PYTHON="]);
    assert_eq!(read(&machine.installed("libdataserver.so")), "ours");
}

#[test]
fn a_folder_that_is_the_packages_own_is_not_touched() {
    let machine = Machine::new(&["libdataserver.so"]);
    fs::create_dir_all(machine.path("home/.hikyuu")).unwrap();
    symlink(machine.package(), machine.path("home/.hikyuu/plugin")).unwrap();
    assert_told(&machine.install("site"), 1, &["link to the package's own folder"]);
    assert_eq!(read(&machine.package().join("libdataserver.so")), "original");
}

#[test]
fn a_package_that_goes_before_the_folder_is_told() {
    let machine = Machine::new(&["libdataserver.so"]);
    fs::create_dir(machine.path("site/hikyuu_plugin")).unwrap();
    fs::write(machine.path("site/hikyuu_plugin/__init__.py"), "").unwrap();
    assert_told(&machine.install("site"), 1, &["hikyuu_plugin", "uninstall it"]);
}
