//! Every key of pipeline.toml that the host owns.
//!
//! This one table says which keys are known and writes the reference.

use plugin_api::RoleKind::{self, Sink, Source, Transform};

/// Where a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// `[host]`.
    Host,
    /// `[host.compile]`.
    Compile,
    /// `[alarms]`.
    Alarms,
    /// `[[alarms.to]]`.
    AlarmTarget,
    /// `[backfill]`.
    Backfill,
    /// `[sources.ID]`, `[transforms.ID]`, `[sinks.ID]`.
    Component,
    /// `[….ID.buffer]`.
    Buffer,
    /// `[….ID.batch]`.
    Batch,
    /// `[….ID.retry]`.
    Retry,
    /// `[….ID.limits]`.
    Limits,
    /// `[….ID.grants]`.
    Grants,
}

impl Place {
    /// All places, in the order of the reference.
    pub const ALL: [Self; 11] = [
        Self::Host,
        Self::Compile,
        Self::Alarms,
        Self::AlarmTarget,
        Self::Backfill,
        Self::Component,
        Self::Buffer,
        Self::Batch,
        Self::Retry,
        Self::Limits,
        Self::Grants,
    ];

    /// What it is called in texts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Host => "[host]",
            Self::Compile => "`compile`",
            Self::Alarms => "[alarms]",
            Self::AlarmTarget => "a target of `alarms.to`",
            Self::Backfill => "[backfill]",
            Self::Component => "a component",
            Self::Buffer => "`buffer`",
            Self::Batch => "`batch`",
            Self::Retry => "`retry`",
            Self::Limits => "`limits`",
            Self::Grants => "`grants`",
        }
    }
}

/// A key that the host owns.
#[derive(Debug)]
pub(super) struct Key {
    pub place: Place,
    pub name: &'static str,
    /// What it takes.
    pub form: &'static str,
    /// What holds without it, as TOML; empty when there is nothing to write.
    pub default: &'static str,
    /// Kinds of component that take it; all for keys of `[host]`, `[alarms]` and `[backfill]`.
    pub kinds: &'static [RoleKind],
    /// What it does.
    pub doc: &'static str,
}

const ALL: &[RoleKind] = &[Source, Transform, Sink];
const FED: &[RoleKind] = &[Transform, Sink];
const SINK: &[RoleKind] = &[Sink];

const fn key(
    place: Place,
    name: &'static str,
    form: &'static str,
    default: &'static str,
    kinds: &'static [RoleKind],
    doc: &'static str,
) -> Key {
    Key { place, name, form, default, kinds, doc }
}

use Place::{
    AlarmTarget, Alarms, Backfill, Batch, Buffer, Compile, Component, Grants, Host, Limits, Retry,
};

#[rustfmt::skip]
pub(super) static KEYS: &[Key] = &[
    key(Host, "plugins", "list of folders", "[\"plugins\"]", ALL, "Folders searched for plugins. Without this key, and without a folder `plugins` beside the file, the folder `plugins` beside the program's own folder is used."),
    key(Host, "pins", "table: plugin id = SHA-256 or list of them", "{}", ALL, "Files that may hold a plugin, by the SHA-256 that `dataserver plugins show ID` prints. A file with the id of a pinned plugin and another content is refused; plugins without a pin may come from any file."),
    key(Host, "compile", "table", "", ALL, "What compiling a component may use up, in a child process of its own. Compiled code is kept, so each component is compiled once."),
    key(Host, "python", "program", "", ALL, "Interpreter of plugins in Python that have no folder `.venv` beside their file: a name that is searched in `PATH`, or a path relative to this file. `python3` unless given."),
    key(Host, "watch", "boolean", "true", ALL, "Whether the host reloads by itself when this file or a file in a plugin folder changes. `dataserver reload` and SIGHUP work either way."),
    key(Host, "data_dir", "folder", "\"data\"", ALL, "Where buffers on disk, dead letters, checkpoints and compiled components (`cache/wasm/`) are kept. One host at a time uses it."),
    key(Host, "http", "\"IP:PORT\"", "", ALL, "Address of the control interface: health, metrics, state, reload. Without it the interface is off."),
    key(Host, "token", "string", "", ALL, "What clients of the control interface must show. Needed when `http` is not a loopback address; best written `\"${file:NAME}\"`."),
    key(Host, "allowed_hosts", "list of names", "[]", ALL, "Names, without a port, under which clients may reach the control interface. IP addresses and `localhost` are always allowed; a request under another name is refused, so that no web page can reach the interface by pointing a name of its own at this machine."),
    key(Host, "read_only", "boolean", "false", ALL, "Whether the control interface refuses all that acts: every `POST` but those that log in or out, or only read. Reloads by SIGHUP, and by a changed file as `watch` says, work either way."),
    key(Host, "drain_timeout", "duration", "\"30s\"", ALL, "Longest time that a shutdown waits for sinks; `0s` waits for none."),
    key(Host, "stuck_after", "duration", "\"30s\"", ALL, "A call into a plugin that takes longer is reported as stuck."),
    key(Host, "report", "duration", "", ALL, "How often the log tells how it goes, at least `1s`: uptime, records received and delivered, success rate, errors by kind, batches and their mean size, queues, and securities seen of those expected where a source tells. Without it nothing is reported."),

    key(Compile, "memory", "size", "\"2GiB\"", ALL, "Memory, `256MiB` to `64GiB`. A component that takes more is refused, with its file named."),
    key(Compile, "time", "duration", "\"60s\"", ALL, "Longest time, `1s` to `1h`. A component that takes longer is refused, with its file named."),

    key(Alarms, "to", "list of tables", "[]", ALL, "Who is told, 16 at most. Without one no alarm is sent."),
    key(Alarms, "rules", "list of rules", "[\"source_silent\", \"component_failed\", \"store_away\", \"spool_above_80\", \"records_dropped\", \"day_incomplete\", \"plugin_denied\"]", ALL, "What is told: a source gives nothing in the middle of a session; a component failed, is stuck, or its queue on disk is; a sink could not deliver for five seconds; a queue on disk is filled to 80 %; records were dropped, but for those of `latest` and of a transform's own rules; a trading day has gaps, a quarter of an hour after its close; a component in a sandbox asked for what its `grants` refuse."),
    key(Alarms, "quiet", "duration", "\"10m\"", ALL, "The same alarm of a component is told at most once in that time; `0s` tells each. The end of what was told is told, too."),

    key(AlarmTarget, "kind", "`feishu`, `dingtalk`, `wecom`, `json`", "", ALL, "Whose custom robot is told; `json` posts an object to any address. Must be given."),
    key(AlarmTarget, "url", "string", "", ALL, "The robot's address, `https://` or `http://`. Who knows it may write there, so it is never shown; best written `\"${file:NAME}\"`. Must be given."),
    key(AlarmTarget, "secret", "string", "", ALL, "What `feishu` and `dingtalk` sign messages with, where the robot's security settings ask for it; best written `\"${file:NAME}\"`."),

    key(Backfill, "from", "list of ids", "", ALL, "Sources of history, whose plugin has the option `ask`, in the order in which each security is asked for. They do not run, and nobody reads from them. Must be given."),
    key(Backfill, "to", "list of ids", "", ALL, "Sinks that get what is found, each with a buffer on disk, so that nothing is there twice after a crash. All that have one, unless given."),
    key(Backfill, "when", "`never`, `after_outage`, `after_close`, `both`", "\"never\"", ALL, "When gaps are looked for without `dataserver backfill`: after a start of the host and after a source was silent in a session; ten minutes after the close of a trading day; or both."),
    key(Backfill, "within", "duration", "\"5d\"", ALL, "How far back gaps are looked for then, `1d` to `30d`."),
    key(Backfill, "rate", "integer", "50000", ALL, "Most records a second that a backfill puts before the stores. It waits besides, as long as a store has more than 4 MiB waiting, so that live records do not wait for it."),
    key(Backfill, "prefer", "`live`, `history`", "\"live\"", ALL, "Which bars stay where both sides have one: those that came live, so that only what is missing is asked for; or those of history, as with `dataserver backfill --replace`, and after the close for all bars of the day. Quotes that came live always stay."),

    key(Component, "plugin", "string", "", ALL, "Id of the plugin, as `dataserver plugins list` shows it. Must be given."),
    key(Component, "carrier", "`native`, `wasm`, `process`", "", ALL, "How the plugin is packed. Where there are several and it is not given, a native plugin goes before one in the sandbox, and that before one in a process. `process` also runs a native library in a process of its own."),
    key(Component, "inputs", "list of ids", "", FED, "Sources and transforms that it reads from. Must be given."),
    key(Component, "workers", "integer", "1", SINK, "Instances that write side by side, each a part of what waits. Only for sinks that need no order."),
    key(Component, "buffer", "table", "", FED, "The queue between the inputs and this component."),
    key(Component, "batch", "table", "", SINK, "How many records the sink gets at once."),
    key(Component, "retry", "table", "", ALL, "What follows a fault that passes, such as a server that is away."),
    key(Component, "limits", "table", "", ALL, "What a plugin in a sandbox or a process may use up; a fault when the plugin that is taken is native."),
    key(Component, "grants", "table", "", ALL, "What a sandboxed plugin may reach; a fault when the plugin that is taken is native or a process. Nothing is granted by default; a denied use is an error to the plugin, is named in the log and counted in `sandbox_denied_total`."),
    key(Component, "on_failure", "`restart`, `stop`", "\"restart\"", ALL, "What follows when the plugin panics or reports a fatal error: a new instance after a pause of 1s to 60s, or the end of the host with exit code 1."),

    key(Buffer, "type", "`memory`, `disk`", "", FED, "Where the queue is kept. On `disk`, in `data_dir/spool/ID/`, it outlives restarts, crashes and hours without a server. `disk` for sinks that store, `memory` for all others, unless given; only sinks can have `disk`."),
    key(Buffer, "max_bytes", "size", "", FED, "Bound of the queue: bytes of payload in memory, of files on disk. `64MiB` in memory, `4GiB` on disk, unless given; a whole market every 3 s fills 2.4 GiB an hour."),
    key(Buffer, "when_full", "`block`, `drop_oldest`, `drop_newest`, `latest`", "", FED, "What a full queue does: its writer waits, the oldest or the newest batches go, or only the newest quote of each security stays. `latest` for sinks that publish a live feed, `block` for all others, unless given; a queue on disk takes `block` and `drop_newest`."),

    key(Batch, "max_records", "integer", "", SINK, "Batches that wait are joined up to so many records. What the plugin asks for, or else `10000`, unless given."),
    key(Batch, "max_wait", "duration", "", SINK, "A first batch waits at most so long for more to join it; `0s` sends what is there. What the plugin asks for, or else `0s`, unless given."),

    key(Retry, "max_attempts", "integer", "0", ALL, "Attempts before the records are given up; 0 = for ever."),
    key(Retry, "backoff", "\"MIN..MAX\"", "\"100ms..30s\"", ALL, "First and longest pause between attempts; each pause is twice the one before."),
    key(Retry, "dead_letter", "boolean", "true", ALL, "Whether records that are given up are kept in `data_dir/dead-letter/ID/`, up to 1 GiB a component; then the component waits for room."),

    key(Limits, "memory", "size", "\"64MiB\"", ALL, "Memory of one instance, `1MiB` to `2GiB`; in a process `2GiB` unless given, and it may be more. What one call hands over is bounded with it: its batches may hold four times as many bytes, in a process 1 GiB at most."),
    key(Limits, "deadline", "duration", "\"1s\"", ALL, "Longest time of one call, also while it waits for something outside; at least `10ms`. `10s` in a process unless given. A source that waits for records has the time of its wait on top; opening and closing an instance, and a question of `dataserver check`, have at least `10s`. A call that takes longer ends, and with it the instance."),
    key(Limits, "nice", "integer", "", ALL, "By how much a process stands back behind others when processors are short, 0 to 19: the host's own niceness and that. `5` unless given; only for a process."),

    key(Grants, "http", "list of hosts", "[]", ALL, "Hosts that it may call by HTTP or HTTPS, as `host` or `host:port`; without a port, those of the scheme. There are no other sockets."),
    key(Grants, "dirs", "table: folder = `read`, `write`", "{}", ALL, "Folders that it may use, relative to this file; the plugin sees each under the name that is written here. `write` is reading and writing, and is refused where `data_dir`, plugins, this file, the program, `$CREDENTIALS_DIRECTORY`, the folder for temporary files or the cache of compiled components are, and in `/proc`, `/sys` and `/dev`."),
    key(Grants, "env", "list of names", "[]", ALL, "Variables of the environment that it may read. Their values are covered in what the plugin logs."),
    key(Grants, "state", "boolean", "false", ALL, "Whether it has a folder of its own that outlives restarts: `data_dir/state/ID`."),
];

/// Keys of that place.
pub(super) fn of(place: Place) -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(move |key| key.place == place)
}

/// Names of the keys that a component of that kind takes there.
pub(super) fn names(place: Place, kind: RoleKind) -> Vec<&'static str> {
    of(place).filter(|key| key.kinds.contains(&kind)).map(|key| key.name).collect()
}

/// Whether the word stands for something in every pipeline, so that it tells no secret.
pub(super) fn is_word(word: &str) -> bool {
    const WORDS: [&str; 9] = [
        "host",
        "alarms",
        "backfill",
        "sources",
        "transforms",
        "sinks",
        "source",
        "transform",
        "sink",
    ];
    WORDS.contains(&word)
        || matches!(word, "true" | "false" | "string" | "table" | "list" | "integer")
        || KEYS.iter().any(|key| key.name == word)
}

/// The key of that name there.
pub(super) fn find(place: Place, name: &str) -> Option<&'static Key> {
    of(place).find(|key| key.name == name)
}
