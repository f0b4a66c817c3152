//! `[sources.ID]`, `[transforms.ID]`, `[sinks.ID]`: the keys that the host owns.

use std::{ops::Range, time::Duration};

use plugin_api::RoleKind;

use super::{
    BatchSettings, Buffer, BufferKind, Carrier, Component, Grants, Limits, OnFailure, RawBuffer,
    Retry, WhenFull,
    keys::{self, Place},
    read,
    report::Report,
    sandbox::{self, RawLimits, SandboxKeys},
    suggest,
    tree::{Entry, Node, Table, Text, Value},
};

/// Characters of the longest id: what the name of a file can hold.
const MAX_ID: usize = 255;

/// A component before its plugin is known.
pub(super) struct Unresolved {
    /// What the host's keys say; its options are still empty.
    pub component: Component,
    /// Where its id stands.
    pub id_span: Range<usize>,
    /// The plugin's id and where it stands; `None` when that is missing or wrong.
    pub plugin: Option<(Text, Range<usize>)>,
    /// What it reads from.
    pub inputs: Vec<Input>,
    /// `buffer`, as far as it is given.
    pub buffer: RawBuffer,
    /// `batch.max_records`, when given.
    pub max_records: Option<u64>,
    /// `batch.max_wait`, when given.
    pub max_wait: Option<Duration>,
    /// `limits`, as far as it is given.
    pub limits: RawLimits,
    /// Where `workers` asks for more than one.
    pub workers_span: Option<Range<usize>>,
    /// Keys that only a sandboxed plugin takes.
    pub sandbox_keys: SandboxKeys,
    /// Whether `carrier` is as meant.
    pub carrier_known: bool,
    /// The plugin's own keys.
    pub options: Table,
}

/// The id of a component that another one, or `[backfill]`, names.
#[derive(Debug)]
pub(super) struct Input {
    /// Id of a component.
    pub id: String,
    /// As it stands in the file, in quotes.
    pub written: String,
    /// Where it stands.
    pub span: Range<usize>,
}

/// Name of the tables of that kind.
pub(super) fn section(kind: RoleKind) -> &'static str {
    match kind {
        RoleKind::Source => "sources",
        RoleKind::Transform => "transforms",
        RoleKind::Sink => "sinks",
    }
}

/// The tables of all components of a kind.
pub(super) fn tables(root: &Table, kind: RoleKind) -> Vec<&Table> {
    let Some(Value::Table(section)) = root.get(section(kind)).map(|it| &it.node.value) else {
        return Vec::new();
    };
    let tables = section.entries.iter().filter_map(|entry| match &entry.node.value {
        Value::Table(table) => Some(table),
        _ => None,
    });
    tables.collect()
}

/// Reads all components of a kind.
pub(super) fn read_kind(report: &mut Report, root: &Table, kind: RoleKind) -> Vec<Unresolved> {
    let Some(entry) = root.get(section(kind)) else {
        return Vec::new();
    };
    if matches!(entry.node.value, Value::Array(_)) {
        let section = section(kind);
        report
            .fault(&entry.node.span, format!("`{section}` must be a table, found a list"))
            .help(format!("give each {kind} an id of its own, in single brackets: [{section}.ID]"));
        return Vec::new();
    }
    let Some(table) = read::table(report, entry) else {
        return Vec::new();
    };
    table.entries.iter().filter_map(|entry| read_component(report, entry, kind)).collect()
}

fn read_component(report: &mut Report, entry: &Entry, kind: RoleKind) -> Option<Unresolved> {
    check_id(report, entry);
    let Value::Table(table) = &entry.node.value else {
        let help = format!("write its keys below a line [{}.{}]", section(kind), entry.key);
        read::wrong_type(report, &entry.key, &entry.node, "a table", &help);
        return None;
    };
    let plugin = read_plugin(report, entry, table);
    let inputs = read_inputs(report, entry, table, kind);
    let mut reading = Reading { report, table, kind };
    reading.refuse_keys_of_other_kinds();
    let (workers, workers_span) = reading.workers();
    let (carrier, carrier_known) = reading.carrier();
    let (limits, grants) = reading.sandbox();
    let sandbox_keys = sandbox::places(table);
    let buffer = reading.buffer();
    let (max_records, max_wait) = reading.batch();
    let component = Component {
        id: entry.key.clone(),
        kind,
        plugin: plugin.as_ref().map(|(text, _)| text.value.clone()).unwrap_or_default(),
        carrier,
        inputs: inputs.iter().map(|input| input.id.clone()).collect(),
        workers,
        buffer: Buffer::of(None, buffer),
        batch: BatchSettings::default(),
        retry: reading.retry(),
        limits: Limits::of(carrier.unwrap_or(Carrier::Native)),
        grants,
        on_failure: reading.on_failure(),
        options: serde_json::Map::new(),
        shown_options: serde_json::Map::new(),
    };
    let is_option = |entry: &&Entry| keys::find(Place::Component, &entry.key).is_none();
    let options = Table { entries: table.entries.iter().filter(is_option).cloned().collect() };
    let id_span = entry.key_span.clone();
    Some(Unresolved {
        component,
        id_span,
        plugin,
        inputs,
        buffer,
        max_records,
        max_wait,
        limits,
        workers_span,
        sandbox_keys,
        carrier_known,
        options,
    })
}

fn check_id(report: &mut Report, entry: &Entry) {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    let length = entry.key.len();
    if length > MAX_ID {
        let message = format!("an id of {length} characters is too long");
        let help = format!("an id names files and folders: {MAX_ID} characters at most");
        report.fault(&entry.key_span, message).help(help);
        return;
    }
    if !entry.key.is_empty() && entry.key.chars().all(allowed) {
        return;
    }
    let mut help = "an id is made of a-z, 0-9, _ and -".to_owned();
    let fixed = entry.key.to_lowercase().replace([' ', '.'], "_");
    if !fixed.is_empty() && fixed.chars().all(allowed) {
        help.push_str(&format!("; write e.g. `{fixed}`"));
    }
    report.fault(&entry.key_span, format!("`{}` is no id", entry.key)).help(help);
}

fn read_plugin(
    report: &mut Report,
    component: &Entry,
    table: &Table,
) -> Option<(Text, Range<usize>)> {
    let Some(entry) = table.get("plugin") else {
        report
            .fault(&component.key_span, format!("`{}` has no `plugin`", component.key))
            .help("add plugin = \"ID\"; `dataserver plugins list` shows what there is")
            .unless_partial();
        return None;
    };
    let text = read::text(report, entry, "plugin = \"ID\"")?;
    Some((text.clone(), entry.node.span.clone()))
}

fn read_inputs(
    report: &mut Report,
    component: &Entry,
    table: &Table,
    kind: RoleKind,
) -> Vec<Input> {
    const EXAMPLE: &str = "inputs = [\"ID\"], with the id of a source or transform";
    if kind == RoleKind::Source {
        return Vec::new();
    }
    let Some(entry) = table.get("inputs") else {
        report
            .fault(&component.key_span, format!("{kind} `{}` has no `inputs`", component.key))
            .help(format!("add {EXAMPLE}"))
            .unless_partial();
        return Vec::new();
    };
    if matches!(&entry.node.value, Value::Array(items) if items.is_empty()) {
        report
            .fault(&entry.node.span, format!("`inputs` of {kind} `{}` is empty", component.key))
            .help(format!("write {EXAMPLE}"));
    }
    read_ids(report, entry, EXAMPLE)
}

/// A list of ids of components.
pub(super) fn read_ids(report: &mut Report, entry: &Entry, example: &str) -> Vec<Input> {
    let ids = read::texts(report, entry, example).unwrap_or_default();
    let input = |(text, node): (&Text, &Node)| Input {
        id: text.value.clone(),
        written: report.written(&node.span),
        span: node.span.clone(),
    };
    ids.into_iter().map(input).collect()
}

/// Reads the optional keys of one component.
struct Reading<'a> {
    report: &'a mut Report,
    table: &'a Table,
    kind: RoleKind,
}

impl<'a> Reading<'a> {
    fn refuse_keys_of_other_kinds(&mut self) {
        for entry in &self.table.entries {
            let Some(key) = keys::find(Place::Component, &entry.key) else { continue };
            if !key.kinds.contains(&self.kind) {
                let owners: Vec<_> = key.kinds.iter().map(|kind| format!("a {kind}")).collect();
                self.report
                    .fault(&entry.key_span, format!("a {} has no `{}`", self.kind, key.name))
                    .help(format!("only {} has it; remove it here", owners.join(" or ")));
            }
        }
    }

    /// The entry of a key that this kind takes.
    fn get(&self, name: &str) -> Option<&'a Entry> {
        let known =
            keys::find(Place::Component, name).is_some_and(|key| key.kinds.contains(&self.kind));
        if known { self.table.get(name) } else { None }
    }

    /// The table of a key that this kind takes, its keys checked.
    fn sub_table(&mut self, name: &str, place: Place) -> Option<&'a Table> {
        let table = read::table(self.report, self.get(name)?)?;
        read::unknown_keys(self.report, table, place, self.kind);
        Some(table)
    }

    /// How many, and where that is said when it is more than one.
    fn workers(&mut self) -> (u32, Option<Range<usize>>) {
        let Some(entry) = self.get("workers") else { return (1, None) };
        let workers = read::integer(self.report, entry, &(1..=64)).unwrap_or(1);
        (workers, (workers > 1).then(|| entry.node.span.clone()))
    }

    fn carrier(&mut self) -> (Option<Carrier>, bool) {
        let Some(entry) = self.get("carrier") else { return (None, true) };
        let words =
            [("native", Carrier::Native), ("wasm", Carrier::Wasm), ("process", Carrier::Process)];
        let carrier = read::choice(self.report, entry, &words);
        (carrier, carrier.is_some())
    }

    fn sandbox(&mut self) -> (RawLimits, Grants) {
        let limits = self.sub_table("limits", Place::Limits);
        let limits = limits.map(|table| sandbox::read_limits(self.report, table));
        let grants = self.sub_table("grants", Place::Grants);
        let grants = grants.map(|table| sandbox::read_grants(self.report, table));
        (limits.unwrap_or_default(), grants.unwrap_or_default())
    }

    fn buffer(&mut self) -> RawBuffer {
        let mut buffer = RawBuffer::default();
        let Some(table) = self.sub_table("buffer", Place::Buffer) else { return buffer };
        buffer.kind = table.get("type").and_then(|entry| self.buffer_kind(entry));
        let max_bytes = table.get("max_bytes");
        buffer.max_bytes = max_bytes.and_then(|entry| read::byte_size(self.report, entry));
        let words = [
            ("block", WhenFull::Block),
            ("drop_oldest", WhenFull::DropOldest),
            ("drop_newest", WhenFull::DropNewest),
            ("latest", WhenFull::Latest),
        ];
        let when_full = table.get("when_full");
        buffer.when_full = when_full.and_then(|entry| read::choice(self.report, entry, &words));
        if let (Some(BufferKind::Disk), Some(WhenFull::DropOldest | WhenFull::Latest)) =
            (buffer.kind, buffer.when_full)
            && let Some(entry) = when_full
        {
            self.report
                .fault(&entry.node.span, "a buffer on disk keeps what it has taken")
                .help("write \"block\" or \"drop_newest\", or type = \"memory\"");
        }
        buffer
    }

    fn buffer_kind(&mut self, entry: &Entry) -> Option<BufferKind> {
        let words = [("memory", BufferKind::Memory), ("disk", BufferKind::Disk)];
        let kind = read::choice(self.report, entry, &words);
        if kind == Some(BufferKind::Disk) && self.kind != RoleKind::Sink {
            self.report
                .fault(&entry.node.span, format!("a {} has no buffer on disk", self.kind))
                .help("only sinks have one; what is under way before them is sent again");
            return None;
        }
        kind
    }

    /// Records and pause, as far as they are given.
    fn batch(&mut self) -> (Option<u64>, Option<Duration>) {
        let Some(table) = self.sub_table("batch", Place::Batch) else { return (None, None) };
        let records = table.get("max_records");
        let records = records.and_then(|entry| read::integer(self.report, entry, &(1..=u32::MAX)));
        let wait = table.get("max_wait");
        let wait = wait.and_then(|entry| read::duration(self.report, entry, Duration::ZERO));
        (records.map(u64::from), wait)
    }

    fn retry(&mut self) -> Retry {
        let mut retry = Retry::default();
        let Some(table) = self.sub_table("retry", Place::Retry) else { return retry };
        let attempts = table.get("max_attempts");
        if let Some(attempts) =
            attempts.and_then(|entry| read::integer(self.report, entry, &(0..=u32::MAX)))
        {
            retry.max_attempts = attempts;
        }
        let backoff = table.get("backoff");
        if let Some((min, max)) = backoff.and_then(|entry| read::duration_range(self.report, entry))
        {
            (retry.min_backoff, retry.max_backoff) = (min, max);
        }
        let dead_letter = table.get("dead_letter");
        if let Some(dead_letter) = dead_letter.and_then(|entry| read::boolean(self.report, entry)) {
            retry.dead_letter = dead_letter;
        }
        retry
    }

    fn on_failure(&mut self) -> OnFailure {
        let words = [("restart", OnFailure::Restart), ("stop", OnFailure::Stop)];
        let entry = self.get("on_failure");
        let read = entry.and_then(|entry| read::choice(self.report, entry, &words));
        read.unwrap_or(OnFailure::Restart)
    }
}

/// Reports tables of the file that nobody knows.
pub(super) fn unknown_sections(report: &mut Report, root: &Table) {
    const SECTIONS: [&str; 6] = ["host", "alarms", "backfill", "sources", "transforms", "sinks"];
    for entry in &root.entries {
        if !SECTIONS.contains(&entry.key.as_str()) {
            if report.is_full() {
                report.cover(&entry.node.span);
                report.count_untold(1);
                continue;
            }
            read::cover_unless_meant(report, entry, &SECTIONS);
            let help = suggest::help(&entry.key, "tables of a pipeline", &SECTIONS);
            report.fault(&entry.key_span, format!("unknown table `{}`", entry.key)).help(help);
        }
    }
}
