//! What must not be shown is not shown.

use std::collections::HashMap;

use super::{Given, draft, resolve, said_about};

const SECRET: &str = "hunter2";

fn given() -> Given {
    Given {
        variables: HashMap::from([("SECRET", SECRET)]),
        credentials: HashMap::from([("token", "hunter2\n")]),
        executable_dir: None,
    }
}

#[test]
fn debug_output_of_a_pipeline_leaves_secrets_out() {
    let text = r#"
        [host]
        token = "${file:token}"
        [sources.quotes]
        plugin = "qq"
        [sinks.out]
        plugin = "nng-pub"
        inputs = ["quotes"]
        password = "${SECRET}"
        plain = "hunter2"
    "#;
    let draft = format!("{:?}", draft(text, &given()).unwrap());
    let pipeline = resolve(text, &given()).unwrap();
    assert_eq!(pipeline.components[1].options["password"], SECRET);
    let pipeline = format!("{pipeline:?}");
    assert!(pipeline.contains("password"), "{pipeline}");
    for shown in [draft, pipeline] {
        assert!(!shown.contains(SECRET), "{shown}");
    }
}

/// Puts a secret into every value that a fault may speak of.
#[test]
fn no_fault_shows_what_a_variable_gave() {
    let keys = [
        // section, line
        ("host", "plugins = \"V\""),
        ("host", "data_dir = [\"V\"]"),
        ("host", "http = \"V\""),
        ("host", "token = [\"V\"]"),
        ("host", "drain_timeout = \"V\""),
        ("host", "unknown = \"V\""),
        ("sources.s", "plugin = \"V\""),
        ("sources.s", "plugin = \"qq\"\ninterval = \"V\""),
        ("sources.s", "plugin = \"qq\"\nsymbols = \"V\""),
        ("sources.s", "plugin = \"qq\"\nrequest_symbols = \"V\""),
        ("sources.s", "plugin = \"qq\"\ncolumns = { code = [\"V\"], \"x\" = \"V\" }"),
        ("sources.s", "plugin = \"qq\"\ncarrier = \"V\""),
        ("sources.s", "plugin = \"qq\"\non_failure = \"V\""),
        ("sources.s", "plugin = \"qq\"\nretry.backoff = \"V\""),
        ("sources.s", "plugin = \"qq\"\nretry.backoff = \"1s..V\""),
        ("sources.s", "plugin = \"qq\"\nlimits.memory = \"V\""),
        ("sinks.s", "plugin = \"null\"\ninputs = [\"V\", \"V\"]"),
        ("sinks.s", "plugin = \"null\"\ninputs = \"V\""),
        ("sinks.s", "plugin = \"null\"\nworkers = \"V\""),
        ("sinks.s", "plugin = \"null\"\nbuffer.type = \"V\""),
        ("sinks.s", "plugin = \"null\"\nbuffer.max_bytes = \"V\""),
        ("sinks.s", "plugin = \"parquet\"\ncompression = \"V\"\nold = \"V\""),
        ("sinks.s", "plugin = \"parquet\"\nmemory = \"V\"\nchecked = \"V\""),
        ("sinks.s", "plugin = \"forms\"\ncode = \"V\"\nlist = [[\"V\"]]\nnever = \"V\""),
        ("sinks.s", "plugin = \"forms\"\nhost = \"V\"\nname = \"V\"\nshape = { by = \"V\" }"),
        ("sinks.s", "plugin = \"forms\"\nunique = [\"V\", \"V\"]\npair = { a = \"V\", b = \"V\" }"),
    ];
    for (section, lines) in keys {
        for variable in ["${SECRET}", "${file:token}", "x${SECRET}"] {
            let text = format!("[{section}]\n{}\n", lines.replace('V', variable));
            let said = said_about(&text, &given());
            assert!(said.contains("error"), "{text}");
            assert!(!said.contains(SECRET), "{text}{said}");
            if let Ok(draft) = draft(&text, &given()) {
                let faults = draft.resolve(&super::Plugins).unwrap_err();
                for shown in
                    [faults.render(true, 80), faults.to_json().to_string(), format!("{faults:?}")]
                {
                    assert!(!shown.contains(SECRET), "{shown}");
                }
            }
        }
    }
}
