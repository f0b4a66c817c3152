//! What the components of a running pipeline are, for whoever watches.

use std::sync::Arc;

use dataserver_config::Component;

use super::{Topology, node::Node, plugin_file::PluginFile};
use crate::{
    dead_letter::DeadLetters,
    queue::{Queue, Size},
    telemetry::ComponentStatus,
};

/// A component of a running pipeline.
#[derive(Debug)]
pub struct Described {
    /// Its settings.
    pub component: Component,
    /// What it is doing.
    pub status: Arc<ComponentStatus>,
    /// Where its plugin came from.
    pub plugin_file: PluginFile,
    /// The queue before it; `None` for a source.
    pub queue: Option<QueueFigures>,
    /// Its dead letters, as far as they are counted.
    pub dead_letters: u64,
}

/// What is in a queue.
#[derive(Debug, Clone, Copy)]
pub struct QueueFigures {
    /// What waits and what is under way.
    pub size: Size,
    /// The bound in bytes.
    pub max_bytes: u64,
    /// Whether it outlives the process.
    pub is_on_disk: bool,
    /// What happens when it is full, as `when_full` names it.
    pub when_full: &'static str,
    /// When a source gave the oldest batch that waits, microseconds since 1970 UTC.
    pub oldest_us: Option<i64>,
}

impl QueueFigures {
    fn of(queue: &Queue) -> Self {
        Self {
            size: queue.size(),
            max_bytes: queue.max_bytes(),
            is_on_disk: queue.is_on_disk(),
            when_full: queue.rule(),
            oldest_us: queue.oldest_us(),
        }
    }
}

impl Topology {
    /// Every component, in the order of the file. Looks into folders of dead letters, so it may wait
    /// for a disk.
    pub fn describe(&self) -> Vec<Described> {
        let describe = |node: Node| Described {
            queue: node.queue.as_deref().map(QueueFigures::of),
            dead_letters: node.letters.count(),
            component: node.component,
            status: node.status,
            plugin_file: node.plugin_file,
        };
        self.nodes().into_iter().map(describe).collect()
    }

    /// The dead letters of a component; `None` when there is no such component.
    pub fn dead_letters(&self, id: &str) -> Option<Arc<DeadLetters>> {
        self.nodes().into_iter().find(|node| node.component.id == id).map(|node| node.letters)
    }

    /// When the host started, microseconds since 1970 UTC.
    pub fn started_us(&self) -> i64 {
        self.started_us
    }

    /// The time of the host, microseconds since 1970 UTC.
    pub fn now_us(&self) -> i64 {
        self.runtime.clock.now_us()
    }
}
