//! What a host says it is doing, as far as it is shown.

use serde::Deserialize;

/// What `/api/pipeline` answers.
#[derive(Debug, Clone, Deserialize)]
pub struct Snapshot {
    /// When it answered, microseconds since 1970 UTC.
    pub now_us: i64,
    /// When the host started, microseconds since 1970 UTC.
    pub started_us: i64,
    /// Its version.
    pub version: String,
    /// How it is, in a word.
    pub status: String,
    /// Its pipeline file.
    pub file: String,
    /// Its components, in the order of the file.
    pub components: Vec<Component>,
}

/// A component.
#[derive(Debug, Clone, Deserialize)]
pub struct Component {
    pub id: String,
    pub kind: String,
    pub state: String,
    pub last_error: Option<String>,
    pub dropped: u64,
    pub errors: u64,
    pub rate: Rate,
    pub queue: Option<Queue>,
    pub latency: Option<Latency>,
    pub blocked_by: Option<String>,
    /// Processors that its threads keep busy.
    pub cpu: f64,
}

/// Records each second.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Rate {
    #[serde(rename = "in")]
    pub taken: f64,
    pub out: f64,
}

/// A queue.
#[derive(Debug, Clone, Deserialize)]
pub struct Queue {
    pub bytes: u64,
    /// 0 to 1.
    pub fill: f64,
    /// `memory` or `disk`.
    pub kind: String,
}

/// Latencies of the last minute.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Latency {
    pub p50_ms: f64,
    pub p99_ms: f64,
}

#[cfg(test)]
impl Component {
    /// One that runs and does nothing.
    pub fn quiet(id: &str, kind: &str) -> Self {
        Self {
            id: id.to_owned(),
            kind: kind.to_owned(),
            state: "running".to_owned(),
            last_error: None,
            dropped: 0,
            errors: 0,
            rate: Rate { taken: 0.0, out: 0.0 },
            queue: None,
            latency: None,
            blocked_by: None,
            cpu: 0.0,
        }
    }
}

#[cfg(test)]
impl Snapshot {
    /// A source, and two sinks of which one holds it up.
    pub fn example() -> Self {
        let queue = |bytes, fill, kind: &str| Queue { bytes, fill, kind: kind.to_owned() };
        let source = Component {
            rate: Rate { taken: 1200.0, out: 1200.0 },
            blocked_by: Some("lake".to_owned()),
            cpu: 0.121,
            ..Component::quiet("qq", "source")
        };
        let lake = Component {
            state: "retrying".to_owned(),
            last_error: Some("the server is away".to_owned()),
            errors: 12,
            rate: Rate { taken: 0.5, out: 0.0 },
            queue: Some(queue(50 << 20, 0.98, "disk")),
            ..Component::quiet("lake", "sink")
        };
        let feed = Component {
            dropped: 123_456,
            rate: Rate { taken: 12_345.0, out: 12_345.0 },
            queue: Some(queue(1 << 10, 0.004, "memory")),
            latency: Some(Latency { p50_ms: 0.85, p99_ms: 1_234.0 }),
            ..Component::quiet("feed", "sink")
        };
        Self {
            now_us: 3_725_000_000,
            started_us: 0,
            version: "0.1.0".to_owned(),
            status: "failing".to_owned(),
            file: "/etc/pipeline.toml".to_owned(),
            components: vec![source, lake, feed],
        }
    }
}
