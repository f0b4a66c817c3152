//! A guest reaches what it is granted, and nothing else.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    thread,
};

use dataserver::config::{Access, Grants};
use plugin_api::ErrorKind;
use serde_json::{Value, json};

use super::Case;

/// What becomes of a use: `Err` with the text when it was denied.
fn tried(case: &Case) -> Result<(), String> {
    match case.apply() {
        Ok(_) => {
            // the guest itself says that it got what it was after
            assert!(case.logs().contains("breach: "), "{}", case.logs());
            Ok(())
        }
        Err(error) => {
            assert_eq!(error.kind, ErrorKind::Fatal, "{error}");
            assert!(error.message.starts_with("denied: "), "{error}");
            Err(error.message)
        }
    }
}

/// A server that answers every request with 200.
fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
        }
    });
    address
}

fn use_of(how: &str, target: &str) -> Value {
    json!({ "how": how, "target": target })
}

#[test]
fn http_reaches_the_granted_host_and_port_alone() {
    let (folder, address) = (tempfile::tempdir().unwrap(), server());
    let url = format!("http://{address}/q");
    let with = |hosts: &[&str]| {
        let http = hosts.iter().map(|it| (*it).to_owned()).collect();
        let grants = Grants { http, ..Grants::default() };
        Case::new(use_of("http", &url), folder.path()).grants(grants)
    };
    assert_eq!(tried(&with(&[&address])), Ok(()));
    for hosts in [&[][..], &["qt.gtimg.cn"], &["127.0.0.1"], &["127.0.0.1:1"]] {
        let case = with(hosts);
        let denied = tried(&case).unwrap_err();
        assert!(denied.contains("HttpRequestDenied"), "{denied}");
        let logs = case.logs();
        assert!(logs.contains(&format!("denied: HTTP to {address}")), "{logs}");
        assert!(logs.contains("grants.http"), "{logs}");
        assert_eq!(case.host.counted("sandbox_denied"), 1);
    }
}

#[test]
fn no_socket_reaches_anybody() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let cases =
        [use_of("connect", &address), use_of("listen", "0.0.0.0:0"), use_of("listen", &address)];
    for options in cases {
        let case = Case::new(options.clone(), folder.path());
        tried(&case).unwrap_err();
        assert!(case.logs().contains("denied: a socket ("), "{options}: {}", case.logs());
        assert!(case.host.counted("sandbox_denied") >= 1, "{options}");
    }
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "somebody connected");
    // names are not looked up either: what is asked for would leave the machine
    let case = Case::new(use_of("lookup", "localhost:80"), folder.path());
    tried(&case).unwrap_err();
    assert!(case.logs().contains("denied: the address of localhost"), "{}", case.logs());
}

#[test]
fn files_are_read_and_written_as_far_as_folders_are_granted() {
    let folder = tempfile::tempdir().unwrap();
    for (file, text) in [("data/in.txt", "in"), ("out/old.txt", "old"), ("secret.txt", "secret")] {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    std::os::unix::fs::symlink("../secret.txt", folder.path().join("out/away")).unwrap();
    let absolute = folder.path().join("secret.txt").display().to_string();
    let dirs = vec![("data".to_owned(), Access::Read), ("out".to_owned(), Access::Write)];
    let granted = Grants { dirs, ..Grants::default() };
    // how, target, whether it works with the grants
    let cases = [
        ("read", "data/in.txt", true),
        ("list", "data", true),
        ("write", "data/new.txt", false),
        ("remove", "data/in.txt", false),
        ("read", "out/old.txt", true),
        ("write", "out/new.txt", true),
        ("remove", "out/old.txt", true),
        ("read", "out/away", false),
        ("read", "data/../secret.txt", false),
        ("read", "secret.txt", false),
        ("read", &absolute, false),
        ("read", "/etc/passwd", false),
        ("list", "/", false),
        ("symlink", "../secret.txt", false),
        ("symlink", "/etc/passwd", false),
    ];
    for (how, target, works) in cases {
        let case = Case::new(use_of(how, target), folder.path()).grants(granted.clone());
        let ended = tried(&case);
        assert_eq!(ended.is_ok(), works, "{how} {target}: {ended:?}");
        // a path that is in no granted folder does not leave the guest
        let is_in_folder = target.starts_with("data/") || target.starts_with("out/");
        let named = case.logs().contains("denied: a file (");
        if how != "remove" && how != "symlink" {
            assert_eq!(named, !works && is_in_folder, "{how} {target}: {}", case.logs());
        }
        let without = Case::new(use_of(how, target), folder.path());
        assert!(tried(&without).is_err(), "{how} {target} without a grant");
    }
    assert_eq!(fs::read_to_string(folder.path().join("secret.txt")).unwrap(), "secret");
    assert_eq!(fs::read_to_string(folder.path().join("out/new.txt")).unwrap(), "owned");
}

#[test]
fn a_folder_that_is_granted_and_not_there_is_named_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let grants = Grants { dirs: vec![("lake".to_owned(), Access::Read)], ..Grants::default() };
    let error = Case::new(json!({}), folder.path()).grants(grants).apply().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Config);
    assert!(error.message.contains("lake") && error.message.contains("grants.dirs"), "{error}");
}

#[test]
fn the_environment_is_that_which_is_granted() {
    let folder = tempfile::tempdir().unwrap();
    const NAME: &str = "PATH";
    let with = |names: &[&str]| {
        let env = names.iter().map(|it| (*it).to_owned()).collect();
        let grants = Grants { env, ..Grants::default() };
        Case::new(use_of("env", NAME), folder.path()).grants(grants)
    };
    assert_eq!(tried(&with(&[NAME])), Ok(()));
    assert!(tried(&with(&[])).is_err());
    assert!(tried(&with(&["HOME", "NOT_SET_ANYWHERE"])).is_err());
}

#[test]
fn a_granted_secret_is_covered_in_what_the_guest_logs_and_tells() {
    let folder = tempfile::tempdir().unwrap();
    let grants = Grants { env: vec!["PATH".to_owned()], ..Grants::default() };
    let secret = &std::env::var("PATH").unwrap();
    // the target, which the guest repeats, is the secret
    let case = Case::new(use_of("read", secret), folder.path()).grants(grants);
    let told = tried(&case).unwrap_err();
    assert!(!told.contains(secret) && told.contains("***"), "{told}");
}

#[test]
fn a_folder_of_its_own_is_there_when_it_is_granted_and_outlives_the_instance() {
    let folder = tempfile::tempdir().unwrap();
    let granted = Grants { state: true, ..Grants::default() };
    let write = || Case::new(use_of("write", "/state/position"), folder.path());
    assert!(tried(&write()).is_err());
    assert!(!folder.path().join("state").exists(), "nothing is made without the grant");
    assert_eq!(tried(&write().grants(granted.clone())), Ok(()));
    assert_eq!(fs::read_to_string(folder.path().join("state/position")).unwrap(), "owned");
    let read = Case::new(use_of("read", "/state/position"), folder.path()).grants(granted);
    assert_eq!(tried(&read), Ok(()));
}
