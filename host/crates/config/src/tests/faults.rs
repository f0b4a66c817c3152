//! What is said about wrong files, word for word.
//!
//! `faults.txt` holds files and what is said about them. With `UPDATE_EXPECTED` set, it is written
//! anew from what is said now; read the difference before it is kept.

use std::{collections::HashMap, fmt::Write as _, fs, path::Path};

use super::{Given, said_about};

const CASES: &str = include_str!("faults.txt");

fn given() -> Given {
    Given {
        variables: HashMap::from([
            ("SIZE", "verysecret"),
            ("INPUT", "verysecret"),
            ("COUNT", "5"),
            ("EMPTY", ""),
        ]),
        credentials: HashMap::from([("token", "verysecret\n")]),
        executable_dir: None,
    }
}

#[test]
fn every_fault_is_told_with_its_place_what_is_allowed_and_the_remedy() {
    let update = std::env::var_os("UPDATE_EXPECTED").is_some();
    let mut written = String::new();
    let mut wrong = Vec::new();
    for case in CASES.split("=== ").skip(1) {
        let (name, rest) = case.split_once('\n').unwrap();
        let (text, expected) = rest.split_once("--- said\n").unwrap();
        let said = said_about(text, &given());
        assert!(!said.contains("verysecret"), "{name}: {said}");
        if said.trim_end() != expected.trim_end() {
            wrong.push(format!("{name}\n{said}"));
        }
        writeln!(written, "=== {name}\n{text}--- said\n{}\n", said.trim_end()).unwrap();
    }
    if update {
        let file = Path::new(file!()).with_file_name("faults.txt");
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
        fs::write(root.join(file), written).unwrap();
    } else {
        assert!(wrong.is_empty(), "said otherwise than expected:\n\n{}", wrong.join("\n"));
    }
}
