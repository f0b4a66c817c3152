//! Telemetry of the host: metrics and component states.

mod metrics;
mod status;
mod throttle;

pub use metrics::{ComponentMetrics, Metrics};
pub use status::{CallGuard, ComponentStatus, State, WorkerStatus};
