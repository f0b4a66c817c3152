//! Folders that a sandboxed plugin may write, and those that it may not.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use super::{super::load_text, Given};

/// What is said about a grant of that folder to a component of a pipeline in `base`.
fn said(base: &Path, given: &Given, dir: &str, access: &str) -> String {
    let text = format!(
        "[host]\nplugins = [\"plugins\"]\n[sources.a]\nplugin = \"qq\"\n\
         grants.dirs = {{ {dir:?} = {access:?} }}\n\
         [sinks.b]\nplugin = \"null\"\ninputs = [\"a\"]\n"
    );
    let faults = match load_text(&text, &base.join("pipeline.toml"), given) {
        Ok(parsed) => parsed.faults(),
        Err(faults) => faults,
    };
    faults.diagnostics.iter().map(|it| format!("{}\n", it.message)).collect()
}

fn leaked(path: PathBuf) -> &'static str {
    String::leak(path.display().to_string())
}

#[test]
fn nothing_is_written_where_the_host_or_the_system_keeps_what_it_trusts() {
    let machine = tempfile::tempdir().unwrap();
    let at = |name: &str| machine.path().join(name);
    for folder in ["base/plugins", "base/data", "base/out", "run/credentials/host", "opt/bin/sub"] {
        fs::create_dir_all(at(folder)).unwrap();
    }
    symlink(at("run/credentials"), at("base/link")).unwrap();
    symlink(at("base/data"), at("base/into")).unwrap();
    symlink("/proc/self", at("base/self")).unwrap();
    symlink(at("opt/bin/sub"), at("base/deep")).unwrap();
    let given = Given {
        variables: [("CREDENTIALS_DIRECTORY", leaked(at("run/credentials/host")))].into(),
        executable_dir: Some(at("opt/bin")),
        ..Given::default()
    };
    let credentials = at("run/credentials/host").display().to_string();
    let program = at("opt/bin").display().to_string();
    // folder, what is there; empty when it may be written
    let cases = [
        ("out", ""),
        ("new/folder", ""),
        ("data", "`data_dir`"),
        ("into/state", "`data_dir`"),
        ("plugins/mine", "a plugin folder"),
        (".", "`data_dir`"),
        ("out/../data", "`data_dir`"),
        ("new/../data/state", "`data_dir`"),
        (&credentials, "$CREDENTIALS_DIRECTORY"),
        (&format!("{credentials}/deeper"), "$CREDENTIALS_DIRECTORY"),
        ("../run", "$CREDENTIALS_DIRECTORY"),
        ("link", "$CREDENTIALS_DIRECTORY"),
        // the system follows the link before it goes up
        ("deep/..", "the program"),
        ("deep/../..", "the program"),
        ("deep", ""),
        (&program, "the program"),
        (&format!("{program}/sub"), ""),
        ("/", ""),
        ("/proc", "/proc"),
        ("/proc/self/fd", "/proc"),
        ("self/fd", "/proc"),
        ("/sys/kernel", "/sys"),
        ("/dev/shm", "/dev"),
    ];
    for (folder, name) in cases {
        let said = said(&at("base"), &given, folder, "write");
        let is_refused = said.contains("a plugin in a sandbox must not write where");
        let named = format!("must not write where {name}");
        assert_eq!(is_refused, !name.is_empty() || folder == "/", "{folder}: {said}");
        assert!(!is_refused || said.contains(&named), "{folder}: {said}");
        let said = self::said(&at("base"), &given, folder, "read");
        assert!(!said.contains("must not write"), "{folder} is only read: {said}");
    }
}

#[test]
fn the_folder_for_temporary_files_is_not_written_but_a_folder_in_it_may_be() {
    let (elsewhere, temp) = (Path::new("/srv/no-such-folder"), std::env::temp_dir());
    let of = |path: &Path| said(elsewhere, &Given::default(), &path.display().to_string(), "write");
    let told = of(&temp);
    assert!(told.contains("must not write where the folder for temporary files is"), "{told}");
    assert_eq!(of(&temp.join("exchange")), "");
}

#[test]
fn the_users_cache_of_compiled_components_is_not_written() {
    let Some(cache) = super::super::user_cache_folder() else { return };
    let base = tempfile::tempdir().unwrap();
    for folder in [cache.as_path(), &cache.join("sub"), cache.parent().unwrap()] {
        let folder = folder.display().to_string();
        let said = said(base.path(), &Given::default(), &folder, "write");
        assert!(said.contains("where the cache of compiled components is"), "{folder}: {said}");
    }
}
