//! The reference of the host's own keys, written from the table that the checks use.

use super::keys::{self, Key, Place};

/// The host's own keys as Markdown.
pub fn reference_markdown() -> String {
    let sections: Vec<String> = Place::ALL.into_iter().map(section).collect();
    sections.join("\n")
}

fn section(place: Place) -> String {
    let mut out = format!("### {}\n\n{}\n\n", title(place), introduction(place));
    let with_kinds = place == Place::Component;
    out.push_str(if with_kinds {
        "| key | takes | default | of | does |\n|---|---|---|---|---|\n"
    } else {
        "| key | takes | default | does |\n|---|---|---|---|\n"
    });
    for key in keys::of(place) {
        let default =
            if key.default.is_empty() { "–".to_owned() } else { format!("`{}`", key.default) };
        let kinds = if with_kinds { format!("{} | ", kinds(key)) } else { String::new() };
        out.push_str(&format!(
            "| `{}` | {} | {default} | {kinds}{} |\n",
            key.name, key.form, key.doc
        ));
    }
    out
}

fn kinds(key: &Key) -> String {
    if key.kinds.len() == 3 {
        return "all".to_owned();
    }
    key.kinds.iter().map(|kind| format!("{kind}s")).collect::<Vec<_>>().join(", ")
}

fn title(place: Place) -> &'static str {
    match place {
        Place::Host => "`[host]`",
        Place::Compile => "`[host.compile]`",
        Place::Alarms => "`[alarms]`",
        Place::AlarmTarget => "`[[alarms.to]]`",
        Place::Backfill => "`[backfill]`",
        Place::Component => "`[sources.ID]`, `[transforms.ID]`, `[sinks.ID]`",
        Place::Buffer => "`[sinks.ID.buffer]`, `[transforms.ID.buffer]`",
        Place::Batch => "`[sinks.ID.batch]`",
        Place::Retry => "`[sinks.ID.retry]`, also of sources and transforms",
        Place::Limits => "`[sinks.ID.limits]`, also of sources and transforms",
        Place::Grants => "`[sinks.ID.grants]`, also of sources and transforms",
    }
}

fn introduction(place: Place) -> &'static str {
    match place {
        Place::Host => "What concerns the whole process. All keys may be left out.",
        Place::Compile => "What compiling a component may use up.",
        Place::Alarms => {
            "Who is told when something is wrong, and of what. A reload changes all of it. \
             `dataserver alarms test` sends each target a message and prints its answer."
        }
        Place::AlarmTarget => {
            "One of `alarms.to`, which can also be written as a list of tables in braces."
        }
        Place::Backfill => {
            "Where history comes from that fills gaps, which stores get it, and when. A reload \
             changes all of it; a backfill that runs goes on as it began."
        }
        Place::Component => {
            "A component. Its ID is free: a-z, 0-9, `_` and `-`, unique over all three kinds. \
             All keys that are not listed here are options of the plugin."
        }
        Place::Buffer => "The queue between the inputs and the component.",
        Place::Batch => "How records are joined before a sink gets them.",
        Place::Retry => "What follows a fault that passes.",
        Place::Limits => "What an instance may use up of a plugin in a sandbox or in a process.",
        Place::Grants => "What a sandboxed plugin may reach; a use that is not granted fails.",
    }
}
