//! What a component can be doing.

/// What a component is doing.
///
/// Of several workers the component shows the last in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It ended normally.
    Ended,
    /// Its plugin is being opened, or the server it needs is away.
    Starting,
    /// It works.
    Running,
    /// Somebody paused it: a source is not asked, and others take nothing from their queue.
    Paused,
    /// It works, but the disk of its queue fails and writers wait, or damage there lost records and
    /// is not acknowledged, or its plugin says that it works worse than it should.
    Degraded,
    /// It gives no records although it should.
    Silent,
    /// It waits before it tries a failed call again.
    Retrying,
    /// Its instance failed; a new one is opened after a pause.
    Restarting,
    /// A call into the plugin does not return.
    Stuck,
    /// It gave up.
    Failed,
}

impl State {
    /// The name that `/health` shows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Degraded => "degraded",
            Self::Silent => "silent",
            Self::Retrying => "retrying",
            Self::Restarting => "restarting",
            Self::Stuck => "stuck",
            Self::Failed => "failed",
            Self::Ended => "ended",
        }
    }

    /// Whether the component does its work, or what somebody asked of it.
    pub fn is_healthy(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Paused | Self::Ended)
    }
}
