//! Commands that the pages name are there and take what they are given.

use std::fs;

use harness::{Bench, repository};

use super::{Runner, blocks_for, pages};

/// Programs of others, with what they must be given; that they do it is not ours to test.
const OTHERS: [&str; 8] = [
    "cargo build --release",
    "cargo test-native",
    "pip install target/wheels/dataserver-*.whl",
    "export PATH=$PWD/dist/current/bin:$PATH",
    "cd my-alert",
    "cd quiet",
    "rustup target add wasm32-wasip2",
    "apt-get install clang lld wasi-libc",
];

/// Whether that line of a shell works as far as it can be told without doing it.
fn check(bench: &Bench, place: &str, line: &str) {
    let command = line.split(" #").next().unwrap().trim();
    let words: Vec<&str> = command.split_whitespace().collect();
    let named = |file: &str| fs::read_to_string(repository().join(file)).unwrap();
    match words.as_slice() {
        [] | ["#", ..] => {}
        ["make", target, ..] => {
            assert!(named("Makefile").contains(&format!("\n{target}:")), "{place}: {line}");
        }
        ["dataserver", given @ ..] => {
            let given: Vec<_> = given.iter().take_while(|word| !word.starts_with('>')).collect();
            // help is asked for last, so that what stands before it is read
            let given: Vec<&str> = given.into_iter().copied().chain(["--help"]).collect();
            let help = bench.run(&given);
            assert_eq!(help.code, 0, "{place}: {line}\n{}", help.stderr);
        }
        ["systemctl", "reload", "dataserver"] => {
            assert!(named("config/systemd/dataserver.service").contains("ExecReload="));
        }
        ["curl", "-X", "POST", url] => {
            let path = url.splitn(4, '/').nth(3).unwrap();
            let files = fs::read_dir(repository().join("host/src/control")).unwrap();
            let files = files.map(|it| it.unwrap().path()).filter(|it| it.is_file());
            let texts = files.map(|it| fs::read_to_string(it).unwrap());
            let route = format!(".route(\"/{path}\", ");
            assert!(texts.into_iter().any(|text| text.contains(&route)), "{url}");
        }
        [script, ..] if script.starts_with("plugins/") => {
            assert!(repository().join(script).exists(), "{place}: {line}");
        }
        _ => assert!(OTHERS.contains(&command), "{place}: nobody knows {line}"),
    }
}

#[test]
fn every_command_of_a_block_is_one_that_there_is() {
    let bench = Bench::new(&[]);
    for block in blocks_for(Runner::Commands) {
        block.text.lines().for_each(|line| check(&bench, &block.place(), line));
    }
    for block in blocks_for(Runner::Output) {
        let typed = block.text.lines().filter_map(|line| line.strip_prefix("$ "));
        typed.for_each(|line| check(&bench, &block.place(), line));
    }
}

#[test]
fn every_verb_that_a_page_names_in_passing_is_one_that_there_is() {
    let bench = Bench::new(&[]);
    let verbs = bench.run(&["--help"]).assert(0, &[]).stdout.clone();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for rest in text.split("`dataserver ").skip(1) {
            let verb = rest.split(|c: char| !(c.is_ascii_lowercase() || c == '-')).next().unwrap();
            let is_there = verbs.lines().any(|line| line.split_whitespace().next() == Some(verb));
            // `dataserver -h` and names of files
            assert!(verb.is_empty() || verb.starts_with('-') || is_there, "{page:?}: {verb}");
        }
    }
}
