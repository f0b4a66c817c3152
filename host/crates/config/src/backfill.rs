//! `[backfill]`: which sources of history fill gaps, into which stores, and when by itself.

use std::{ops::Range, time::Duration};

use plugin_api::{Role, RoleKind};

use super::{
    BufferKind, Component,
    components::{Input, Unresolved, read_ids},
    keys::Place,
    read,
    report::Report,
    suggest,
    tree::{Table, Value},
};

/// How far back gaps are filled unless the file says so.
const DEFAULT_WITHIN: Duration = Duration::from_secs(5 * 86_400);
const ONE_DAY: Duration = Duration::from_secs(86_400);
/// Records a second unless the file says so: a day of 1-minute bars of the market in half a minute.
const DEFAULT_RATE: u32 = 50_000;
/// The option by which a source is asked for history, and by which a transform names such a source.
const ASK: &str = "ask";
const HISTORY: &str = "history";

/// `[backfill]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backfill {
    /// Ids of sources of history, in the order in which they are asked.
    pub from: Vec<String>,
    /// Ids of stores. Default: every sink with a buffer on disk.
    pub to: Vec<String>,
    /// When gaps are looked for without anybody asking.
    pub when: BackfillWhen,
    /// How far back they are looked for then. Default 5d.
    pub within: Duration,
    /// Most records a second. Default 50,000.
    pub rate: u32,
    /// Which bars stay where both sides have one.
    pub prefer: BackfillPrefer,
}

/// Which of two bars with one security, period and time stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BackfillPrefer {
    /// The one that came live: history gives only what is missing.
    #[default]
    Live,
    /// That of history, which gives whole days.
    History,
}

/// When gaps are filled without anybody asking.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BackfillWhen {
    /// Not at all.
    #[default]
    Never,
    /// After a start of the host, and after a source was silent in a session.
    AfterOutage,
    /// After the close of each trading day.
    AfterClose,
    /// Both.
    Both,
}

impl BackfillWhen {
    /// Whether gaps are filled after an outage.
    pub fn is_after_outage(self) -> bool {
        matches!(self, Self::AfterOutage | Self::Both)
    }

    /// Whether gaps are filled after the close.
    pub fn is_after_close(self) -> bool {
        matches!(self, Self::AfterClose | Self::Both)
    }
}

impl Default for Backfill {
    fn default() -> Self {
        Self {
            from: Vec::new(),
            to: Vec::new(),
            when: BackfillWhen::Never,
            within: DEFAULT_WITHIN,
            rate: DEFAULT_RATE,
            prefer: BackfillPrefer::Live,
        }
    }
}

/// `[backfill]` before components are known.
#[derive(Debug, Default)]
pub(super) struct Raw {
    settings: Backfill,
    from: Vec<Input>,
    to: Vec<Input>,
}

/// Reads `[backfill]`; what is wrong there is reported and left out.
pub(super) fn read_backfill(report: &mut Report, table: &Table) -> Raw {
    const SOURCES: &str = "from = [\"ID\"], with the id of a source of history";
    const STORES: &str = "to = [\"ID\"], with the id of a sink";
    // the kind plays no part: [backfill] has the same keys for all
    read::unknown_keys(report, table, Place::Backfill, RoleKind::Source);
    let mut raw = Raw::default();
    if let Some(entry) = table.get("from") {
        if matches!(&entry.node.value, Value::Array(items) if items.is_empty()) {
            report.fault(&entry.node.span, "`from` is empty").help(format!("write {SOURCES}"));
        }
        raw.from = read_ids(report, entry, SOURCES);
    } else {
        let span = table.entries.first().map_or(0..0, |entry| entry.key_span.clone());
        report
            .fault(&span, "`[backfill]` has no `from`: nobody would be asked")
            .help(format!("add {SOURCES}"))
            .unless_partial();
    }
    if let Some(entry) = table.get("to") {
        raw.to = read_ids(report, entry, STORES);
    }
    let words = [
        ("never", BackfillWhen::Never),
        ("after_outage", BackfillWhen::AfterOutage),
        ("after_close", BackfillWhen::AfterClose),
        ("both", BackfillWhen::Both),
    ];
    let settings = &mut raw.settings;
    let when = table.get("when").and_then(|entry| read::choice(report, entry, &words));
    settings.when = when.unwrap_or_default();
    let within = table.get("within").and_then(|entry| read::duration(report, entry, ONE_DAY));
    settings.within = within.unwrap_or(DEFAULT_WITHIN);
    let rate = table.get("rate");
    let rate = rate.and_then(|entry| read::integer(report, entry, &(1..=10_000_000)));
    settings.rate = rate.unwrap_or(DEFAULT_RATE);
    let sides = [("live", BackfillPrefer::Live), ("history", BackfillPrefer::History)];
    let prefer = table.get("prefer").and_then(|entry| read::choice(report, entry, &sides));
    settings.prefer = prefer.unwrap_or_default();
    settings.from = raw.from.iter().map(|input| input.id.clone()).collect();
    settings.to = raw.to.iter().map(|input| input.id.clone()).collect();
    raw
}

/// A place where a source of history is named.
pub(super) struct Named {
    /// Id of the source.
    pub id: String,
    /// As it stands in the file.
    written: String,
    span: Range<usize>,
}

impl Named {
    /// Whether that component is meant.
    pub fn is(&self, component: &Component) -> bool {
        component.kind == RoleKind::Source && component.id == self.id
    }
}

impl Raw {
    /// Every place where a source of history is named: here, and in the option `history` of
    /// transforms.
    pub fn named(&self, report: &Report, components: &[Unresolved]) -> Vec<Named> {
        let here = self.from.iter().map(|input| (input.id.clone(), input.span.clone()));
        let of_transforms = components.iter().filter_map(history_of);
        let named = |(id, span): (String, Range<usize>)| {
            let written = report.written(&span);
            Named { id, written, span }
        };
        here.chain(of_transforms).map(named).collect()
    }

    /// Checks ids over all components.
    pub fn check(&self, report: &mut Report, components: &[Unresolved]) {
        for named in self.named(report, components) {
            check_source(report, &named, components);
        }
        refuse_repeats(report, "from", &self.from);
        refuse_repeats(report, "to", &self.to);
        for store in &self.to {
            if kind_of(components, &store.id) != Some(RoleKind::Sink) {
                let message = format!("no sink {} to fill", store.written);
                let help = suggest::help(&store.id, "sinks", &ids(components, RoleKind::Sink));
                report.fault(&store.span, message).help(help).unless_partial();
            }
        }
    }

    /// The settings, with the stores that are meant where none are named; checks the named ones.
    pub fn resolve(self, report: &mut Report, components: &[Component]) -> Backfill {
        let is_lasting = |it: &Component| it.buffer.kind == BufferKind::Disk;
        let sinks = || components.iter().filter(|it| it.kind == RoleKind::Sink);
        for sink in sinks().filter(|it| !is_lasting(it)) {
            let Some(store) = self.to.iter().find(|store| store.id == sink.id) else { continue };
            report.fault(&store.span, format!("{} has its buffer in memory", store.written)).help(
                "what a crash makes the host send again would be there twice; give it \
                     buffer.type = \"disk\", or take it out of `to`",
            );
        }
        let mut settings = self.settings;
        if self.to.is_empty() {
            settings.to = sinks().filter(|it| is_lasting(it)).map(|it| it.id.clone()).collect();
        }
        settings
    }
}

/// Reports a source that is not there, or runs as well.
fn check_source(report: &mut Report, named: &Named, components: &[Unresolved]) {
    if kind_of(components, &named.id) != Some(RoleKind::Source) {
        let message = format!("no source {} to ask for history", named.written);
        let help = suggest::help(&named.id, "sources", &ids(components, RoleKind::Source));
        report.fault(&named.span, message).help(help).unless_partial();
        return;
    }
    let mut inputs =
        components.iter().flat_map(|it| it.inputs.iter().map(move |input| (it, input)));
    if let Some((reader, input)) = inputs.find(|(_, input)| input.id == named.id) {
        let reader = &reader.component.id;
        report
            .fault(&input.span, format!("{} is asked for history and does not run", input.written))
            .label(&named.span, "asked here")
            .help(format!(
                "take it out of the inputs of `{reader}`; for a feed of the same plugin, write a \
                 second source with another id"
            ));
    }
}

fn refuse_repeats(report: &mut Report, key: &str, ids: &[Input]) {
    for (index, input) in ids.iter().enumerate() {
        if let Some(first) = ids[..index].iter().find(|it| it.id == input.id) {
            report
                .fault(&input.span, format!("{} stands twice in `{key}`", input.written))
                .label(&first.span, "first here")
                .help("remove one of the two");
        }
    }
}

/// The source of history that a transform names, and where.
fn history_of(unresolved: &Unresolved) -> Option<(String, Range<usize>)> {
    let entry = unresolved.options.get(HISTORY)?;
    match &entry.node.value {
        Value::Text(text) if unresolved.component.kind == RoleKind::Transform => {
            Some((text.value.clone(), entry.node.span.clone()))
        }
        _ => None,
    }
}

/// Reports a source whose plugin cannot be asked for history.
pub(super) fn check_role(report: &mut Report, named: &Named, role: &Role) {
    if role.options_schema["properties"].get(ASK).is_none() {
        report.fault(&named.span, format!("{} cannot be asked for history", named.written)).help(
            format!(
                "name a source whose plugin has the option `{ASK}`; `dataserver plugins show ID` \
                 lists the options"
            ),
        );
    }
}

/// Takes options without what is asked for, which the host adds each time.
pub(super) fn ask_later(role: &mut Role) {
    let required = role.options_schema.get_mut("required").and_then(|it| it.as_array_mut());
    if let Some(required) = required {
        required.retain(|name| name != ASK);
    }
}

fn kind_of(components: &[Unresolved], id: &str) -> Option<RoleKind> {
    components.iter().find(|it| it.component.id == id).map(|it| it.component.kind)
}

fn ids(components: &[Unresolved], kind: RoleKind) -> Vec<&str> {
    let of_kind = components.iter().filter(|it| it.component.kind == kind);
    of_kind.map(|it| it.component.id.as_str()).collect()
}
