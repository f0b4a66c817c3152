//! Ending removed nodes, and what is shown of nodes that are gone.

use std::{sync::Arc, time::Instant};

use plugin_api::RoleKind;

use super::{Change, Next};
use crate::{
    shutdown::Phase,
    topology::{LAST_WAIT, node::Node},
};

/// Whether a paused component reads from it, directly or behind others.
fn feeds_paused(writer: &Node, nodes: &[Node]) -> bool {
    let mut readers = nodes.iter().filter(|it| it.component.inputs.contains(&writer.component.id));
    readers.any(|reader| reader.status.is_paused() || feeds_paused(reader, nodes))
}

impl Change<'_> {
    /// Drains and ends removed components of those that there were. Returns those that do not end.
    pub(super) fn drain_removed(
        &self,
        removed: &[Node],
        old: &[Node],
        deadline: Instant,
    ) -> Vec<String> {
        let runners: Vec<_> =
            removed.iter().filter_map(|node| Some((node, node.runner()?))).collect();
        for (node, runner) in &runners {
            // what is on disk stays there, and one that is paused delivers nothing more: no source
            // waits for either
            let is_on_disk = node.queue.as_ref().is_some_and(|queue| queue.is_on_disk());
            if is_on_disk || node.status.is_paused() {
                runner.shutdown.cancel();
            }
            // what it gave stays with who is paused, so a source need not wait to hear of it
            let hears_nothing = node.component.kind == RoleKind::Source && feeds_paused(node, old);
            runner.shutdown.advance(if hears_nothing { Phase::Aborting } else { Phase::Draining });
        }
        let mut left_behind = Vec::new();
        for (node, runner) in &runners {
            let component = node.component.id.as_str();
            if !runner.wait_ended(deadline) {
                runner.shutdown.cancel();
                runner.shutdown.advance(Phase::Aborting);
                let lost = node.queue.as_ref().map_or(0, |queue| queue.discard());
                node.status.note_dropped("removed", lost);
                if !runner.wait_ended(Instant::now() + LAST_WAIT) {
                    left_behind.push(component.to_owned());
                }
            }
            let kept = node.queue.as_ref().map_or(0, |queue| queue.kept());
            let dropped = node.status.dropped();
            if kept > 0 {
                tracing::warn!(component, records = kept, "removed; its records wait on disk");
            } else {
                tracing::info!(component, dropped, "removed");
            }
        }
        left_behind
    }

    /// Removes the metrics of components that are gone or have another plugin.
    pub(super) fn forget_metrics(&self, next: &Next) {
        let replaced = next.replaced.iter().map(|(before, _)| before);
        for node in next.removed.iter().chain(replaced) {
            let is_shown = next.nodes.iter().any(|it| Arc::ptr_eq(&it.status, &node.status));
            if !is_shown {
                node.status.metrics.forget();
            }
        }
    }

    /// Removes the metrics of components that were not added after all.
    pub(super) fn forget_new_metrics(&self, next: &Next, old: &[Node]) {
        let is_new = |node: &&Node| {
            let same = |it: &&Node| it.component.id == node.component.id;
            let before = old.iter().find(same);
            before.is_none_or(|it| it.component.plugin != node.component.plugin)
        };
        next.nodes.iter().filter(is_new).for_each(|node| node.status.metrics.forget());
    }
}
