//! Who reads from whom.

use std::{
    collections::{HashMap, HashSet},
    ptr,
};

use plugin_api::RoleKind;

use super::{
    backfill::Named,
    components::{Unresolved, section},
    report::Report,
    suggest,
    tree::{Entry, Table, Value},
};

/// Checks ids and inputs over all components; those that are asked for history need no reader.
pub(super) fn check(report: &mut Report, root: &Table, components: &[Unresolved], asked: &[Named]) {
    let by_id = index_by_id(report, components);
    check_presence(report, root);
    for component in components {
        check_inputs(report, component, components, &by_id);
    }
    report_cycles(report, components, &by_id);
    warn_of_unread(report, components, asked);
}

/// Ids of a cycle that are told.
const MAX_PATH: usize = 40;

type IndexById<'a> = HashMap<&'a str, usize>;

fn index_by_id<'a>(report: &mut Report, components: &'a [Unresolved]) -> IndexById<'a> {
    let mut by_id = IndexById::new();
    for (index, component) in components.iter().enumerate() {
        let id = component.component.id.as_str();
        let Some(&other) = by_id.get(id) else {
            by_id.insert(id, index);
            continue;
        };
        let (mut first, mut second) = (&components[other], component);
        if first.id_span.start > second.id_span.start {
            (first, second) = (second, first);
        }
        report
            .fault(&second.id_span, format!("the id `{id}` is used twice"))
            .label(&first.id_span, format!("first used here, for a {}", first.component.kind))
            .help("ids are unique over sources, transforms and sinks; rename one of the two");
    }
    by_id
}

fn check_presence(report: &mut Report, root: &Table) {
    for (kind, lack) in
        [(RoleKind::Source, "nothing would come in"), (RoleKind::Sink, "nothing would go out")]
    {
        let entry = root.get(section(kind));
        if entry.is_none_or(is_empty_table) {
            let span = entry.map_or(0..0, |entry| entry.key_span.clone());
            report
                .fault(&span, format!("the pipeline has no {kind}: {lack}"))
                .help(format!("add a table [{}.ID] with a `plugin`", section(kind)))
                .unless_partial();
        }
    }
}

/// What has another form is reported as such and not as missing.
fn is_empty_table(entry: &Entry) -> bool {
    matches!(&entry.node.value, Value::Table(table) if table.entries.is_empty())
}

fn check_inputs(
    report: &mut Report,
    reader: &Unresolved,
    components: &[Unresolved],
    by_id: &IndexById<'_>,
) {
    let reader_id = reader.component.id.as_str();
    let mut seen = HashMap::new();
    for input in &reader.inputs {
        if report.is_full() {
            return;
        }
        let written = &input.written;
        if let Some(first) = seen.insert(input.id.as_str(), &input.span) {
            report
                .fault(
                    &input.span,
                    format!("{written} stands twice in the inputs of `{reader_id}`"),
                )
                .label(first, "first here")
                .help("each record would come twice; remove one of the two");
            continue;
        }
        let help = || readable_help(&input.id, reader, components);
        match by_id.get(input.id.as_str()).map(|&index| &components[index]) {
            None => {
                report
                    .fault(&input.span, format!("no component {written} to read from"))
                    .help(help())
                    .unless_partial();
            }
            Some(found) if ptr::eq(found, reader) => {
                report.fault(&input.span, format!("`{reader_id}` reads from itself")).help(help());
            }
            Some(sink) if sink.component.kind == RoleKind::Sink => {
                report
                    .fault(&input.span, format!("{written} is a sink; nothing comes out of it"))
                    .label(&sink.id_span, "the sink")
                    .help(help());
            }
            Some(_) => {}
        }
    }
}

fn readable_help(id: &str, reader: &Unresolved, components: &[Unresolved]) -> String {
    let readable: Vec<&str> = components
        .iter()
        .filter(|component| !ptr::eq(*component, reader))
        .map(|component| &component.component)
        .filter(|component| component.kind != RoleKind::Sink)
        .map(|component| component.id.as_str())
        .collect();
    suggest::help(id, "sources and transforms to read from", &readable)
}

/// Walks from each component to its inputs; whoever is met again on the way closes a cycle.
fn report_cycles(report: &mut Report, components: &[Unresolved], by_id: &IndexById<'_>) {
    let mut done = vec![false; components.len()];
    for start in 0..components.len() {
        if report.is_full() {
            return;
        }
        // (component, its next input): a stack of its own, since chains may be long
        let mut way = vec![(start, 0)];
        let mut on_way = HashSet::from([start]);
        while let Some((reader, next)) = way.last_mut() {
            let reader = *reader;
            let Some(input) = components[reader].inputs.get(*next).filter(|_| !done[reader]) else {
                done[reader] = true;
                on_way.remove(&reader);
                way.pop();
                continue;
            };
            *next += 1;
            let Some(&found) = by_id.get(input.id.as_str()) else { continue };
            // these are faults of their own
            let is_sink = components[found].component.kind == RoleKind::Sink;
            if found == reader || is_sink {
                continue;
            }
            if on_way.insert(found) {
                way.push((found, 0));
            } else if !report.is_full()
                && let Some(at) = way.iter().position(|(index, _)| *index == found)
            {
                let members: Vec<usize> = way[at..].iter().map(|(index, _)| *index).collect();
                report_cycle(report, components, &members);
            }
        }
    }
}

/// `members` in the order of reading; told in the order in which records would flow.
fn report_cycle(report: &mut Report, components: &[Unresolved], members: &[usize]) {
    let Some(first) = members.iter().copied().min_by_key(|&index| components[index].id_span.start)
    else {
        return;
    };
    let mut flow: Vec<usize> = members.iter().rev().copied().collect();
    let at = flow.iter().position(|&index| index == first).unwrap_or(0);
    flow.rotate_left(at);
    let id = |index: usize| components[index].component.id.as_str();
    let last = flow[flow.len() - 1];
    let mut ids: Vec<&str> = flow.iter().map(|&index| id(index)).chain([id(first)]).collect();
    if ids.len() > MAX_PATH {
        let rest = ids.split_off(MAX_PATH / 2);
        ids.push("…");
        ids.extend(&rest[rest.len() - MAX_PATH / 2..]);
    }
    let span = components[first].inputs.iter().find(|input| input.id == id(last));
    let span = span.map_or(&components[first].id_span, |input| &input.span);
    report
        .fault(span, format!("the inputs form a cycle: {}", ids.join(" → ")))
        .help("records flow from sources to sinks; take one of these inputs away");
}

fn warn_of_unread(report: &mut Report, components: &[Unresolved], asked: &[Named]) {
    let read: HashSet<&str> = components
        .iter()
        .flat_map(|component| &component.inputs)
        .map(|input| input.id.as_str())
        .chain(asked.iter().map(|named| named.id.as_str()))
        .collect();
    for unread in components {
        let component = &unread.component;
        if component.kind != RoleKind::Sink && !read.contains(component.id.as_str()) {
            let message = format!("nobody reads what {} `{}` gives", component.kind, component.id);
            report
                .warn(&unread.id_span, message)
                .help("name it in the `inputs` of a transform or sink, or remove it");
        }
    }
}
