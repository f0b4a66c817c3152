//! No file ends the program, whatever it holds.

use proptest::prelude::*;

use super::{super::load, Given, said_about};

/// Uses every part of the format.
const VALID: &str = r#"
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
    if let Err(faults) = super::draft(text, &Given::default()) {
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
