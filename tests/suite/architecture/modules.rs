//! Modules of one folder do not need each other in a circle.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::{files, is_of_tests, metadata, without_tests};

/// A path of names, as `["topology", "sink"]` for `src/topology/sink.rs`.
type Names = Vec<String>;

/// Which modules of a folder each of them needs, with a file that says so.
type Needs = BTreeMap<String, BTreeMap<String, String>>;

/// A file needs what it names by `crate::`, `super::` or `self::` outside of its tests. Where its own
/// path and that of what it names part, the one module needs the other. A module and what lies
/// below it are no circle, whichever names the other.
#[test]
fn no_modules_of_a_folder_need_each_other_in_a_circle() {
    let metadata = metadata();
    let mut circles = Vec::new();
    for package in metadata.workspace_packages() {
        let source = package.manifest_path.with_file_name("src");
        for (folder, needs) in needs_by_folder(source.as_std_path()) {
            for (module, needed) in &needs {
                for (other, file) in needed {
                    if reaches(&needs, other, module) {
                        let name = &package.name;
                        circles.push(format!("{name}: {folder:?} {module} → {other} in {file}"));
                    }
                }
            }
        }
    }
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn paths_are_found_in_every_form() {
    let code =
        "use crate::{a::{self, B as C}, d};\nlet it = f(super::e::G::<H>::new, x::crate_::y);\n";
    let found: Vec<_> = paths(code).iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["crate::a::self", "crate::a::B", "crate::d", "super::e::G"]);
}

fn needs_by_folder(source: &Path) -> BTreeMap<Names, Needs> {
    let mut files_by_module = BTreeMap::new();
    for file in files(source).into_iter().filter(|file| !is_of_tests(file)) {
        let names = file.with_extension("");
        let mut module: Names = names.iter().map(|it| it.to_str().unwrap().to_owned()).collect();
        let is_parent =
            module.last().is_some_and(|it| matches!(it.as_str(), "mod" | "lib" | "main"));
        module.truncate(module.len() - usize::from(is_parent));
        files_by_module.insert(module, file);
    }
    let mut all: BTreeMap<Names, Needs> = BTreeMap::new();
    for (module, file) in &files_by_module {
        for path in paths(&without_tests(&std::fs::read_to_string(source.join(file)).unwrap())) {
            let mut named = resolved(module, &path);
            while !named.is_empty() && !files_by_module.contains_key(&named) {
                named.pop();
            }
            let common = module.iter().zip(&named).take_while(|(a, b)| a == b).count();
            if let (Some(own), Some(other)) = (module.get(common), named.get(common)) {
                let needs = all.entry(module[..common].to_vec()).or_default();
                let file = file.display().to_string();
                needs.entry(own.clone()).or_default().entry(other.clone()).or_insert(file);
            }
        }
    }
    all
}

fn reaches(needs: &Needs, from: &str, to: &str) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(module) = open.pop() {
        if module == to {
            return true;
        }
        if seen.insert(module) {
            open.extend(needs.get(module).into_iter().flatten().map(|(other, _)| other.as_str()));
        }
    }
    false
}

/// A path as it is seen from the root of the crate.
fn resolved(module: &[String], path: &[&str]) -> Names {
    let mut base = module.to_vec();
    let mut rest = path;
    loop {
        match rest {
            ["crate", after @ ..] => {
                base.clear();
                rest = after;
            }
            ["super", after @ ..] => {
                base.pop();
                rest = after;
            }
            ["self", after @ ..] => rest = after,
            _ => return base.into_iter().chain(rest.iter().map(|it| (*it).to_owned())).collect(),
        }
    }
}

/// All paths that begin in the crate itself, those of a `use` with braces one by one.
fn paths(code: &str) -> Vec<Vec<&str>> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find("::") {
        let before = &rest[..at];
        let start = before.rfind(|c| !is_of_word(c)).map_or(0, |at| at + 1);
        let begins = matches!(&before[start..], "crate" | "super" | "self");
        rest = if begins {
            read(&rest[start..], &mut Vec::new(), &mut found)
        } else {
            // the rest of a path that began otherwise
            let after = &rest[at + 2..];
            after.trim_start_matches(|c| is_of_word(c) || c == ':')
        };
    }
    found
}

/// Reads one path, or several in braces; gives the text behind them.
fn read<'t>(text: &'t str, path: &mut Vec<&'t str>, found: &mut Vec<Vec<&'t str>>) -> &'t str {
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
            if let Some((_, after)) =
                rest.strip_prefix("as ").and_then(|it| it.split_once([',', '}']))
            {
                rest = &rest[rest.len() - after.len() - 1..];
                continue;
            }
            if let Some(after) = rest.strip_prefix('}') {
                return after;
            }
            let after = read(rest, path, found);
            if after.len() == rest.len() {
                return after;
            }
            rest = after;
        }
    }
    let end = text.find(|c| !is_of_word(c)).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    if word.is_empty() {
        // `*`, or types in angles
        found.push(path.clone());
        return text.strip_prefix('*').unwrap_or(text);
    }
    path.push(word);
    let rest = match rest.strip_prefix("::") {
        Some(rest) => read(rest, path, found),
        None => {
            found.push(path.clone());
            rest
        }
    };
    path.pop();
    rest
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}
