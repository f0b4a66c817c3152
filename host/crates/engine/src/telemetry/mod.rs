//! Telemetry of the host: metrics and component states.

mod labels;
mod metrics;
mod reference;
mod status;
mod table;
mod throttle;

pub use metrics::{ComponentMetrics, Metrics};
pub use reference::reference_markdown;
pub use status::{CallGuard, ComponentStatus, Deviating, Latency, Rates, State, WorkerStatus};
pub use table::Series;
pub use throttle::Throttle;
