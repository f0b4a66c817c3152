//! Opening added nodes and successors, which wait for their start signal.

use std::{
    sync::mpsc::{RecvTimeoutError, sync_channel},
    thread,
    time::{Duration, Instant},
};

use dataserver_loader::Opening;
use plugin_api::{Context, ErrorKind, RoleKind};

use super::{Change, Next, abort_runner};
use crate::topology::{LAST_WAIT, error::ChangeError, node::Node, services::null_host, worker};

/// Interval at which opening components are checked.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

impl Change<'_> {
    /// Opens added nodes, readers before writers; they wait for the start signal.
    pub(super) fn start_added(&self, next: &Next) -> Result<(), ChangeError> {
        let (sources, readers): (Vec<_>, Vec<_>) =
            next.added.iter().partition(|node| node.component.kind == RoleKind::Source);
        for nodes in [readers, sources] {
            for node in &nodes {
                node.set_runner(worker::start(node, self.runtime, false)?);
            }
            self.wait_opened(&nodes)?;
        }
        Ok(())
    }

    /// Waits until all are open; only [`LAST_WAIT`] longer once one has failed.
    fn wait_opened(&self, nodes: &[&Node]) -> Result<(), ChangeError> {
        let mut failed = Vec::new();
        let open_deadline = self.open_timeout.map(|open_timeout| Instant::now() + open_timeout);
        let mut deadline =
            open_deadline.map_or(self.deadline, |deadline| deadline.min(self.deadline));
        let mut waiting: Vec<_> =
            nodes.iter().filter_map(|node| Some((&node.component.id, node.runner()?))).collect();
        while !waiting.is_empty()
            && Instant::now() < deadline
            && !self.runtime.shutdown.is_stopping()
        {
            let mut pause = Instant::now() + POLL_INTERVAL;
            waiting.retain(|(id, runner)| {
                let opened = runner.opened(pause);
                // wait for the first one only: the others had the same time
                pause = Instant::now();
                if let Some(Err(error)) = &opened {
                    failed.push(((*id).clone(), error.clone()));
                    deadline = deadline.min(Instant::now() + LAST_WAIT);
                }
                opened.is_none()
            });
        }
        if failed.is_empty() && !self.runtime.shutdown.is_stopping() {
            for (id, runner) in waiting {
                if self.open_timeout.is_none() {
                    return Err(ChangeError::Busy(id.clone()));
                }
                match runner.open_in_background() {
                    Ok(()) => tracing::warn!(
                        component = id,
                        "it is slow to open; the others begin, and what comes for it waits"
                    ),
                    Err(error) => failed.push((id.clone(), error)),
                }
            }
        }
        if failed.is_empty() { Ok(()) } else { Err(ChangeError::Components(failed)) }
    }

    /// Opens a successor beside the running instance; false when that one has to stop first,
    /// because both need the same resource.
    pub(super) fn open_alongside(&self, node: &Node) -> Result<bool, ChangeError> {
        let id = node.component.id.clone();
        let kind = node.component.kind;
        let is_ordered = node.plugin.manifest().role(kind).is_none_or(|role| role.ordered);
        if kind == RoleKind::Sink && is_ordered {
            return self.check(node).map(|()| false);
        }
        let runner = node.set_runner(worker::start(node, self.runtime, false)?);
        match runner.opened(self.deadline) {
            Some(Ok(())) => Ok(true),
            // the running instance may hold the port that it needs
            Some(Err(error)) if kind == RoleKind::Source && error.kind != ErrorKind::Config => {
                Ok(false)
            }
            Some(Err(error)) => Err(ChangeError::Components(vec![(id, error)])),
            None => Err(self.busy(id)),
        }
    }

    /// Lets the plugin check its options before the running instance is closed.
    fn check(&self, node: &Node) -> Result<(), ChangeError> {
        let id = node.component.id.clone();
        let (tell, told) = sync_channel(1);
        let (node, runtime) = (node.clone(), self.runtime);
        let context = Context::new(&id, &runtime.base_dir, runtime.state_dir(&id), null_host());
        // on a thread of its own: the check may wait for a server
        thread::Builder::new().name(format!("{id} check")).spawn(move || {
            let opening = Opening::of(&node.component, context);
            let _ = tell.send(node.plugin.check(node.component.kind, opening));
        })?;
        match told.recv_timeout(self.deadline.saturating_duration_since(Instant::now())) {
            Ok(Err(error)) if error.kind == ErrorKind::Config => {
                Err(ChangeError::Components(vec![(id, error)]))
            }
            Ok(_) | Err(RecvTimeoutError::Disconnected) => Ok(()),
            Err(RecvTimeoutError::Timeout) => Err(self.busy(id)),
        }
    }

    /// Aborts an added component.
    pub(super) fn abort_added(&self, node: &Node) {
        abort_runner(node);
        if let Some(queue) = &node.queue {
            queue.abort();
        }
    }
}
