//! No file ends the program, whatever it holds.

use std::time::{Duration, Instant};

use plugin_api::terminal::is_unsafe;
use proptest::prelude::*;

use super::{super::load, Given, said_about};

/// Uses every part of the format.
pub(super) const VALID: &str = r#"
[host]
plugins = ["plugins"]
http = "127.0.0.1:9280"
drain_timeout = "5s"
[sources.quotes]
plugin = "qq"
symbols = ["sh600000", "${A:-浦发}"]
columns = { code = 'x', close = """y""" }
[transforms.clean]
plugin = "quality"
inputs = ["quotes"]
buffer.when_full = "latest"
[sinks.lake]
plugin = "parquet"
inputs = ["clean", "quotes"]
path = "$${x}"
checked = 0.5
[sinks.lake.retry]
backoff = "100ms..30s"
max_attempts = 3
[sinks.forms]
plugin = "forms"
inputs = ["clean"]
shape = { by = "count", n = 3 }
"#;

fn read(text: &str) {
    let said = said_about(text, &Given::default());
    // every fault has its place
    for line in said.lines().filter(|line| line.contains(": error: ")) {
        assert!(line.starts_with("/etc/pipeline.toml:"), "{line}");
    }
    if let Err(faults) = super::parsed(text, &Given::default()) {
        faults.render(true, 60);
        faults.to_json();
    }
}

#[test]
fn the_file_that_is_damaged_below_is_valid() {
    assert_eq!(said_about(VALID, &Given::default()), "");
}

#[test]
fn deep_and_long_files_are_read_or_refused() {
    let depth = 20_000;
    let chain: String = (1..2_000)
        .map(|n| format!("[transforms.t{n}]\nplugin = \"quality\"\ninputs = [\"t{}\"]\n", n - 1))
        .collect();
    let texts = [
        format!("a = {}", "[".repeat(depth)),
        format!("a = {}", "{ b = ".repeat(depth)),
        format!("[sinks.x]\na{} = 1", ".a".repeat(depth)),
        format!("[sinks{}]", ".a".repeat(depth)),
        format!("[sinks.x]\na = \"{}\"", "${".repeat(depth)),
        format!("[sinks.x]\nplugin = \"{}\"", "x".repeat(depth)),
        format!("[transforms.t0]\nplugin = \"quality\"\ninputs = [\"t1999\"]\n{chain}"),
    ];
    for text in texts {
        assert!(said_about(&text, &Given::default()).contains("error"));
    }
}

/// What a reader of the file is told, and how long that took.
fn told(text: &str) -> (super::Faults, Duration) {
    let started = Instant::now();
    let given = Given::default();
    let faults = match super::parsed(text, &given) {
        Err(faults) => faults,
        Ok(parsed) => parsed.resolve(&super::Plugins).unwrap_err(),
    };
    for shown in [faults.render(false, 100), faults.render(true, 100), faults.to_json().to_string()]
    {
        assert!(shown.len() < 2 << 20, "{} bytes are told", shown.len());
    }
    (faults, started.elapsed())
}

/// A file of so many bytes, about.
type Form = (&'static str, fn(usize) -> String);

/// Files that are no pipelines.
const FORMS: [Form; 21] = [
    ("no TOML", |n| "this is no TOML file at all\n".repeat(n / 28)),
    ("one long line", |n| "x".repeat(n)),
    ("one long line of words", |n| "a b ".repeat(n / 4)),
    ("one long line of secrets", |n| format!("x = {{ {} }}", "password='a',".repeat(n / 13))),
    ("secrets without a value", |n| "password\n".repeat(n / 9)),
    ("NUL bytes", |n| "\0".repeat(n)),
    ("NUL bytes in lines", |n| "a\0\n".repeat(n / 3)),
    ("brackets", |n| "[".repeat(n)),
    ("braces", |n| format!("a = {}", "{a=".repeat(n / 3))),
    ("a dotted key", |n| format!("a{} = 1", ".a".repeat(n / 2))),
    ("quotes", |n| "\"".repeat(n)),
    ("texts that are never closed", |n| "x\\\"\"\"\n".repeat(n / 6)),
    ("keys given twice", |n| "a=1\n".repeat(n / 4)),
    ("tables given twice", |n| "[a]\n".repeat(n / 4)),
    ("unknown keys", |n| (0..n / 9).map(|n| format!("k{n}=1\n")).collect()),
    ("unknown options", |n| {
        let keys: String = (0..n / 9).map(|n| format!("k{n}=1\n")).collect();
        format!("[sources.s]\nplugin=\"qq\"\n{keys}")
    }),
    ("wrong items", |n| format!("[sources.s]\nplugin=\"qq\"\nsymbols=[{}]", "1,".repeat(n / 2))),
    ("components", |n| chain(n / 44)),
    ("components in a cycle", |n| {
        let n = n / 44;
        chain(n) + &format!("[transforms.t{n}]\nplugin=\"qq\"\ninputs=[\"t0\"]\n")
    }),
    ("inputs that are not there", |n| {
        let inputs: String = (0..n / 11).map(|n| format!("\"i{n}\",")).collect();
        format!("[sinks.s]\nplugin=\"null\"\ninputs=[{inputs}]")
    }),
    ("grants", |n| {
        let dirs: String = (0..n / 20).map(|n| format!("d{n}=\"write\",")).collect();
        format!("[sinks.s]\nplugin=\"null\"\ninputs=[]\ngrants.dirs={{{dirs}}}")
    }),
];

fn chain(n: usize) -> String {
    let one = |n| format!("[transforms.t{n}]\nplugin=\"qq\"\ninputs=[\"t{}\"]\n", n + 1);
    (0..n).map(one).collect()
}

#[test]
fn no_file_takes_more_time_than_its_length_explains() {
    for (name, form) in FORMS {
        let (_, quick) = told(&form(64 << 10));
        let (faults, slow) = told(&form(1 << 20));
        assert!(faults.diagnostics.len() <= 100, "{name}");
        // a square of the length would take 256 times as long
        let least = Duration::from_millis(40);
        assert!(slow < 60 * quick.max(least), "{name}: {quick:?}, 16 times as long {slow:?}");
    }
}

#[test]
fn of_very_many_faults_a_hundred_are_told_and_the_rest_is_counted() {
    let (faults, _) = told(&"this is no TOML\n".repeat(1_000));
    assert_eq!((faults.diagnostics.len(), faults.len()), (100, 1_000));
    let said = faults.render(false, 100);
    assert!(said.ends_with("/etc/pipeline.toml: 900 more faults; mend these first\n"), "{said}");
    assert_eq!(faults.to_json().as_array().unwrap().len(), 101);
}

/// Each of the faults, and each of the words, costs memory while the file is read.
#[test]
fn of_a_long_file_no_more_is_kept_than_is_told() {
    let (faults, _) = told(&".".repeat(4 << 20));
    assert_eq!(faults.len(), 1);
    let said = faults.render(false, 100);
    assert!(said.contains(":1:1048577: error: up to here the file has more words"), "{said}");

    // as many as are read, and one fault of them
    assert_eq!(told(&".".repeat(1 << 20)).0.len(), 1);
    let (faults, _) = told(&"this is no TOML\n".repeat(60_000));
    assert_eq!(faults.diagnostics.len(), 100);
    assert!((10_000..20_000).contains(&faults.len()), "{} of 60,000", faults.len());
}

#[test]
fn faults_of_a_long_file_are_those_that_it_has() {
    let list = "\"600000.SH\",\n".repeat(40_000);
    let valid = format!("[sources.s]\nplugin = \"qq\"\nsymbols = [\n{list}]\n");
    let (faults, _) = told(&format!("{valid}x\n{valid}"));
    let said = faults.render(false, 100);
    assert!(said.starts_with("/etc/pipeline.toml:40005:2: error: invalid TOML"), "{said}");
    assert_eq!(faults.len(), 1, "{said}");

    // the list goes on behind what is searched
    let (faults, _) = told(&format!("x\n{valid}"));
    let said = faults.render(false, 100);
    assert!(said.starts_with("/etc/pipeline.toml:1:2: error: invalid TOML"), "{said}");
    assert!(!said.contains("unclosed"), "{said}");
}

#[test]
fn a_long_line_is_cut_around_what_is_wrong_in_it() {
    let (before, after) = ("\"浦发\", ".repeat(500), "\"a\", ".repeat(500));
    let text = format!("[sources.s]\nplugin = \"qq\"\nsymbols = [{before}5, {after}]");
    let (faults, _) = told(&text);
    for color in [false, true] {
        let said = faults.render(color, 100);
        assert!(said.lines().all(|line| line.chars().count() < 230), "{said}");
    }
    let said = faults.render(false, 100);
    let lines: Vec<_> = said.lines().skip_while(|it| !it.contains("must be a string")).collect();
    let marker = lines[2].find('^').unwrap();
    let width = |c: char| if c.is_ascii() || c == '…' { 1 } else { 2 };
    let five = lines[1].find("5,").unwrap();
    assert_eq!(lines[1][..five].chars().map(width).sum::<usize>(), marker, "{said}");
    assert!(lines[1].contains("| …") && lines[1].ends_with('…'), "{said}");
}

#[test]
fn a_file_that_no_pipeline_is_as_long_as_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.toml");
    std::fs::write(&file, "#".repeat((4 << 20) + 1)).unwrap();
    let faults = load(&file, &Given::default()).unwrap_err().render(false, 100);
    assert!(faults.contains("larger than 4 MiB"), "{faults}");
}

#[test]
fn controls_of_a_terminal_in_a_file_are_shown_and_not_obeyed() {
    let text = "[sinks.\"a\u{1b}]0;owned\u{7}\u{202e}b\u{9b}31m\"]\nplugin = \"n\u{202e}\"\n\
                inputs = [\"\\u001b[2J\"]\n";
    for text in [text.to_owned(), format!("{text}\nx = \r \u{85}\u{7f}")] {
        let (faults, _) = told(&text);
        let plain = faults.render(false, 100);
        assert!(!plain.contains(is_unsafe), "{plain:?}");
        assert!(plain.contains("\\x1b") || plain.contains('?'), "{plain}");
        let drawn = faults.render(true, 100);
        let ours = drawn.matches("\u{1b}[").count();
        assert_eq!(drawn.matches(is_unsafe).count(), ours, "{drawn:?}");
        assert!(!drawn.contains("\u{1b}[2J") && !drawn.contains("\u{1b}]"), "{drawn:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in "(?s).{0,200}") {
        read(&text);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("p.toml");
        std::fs::write(&file, &bytes).unwrap();
        if let Err(faults) = load(&file, &Given::default()) {
            faults.render(true, 60);
        }
    }

    #[test]
    fn a_damaged_file_is_read_or_refused(
        at in 0..VALID.len(), len in 0..40_usize,
        put in prop::sample::select(vec![
            "", "\"", "'", "[", "]", "{", "}", "=", ".", "\n", "\r", "\t", "#", "${", "}", "-1", "1e999", "nan",
            "\"\"\"", "[[x]]", "true", "\u{feff}", "浦", "inputs", "2021-12-01T00:00:00Z", "\0", "\\",
        ]),
    ) {
        let start = VALID.floor_char_boundary(at);
        let end = VALID.floor_char_boundary((at + len).min(VALID.len())).max(start);
        read(&format!("{}{put}{}", &VALID[..start], &VALID[end..]));
    }

    #[test]
    fn lines_in_another_order_are_read_or_refused(order in Just(VALID.lines().collect::<Vec<_>>()).prop_shuffle()) {
        read(&order.join("\n"));
    }
}
