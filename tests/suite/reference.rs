//! docs/PLUGINS.md says what the plugins themselves say about their options.

use std::{fmt::Write, fs};

use harness::{Bench, repository};
use serde_json::Value;

const HEAD: &str = "# Plugins and their options

Written from what the plugins say about themselves: `dataserver plugins show NAME` prints the same of
an installed plugin, `--schema` as JSON Schema. What stands beside these options in a component's
table belongs to the host and is listed in [CONFIG.md](CONFIG.md), together with how durations, sizes
and paths are written. An unknown option is an error.

A dot in a name is a table within the component's: `columns.code` is the key `code` of
`[sources.ID.columns]`.
";

/// With `UPDATE_EXPECTED` set, the page is written anew.
#[test]
fn the_page_lists_the_options_of_every_shipped_plugin() {
    let page = page();
    let file = repository().join("docs/PLUGINS.md");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&file, &page).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == page,
        "{} is out of date; run this test with UPDATE_EXPECTED=1 and commit the file, which then is\n{page}",
        file.display()
    );
}

fn page() -> String {
    let ids = shipped();
    let bench = Bench::new(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    let listed = bench.run(&["plugins", "list", "--format", "json"]);
    let listed: Value = serde_json::from_str(&listed.assert(0, &[]).stdout).unwrap();
    let mut sections = Vec::new();
    for id in &ids {
        let plugin = listed.as_array().unwrap().iter().find(|it| it["name"] == id.as_str());
        let does =
            plugin.unwrap_or_else(|| panic!("{id} is not among {listed}"))["description"].clone();
        let shown = bench.run(&["plugins", "show", id, "--schema"]);
        let roles: Value = serde_json::from_str(&shown.assert(0, &[]).stdout).unwrap();
        for (kind, schema) in roles.as_object().unwrap() {
            sections.push((
                kind.clone(),
                id.clone(),
                does.as_str().unwrap().to_owned(),
                schema.clone(),
            ));
        }
    }
    let order = ["source", "transform", "sink"];
    sections.sort_by_key(|(kind, id, ..)| (order.iter().position(|it| it == kind), id.clone()));
    let mut page = format!("{HEAD}\n| plugin | kind | does |\n|---|---|---|\n");
    for (kind, id, does, _) in &sections {
        let _ = writeln!(page, "| [`{id}`](#{id}-{kind}) | {kind} | {does} |");
    }
    for (kind, id, does, schema) in &sections {
        let _ = write!(page, "\n## `{id}` ({kind})\n\n{does}.\n\n");
        page += &options(schema);
    }
    page
}

/// Ids of the plugins that are shipped as libraries: each has a folder of that name. Examples that
/// exist as components alone say so in their manifest, as does what is no plugin of the host, or
/// are no crate at all.
fn shipped() -> Vec<String> {
    let folders = fs::read_dir(repository().join("plugins")).unwrap().map(|it| it.unwrap());
    let is_native = |folder: &fs::DirEntry| {
        fs::read_to_string(folder.path().join("Cargo.toml"))
            .is_ok_and(|manifest| !manifest.contains("\ncarriers = ["))
    };
    let mut ids: Vec<_> =
        folders.filter(is_native).map(|it| it.file_name().into_string().unwrap()).collect();
    ids.sort();
    ids
}

fn options(schema: &Value) -> String {
    let mut rows = String::new();
    list_options(&mut rows, schema, "");
    if rows.is_empty() {
        return "It has no options.\n".to_owned();
    }
    format!("| option | type | default | does |\n|---|---|---|---|\n{rows}")
}

/// Options that must be given first, then the others by name; tables within them follow each.
fn list_options(rows: &mut String, schema: &Value, prefix: &str) {
    let is_required = |name: &str| {
        schema["required"].as_array().is_some_and(|names| names.iter().any(|it| it == name))
    };
    let mut options: Vec<_> = schema["properties"].as_object().into_iter().flatten().collect();
    options.sort_by_key(|(name, _)| !is_required(name));
    for (name, option) in options {
        let default = match &option["default"] {
            _ if is_required(name) && prefix.is_empty() => "must be given".to_owned(),
            // its table itself may be left out
            _ if is_required(name) => {
                format!("must be given in `{}`", prefix.trim_end_matches('.'))
            }
            Value::Null => "–".to_owned(),
            value => format!("`{}`", as_toml(value)),
        };
        let cells = [type_name(option), default, help(option)].map(|cell| cell.replace('|', "\\|"));
        let _ = writeln!(rows, "| `{prefix}{name}` | {} |", cells.join(" | "));
        list_options(rows, option, &format!("{prefix}{name}."));
    }
}

/// A value as it is written in pipeline.toml.
fn as_toml(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            format!("[{}]", items.iter().map(as_toml).collect::<Vec<_>>().join(", "))
        }
        Value::Object(entries) => {
            let entries = entries.iter().map(|(key, value)| format!("{key} = {}", as_toml(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

fn type_name(option: &Value) -> String {
    if let Some(format @ ("duration" | "size")) = option["format"].as_str() {
        return format.to_owned();
    }
    let values: Vec<_> = variants(option).map(|(value, _)| format!("`{value}`")).collect();
    if !values.is_empty() {
        return values.join(", ");
    }
    match &option["type"] {
        Value::String(name) => match name.as_str() {
            "array" => format!("list of {}", type_name(&option["items"])),
            "object" => "table".to_owned(),
            name => name.to_owned(),
        },
        Value::Array(names) => {
            // an option that may be left out is declared as its type or null
            let name = names.iter().find(|name| *name != "null").unwrap();
            type_name(&serde_json::json!({ "type": name, "items": option["items"] }))
        }
        _ => {
            let alternatives = option["anyOf"].as_array().into_iter().flatten();
            let mut named = alternatives.filter(|it| it["type"] != "null").map(type_name);
            named.next().unwrap_or_else(|| panic!("an option of no known type: {option}"))
        }
    }
}

/// Doc comment, then that of each allowed value.
fn help(option: &Value) -> String {
    let text = option["description"].as_str().unwrap_or_default();
    let paragraphs = text.split("\n\n").map(|paragraph| paragraph.replace('\n', " "));
    let values = [option, &option["items"]].into_iter().flat_map(variants);
    let values = values.filter_map(|(value, does)| Some(format!("`{value}`: {}", does?)));
    paragraphs.chain(values).collect::<Vec<_>>().join("<br>")
}

/// Allowed values with their doc comments.
fn variants(option: &Value) -> impl Iterator<Item = (&Value, Option<&str>)> {
    let plain = option["enum"].as_array().into_iter().flatten().map(|value| (value, None));
    let described = option["oneOf"].as_array().into_iter().flatten();
    plain.chain(described.filter_map(|it| Some((it.get("const")?, it["description"].as_str()))))
}
