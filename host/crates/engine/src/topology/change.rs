//! Changes the running pipeline into another one, or leaves it as it is.
//!
//! Steps: resolve plugins and plan; open added nodes, which wait; replace changed nodes one by one;
//! pause the sources and switch the routes; start added nodes; drain removed ones. A failure before
//! the switch is rolled back: replaced nodes get an instance with their old settings and the
//! handoff of the new one. A start is a change of an empty pipeline.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        mpsc::{RecvTimeoutError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use dataserver_config::Pipeline;
use dataserver_loader::{Installed, Opening, PluginCatalog};
use plugin_api::{Context, ErrorKind, PluginError, RoleKind};

use super::{
    LAST_WAIT, Topology,
    error::ChangeError,
    handoff::Handoff,
    node::Node,
    plan::Plan,
    preflight::{find_plugins, is_running, plan},
    reroute::Routes,
    runner::{HandoffError, Runner},
    runtime::RuntimeContext,
    services::null_host,
    worker,
};
use crate::{
    queue::Queue,
    shutdown::{Phase, StopRequest},
};

/// Longest time that a source waits for acknowledgements before it is closed, when its successor
/// opens only then.
const GRACE: Duration = Duration::from_secs(2);
/// The same where the successor is open already.
const GRACE_WHEN_OPEN: Duration = Duration::from_secs(30);
/// Interval at which opening components are checked.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Longest wait for the components of a start to open; slower ones go on in the background.
const START_OPEN_TIMEOUT: Duration = Duration::from_secs(3);
/// Stands for no deadline: a start has none.
const NO_DEADLINE: Duration = Duration::from_secs(365 * 86_400);

/// Result of a change.
#[derive(Debug, Clone)]
pub struct Applied {
    /// What was changed.
    pub plan: Plan,
    /// Longest interruption of a component.
    pub gap: Duration,
    /// Removed components with a call that does not return.
    pub left_behind: Vec<String>,
}

/// The nodes after the change.
struct Next {
    /// All of them, in the order of the file.
    nodes: Vec<Node>,
    /// Nodes that get their first runner.
    added: Vec<Node>,
    /// Nodes whose runner is replaced: before and after.
    replaced: Vec<(Node, Node)>,
    /// Removed nodes.
    removed: Vec<Node>,
}

impl Topology {
    /// Changes the pipeline into another one while it runs.
    ///
    /// Unchanged components are not touched. Returns when removed components have ended or timed
    /// out: after about twice `[host] drain_timeout` at the latest.
    ///
    /// # Errors
    /// Why it failed; the pipeline is unchanged then.
    pub fn change(
        &self,
        pipeline: Pipeline,
        catalog: &PluginCatalog,
    ) -> Result<Applied, ChangeError> {
        let deadline = Instant::now() + pipeline.host.drain_timeout.max(LAST_WAIT);
        loop {
            let changed = self.change_with(pipeline.clone(), catalog, (deadline, None), |_| ());
            match changed {
                // the next attempt starts what has ended anew
                Err(ChangeError::Ended(_)) if Instant::now() < deadline => {}
                changed => return changed.map(|(applied, ())| applied),
            }
        }
    }

    /// Starts the pipeline; `before` is given its nodes before any of them runs.
    ///
    /// Waits some seconds for plugins to open, so that errors in their options fail the start.
    pub(super) fn start_first<T>(
        &self,
        pipeline: Pipeline,
        catalog: &PluginCatalog,
        before: impl FnOnce(&[Node]) -> T,
    ) -> Result<T, ChangeError> {
        let deadline = Instant::now() + NO_DEADLINE;
        let starting = pipeline.clone();
        let shown = |nodes: &[Node]| {
            // `/health` shows components that are starting
            self.commit(starting, nodes.to_vec());
            before(nodes)
        };
        let open_timeout = Some(START_OPEN_TIMEOUT);
        self.change_with(pipeline, catalog, (deadline, open_timeout), shown).map(|(_, made)| made)
    }

    fn change_with<T>(
        &self,
        pipeline: Pipeline,
        catalog: &PluginCatalog,
        (deadline, open_timeout): (Instant, Option<Duration>),
        before: impl FnOnce(&[Node]) -> T,
    ) -> Result<(Applied, T), ChangeError> {
        let _one_at_a_time = super::lock(&self.changing);
        let is_start = open_timeout.is_some();
        if !is_start && self.runtime.shutdown.phase() > Phase::Running {
            return Err(ChangeError::Ending);
        }
        // keeps the pipeline from counting as ended while a component is replaced
        let _active = self.runtime.shutdown.active_guard();
        let plugins = find_plugins(&pipeline, catalog)?;
        let old = self.nodes();
        // hold a writer guard on every queue, so none closes during the swap
        let writers = WriterGuard::of(&old);
        let plan = plan(&old, &self.pipeline(), &pipeline, &plugins)?;
        let next = self.next(&old, &plan, &pipeline, &plugins)?;
        let staying = WriterGuard::of(&next.nodes);
        drop(writers);
        let made = before(&next.nodes);
        if !is_start {
            self.note_in_transition(next.added.iter().chain(&next.removed));
        }
        let change = Change { runtime: &self.runtime, deadline, open_timeout };
        let carried_out = change.carry_out(&next, &old);
        drop(staying);
        let gap = match carried_out {
            Ok(gap) => gap,
            Err(error) => {
                self.note_in_transition(std::iter::empty());
                return Err(error);
            }
        };
        self.commit(pipeline, next.nodes.clone());
        let drain_timeout = self.pipeline().host.drain_timeout;
        let left_behind = change.drain_removed(&next.removed, Instant::now() + drain_timeout);
        self.runtime.pauses.forget(&plan.removed);
        self.note_in_transition(std::iter::empty());
        change.forget_metrics(&next);
        Ok((Applied { plan, gap, left_behind }, made))
    }

    fn next(
        &self,
        old: &[Node],
        plan: &Plan,
        pipeline: &Pipeline,
        plugins: &HashMap<String, Installed>,
    ) -> Result<Next, ChangeError> {
        let is_gone = |node: &&Node| plan.removed.contains(&node.component.id);
        let removed = old.iter().filter(is_gone).cloned().collect();
        let mut next = Next { nodes: Vec::new(), added: Vec::new(), replaced: Vec::new(), removed };
        for component in &pipeline.components {
            let id = component.id.as_str();
            let (component, plugin) = (component.clone(), plugins[id].clone());
            let before = old.iter().find(|node| node.component.id == id);
            let is_changed = plan.changed.iter().any(|changed| changed.id == id);
            let node = match before {
                Some(before) if !is_changed => before.rerouted(component),
                Some(before) if is_running(before) => {
                    let node = before.changed(component, plugin, &self.runtime);
                    next.replaced.push((before.clone(), node.clone()));
                    node
                }
                _ => {
                    let node = Node::new(component, plugin, pipeline, &self.runtime)?;
                    next.added.push(node.clone());
                    node
                }
            };
            next.nodes.push(node);
        }
        Ok(next)
    }
}

/// A change in progress.
struct Change<'a> {
    runtime: &'a RuntimeContext,
    /// Deadline of all waits together.
    deadline: Instant,
    /// How long added nodes may take to open before the change goes on without them; `None` when
    /// all must be open.
    open_timeout: Option<Duration>,
}

impl Change<'_> {
    /// The part that can fail and is rolled back. Returns the longest interruption.
    fn carry_out(&self, next: &Next, old: &[Node]) -> Result<Duration, ChangeError> {
        let result = self.start_added(next).and_then(|()| self.replace_and_reroute(next, old));
        if result.is_err() {
            next.added.iter().for_each(|node| self.abort_added(node));
            self.forget_new_metrics(next, old);
        }
        result
    }

    /// Opens added nodes, readers before writers; they wait for the start signal.
    fn start_added(&self, next: &Next) -> Result<(), ChangeError> {
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

    fn replace_and_reroute(&self, next: &Next, old: &[Node]) -> Result<Duration, ChangeError> {
        let mut done = Vec::new();
        let result = self.replace_all(next, &mut done).and_then(|gap| {
            let routes = Routes { old, next: &next.nodes, removed: &next.removed };
            routes.switch(self.deadline).map(|held| gap.max(held))
        });
        match result {
            Ok(gap) => {
                for node in &next.added {
                    if !node.runner().is_some_and(|runner| runner.start_first()) {
                        node.close();
                    }
                }
                Ok(gap)
            }
            Err(error) => {
                for (before, after) in done.into_iter().rev() {
                    self.roll_back(before, after);
                }
                Err(error)
            }
        }
    }

    /// Replaces changed nodes. Successors that can be open beside the running instance are opened
    /// first.
    fn replace_all<'n>(
        &self,
        next: &'n Next,
        done: &mut Vec<&'n (Node, Node)>,
    ) -> Result<Duration, ChangeError> {
        let mut gap = Duration::ZERO;
        let mut waiting = Vec::new();
        let result = (|| {
            let mut alone = Vec::new();
            for pair in &next.replaced {
                match self.open_alongside(&pair.1)? {
                    true => waiting.push(pair),
                    false => alone.push(pair),
                }
            }
            for pair in alone.into_iter().chain(waiting.iter().copied()) {
                let since = Instant::now();
                self.replace(&pair.0, &pair.1)?;
                done.push(pair);
                gap = gap.max(since.elapsed());
            }
            Ok(gap)
        })();
        if result.is_err() {
            let is_done = |pair: &&(Node, Node)| done.iter().any(|it| std::ptr::eq(*it, *pair));
            waiting.iter().filter(|pair| !is_done(pair)).for_each(|pair| abort_runner(&pair.1));
        }
        result
    }

    /// Opens a successor beside the running instance; false when that one has to stop first,
    /// because both need the same resource.
    fn open_alongside(&self, node: &Node) -> Result<bool, ChangeError> {
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

    /// Replaces the runner of a node; the previous one goes on when that fails.
    fn replace(&self, before: &Node, after: &Node) -> Result<(), ChangeError> {
        let id = || before.component.id.clone();
        let is_open = after.runner().is_some_and(|runner| !runner.has_ended());
        let Some(runner) = before.runner() else { return Ok(()) };
        let is_single = before.component.workers <= 1 && after.component.workers <= 1;
        let transfer_state = is_single && before.component.plugin == after.component.plugin;
        let request =
            StopRequest { transfer_state, grace: if is_open { GRACE_WHEN_OPEN } else { GRACE } };
        let handoff = runner.hand_off(before.queue.as_deref(), request, self.deadline);
        let handoff = handoff.map_err(|error| match error {
            HandoffError::Refused(error) => ChangeError::Components(vec![(id(), error)]),
            HandoffError::Busy => self.busy(id()),
            HandoffError::Ended => ChangeError::Ended(id()),
        })?;
        let (error, handoff) = match self.take_over(&runner, after, is_open, handoff) {
            Ok(()) => return Ok(()),
            Err(failed) => failed,
        };
        abort_runner(after);
        self.restart_previous(before, *handoff);
        Err(error)
    }

    fn take_over(
        &self,
        before: &Runner,
        after: &Node,
        is_open: bool,
        handoff: Handoff,
    ) -> Result<(), (ChangeError, Box<Handoff>)> {
        let failed = |error| ChangeError::Components(vec![(after.component.id.clone(), error)]);
        if !is_open {
            // it may still hold a port or lock that the successor needs
            before.wait_ended(self.deadline);
            let started = worker::start(after, self.runtime, false);
            let runner = match started {
                Ok(runner) => after.set_runner(runner),
                Err(error) => return Err((error.into(), Box::new(handoff))),
            };
            match runner.opened(self.deadline) {
                Some(Ok(())) => {}
                Some(Err(error)) => return Err((failed(error), Box::new(handoff))),
                None => return Err((self.busy(after.component.id.clone()), Box::new(handoff))),
            }
        }
        after.apply_queue_settings();
        let Some(runner) = after.runner() else { return Ok(()) };
        runner.start(handoff, self.deadline).map_err(|(error, handoff)| (failed(error), handoff))
    }

    /// Restores a replaced component.
    ///
    /// One that does not hand off keeps its new settings: better than two runners, or none.
    fn roll_back(&self, before: &Node, after: &Node) {
        let Some(runner) = after.runner() else { return };
        let transfer_state = before.component.plugin == after.component.plugin;
        let deadline = self.deadline.max(Instant::now() + LAST_WAIT);
        let hand_off = |transfer_state| {
            let request = StopRequest { transfer_state, grace: GRACE };
            runner.hand_off(after.queue.as_deref(), request, deadline)
        };
        let handoff = match hand_off(transfer_state) {
            Err(HandoffError::Refused(_)) => hand_off(false),
            handoff => handoff,
        };
        match handoff {
            Ok(handoff) => {
                runner.wait_ended(deadline.min(Instant::now() + GRACE));
                abort_runner(after);
                self.restart_previous(before, handoff);
            }
            Err(_) => {
                let component = before.component.id.as_str();
                tracing::error!(component, "does not go back to its old settings; reload again");
                before.adopt_runner(after);
            }
        }
    }

    /// Restarts a component with its previous settings.
    fn restart_previous(&self, node: &Node, handoff: Handoff) {
        node.apply_queue_settings();
        match worker::start(node, self.runtime, true) {
            Ok(runner) => {
                let deadline = self.deadline.max(Instant::now() + LAST_WAIT);
                // a known-good runner rejects no handoff
                let _ = node.set_runner(runner).start(handoff, deadline);
            }
            Err(error) => {
                let component = node.component.id.as_str();
                tracing::error!(component, "cannot go on: {error}");
                node.status.note_error(&PluginError::fatal(error.to_string()));
            }
        }
    }

    /// Aborts an added component.
    fn abort_added(&self, node: &Node) {
        abort_runner(node);
        if let Some(queue) = &node.queue {
            queue.abort();
        }
    }

    /// Drains and ends removed components. Returns those that do not end.
    fn drain_removed(&self, removed: &[Node], deadline: Instant) -> Vec<String> {
        let runners: Vec<_> =
            removed.iter().filter_map(|node| Some((node, node.runner()?))).collect();
        for (node, runner) in &runners {
            // what is on disk stays there, and one that is paused delivers nothing more: no source
            // waits for either
            let is_on_disk = node.queue.as_ref().is_some_and(|queue| queue.is_on_disk());
            if is_on_disk || node.status.is_paused() {
                runner.shutdown.cancel();
            }
            runner.shutdown.advance(Phase::Draining);
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
    fn forget_metrics(&self, next: &Next) {
        let replaced = next.replaced.iter().map(|(before, _)| before);
        for node in next.removed.iter().chain(replaced) {
            let is_shown = next.nodes.iter().any(|it| Arc::ptr_eq(&it.status, &node.status));
            if !is_shown {
                node.status.metrics.forget();
            }
        }
    }

    /// Removes the metrics of components that were not added after all.
    fn forget_new_metrics(&self, next: &Next, old: &[Node]) {
        let is_new = |node: &&Node| {
            let same = |it: &&Node| it.component.id == node.component.id;
            let before = old.iter().find(same);
            before.is_none_or(|it| it.component.plugin != node.component.plugin)
        };
        next.nodes.iter().filter(is_new).for_each(|node| node.status.metrics.forget());
    }

    fn busy(&self, id: String) -> ChangeError {
        if self.runtime.shutdown.is_stopping() {
            ChangeError::Ending
        } else {
            ChangeError::Busy(id)
        }
    }
}

/// Counts as a writer of each queue, so that none closes while this is held.
struct WriterGuard(Vec<Arc<Queue>>);

impl WriterGuard {
    fn of(nodes: &[Node]) -> Self {
        let queues: Vec<_> = nodes.iter().filter_map(|node| node.queue.clone()).collect();
        queues.iter().for_each(|queue| queue.add_writer());
        Self(queues)
    }
}

impl Drop for WriterGuard {
    fn drop(&mut self) {
        self.0.iter().for_each(|queue| queue.remove_writer());
    }
}

/// Aborts the node's runner, and waits a moment for its end.
fn abort_runner(node: &Node) {
    if let Some(shutdown) = node.runner().map(|runner| Arc::clone(&runner.shutdown)) {
        shutdown.advance(Phase::Aborting);
        // drops the handles: a thread that waits for its start signal ends
        node.clear_runner();
        shutdown.wait_last(LAST_WAIT);
    }
}
