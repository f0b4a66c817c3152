//! What the host tells about itself: metrics, component states, log.

pub mod logging;
mod metrics;
mod status;
mod throttle;

pub use metrics::{ComponentMetrics, Metrics};
pub use status::{CallGuard, ComponentStatus, State, WorkerStatus};
