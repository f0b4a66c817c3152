//! Files that are right.

use std::{fs, path::Path, time::Duration};

use plugin_api::RoleKind;
use serde_json::json;

use super::{
    super::{
        AlarmKind, AlarmRule, Backfill, BackfillPrefer, BackfillWhen, Carrier, OnFailure, Secret,
        WhenFull, load, load_text,
    },
    Given, Plugins, parsed, resolve,
};

const EXAMPLE: &str = r#"
[host]
plugins  = ["plugins"]
data_dir = "data"
http     = "127.0.0.1:9280"

[sources.quotes]
plugin   = "qq"
symbols  = ["sh600000", "sz000001", "bj430047"]
interval = "3s"

[transforms.clean]
plugin = "quality"
inputs = ["quotes"]

[sinks.feed]
plugin = "nng-pub"
inputs = ["clean"]
listen = ["ipc:///tmp/hikyuu_real.ipc", "tcp://127.0.0.1:9200"]

[sinks.lake]
plugin = "parquet"
inputs = ["clean"]
path   = "data/lake"

[sinks.lake.buffer]
type      = "memory"
max_bytes = "32MiB"
when_full = "drop_oldest"

[sinks.lake.batch]
max_records = 500
max_wait    = "1s"

[sinks.lake.retry]
max_attempts = 3
backoff      = "200ms..1m"
dead_letter  = false
"#;

#[test]
fn the_example_of_the_manual_loads_with_all_its_values() {
    let pipeline = resolve(EXAMPLE, &Given::default()).unwrap();
    assert_eq!(pipeline.base_dir, Path::new("/etc"));
    assert_eq!(pipeline.file, Path::new("/etc/pipeline.toml"));
    assert_eq!(pipeline.host.plugins, [Path::new("/etc/plugins")]);
    assert_eq!(pipeline.host.data_dir, Path::new("/etc/data"));
    assert_eq!(pipeline.host.http, Some("127.0.0.1:9280".parse().unwrap()));
    assert_eq!(pipeline.host.token, None);

    let ids: Vec<_> = pipeline.components.iter().map(|c| (c.kind, c.id.as_str())).collect();
    let expected = [
        (RoleKind::Source, "quotes"),
        (RoleKind::Transform, "clean"),
        (RoleKind::Sink, "feed"),
        (RoleKind::Sink, "lake"),
    ];
    assert_eq!(ids, expected);
    let [quotes, clean, feed, lake] = pipeline.components.try_into().unwrap();
    assert_eq!(quotes.options["symbols"], json!(["sh600000", "sz000001", "bj430047"]));
    assert_eq!(quotes.options.len(), 2);
    assert_eq!(clean.inputs, ["quotes"]);
    assert_eq!(clean.buffer.when_full, WhenFull::Block);
    assert_eq!(feed.buffer.when_full, WhenFull::Latest);
    assert_eq!(feed.buffer.max_bytes, 64 << 20);
    assert_eq!(feed.on_failure, OnFailure::Restart);
    assert_eq!(lake.buffer.max_bytes, 32 << 20);
    assert_eq!(lake.buffer.when_full, WhenFull::DropOldest);
    assert_eq!(lake.batch.max_records, 500);
    assert_eq!(lake.batch.max_wait, Duration::from_secs(1));
    assert_eq!(lake.retry.max_attempts, 3);
    assert_eq!(lake.retry.min_backoff, Duration::from_millis(200));
    assert_eq!(lake.retry.max_backoff, Duration::from_secs(60));
    assert!(!lake.retry.dead_letter);
}

#[test]
fn all_ways_to_write_a_table_mean_the_same() {
    let dotted = r#"
        sources.quotes.plugin = "qq"
        sinks.lake = { plugin = "parquet", inputs = ["quotes"], path = "x", buffer.max_bytes = "1MiB" }
    "#;
    let headers = r#"
        [sinks.lake.buffer]
        max_bytes = "1MiB"
        [sinks.lake]
        path = 'x'
        inputs = ["quotes"]
        plugin = """parquet"""
        [sources.quotes]
        plugin = "qq"
    "#;
    let [dotted, headers] = [dotted, headers].map(|text| resolve(text, &Given::default()));
    assert_eq!(format!("{:?}", dotted.unwrap()), format!("{:?}", headers.unwrap()));
}

#[test]
fn byte_order_marks_and_windows_line_ends_are_read() {
    let text = format!("\u{feff}{}", EXAMPLE.replace('\n', "\r\n"));
    assert_eq!(resolve(&text, &Given::default()).unwrap().components.len(), 4);
}

#[test]
fn paths_count_from_the_files_folder_and_are_cleaned() {
    let text = format!("[host]\nplugins = [\"../a/./b\", \"/c\"]\ndata_dir = \"./d\"\n{}", rest());
    let host = resolve(&text, &Given::default()).unwrap().host;
    assert_eq!(host.plugins, [Path::new("/a/b"), Path::new("/c")]);
    assert_eq!(host.data_dir, Path::new("/etc/d"));
}

fn rest() -> &'static str {
    "[sources.quotes]\nplugin = \"qq\"\n[sinks.out]\nplugin = \"null\"\ninputs = [\"quotes\"]\n"
}

#[test]
fn plugins_beside_the_program_are_used_when_there_are_none_beside_the_file() {
    let installed = tempfile::tempdir().unwrap();
    let project = tempfile::tempdir().unwrap();
    let file = project.path().join("pipeline.toml");
    fs::write(&file, rest()).unwrap();
    let given = Given { executable_dir: Some(installed.path().join("bin")), ..Given::default() };
    let folders = || load(&file, &given).unwrap().host().plugins.clone();

    // neither is there: the user's own is named, so that a fault speaks of it
    assert_eq!(folders(), [project.path().join("plugins")]);
    fs::create_dir(installed.path().join("plugins")).unwrap();
    assert_eq!(folders(), [installed.path().join("plugins")]);
    fs::create_dir(project.path().join("plugins")).unwrap();
    assert_eq!(folders(), [project.path().join("plugins")]);
}

#[test]
fn an_open_address_takes_its_token_from_a_secret_file() {
    let text = format!("[host]\nhttp = \"0.0.0.0:9280\"\ntoken = \"${{file:token}}\"\n{}", rest());
    let mut given = Given::default();
    given.credentials.insert("token", "s3cret\r\n");
    let host = resolve(&text, &given).unwrap().host;
    assert_eq!(host.token, Some(Secret("s3cret".to_owned())));
    assert_eq!(host.http.unwrap().port(), 9280);
}

#[test]
fn alarms_are_told_to_targets_in_each_way_to_write_them() {
    let braces = "[alarms]\nto = [{ kind = \"dingtalk\", url = \"https://h/?t=1\", \
                  secret = \"${file:token}\" }]\nrules = [\"plugin_denied\", \"plugin_denied\"]\n";
    let header = "[alarms]\nrules = [\"plugin_denied\"]\n[[alarms.to]]\n\
                  kind = \"dingtalk\"\nurl = \"https://h/?t=1\"\nsecret = \"${file:token}\"\n";
    let mut given = Given::default();
    given.credentials.insert("token", "s3cret\n");
    for text in [braces, header] {
        let alarms = resolve(&format!("{text}{}", rest()), &given).unwrap().alarms;
        assert_eq!(alarms.rules, [AlarmRule::PluginDenied]);
        assert_eq!(alarms.quiet, Duration::from_secs(600));
        let [target] = alarms.to.try_into().unwrap();
        assert_eq!(target.kind, AlarmKind::DingTalk);
        assert_eq!(target.url, Secret("https://h/?t=1".to_owned()));
        assert_eq!(target.secret, Some(Secret("s3cret".to_owned())));
    }
    let pipeline = resolve(rest(), &given).unwrap();
    assert_eq!((pipeline.alarms.to.len(), pipeline.alarms.rules.len()), (0, 7));
    assert_eq!(pipeline.host.report, None);
}

#[test]
fn variables_are_filled_in_everywhere_and_once() {
    let text = r#"
        [sources.quotes]
        plugin = "${PLUGIN}"
        [sinks.out]
        plugin = "nng-pub"
        inputs = ["${ID:-quotes}"]
        a = "x${ONE}y${ONE}z"
        b = ["${EMPTY:-default}", "${EMPTY}", '${NESTED}']
        c = { d = { e = "${UNSET:-a:-b}" } }
        f = "$${ONE} $$ $ONE ${file:key}"
    "#;
    let mut given = Given::default();
    given.variables.extend([("PLUGIN", "qq"), ("ONE", "1"), ("EMPTY", ""), ("NESTED", "${ONE}")]);
    given.credentials.insert("key", "line\n\n");
    let pipeline = resolve(text, &given).unwrap();
    assert_eq!(pipeline.components[0].plugin, "qq");
    let expected = json!({
        "a": "x1y1z",
        "b": ["default", "", "${ONE}"],
        "c": { "d": { "e": "a:-b" } },
        "f": "${ONE} $$ $ONE line\n",
    });
    assert_eq!(json!(pipeline.components[1].options), expected);
}

#[test]
fn values_reach_the_plugin_in_its_types() {
    let text = format!(
        "{}[sinks.more]\nplugin = \"nng-pub\"\ninputs = [\"quotes\"]\ndate = 2021-12-01\n\
         hex = 0xff\nnegative = -1_000\nfloat = 1e3\nyes = true\n",
        rest()
    );
    let pipeline = resolve(&text, &Given::default()).unwrap();
    let expected = json!({
        "date": "2021-12-01", "hex": 255, "negative": -1000, "float": 1000.0, "yes": true,
    });
    assert_eq!(json!(pipeline.components[2].options), expected);
}

#[test]
fn a_draft_tells_what_needs_no_plugin() {
    let text =
        format!("{}[sources.more]\nplugin = \"nobody has it\"\ncarrier = \"native\"\n", rest());
    let parsed = parsed(&text, &Given::default()).unwrap();
    assert!(parsed.faults().is_empty());
    assert_eq!(parsed.warnings().len(), 1);
    let more = parsed.components().find(|component| component.id == "more").unwrap();
    assert_eq!(more.carrier, Some(Carrier::Native));
    assert_eq!(parsed.resolve(&Plugins).unwrap_err().len(), 1);
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("none.toml");
    let faults = load(&file, &Given::default()).unwrap_err();
    assert!(faults.to_string().contains("none.toml: error: cannot read the pipeline: "));
    assert_eq!(faults.to_json()[0]["line"], json!(null));
    assert!(faults.render(true, 80).contains("none.toml"));

    // saved as GBK
    fs::write(&file, b"[sources.quotes]\n# \xb1\xea\xd7\xbc\n").unwrap();
    let faults = load(&file, &Given::default()).unwrap_err();
    assert_eq!(faults.to_json()[0]["line"], json!(2));
    assert_eq!(faults.to_json()[0]["column"], json!(3));
}

#[test]
fn a_link_to_the_working_directory_keeps_the_name_that_the_shell_gives_it() {
    let real = std::env::current_dir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("conf");
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let link: &'static str = link.to_str().unwrap().to_owned().leak();
    let elsewhere: &'static str = folder.path().to_str().unwrap().to_owned().leak();
    for (named, expected) in [
        (Some(link), Path::new(link)),
        // left behind by a parent process that was elsewhere
        (Some(elsewhere), real.as_path()),
        (Some("."), real.as_path()),
        (Some(""), real.as_path()),
        (None, real.as_path()),
    ] {
        let variables = named.map(|named| ("PWD", named)).into_iter().collect();
        let environment = Given { variables, ..Given::default() };
        let draft = load_text("", Path::new("x/../pipeline.toml"), &environment).unwrap();
        assert_eq!(draft.file(), expected.join("pipeline.toml"), "{named:?}");
    }
}

/// Two sources of history, one of which a transform asks, and stores of each kind.
const BACKFILL: &str = r#"
[backfill]
from   = ["past"]
when   = "both"
within = "3d"

[sources]
quotes = { plugin = "qq" }
past   = { plugin = "kline", pause = "1s" }
today  = { plugin = "kline" }

[transforms]
bars = { plugin = "bars", inputs = ["quotes"], history = "today" }

[sinks]
lake = { plugin = "parquet", inputs = ["bars"], path = "x" }
feed = { plugin = "nng-pub", inputs = ["bars"] }
db   = { plugin = "null", inputs = ["bars"], buffer = { type = "disk" } }
"#;

#[test]
fn sources_of_history_do_not_run_and_fill_all_stores_that_know_repeats() {
    let pipeline = resolve(BACKFILL, &Given::default()).unwrap();
    let ids = |components: &[super::super::Component]| {
        components.iter().map(|it| it.id.clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&pipeline.history), ["past", "today"]);
    assert_eq!(ids(&pipeline.components), ["quotes", "bars", "lake", "feed", "db"]);
    assert_eq!(pipeline.history[0].options["pause"], json!("1s"));
    let expected = Backfill {
        from: vec!["past".to_owned()],
        to: vec!["lake".to_owned(), "db".to_owned()],
        when: BackfillWhen::Both,
        within: Duration::from_secs(3 * 86_400),
        rate: 50_000,
        prefer: BackfillPrefer::Live,
    };
    assert_eq!(pipeline.backfill, expected);
    assert!(pipeline.backfill.when.is_after_outage() && pipeline.backfill.when.is_after_close());
    let warnings = parsed(BACKFILL, &Given::default()).unwrap().warnings();
    assert!(warnings.is_empty(), "nobody reads what history gives, and nobody minds: {warnings:?}");
}

#[test]
fn a_named_store_is_filled_alone() {
    let text = BACKFILL.replace("[\"past\"]", "[\"past\", \"today\"]\nto = [\"db\"]");
    let pipeline = resolve(&text, &Given::default()).unwrap();
    assert_eq!((pipeline.backfill.from.len(), pipeline.backfill.to), (2, vec!["db".to_owned()]));
    let none = BACKFILL.replace("[backfill]", "[backfill]\nrate = 1000\nprefer = \"history\"");
    let backfill = resolve(&none, &Given::default()).unwrap().backfill;
    assert_eq!((backfill.rate, backfill.prefer), (1_000, BackfillPrefer::History));
}
