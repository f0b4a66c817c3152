//! The same faults for terminals, logs and programs.

use serde_json::json;

use super::{super::Faults, Given, Plugins, parsed};

const TEXT: &str = "\
[sources.quotes]
plugin = \"qq\"
symbols = [\"浦发银行\", 5] # 注释
[sinks.quotes]
plugin = \"null\"
inputs = [\"quotes\"]
";

fn faults() -> Faults {
    parsed(TEXT, &Given::default()).unwrap().resolve(&Plugins).unwrap_err()
}

/// The text without the codes that color it.
fn uncolored(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |out, part| out + part.split_once('m').map_or("", |(_, rest)| rest))
}

#[test]
fn a_terminal_gets_a_drawing_with_the_place_and_the_line() {
    let drawn = faults().render(true, 70);
    assert_ne!(drawn, uncolored(&drawn));
    assert_eq!(uncolored(&drawn), DRAWN);
}

const DRAWN: &str = r#"  × `symbols[1]` must be a string, found an integer 5
   ╭─[/etc/pipeline.toml:3:20]
 2 │ plugin = "qq"
 3 │ symbols = ["浦发银行", 5] # 注释
   ·                        ─
 4 │ [sinks.quotes]
   ╰────

  × the id `quotes` is used twice
   ╭─[/etc/pipeline.toml:4:8]
 1 │ [sources.quotes]
   ·          ───┬──
   ·             ╰── first used here, for a source
 2 │ plugin = "qq"
 3 │ symbols = ["浦发银行", 5] # 注释
 4 │ [sinks.quotes]
   ·        ──────
 5 │ plugin = "null"
   ╰────
  help: ids are unique over sources, transforms and sinks; rename
        one of the two
"#;

#[test]
fn a_pipe_gets_no_color() {
    let plain = faults().render(false, 70);
    assert_eq!(plain, uncolored(&plain));
    assert_eq!(plain.lines().next(), Some(FIRST));
}

const FIRST: &str =
    "/etc/pipeline.toml:3:20: error: `symbols[1]` must be a string, found an integer 5";

#[test]
fn a_program_gets_places_and_texts() {
    let expected = json!([
        {
            "severity": "error", "file": "/etc/pipeline.toml", "line": 3, "column": 20,
            "message": "`symbols[1]` must be a string, found an integer 5", "help": null,
        },
        {
            "severity": "error", "file": "/etc/pipeline.toml", "line": 4, "column": 8,
            "message": "the id `quotes` is used twice",
            "help": "ids are unique over sources, transforms and sinks; rename one of the two",
        },
    ]);
    assert_eq!(faults().to_json(), expected);
}
