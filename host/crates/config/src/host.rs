//! `[host]`.

use std::{
    net::SocketAddr,
    path::{Component as Part, Path, PathBuf},
    time::Duration,
};

use plugin_api::RoleKind;

use super::{
    HostSettings, Secret,
    keys::Place,
    read,
    report::Report,
    sandbox::{read_compile, read_pins},
    tree::{Entry, Table, Value},
};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// Settings of the host, and whether its plugin folders are those that were meant.
pub(super) struct Host {
    pub settings: HostSettings,
    pub plugins_known: bool,
}

/// Reads `[host]`; what is wrong there is reported and replaced by the default.
pub(super) fn read_host(
    report: &mut Report,
    table: Option<&Table>,
    base_dir: &Path,
    executable_dir: Option<&Path>,
) -> Host {
    let none = Table::default();
    let table = table.unwrap_or(&none);
    // the kind plays no part: [host] has the same keys for all
    read::unknown_keys(report, table, Place::Host, RoleKind::Source);
    let plugins = match table.get("plugins") {
        Some(entry) => read_folders(report, entry, base_dir),
        None => Some(default_plugins(base_dir, executable_dir)),
    };
    let pins = table.get("pins").map(|entry| read_pins(report, entry)).unwrap_or_default();
    let compile = table.get("compile").map(|entry| read_compile(report, entry));
    let python = table.get("python").and_then(|entry| read_python(report, entry, base_dir));
    let data_dir = table.get("data_dir").and_then(|entry| read::text(report, entry, "\"data\""));
    let data_dir = data_dir.map_or("data", |text| text.value.as_str());
    let http = table.get("http").and_then(|entry| Some((read_address(report, entry)?, entry)));
    let token = read_token(report, table);
    if let Some((address, entry)) = http
        && !address.ip().is_loopback()
        && table.get("token").is_none()
    {
        report
            .fault(&entry.node.span, "`http` can be reached from other machines without a `token`")
            .help("add token = \"${file:token}\" to [host], or listen on 127.0.0.1")
            .unless_partial();
    }
    let allowed_hosts = table.get("allowed_hosts").map(|it| read_hosts(report, it));
    let read_only = table.get("read_only").and_then(|entry| read::boolean(report, entry));
    let watch = table.get("watch").and_then(|entry| read::boolean(report, entry));
    let report_every = table.get("report");
    let report_every =
        report_every.and_then(|entry| read::duration(report, entry, Duration::from_secs(1)));
    let mut timeout = |key, least| {
        let read = table.get(key).and_then(|entry| read::duration(report, entry, least));
        read.unwrap_or(DEFAULT_TIMEOUT)
    };
    let settings = HostSettings {
        watch: watch.unwrap_or(true),
        pins,
        compile: compile.unwrap_or_default(),
        python,
        data_dir: absolute(base_dir, Path::new(data_dir)),
        http: http.map(|(address, _)| address),
        token,
        allowed_hosts: allowed_hosts.unwrap_or_default(),
        read_only: read_only.unwrap_or(false),
        drain_timeout: timeout("drain_timeout", Duration::ZERO),
        stuck_after: timeout("stuck_after", Duration::from_millis(1)),
        report: report_every,
        plugins: plugins.clone().unwrap_or_default(),
    };
    Host { settings, plugins_known: plugins.is_some() }
}

/// A path as the file means it; a name without a slash is searched as a shell does.
fn read_python(report: &mut Report, entry: &Entry, base_dir: &Path) -> Option<PathBuf> {
    let text = read::text(report, entry, "\"python3.12\" or \"/opt/venv/bin/python\"")?;
    if text.value.is_empty() {
        report
            .fault(&entry.node.span, "`python` names no interpreter")
            .help("write e.g. \"/opt/venv/bin/python\", or leave the key out");
        return None;
    }
    let is_name = !text.value.contains('/');
    Some(if is_name {
        text.value.as_str().into()
    } else {
        absolute(base_dir, Path::new(&text.value))
    })
}

/// Characters of a token that nobody guesses, at two tries a second and connection.
const SHORTEST_TOKEN: usize = 16;

fn read_token(report: &mut Report, table: &Table) -> Option<Secret> {
    let entry = table.get("token")?;
    let text = read::text(report, entry, "\"${file:token}\"")?;
    let token = text.value.as_str();
    // spaces around a header's value are not part of it
    if token.contains(|c: char| c.is_ascii_control()) || token.trim_matches(' ') != token {
        report
            .fault(&entry.node.span, "`token` cannot be sent: no header can hold it")
            .help("use printable characters, without line breaks, and without spaces around them");
        return None;
    }
    if token.len() < SHORTEST_TOKEN {
        let help =
            format!("use {SHORTEST_TOKEN} characters or more, e.g. of `openssl rand -hex 16`");
        report.warn(&entry.node.span, "`token` is short enough to be guessed").help(help);
    }
    Some(Secret(text.value.clone()))
}

fn read_hosts(report: &mut Report, entry: &Entry) -> Vec<String> {
    let names = read::texts(report, entry, "[\"quotes.lan\"]").unwrap_or_default();
    let mut hosts = Vec::with_capacity(names.len());
    for (text, node) in names {
        let name = text.value.to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if name.is_empty() || !name.chars().all(allowed) {
            let message = format!("{} is no name of a host", report.written(&node.span));
            report.fault(&node.span, message).help(
                "write names alone, e.g. \"quotes.lan\": no scheme, port or `*`; IP addresses are \
                 always allowed",
            );
        } else {
            hosts.push(name.to_owned());
        }
    }
    hosts
}

fn read_folders(report: &mut Report, entry: &Entry, base_dir: &Path) -> Option<Vec<PathBuf>> {
    const EXAMPLE: &str = "[\"plugins\"]";
    let folders = read::texts(report, entry, EXAMPLE)?;
    if entry.node.is_broken() {
        return None;
    }
    if let Value::Array(items) = &entry.node.value
        && items.is_empty()
    {
        report
            .fault(&entry.node.span, "`plugins` names no folder, so no plugin would be found")
            .help(format!("write e.g. {EXAMPLE}, or leave the key out"));
        return None;
    }
    Some(folders.iter().map(|(text, _)| absolute(base_dir, Path::new(&text.value))).collect())
}

/// `plugins` beside the file; where there is none, the one that was installed with the program.
fn default_plugins(base_dir: &Path, executable_dir: Option<&Path>) -> Vec<PathBuf> {
    let beside_file = base_dir.join("plugins");
    let installed = executable_dir.map(|folder| absolute(folder, Path::new("../plugins")));
    match installed {
        Some(installed) if !beside_file.is_dir() && installed.is_dir() => vec![installed],
        _ => vec![beside_file],
    }
}

fn read_address(report: &mut Report, entry: &Entry) -> Option<SocketAddr> {
    let text = read::text(report, entry, "\"127.0.0.1:9280\"")?;
    let address = text.value.parse();
    if address.is_err() {
        let message = format!("`http` is no address: {}", report.written(&entry.node.span));
        report
            .fault(&entry.node.span, message)
            .help("write an IP address and a port, e.g. \"127.0.0.1:9280\" or \"[::1]:9280\"");
    }
    address.ok()
}

/// The path as seen from that folder, without `.` and `..`; symbolic links are not followed.
pub(super) fn absolute(base_dir: &Path, path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in base_dir.join(path).components() {
        match part {
            Part::CurDir => {}
            Part::ParentDir => {
                clean.pop();
            }
            Part::Prefix(_) | Part::RootDir | Part::Normal(_) => clean.push(part),
        }
    }
    clean
}
