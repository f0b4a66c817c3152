//! What was asked of the host, by whom, and what came of it: in the log, and in
//! `data_dir/audit.jsonl`.

use std::{
    fs,
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use axum::{
    body::to_bytes,
    extract::{Extension, Request, State},
    http::{Method, StatusCode},
    middleware::Next,
    response::Response,
};
use dataserver_engine::{
    clock::{Clock, SystemClock},
    telemetry::Throttle,
};
use dataserver_spool::own_file::{self, Access};
use serde::Serialize;

use super::{asker::Caller, caller::MAX_BODY};

const FILE: &str = "audit.jsonl";
/// A file that has grown so large makes room, once: the one before it goes.
const MAX_BYTES: u64 = 16 << 20;
/// Longest part of a path that is kept, letters.
const MAX_NAME: usize = 200;
/// Longest query and body that are kept, letters.
const MAX_DETAILS: usize = 1_000;

/// What was asked of a host.
#[derive(Debug)]
pub struct Audit {
    file: AuditFile,
    refused: Mutex<Throttle>,
}

/// The file.
#[derive(Debug)]
struct AuditFile {
    path: PathBuf,
    max_bytes: u64,
    writing: Mutex<()>,
}

/// A response that changed nothing, although it answers a `POST`.
#[derive(Debug, Clone, Copy)]
pub struct ChangedNothing;

/// A line of the file.
#[derive(Debug, Serialize)]
struct Line {
    time_us: i64,
    from: String,
    action: String,
    target: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<String>,
    outcome: String,
    /// Lines about others who were not let in that are not here; a minute has few.
    #[serde(skip_serializing_if = "is_zero")]
    left_out: u64,
}

impl Audit {
    /// In that data folder.
    pub fn new(data_dir: &Path) -> Self {
        let file = AuditFile::new(data_dir.join(FILE));
        Self { file, refused: Mutex::default() }
    }

    /// Keeps what was done without a host, by who has the data folder.
    pub fn note_alone(&self, action: &str, target: &str) {
        let user = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER"));
        let user = user.unwrap_or_else(|_| "unknown".to_owned());
        let line = Self::line(format!("{user} (no host)"), (action.to_owned(), target.to_owned()));
        self.file.write(&Line { outcome: "done".to_owned(), ..line });
    }

    /// Keeps that somebody was not let in with what acts: a line a minute of each address and action,
    /// as anybody can send any number.
    pub async fn note_rejected(self: &Arc<Self>, caller: Caller, path: &str, code: StatusCode) {
        let line = Self::line(caller.to_string(), named(path));
        let outcome = outcome(code);
        let text = format!("{} {} {} {outcome}", caller.host(), line.action, line.target);
        if let Some(left_out) = self.admit(&text) {
            self.keep(Line { outcome, left_out, ..line }).await;
        }
    }

    /// Whether to keep that; if so, how many others were left out since the last one.
    fn admit(&self, text: &str) -> Option<u64> {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.admit(text, Instant::now())
    }

    fn line(from: String, (action, target): (String, String)) -> Line {
        let time_us = SystemClock.now_us();
        Line { time_us, from, action, target, details: None, outcome: String::new(), left_out: 0 }
    }

    async fn keep(self: &Arc<Self>, line: Line) {
        let Line { from, action, target: subject, details, outcome, .. } = &line;
        let details = details.as_deref().unwrap_or_default();
        tracing::info!(from, action, subject, details, outcome, "asked over the control interface");
        let audit = Arc::clone(self);
        // it is there when the answer is
        let _ = tokio::task::spawn_blocking(move || audit.file.write(&line)).await;
    }
}

impl AuditFile {
    fn new(path: PathBuf) -> Self {
        Self { path, max_bytes: MAX_BYTES, writing: Mutex::default() }
    }

    /// Keeps a line; waits for the disk.
    fn write(&self, line: &Line) {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self.append(line) {
            let file = self.path.display();
            tracing::warn!(%file, "what was asked is not kept: {error}");
        }
    }

    fn append(&self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let mut file = own_file::open(&self.path, Access::Append)?;
        let length = file.metadata()?.len();
        if length > 0 && !ends_with_line(&self.path)? {
            // a full disk or a crash cut the last one
            text.insert(0, b'\n');
        }
        if length > 0 && length + text.len() as u64 > self.max_bytes {
            fs::rename(&self.path, self.path.with_extension("jsonl.1"))?;
            file = own_file::open(&self.path, Access::Append)?;
        }
        file.write_all(&text)?;
        file.sync_data()
    }
}

fn ends_with_line(path: &Path) -> io::Result<bool> {
    let (mut file, mut last) = (fs::File::open(path)?, [0]);
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// Keeps what a request had the host do.
pub async fn note(
    State(audit): State<Arc<Audit>>,
    Extension(caller): Extension<Caller>,
    request: Request,
    next: Next,
) -> Response {
    if *request.method() != Method::POST {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    // it is there already, and bounded
    let body = to_bytes(body, MAX_BODY).await.unwrap_or_default();
    let (path, details) = (parts.uri.path().to_owned(), details(parts.uri.query(), &body));
    let mut response = next.run(Request::from_parts(parts, body.into())).await;
    let code = response.status();
    if code == StatusCode::UNAUTHORIZED {
        // what strangers send is not kept
        audit.note_rejected(caller, &path, code).await;
        return response;
    }
    let did_nothing = matches!(code, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED);
    if response.extensions_mut().remove::<ChangedNothing>().is_none() && !did_nothing {
        let line = Audit::line(caller.to_string(), named(&path));
        audit.keep(Line { details, outcome: outcome(code), ..line }).await;
    }
    response
}

fn outcome(code: StatusCode) -> String {
    match code.as_u16() {
        _ if code.is_success() => "done".to_owned(),
        // what was begun may still be done
        code @ 500.. => format!("failed ({code})"),
        code => format!("refused ({code})"),
    }
}

/// What the path does not say.
fn details(query: Option<&str>, body: &[u8]) -> Option<String> {
    let body = String::from_utf8_lossy(body);
    let parts = [query.unwrap_or_default(), body.trim()];
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    (!parts.is_empty()).then(|| parts.join(" ").chars().take(MAX_DETAILS).collect())
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What a path asks for, and of what: `/api/components/lake/pause` is `pause` of `lake`.
fn named(path: &str) -> (String, String) {
    let path = path.strip_prefix("/api/").unwrap_or(path);
    let cut = |text: &str| text.chars().take(MAX_NAME).collect::<String>();
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    match rest.rsplit_once('/') {
        Some((target, action)) => (cut(action), cut(&decoded(target))),
        None => (cut(first), cut(&decoded(rest))),
    }
}

/// A part of a path without its percent signs.
fn decoded(part: &str) -> String {
    let pair = format!("={}", part.replace('+', "%2B").replace('&', "%26"));
    form_urlencoded::parse(pair.as_bytes()).map(|(_, value)| value.into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_path_says_what_is_asked_of_whom() {
        for (path, action, target) in [
            ("/api/reload", "reload", ""),
            ("/api/components/lake/pause", "pause", "lake"),
            ("/api/dead-letter/lake/replay", "replay", "lake"),
            ("/api/readers/bus%2F3", "readers", "bus/3"),
            ("/api/readers/a%2Bb+c&d", "readers", "a+b+c&d"),
            ("/api/a/b/c/d", "d", "b/c"),
        ] {
            assert_eq!(named(path), (action.to_owned(), target.to_owned()), "{path}");
        }
        let (action, target) = named(&format!("/api/components/{}/pause", "x".repeat(60_000)));
        assert_eq!((action.as_str(), target.len()), ("pause", MAX_NAME));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn who_is_not_let_in_is_kept_without_filling_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let audit = Arc::new(Audit::new(dir.path()));
        let caller = |text: &str| Caller::new(text.parse().unwrap());
        for port in 1..500_u16 {
            let path = "/api/components/lake/pause";
            let from = caller(&format!("192.168.1.7:{port}"));
            audit.note_rejected(from, path, StatusCode::UNAUTHORIZED).await;
        }
        let reload = "/api/reload";
        audit.note_rejected(caller("127.0.0.1:9"), reload, StatusCode::FORBIDDEN).await;
        let text = fs::read_to_string(dir.path().join(FILE)).unwrap();
        let lines: Vec<Value> = text.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert_eq!(
            (&lines[0]["target"], &lines[0]["outcome"]),
            (&"lake".into(), &"refused (401)".into())
        );
        assert_eq!(
            (&lines[1]["left_out"], &lines[1]["outcome"]),
            (&498.into(), &"refused (403)".into())
        );
    }

    #[test]
    fn what_is_asked_in_detail_stands_in_query_and_body() {
        assert_eq!(details(None, b" "), None);
        assert_eq!(details(Some("check=x"), b"").as_deref(), Some("check=x"));
        assert_eq!(details(Some("a=1"), b"{\"b\":2}\n").as_deref(), Some("a=1 {\"b\":2}"));
        assert_eq!(details(None, &[b'x'; 9_000]).map(|it| it.len()), Some(MAX_DETAILS));
    }

    #[test]
    fn a_full_file_makes_room_once_and_lines_stay_whole() {
        let dir = tempfile::tempdir().unwrap();
        let file = AuditFile { max_bytes: 1_000, ..AuditFile::new(dir.path().join(FILE)) };
        for number in 0..100 {
            file.write(&Line {
                time_us: number,
                from: "127.0.0.1:1".to_owned(),
                action: "pause".to_owned(),
                target: "lake".to_owned(),
                details: None,
                outcome: "done".to_owned(),
                left_out: 0,
            });
        }
        let mut numbers = Vec::new();
        for name in ["audit.jsonl.1", "audit.jsonl"] {
            let text = fs::read_to_string(dir.path().join(name)).unwrap();
            assert!(text.len() <= 1_000, "{}", text.len());
            let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            numbers.extend(lines.map(|line| line["time_us"].as_i64().unwrap()));
        }
        let first = numbers[0];
        assert_eq!(numbers, (first..100).collect::<Vec<_>>(), "the newest, without a gap");
    }

    #[test]
    fn a_line_that_was_cut_spoils_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let file = AuditFile::new(dir.path().join(FILE));
        fs::write(&file.path, "{\"time_us\":1").unwrap();
        for time_us in [2, 3] {
            let [from, action, target, outcome] =
                ["127.0.0.1:1", "pause", "lake", "done"].map(str::to_owned);
            let (details, left_out) = (None, 0);
            file.write(&Line { time_us, from, action, target, details, outcome, left_out });
        }
        let text = fs::read_to_string(&file.path).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!((lines.len(), lines[0]), (3, "{\"time_us\":1"));
        assert!(lines[1].starts_with("{\"time_us\":2") && lines[2].ends_with('}'), "{text}");
    }
}
