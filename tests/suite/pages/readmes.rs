//! Both READMEs say the same.

use std::{fs, iter};

use harness::repository;

use super::{Block, Runner, blocks_for, blocks_of};

/// Sections of README.md and README.zh-CN.md, in order.
const SECTIONS: [(&str, &str); 10] = [
    ("# dataserver", "# dataserver"),
    ("## Quick start", "## 快速开始"),
    ("## A pipeline", "## 一个配置文件"),
    ("## Seeing it", "## 看得见"),
    ("## Changing it while it runs", "## 运行中修改"),
    ("## Reading it", "## 怎么读数据"),
    ("## Commands", "## 命令"),
    ("## Running it for good", "## 长期运行"),
    ("## What is lost when", "## 什么情况下会丢什么"),
    ("## Write a plugin", "## 写一个插件"),
];

/// Headings, and for each the shapes of the tables below it: columns and rows.
fn outline(text: &str) -> Vec<(String, Vec<(usize, usize)>)> {
    let mut sections: Vec<(String, Vec<(usize, usize)>)> = Vec::new();
    let (mut in_block, mut in_table) = (false, false);
    for line in text.lines() {
        in_block ^= line.starts_with("```");
        if in_block {
            continue;
        }
        if line.starts_with('#') {
            sections.push((line.to_owned(), Vec::new()));
        }
        let is_row = line.starts_with('|');
        let tables = &mut sections.last_mut().unwrap().1;
        match (is_row, in_table) {
            (true, false) => tables.push((line.matches('|').count() - 1, 1)),
            (true, true) => tables.last_mut().unwrap().1 += 1,
            (false, _) => {}
        }
        in_table = is_row;
    }
    sections
}

/// A block without its comments and blank lines.
fn code(block: &Block) -> String {
    let mark = if block.language == "rust" { "//" } else { "#" };
    let lines = block.text.lines().map(|line| match line.find(mark) {
        Some(at) if at == 0 || line[..at].ends_with(' ') => line[..at].trim_end(),
        _ => line.trim_end(),
    });
    lines.filter(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect()
}

#[test]
fn both_readmes_have_the_same_sections_blocks_and_tables() {
    let pages = ["README.md", "README.zh-CN.md"].map(|name| repository().join(name));
    let [english, chinese] =
        [&pages[0], &pages[1]].map(|page| outline(&fs::read_to_string(page).unwrap()));
    let headings = |of: &[(String, Vec<_>)]| of.iter().map(|it| it.0.clone()).collect::<Vec<_>>();
    assert_eq!(headings(&english), SECTIONS.map(|it| it.0));
    assert_eq!(headings(&chinese), SECTIONS.map(|it| it.1));
    for (one, other) in iter::zip(&english, &chinese) {
        assert_eq!(one.1, other.1, "tables below {} and {}", one.0, other.0);
    }
    let [english, chinese] = [&pages[0], &pages[1]].map(|page| blocks_of(page));
    let languages = |of: &[Block]| of.iter().map(|it| it.language.clone()).collect::<Vec<_>>();
    assert_eq!(languages(&english), languages(&chinese));
    for (one, other) in iter::zip(&english, &chinese) {
        // a picture has words of its language in it
        if !one.language.is_empty() {
            assert_eq!(code(one), code(other), "{} and {}", one.place(), other.place());
        }
    }
}

#[test]
fn the_code_that_is_shown_of_a_plugin_is_that_of_a_new_one() {
    let template = repository().join("host/templates/plugin/transform.rs.txt");
    let template = fs::read_to_string(template).unwrap().replace("@NAME@", "quiet");
    for block in blocks_for(Runner::Template) {
        // what counts and what is dropped is left out on the page
        let shown = block.text.lines().map(str::trim).filter(|line| line.len() > 1);
        for line in shown.filter(|line| !line.starts_with("output.push")) {
            assert!(template.contains(line), "{}: {line}", block.place());
        }
    }
}

#[test]
fn prometheus_is_told_where_the_example_listens() {
    let pipeline = fs::read_to_string(repository().join("config/pipeline.toml")).unwrap();
    for block in blocks_for(Runner::Prometheus) {
        let target = block.text.split('"').find(|part| part.contains(':') && !part.contains('\n'));
        let target = target.unwrap_or_else(|| panic!("{} names no target", block.place()));
        assert!(pipeline.contains(&format!("\"{target}\"")), "{}: {target}", block.place());
    }
}
