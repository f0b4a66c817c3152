//! Changes the running pipeline into another one, or leaves it as it is.
//!
//! Steps: resolve plugins and plan; open added nodes, which wait; replace changed nodes one by one;
//! pause the sources and switch the routes; start added nodes; drain removed ones. A failure before
//! the switch is rolled back: replaced nodes get an instance with their old settings and the
//! handoff of the new one. A start is a change of an empty pipeline.

mod drain;
mod open;
mod swap;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use dataserver_config::Pipeline;
use dataserver_loader::{Installed, PluginCatalog};

use super::{
    LAST_WAIT, Topology,
    error::ChangeError,
    node::Node,
    plan::Plan,
    preflight::{find_plugins, is_running, plan},
    reroute::Routes,
    runtime::RuntimeContext,
};
use crate::{queue::Queue, shutdown::Phase};

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
        let left_behind = change.drain_removed(&next.removed, &old, Instant::now() + drain_timeout);
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
