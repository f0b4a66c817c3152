//! What must not be shown is not shown.

use std::{collections::HashMap, fs};

use proptest::prelude::*;

use super::{super::load, Given, Plugins, hostile::VALID, parsed, resolve, said_about};

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
    let parsed = format!("{:?}", parsed(text, &given()).unwrap());
    let pipeline = resolve(text, &given()).unwrap();
    assert_eq!(pipeline.components[1].options["password"], SECRET);
    let pipeline = format!("{pipeline:?}");
    assert!(pipeline.contains("password"), "{pipeline}");
    for shown in [parsed, pipeline] {
        assert!(!shown.contains(SECRET), "{shown}");
    }
}

#[test]
fn options_are_shown_with_secrets_and_variables_covered() {
    let text = r#"
        [sources.quotes]
        plugin = "qq"
        [sinks.out]
        plugin = "nng-pub"
        inputs = ["quotes"]
        passwrod = 1234
        plain = "as it is"
        from = "${SECRET}"
        url = "http://fred:hunter2@h:1/p?x=1"
        deep = { api_key = ["hunter2", { x = 1.5 }], list = [1, "two", "Bearer hunter2"] }
    "#;
    let pipeline = resolve(text, &given()).unwrap();
    assert_eq!(
        serde_json::Value::Object(pipeline.components[1].shown_options.clone()),
        serde_json::json!({
            "passwrod": "***", "plain": "as it is", "from": "***", "url": "http://***@h:1/p?***",
            "deep": { "api_key": ["***", { "x": "***" }], "list": [1, "two", "Bearer ***"] },
        })
    );
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
        ("host", "report = \"V\""),
        ("alarms", "quiet = \"V\""),
        ("alarms", "rules = [\"V\"]"),
        ("alarms", "to = \"V\""),
        ("alarms", "to = [\"V\"]"),
        ("alarms", "to = [{ kind = \"V\", url = \"V\" }]"),
        ("alarms", "to = [{ kind = \"json\", url = \"https://h/V\", secret = \"V\" }]"),
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
            if let Ok(parsed) = parsed(&text, &given()) {
                let faults = parsed.resolve(&super::Plugins).unwrap_err();
                for shown in
                    [faults.render(true, 80), faults.to_json().to_string(), format!("{faults:?}")]
                {
                    assert!(!shown.contains(SECRET), "{shown}");
                }
            }
        }
    }
}

/// All that is told of a file: as text, as a drawing, as JSON, for logs.
fn all_told(text: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.toml");
    fs::write(&file, text).unwrap();
    let told = |faults: super::Faults| {
        let (drawn, plain) = (faults.render(true, 100), faults.render(false, 100));
        format!("{drawn}{plain}{}{faults:?}{faults}", faults.to_json())
    };
    match load(&file, &Given::default()) {
        Err(faults) => told(faults),
        Ok(parsed) => {
            let before = format!("{parsed:?}{}{}", told(parsed.warnings()), told(parsed.faults()));
            match parsed.resolve(&Plugins) {
                Err(faults) => before + &told(faults),
                Ok(pipeline) => format!("{before}{pipeline:?}"),
            }
        }
    }
}

/// How a secret S may be written under a name N.
const FORMS: [&str; 63] = [
    r#"N = "S""#,
    "N = 'S'",
    "N = S",
    r#"N = "S"#,
    "N = 'S",
    "N = S'",
    r#"N = S""#,
    r#"N = """S""""#,
    "N = \"\"\"\nx\nS\n\"\"\"",
    "N = '''\nS\n'''",
    "N = \"\"\"\nS\n",
    r#"N = ["S", "x"]"#,
    "N = [\n  \"x\",\n  \"S\",\n]",
    "N = [\n  \"x\",\n  S",
    r#"x = { N = "S" }"#,
    r#"x = { y = 1, N = "S", z = 2 }"#,
    "x = { y = 1, N = S, z = 2 }",
    "x = { N = 'S' }, z",
    "x = [{ y = 1, N = \"S\" },\n { N = 'S' }]",
    r#"x = { y = { N = "S" } }"#,
    r#"x = { "N": "S" }"#,
    r#"x.N = "S""#,
    r#"N.x = "S""#,
    r#"x . N . y = "S""#,
    r#""N" = "S""#,
    "'N' = S",
    r#"N = "S" # why"#,
    r#"N = "x" # S"#,
    r#"N = "x" S"#,
    r#"N = "x"S"#,
    "N =\nS",
    "N =\n  \"S\"",
    "N =\n\n'S'",
    "N = # why\n'S'",
    "N = \"x\nS\"",
    "N = \"x\" \\\n  \"S\"",
    "N = \"x\"\n    \"S\"",
    r#"N "S""#,
    "N S",
    "N: S",
    r#"N : "S""#,
    "N => S",
    r#"N == "S""#,
    r#"N = = "S""#,
    "# N = S",
    "# the N is S",
    r#"url = "redis://u:S@h:1/0""#,
    r#"url = "redis://:S@h"#,
    "url = redis://u:S@h",
    r#"url = "u:S@h:1""#,
    r#"url = "http://h:1/?user=a&N=S""#,
    r#"url = "http://h:1/?S""#,
    r#"url = "https://h/open-apis/bot/v2/hook/S""#,
    r#"url = ["http://a:1", "http://u:S@b:1"]"#,
    "# http://u:S@h",
    r#"headers = ["Authorization: Bearer S"]"#,
    r#"headers = { x = "bearer S" }"#,
    r#"dsn = "host=a N=S port=1""#,
    "dsn = \"\"\"\nhost=a\nN=S\n\"\"\"",
    "[sinks.lake.N]\nx = \"S\"\ny = 1",
    r#"N = { a = ["x", { b = "S" }] }"#,
    "N = \"S\"\nN = \"S\"",
    "N = 2021-12-01 S",
];

const NAMES: [&str; 16] = [
    "password",
    "pasword",
    "Password",
    "passwrod",
    "pwd",
    "pass",
    "auth",
    "api_key",
    "apiKey",
    "secret",
    "token",
    "tokne",
    "db_password",
    "access-token",
    "credentials",
    "private_key",
];

/// What may stand within a secret, between two parts that are looked for.
const WITHIN: [&str; 20] = [
    "", "", "", "#", "\"", "'", ",", "]", "}", "{", "[", "=", " ", "@", ":", "/", "\\", "$", "${",
    ".",
];

/// What spoils a file somewhere else.
const FAULTS: [&str; 17] = [
    "",
    "\"",
    "'",
    "[",
    "]",
    "{",
    "}",
    "=",
    "\"\"\"",
    "'''",
    "\n[[x]]\n",
    "\0",
    "x = \n",
    "\u{feff}",
    "y\n",
    "\\",
    "\r",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_secret_is_shown_nowhere_however_it_is_written_and_whatever_else_is_wrong(
        form in prop::sample::select(FORMS.to_vec()),
        name in prop::sample::select(NAMES.to_vec()),
        within in prop::sample::select(WITHIN.to_vec()),
        parts in prop::array::uniform2("[a-z0-9]{9}"),
        line in 0..VALID.lines().count(),
        faults in prop::collection::vec((0..VALID.len(), prop::sample::select(FAULTS.to_vec())), 0..3),
        broken in prop::option::weighted(0.1, prop::sample::select(vec![0x80_u8, 0xc4, 0xff])),
        place in 0..1_000_usize,
    ) {
        let parts = parts.map(|part| format!("q7{part}"));
        let secret = parts.join(within);
        let start: usize = VALID.split_inclusive('\n').take(line).map(str::len).sum();
        let written = form.replace('N', name).replace('S', &secret);
        let mut text = format!("{}{written}\n{}", &VALID[..start], &VALID[start..]);
        let mut faults = faults;
        // from the end on, so that none moves what the next one is put beside
        faults.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        for (at, fault) in faults {
            // behind what is written, or before its line
            let at = if at <= start { at } else { at + written.len() + 1 };
            text.insert_str(text.floor_char_boundary(at), fault);
        }
        let mut bytes = text.clone().into_bytes();
        if let Some(broken) = broken {
            // anywhere, also within the name of the secret
            bytes.insert(bytes.len() * place / 1_000, broken);
        }
        let told = all_told(&bytes).to_lowercase();
        for part in parts {
            prop_assert!(!told.contains(&part), "{text}\n=== told\n{told}");
        }
    }

    #[test]
    fn a_number_that_is_a_secret_is_shown_nowhere(
        name in prop::sample::select(NAMES.to_vec()), number in 100_000_u64..u64::MAX / 4,
        form in prop::sample::select(vec![
            "N = S", "x = { N = S, y = 1 }", "N = [S]", "N = S\nN = S", "N = S.5", "N = +S", "N = 0S",
        ]),
        section in prop::sample::select(vec!["host", "sources.quotes", "sinks.lake", "sinks.forms"]),
    ) {
        let written = form.replace('N', name).replace('S', &number.to_string());
        let text = VALID.replace(&format!("[{section}]\n"), &format!("[{section}]\n{written}\n"));
        let told = all_told(text.as_bytes());
        prop_assert!(!told.contains(&number.to_string()), "{text}\n=== told\n{told}");
    }
}

#[test]
fn a_file_of_another_encoding_is_told_by_its_place_alone() {
    let text = b"[host]\n# \xe4\xbd\xa0 hook\xff/ hunter2\ntoken = \"hunter2\"\n";
    let told = all_told(text);
    assert!(!told.contains(SECRET), "{told}");
    assert!(told.contains("p.toml:2:9: error: the file is not valid UTF-8 from here on"), "{told}");
}

#[test]
fn what_a_line_says_besides_a_secret_stays_readable() {
    let text = "[host]\ntoken = 5 # x\nhttp = 7\n[sinks.token]\nplugin = \"null\"\n\
                inputs = \"quotes\"\npassword = \"${DB:-hunter2}x\"\n[sinks.password]\ninputs = [\"quotes\"]\n";
    let said = said_about(text, &Given::default());
    for part in [
        "`token` must be a string, found an integer *",
        "`http` must be a string, found an integer 7",
        "inputs = \"quotes\"",
        "[sinks.password]",
        "no option `password`",
        "password = \"${DB:-*********\"",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
}

#[test]
fn a_key_that_is_not_known_shows_no_value_unless_a_harmless_one_was_meant() {
    let text = "[host]\nmellon = \"friend\"\nhtp = \"127.0.0.1:1\"\n[sources.quotes]\n\
                plugin = \"qq\"\nmellon = [\"friend\"]\n[gate]\nmellon = \"friend\"\n";
    let said = said_about(text, &Given::default());
    assert!(!said.contains("friend") && said.contains("mellon"), "{said}");
    assert!(said.contains("htp = \"127.0.0.1:1\""), "{said}");
}

#[test]
fn a_secret_under_a_name_of_another_encoding_or_format_is_covered() {
    let line = |name: &[u8], rest: &str| [&b"[host]\n"[..], name, rest.as_bytes()].concat();
    for text in [
        // 密码 in GBK, contraseña in Latin-1
        line(b"\xc3\xdc\xc2\xeb", " = \"hunter2\"\n"),
        line(b"contrase\xf1a", " = hunter2\n"),
        line(b"<db><password>", "hunter2</password></db>\n"),
        line(b"<Api_Key>", "\n  hunter2\n</Api_Key>\n"),
        line(b"[sources.day]\npsk", " = hunter2\n"),
        line(b"[sources.day]\n\xe6\x8e\x88\xe6\x9d\x83\xe7\xa0\x81", " = hunter2\n"),
    ] {
        let told = all_told(&text);
        assert!(told.contains("error"), "{told}");
        assert!(!told.contains(SECRET), "{told}");
    }
}

#[test]
fn an_address_in_the_place_of_an_id_is_shown_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.toml");
    fs::write(&file, "[host]\n[sinks.\"redis://:hunter2@h\"]\n").unwrap();
    let faults = match load(&file, &Given::default()) {
        Err(faults) => faults,
        Ok(parsed) => parsed.resolve(&Plugins).unwrap_err(),
    };
    let told = format!("{}{}", faults.render(false, 100), faults.to_json());
    assert!(told.contains("error") && !told.contains(SECRET), "{told}");
}

/// An address of alarms lets whoever knows it write there, whatever it looks like.
#[test]
fn an_address_of_alarms_is_shown_nowhere() {
    for written in [
        "[alarms]\nto = [{ kind = \"json\", url = \"https://h/hunter2\" }, { kind = \"x\" }]\n",
        "[[alarms.to]]\nurl = \"https://h/hunter2\"\nkind = 5\n",
        "alarms.to = [{ kind = 5, url = \"https://h/hunter2\" }]\n",
        "[alarms]\nto = \"https://h/hunter2\"\n",
        "[alarms]\nto = [\"https://h/hunter2\"]\n",
        "[alarm]\nto = [{ kind = \"json\", url = \"https://h/hunter2\" }]\n",
        "[alarms]\nto = [{ kind = \"feishu\", ulr = \"https://h/hunter2\" }]\n",
        "[alarms]\nto = [{ kind = \"feishu\", url = \"https://h/hook/hunter2\" }\n",
        "[alarms]\nto = [{ kind = \"wecom\", url = \"https://h/send?key=hunter2\" \n",
    ] {
        let told = all_told(written.as_bytes());
        assert!(told.contains("error"), "{told}");
        assert!(!told.contains(SECRET), "{written}{told}");
    }
    let text = format!(
        "{VALID}[alarms]\nto = [{{ kind = \"feishu\", url = \"https://h/hook/hunter2\", secret = \"hunter2\" }}]\n"
    );
    let pipeline = resolve(&text, &Given::default()).unwrap();
    assert_eq!(pipeline.alarms.to[0].url.0, "https://h/hook/hunter2");
    assert!(!format!("{pipeline:?}").contains(SECRET));
}
