//! `[alarms]`: who is told when something is wrong, and of what.

use std::time::Duration;

use plugin_api::RoleKind;

use super::{
    Secret, address,
    keys::Place,
    read,
    report::Report,
    suggest,
    tree::{Entry, Node, Table, Value},
};

/// Targets that a pipeline may have: each has a thread of its own.
const MAX_TARGETS: usize = 16;
/// Bytes of the longest secret.
const MAX_TEXT: usize = 2_048;
const DEFAULT_QUIET: Duration = Duration::from_secs(600);
const EXAMPLE: &str = "[{ kind = \"feishu\", url = \"${file:feishu_hook}\" }]";

/// `[alarms]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarms {
    /// Who is told. Default: nobody.
    pub to: Vec<AlarmTarget>,
    /// What is told, each once. Default: all.
    pub rules: Vec<AlarmRule>,
    /// The same alarm of a component is told at most once in that time. Default 10m.
    pub quiet: Duration,
}

impl Default for Alarms {
    fn default() -> Self {
        Self { to: Vec::new(), rules: AlarmRule::ALL.to_vec(), quiet: DEFAULT_QUIET }
    }
}

/// One of `alarms.to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmTarget {
    /// Whose address it is.
    pub kind: AlarmKind,
    /// `http://` or `https://`, with a host; whoever knows it may write there.
    pub url: Secret,
    /// What messages are signed with.
    pub secret: Option<Secret>,
}

/// Who takes alarms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlarmKind {
    /// A custom robot of Feishu or Lark.
    Feishu,
    /// A custom robot of DingTalk.
    DingTalk,
    /// A robot of a WeCom group.
    WeCom,
    /// Anything that takes an object by POST.
    Json,
}

impl AlarmKind {
    /// As it is written in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Feishu => "feishu",
            Self::DingTalk => "dingtalk",
            Self::WeCom => "wecom",
            Self::Json => "json",
        }
    }

    fn is_signed(self) -> bool {
        matches!(self, Self::Feishu | Self::DingTalk)
    }
}

/// What an alarm is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AlarmRule {
    /// A source gives no records although it should.
    SourceSilent,
    /// A component failed, is stuck, or the disk of its queue is at fault.
    ComponentFailed,
    /// A sink cannot deliver.
    StoreAway,
    /// A queue on disk is nearly full.
    SpoolAbove80,
    /// Records were dropped.
    RecordsDropped,
    /// A day has gaps.
    DayIncomplete,
    /// A plugin in a sandbox asked for what it is not granted.
    PluginDenied,
}

impl AlarmRule {
    /// All, in the order of the reference.
    pub const ALL: [Self; 7] = [
        Self::SourceSilent,
        Self::ComponentFailed,
        Self::StoreAway,
        Self::SpoolAbove80,
        Self::RecordsDropped,
        Self::DayIncomplete,
        Self::PluginDenied,
    ];

    /// As it is written in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SourceSilent => "source_silent",
            Self::ComponentFailed => "component_failed",
            Self::StoreAway => "store_away",
            Self::SpoolAbove80 => "spool_above_80",
            Self::RecordsDropped => "records_dropped",
            Self::DayIncomplete => "day_incomplete",
            Self::PluginDenied => "plugin_denied",
        }
    }
}

/// Reads `[alarms]`; what is wrong there is reported and left out.
pub(super) fn read_alarms(report: &mut Report, table: &Table) -> Alarms {
    // the kind plays no part: [alarms] has the same keys for all
    read::unknown_keys(report, table, Place::Alarms, RoleKind::Source);
    let mut alarms = Alarms::default();
    if let Some(entry) = table.get("to") {
        alarms.to = read_targets(report, entry);
    }
    if let Some(entry) = table.get("rules") {
        alarms.rules = read_rules(report, entry);
    }
    let quiet = table.get("quiet");
    if let Some(quiet) = quiet.and_then(|entry| read::duration(report, entry, Duration::ZERO)) {
        alarms.quiet = quiet;
    }
    alarms
}

fn read_targets(report: &mut Report, entry: &Entry) -> Vec<AlarmTarget> {
    let help = format!("write e.g. {EXAMPLE}");
    let Value::Array(items) = &entry.node.value else {
        // an address may stand there
        report.cover(&entry.node.span);
        read::wrong_type(report, "to", &entry.node, "a list of tables", &help);
        return Vec::new();
    };
    if items.len() > MAX_TARGETS {
        report
            .fault(&entry.key_span, format!("`to` has {} targets", items.len()))
            .help(format!("name {MAX_TARGETS} at most"));
    }
    let mut targets = Vec::new();
    for (index, node) in items.iter().take(MAX_TARGETS).enumerate() {
        if let Value::Table(table) = &node.value {
            targets.extend(read_target(report, node, table));
        } else {
            report.cover(&node.span);
            read::wrong_type(report, &format!("to[{index}]"), node, "a table", &help);
        }
    }
    targets
}

fn read_target(report: &mut Report, node: &Node, table: &Table) -> Option<AlarmTarget> {
    read::unknown_keys(report, table, Place::AlarmTarget, RoleKind::Source);
    for key in ["kind", "url"] {
        if table.get(key).is_none() {
            report
                .fault(&node.span, format!("a target of `alarms.to` has no `{key}`"))
                .help(format!("write e.g. to = {EXAMPLE}"))
                .unless_partial();
        }
    }
    let words = [AlarmKind::Feishu, AlarmKind::DingTalk, AlarmKind::WeCom, AlarmKind::Json]
        .map(|kind| (kind.as_str(), kind));
    let kind = table.get("kind").and_then(|entry| read::choice(report, entry, &words));
    let url = table.get("url").and_then(|entry| read_url(report, entry, kind));
    let secret = table.get("secret").and_then(|entry| read_secret(report, entry, kind));
    Some(AlarmTarget { kind: kind?, url: url?, secret })
}

fn read_url(report: &mut Report, entry: &Entry, kind: Option<AlarmKind>) -> Option<Secret> {
    let text = read::text(report, entry, "\"${file:feishu_hook}\"")?;
    let may_name_user = kind.is_none_or(|kind| kind == AlarmKind::Json);
    if let Err(wrong) = address::check(&text.value, may_name_user) {
        report.fault(&entry.node.span, wrong.message).help(wrong.help);
        return None;
    }
    Some(Secret(text.value.clone()))
}

fn read_secret(report: &mut Report, entry: &Entry, kind: Option<AlarmKind>) -> Option<Secret> {
    let text = read::text(report, entry, "\"${file:feishu_secret}\"")?;
    if let Some(kind) = kind.filter(|kind| !kind.is_signed()) {
        report
            .fault(&entry.key_span, format!("messages to `{}` are not signed", kind.as_str()))
            .help("remove `secret`; only feishu and dingtalk have one");
        return None;
    }
    if text.value.len() > MAX_TEXT || text.value.contains(|c: char| c.is_control()) {
        report
            .fault(&entry.node.span, "`secret` is none that a robot has")
            .help("copy it from the robot's security settings, in one line");
        return None;
    }
    Some(Secret(text.value.clone()))
}

fn read_rules(report: &mut Report, entry: &Entry) -> Vec<AlarmRule> {
    let names = AlarmRule::ALL.map(AlarmRule::as_str);
    let texts = read::texts(report, entry, "[\"source_silent\"]").unwrap_or_default();
    if matches!(&entry.node.value, Value::Array(items) if items.is_empty()) {
        report
            .fault(&entry.node.span, "`rules` names none, so nothing would ever be told")
            .help("leave the key out for all of them, or remove [alarms]");
    }
    let mut rules = Vec::new();
    for (text, node) in texts {
        let found = AlarmRule::ALL.into_iter().find(|rule| rule.as_str() == text.value);
        match found {
            Some(rule) if !rules.contains(&rule) => rules.push(rule),
            Some(_) => {}
            None => {
                let message = format!("{} is no rule of alarms", report.written(&node.span));
                let help = suggest::help(&text.value, "rules", &names);
                report.fault(&node.span, message).help(help);
            }
        }
    }
    rules
}
