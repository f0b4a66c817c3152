//! Pieces of pipeline files, completed and checked.

use std::collections::BTreeSet;

use harness::Bench;

use super::{Runner, blocks_for, plugins::install_python};

/// Plugins that the pages use.
const PLUGINS: [&str; 15] = [
    "bars",
    "clickhouse",
    "filter",
    "hikyuu-server",
    "kline",
    "ledger",
    "merge",
    "nng-pub",
    "nng-sub",
    "null",
    "parquet",
    "qmt",
    "qq",
    "redis-stream",
    "replay",
];

/// Names in `inputs = […]`, and ids of the components that are there.
fn names(text: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let lists = text.split("inputs").skip(1).filter_map(|rest| rest.split(['[', ']']).nth(1));
    let wanted = lists.flat_map(|list| list.split('"').skip(1).step_by(2)).map(str::to_owned);
    let kinds = ["sources.", "transforms.", "sinks."];
    let heads = text.lines().map(|line| line.trim_start_matches('['));
    let ids = heads.filter_map(|line| kinds.iter().find_map(|kind| line.strip_prefix(kind)));
    let ids = ids.map(|id| id.split([']', '.', ' ']).next().unwrap().to_owned());
    (wanted.collect(), ids.collect())
}

/// What is missing before a piece is a pipeline: sources for its inputs, a sink, a plugin that the
/// reader made.
fn completed(piece: &str, plugins: &str) -> String {
    let mut text = piece
        .replace("[\"/opt/dataserver/plugins\"]", plugins)
        .replace("[\"../plugins\"]", plugins)
        .replace("plugin  = \"quiet\"", "plugin  = \"quality\"");
    // keys of a table that the page names before them
    if text.starts_with("wait_subscribers") {
        text = format!("[sinks.feed]\nplugin = \"nng-pub\"\ninputs = [\"day\"]\n{text}");
    }
    let (wanted, ids) = names(&text);
    for id in wanted.difference(&ids) {
        text += &format!("\n[sources.{id}]\nplugin = \"replay\"\npath = \"day.csv\"\n");
    }
    if !text.contains("plugins ") {
        let head = format!("[host]\nplugins = {plugins}\n");
        text = if text.contains("[host]\n") {
            text.replacen("[host]\n", &head, 1)
        } else if text.contains("[host.pins]") {
            text.replacen("[host.pins]", &format!("{head}[host.pins]"), 1)
        } else {
            // what stands before every table goes first
            match text.find("\n[").or(text.starts_with('[').then_some(0)) {
                Some(at) => format!("{}\n{head}{}", &text[..at], &text[at..]),
                None => format!("{text}\n{head}"),
            }
        };
    }
    let (wanted, ids) = names(&text);
    if !text.contains("sources") {
        text += "\n[sources.extra]\nplugin = \"replay\"\npath = \"day.csv\"\n";
    }
    if !text.contains("sinks") {
        let unread: Vec<_> = ids.difference(&wanted).map(|id| format!("{id:?}")).collect();
        let unread = if unread.is_empty() { "\"extra\"".to_owned() } else { unread.join(", ") };
        text += &format!("\n[sinks.end]\nplugin = \"null\"\ninputs = [{unread}]\n");
    }
    text
}

#[test]
fn every_piece_of_a_pipeline_is_one_that_check_takes() {
    let bench = Bench::with_links(&PLUGINS);
    bench.install_wasm("quality");
    let c = harness::wasm_plugin("c-passthrough");
    std::fs::copy(c, bench.path("plugins/c-passthrough.wasm")).unwrap();
    bench.write("secrets/qmt_token", "0123456789abcdef");
    install_python(&bench.path("plugins"));
    let plugins = format!("[{:?}]", bench.path("plugins"));
    for block in blocks_for(Runner::Pipeline) {
        let text = completed(&block.text, &plugins);
        let text = text.replace("${file:qmt_token}", "0123456789abcdef");
        let text = text.replace("${file:feishu_hook}", "https://open.feishu.cn/hook/0123456789");
        let text =
            text.replace("${file:dingtalk_hook}", "https://oapi.dingtalk.com/robot/send?t=1");
        let text = text.replace("${file:dingtalk_secret}", "SEC0123456789");
        bench.pipeline(&text);
        let checked = bench.run(&["check", "--offline", "--format", "json"]);
        let found: serde_json::Value = serde_json::from_str(&checked.stdout).unwrap();
        let errors: Vec<_> =
            found.as_array().unwrap().iter().filter(|it| it["severity"] == "error").collect();
        assert!(errors.is_empty(), "{}: {errors:#?}\n{text}", block.place());
    }
}
