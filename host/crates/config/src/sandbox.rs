//! `limits`, `grants`, `[host.compile]` and `[host.pins]`: what confines a plugin that is not trusted.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use plugin_api::RoleKind;

use super::{
    Carrier,
    keys::Place,
    read,
    report::Report,
    tree::{Entry, Table, Value},
};

/// `[….ID.limits]`: what one instance may use up of a plugin that is sandboxed or a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory of one instance, at least 1MiB. Default 64MiB, at most 2GiB in a sandbox;
    /// default 2GiB in a process.
    pub memory: u64,
    /// Longest time of one call. Default 1s in a sandbox, 10s in a process.
    pub deadline: Duration,
    /// By how much a process stands back behind others for a processor: 0 to 19. Default 5.
    pub nice: u8,
}

impl Limits {
    const MIN_MEMORY: u64 = 1 << 20;
    /// What the address space set aside for one instance in a sandbox holds.
    pub const MAX_MEMORY: u64 = 2 << 30;
    /// More is no bound at all.
    const MAX_PROCESS_MEMORY: u64 = 1 << 40;
    const MIN_DEADLINE: Duration = Duration::from_millis(10);
    const MAX_NICE: u32 = 19;

    /// Those of a component that says nothing about them.
    pub fn of(carrier: Carrier) -> Self {
        let second = Duration::from_secs(1);
        match carrier {
            Carrier::Native | Carrier::Wasm => Self { memory: 64 << 20, deadline: second, nice: 0 },
            Carrier::Process => Self { memory: 2 << 30, deadline: second * 10, nice: 5 },
        }
    }
}

/// `[….ID.limits]` as the file has it, and where.
#[derive(Debug, Clone, Default)]
pub(super) struct RawLimits {
    memory: Option<(u64, Range<usize>)>,
    deadline: Option<Duration>,
    nice: Option<(u8, Range<usize>)>,
}

impl RawLimits {
    /// What holds for a plugin that is packed so.
    pub fn resolve(&self, report: &mut Report, carrier: Carrier) -> Limits {
        let limits = Limits::of(carrier);
        if let Some((memory, span)) = &self.memory
            && carrier == Carrier::Wasm
            && *memory > Limits::MAX_MEMORY
        {
            out_of_range(report, span);
        }
        if let Some((_, span)) = &self.nice
            && carrier == Carrier::Wasm
        {
            let help = "a sandbox runs on the host's own threads; remove it";
            report.fault(span, "`nice` is only for a plugin in a process").help(help);
        }
        Limits {
            memory: self.memory.as_ref().map_or(limits.memory, |(memory, _)| *memory),
            deadline: self.deadline.unwrap_or(limits.deadline),
            nice: self.nice.as_ref().map_or(limits.nice, |(nice, _)| *nice),
        }
    }
}

fn out_of_range(report: &mut Report, span: &Range<usize>) {
    let message = format!("`memory` is out of range: {}", report.written(span));
    let help = "a sandbox has from 1MiB to 2GiB, and 64MiB suits most; a process may have more";
    report.fault(span, message).help(help);
}

/// `[host.compile]`: what compiling one component may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compile {
    /// Bytes of memory. Default 2GiB, from 256MiB to 64GiB.
    pub memory: u64,
    /// Longest time. Default 60s, from 1s to 1h.
    pub time: Duration,
}

impl Compile {
    /// Less does not hold the compiler itself.
    const MIN_MEMORY: u64 = 256 << 20;
    const MAX_MEMORY: u64 = 64 << 30;
    const MIN_TIME: Duration = Duration::from_secs(1);
    const MAX_TIME: Duration = Duration::from_secs(3600);
}

impl Default for Compile {
    fn default() -> Self {
        Self { memory: 2 << 30, time: Duration::from_secs(60) }
    }
}

/// `[….ID.grants]`: what a sandboxed plugin may reach. Nothing unless it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// Hosts that it may call, as `host` or `host:port`; lower case.
    pub http: Vec<String>,
    /// Folders that it may use, as written.
    pub dirs: Vec<(String, Access)>,
    /// Variables of the environment that it may read.
    pub env: Vec<String>,
    /// Whether it has a folder of its own, `data_dir/state/ID`.
    pub state: bool,
}

/// What a plugin may do in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read what is there.
    Read,
    /// Read, write, make and remove.
    Write,
}

/// `[host.pins]`: the SHA-256 of the files that may hold a plugin, by the plugin's id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pins(BTreeMap<String, Vec<String>>);

impl Pins {
    /// Pins by plugin id; each SHA-256 in lower-case hexadecimal.
    pub fn new(by_plugin: BTreeMap<String, Vec<String>>) -> Self {
        Self(by_plugin)
    }

    /// The files that may hold that plugin; `None` when any may.
    pub fn of(&self, plugin: &str) -> Option<&[String]> {
        self.0.get(plugin).map(Vec::as_slice)
    }
}

/// Reads `limits`.
pub(super) fn read_limits(report: &mut Report, table: &Table) -> RawLimits {
    let mut limits = RawLimits::default();
    if let Some(entry) = table.get("memory")
        && let Some(memory) = read::byte_size(report, entry)
    {
        if (Limits::MIN_MEMORY..=Limits::MAX_PROCESS_MEMORY).contains(&memory) {
            limits.memory = Some((memory, entry.node.span.clone()));
        } else {
            out_of_range(report, &entry.node.span);
        }
    }
    let deadline = table.get("deadline");
    limits.deadline =
        deadline.and_then(|entry| read::duration(report, entry, Limits::MIN_DEADLINE));
    if let Some(entry) = table.get("nice")
        && let Some(nice) = read::integer(report, entry, &(0..=Limits::MAX_NICE))
    {
        limits.nice = Some((u8::try_from(nice).unwrap_or_default(), entry.node.span.clone()));
    }
    limits
}

/// Reads `compile` of `[host]`.
pub(super) fn read_compile(report: &mut Report, entry: &Entry) -> Compile {
    let mut compile = Compile::default();
    let Some(table) = read::table(report, entry) else { return compile };
    read::unknown_keys(report, table, Place::Compile, RoleKind::Source);
    if let Some(entry) = table.get("memory")
        && let Some(memory) = read::byte_size(report, entry)
    {
        if (Compile::MIN_MEMORY..=Compile::MAX_MEMORY).contains(&memory) {
            compile.memory = memory;
        } else {
            let message = format!("`memory` is out of range: {}", report.written(&entry.node.span));
            let help = "compiling has from 256MiB to 64GiB; 2GiB suits most";
            report.fault(&entry.node.span, message).help(help);
        }
    }
    let time = table.get("time");
    if let Some(time) = time.and_then(|entry| read::duration(report, entry, Compile::MIN_TIME)) {
        compile.time = time;
    }
    if compile.time > Compile::MAX_TIME
        && let Some(entry) = time
    {
        let message = format!("`time` is too long: {}", report.written(&entry.node.span));
        report.fault(&entry.node.span, message).help("the longest is 1h; 1m suits most");
    }
    compile
}

/// Reads `grants`.
pub(super) fn read_grants(report: &mut Report, table: &Table) -> Grants {
    let http = table.get("http").map(|entry| read_hosts(report, entry)).unwrap_or_default();
    let env = table.get("env").and_then(|entry| read::texts(report, entry, "[\"NAME\"]"));
    let env = env.unwrap_or_default().iter().map(|(text, _)| text.value.clone()).collect();
    let dirs = table.get("dirs").and_then(|entry| read::table(report, entry));
    let words = [("read", Access::Read), ("write", Access::Write)];
    let mut access =
        |entry: &Entry| Some((entry.key.clone(), read::choice(report, entry, &words)?));
    let dirs = dirs.map_or(&[][..], |dirs| &dirs.entries).iter().filter_map(&mut access).collect();
    let state = table.get("state").and_then(|entry| read::boolean(report, entry)).unwrap_or(false);
    Grants { http, dirs, env, state }
}

fn read_hosts(report: &mut Report, entry: &Entry) -> Vec<String> {
    const EXAMPLE: &str = "[\"qt.gtimg.cn\"] or [\"127.0.0.1:8080\"]";
    let mut hosts = Vec::new();
    for (text, node) in read::texts(report, entry, EXAMPLE).unwrap_or_default() {
        let is_host = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
        if text.value.chars().all(is_host) {
            hosts.push(text.value.to_ascii_lowercase());
            continue;
        }
        let message = format!("`http` names no host: {}", report.written(&node.span));
        let help = format!("write the host alone or with its port, e.g. {EXAMPLE}");
        report.fault(&node.span, message).help(help);
    }
    hosts
}

/// Reads `[host.pins]`.
pub(super) fn read_pins(report: &mut Report, entry: &Entry) -> Pins {
    let mut pins = BTreeMap::new();
    for entry in read::table(report, entry).map_or(&[][..], |table| &table.entries) {
        const EXAMPLE: &str = "the 64 digits that `dataserver plugins show` or sha256sum prints";
        let nodes = match &entry.node.value {
            Value::Array(items) => items.as_slice(),
            _ => std::slice::from_ref(&entry.node),
        };
        let mut hashes = Vec::new();
        for node in nodes {
            let hash = match &node.value {
                Value::Text(text) => text.value.to_ascii_lowercase(),
                _ => String::new(),
            };
            if hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                hashes.push(hash);
            } else if !node.is_broken() {
                let written = report.written(&node.span);
                report
                    .fault(&node.span, format!("pin of `{}` is no SHA-256: {written}", entry.key))
                    .help(format!("write {EXAMPLE}"));
            }
        }
        // a plugin whose pin cannot be read must not count as one without a pin
        pins.insert(entry.key.clone(), hashes);
    }
    Pins(pins)
}

/// Keys that only mean something for a sandboxed plugin, and where they stand.
pub(super) type SandboxKeys = Vec<(&'static str, Range<usize>)>;

/// Reports `grants` at a component whose plugin is a process.
pub(super) fn refuse_grants_of_process(report: &mut Report, keys: &SandboxKeys) {
    for (_, span) in keys.iter().filter(|(name, _)| *name == "grants") {
        let message = "`grants` is only for a plugin in a sandbox, and this one is a process";
        let help = "a process may do what the host's user may; remove the table";
        report.fault(span, message).help(help);
    }
}

/// Reports keys of a sandbox at a component that has none.
pub(super) fn refuse_without_sandbox(report: &mut Report, keys: &SandboxKeys) {
    for (name, span) in keys {
        report
            .fault(
                span,
                format!("`{name}` is only for a plugin in a sandbox, and this one is native"),
            )
            .help(
                "a native plugin cannot be confined; remove the table, or say carrier = \"wasm\"",
            );
    }
}

/// `[….ID.limits]` and `[….ID.grants]` of a table, and where they stand.
pub(super) fn places(table: &Table) -> SandboxKeys {
    let place = |name| Some((name, table.get(name)?.key_span.clone()));
    ["limits", "grants"].into_iter().filter_map(place).collect()
}
