//! What stands in the Markdown pages works: every block of code is run or checked by somebody here.

mod certificates;
mod commands;
mod operations;
mod pipelines;
mod plugins;
mod readers;
mod readmes;

use std::{
    fs,
    path::{Path, PathBuf},
};

use harness::repository;

/// A block of code of a page.
#[derive(Debug, Clone)]
struct Block {
    /// The page, within the repository.
    page: String,
    /// The line of its fence, from 1.
    line: usize,
    /// What stands behind the fence; empty for a picture or an output.
    language: String,
    text: String,
}

impl Block {
    fn place(&self) -> String {
        format!("{}:{}", self.page, self.line)
    }
}

/// Pages that users read.
fn pages() -> Vec<PathBuf> {
    let named = [
        "README.md",
        "README.zh-CN.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
    ];
    let mut pages: Vec<PathBuf> = named.iter().map(|name| repository().join(name)).collect();
    let plugins = fs::read_dir(repository().join("plugins")).unwrap();
    let mut folders: Vec<_> = plugins.map(|entry| entry.unwrap().path()).collect();
    folders.extend(["docs", "config", "config/samples"].map(|name| repository().join(name)));
    for folder in folders {
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        pages.extend(files.filter(|file| file.extension().is_some_and(|it| it == "md")));
    }
    pages.sort();
    pages
}

/// Every block of every page.
fn blocks() -> Vec<Block> {
    pages().iter().flat_map(|page| blocks_of(page)).collect()
}

fn blocks_of(page: &Path) -> Vec<Block> {
    let name = page.strip_prefix(repository()).unwrap().display().to_string();
    let text = fs::read_to_string(page).unwrap();
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(language), None) => {
                let (page, language) = (name.clone(), language.to_owned());
                open = Some(Block { page, line: index + 1, language, text: String::new() });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => block.text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block of {name} has no end");
    blocks
}

/// Who looks after a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Runner {
    /// `pipelines`: completed to a pipeline that `check` takes.
    Pipeline,
    /// `commands`: every line is a command that there is.
    Commands,
    /// `certificates`: makes a CA and certificates; it is run.
    Certificates,
    /// `commands`: an output or a picture, with the commands that gave it.
    Output,
    /// `readers`: reads the lake of the demo.
    Lake,
    /// `readers`: subscribes to a feed.
    Feed,
    /// `readers`: asks the query server.
    Queries,
    /// `certificates`: asks the query server in TLS.
    QueriesInTls,
    /// `certificates`: settings of the QMT bridge.
    Bridge,
    /// `readers`: asks a ClickHouse server.
    ClickHouse,
    /// `readers`: needs Hikyuu, with which `make test-hikyuu` calls the same functions; its syntax is
    /// checked.
    Hikyuu,
    /// The tests of the Python package, in `plugin-api/python/tests/test_docs.py`.
    Package,
    /// `redis/docs.rs`.
    Redis,
    /// `operations`: asks the control interface.
    Asked,
    /// `operations`: what the block before it is answered.
    Answer,
    /// `plugins`: a whole plugin in Python.
    PythonPlugin,
    /// `readmes`: part of the template of a plugin.
    Template,
    /// `readmes`: settings of Prometheus.
    Prometheus,
}

impl Block {
    fn runner(&self) -> Option<Runner> {
        let has = |part: &str| self.text.contains(part);
        Some(match self.language.as_str() {
            "toml" => Runner::Pipeline,
            "sh" | "python" if self.page == "docs/OPERATIONS.md" && has(":9280") => Runner::Asked,
            "json" if self.page == "docs/OPERATIONS.md" => Runner::Answer,
            "sh" if has("openssl ") => Runner::Certificates,
            "sh" => Runner::Commands,
            "ini" if has("[bridge]") => Runner::Bridge,
            "" => Runner::Output,
            "sql" if has(" FROM spots ") => Runner::ClickHouse,
            "rust" if has("options! {") => Runner::Template,
            "yaml" if has("scrape_configs:") => Runner::Prometheus,
            "python" if has("# /// dataserver\n") => Runner::PythonPlugin,
            "python" if has("import dataserver") => Runner::Package,
            "python" if self.page == "docs/REDIS.md" => Runner::Redis,
            "python" if has("dist/current/data/demo/lake") => Runner::Lake,
            "python" if has("pynng.Sub0") => Runner::Feed,
            "python" if has("TLSConfig") => Runner::QueriesInTls,
            "python" if has("pynng.Req0") => Runner::Queries,
            "python" if has("hikyuu.interactive") || has("hikyuu.start_data_server") => {
                Runner::Hikyuu
            }
            _ => return None,
        })
    }
}

fn blocks_for(runner: Runner) -> Vec<Block> {
    let blocks: Vec<_> =
        blocks().into_iter().filter(|block| block.runner() == Some(runner)).collect();
    assert!(!blocks.is_empty(), "no page has a block for {runner:?}");
    blocks
}

#[test]
fn every_block_of_code_of_every_page_is_looked_after() {
    let blocks = blocks();
    assert!(blocks.len() > 40, "{}", blocks.len());
    let lost: Vec<_> = blocks
        .iter()
        .filter(|block| block.runner().is_none())
        .map(|block| format!("{} ({})", block.place(), block.language))
        .collect();
    assert!(lost.is_empty(), "nobody runs {lost:?}");
}
