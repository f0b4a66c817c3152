//! How full the queues are.

use std::sync::Arc;

use super::Topology;
use crate::{queue::Queue, telemetry::ComponentStatus};

/// How full the queue before a component is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill {
    /// Records, those under way among them.
    pub records: u64,
    /// Bytes of payload.
    pub bytes: u64,
    /// The bound.
    pub max_bytes: u64,
    /// Whether it survives the process.
    pub is_on_disk: bool,
}

impl Fill {
    /// Bytes against the bound; a little more than 1 at times.
    #[allow(clippy::cast_precision_loss)]
    pub fn ratio(&self) -> f64 {
        self.bytes as f64 / self.max_bytes.max(1) as f64
    }

    fn of(queue: &Queue) -> Self {
        let size = queue.size();
        let (max_bytes, is_on_disk) = (queue.max_bytes(), queue.is_on_disk());
        Self { records: size.records, bytes: size.bytes, max_bytes, is_on_disk }
    }
}

impl Topology {
    /// Every component and its queue, in the order of the file; a source has none.
    pub fn fills(&self) -> Vec<(Arc<ComponentStatus>, Option<Fill>)> {
        let fill = |queue: &Arc<Queue>| Fill::of(queue);
        let nodes = self.nodes().into_iter();
        nodes.map(|node| (Arc::clone(&node.status), node.queue.as_ref().map(fill))).collect()
    }
}
