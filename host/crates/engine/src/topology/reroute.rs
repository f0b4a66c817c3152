//! Switches routes between two batches.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use plugin_api::RoleKind;

use super::{error::ChangeError, fanout::Outlet, gate::ClosedGate, node::Node};
use crate::shutdown::Phase;

/// Longest pause of the sources; a pipeline that does not drain by then is blocked anyway.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// The nodes of a pipeline before and after a change.
pub struct Routes<'a> {
    /// Nodes before.
    pub old: &'a [Node],
    /// Nodes after.
    pub next: &'a [Node],
    /// Nodes that are removed.
    pub removed: &'a [Node],
}

impl Routes<'_> {
    /// Switches all outputs to the new routes; returns how long sources were paused.
    ///
    /// Upstream of a route that ends, components are paused until the transforms have drained, so
    /// that no batch is overtaken by a later one on a shorter route.
    ///
    /// # Errors
    /// When that takes longer than `deadline`; the routes are unchanged then.
    pub fn switch(&self, deadline: Instant) -> Result<Duration, ChangeError> {
        let since = Instant::now();
        let deadline = deadline.min(since + MAX_PAUSE);
        let affected = self.affected();
        let closed = self.pause(&affected, deadline)?;
        let mut dropped = Vec::new();
        for writer in self.next {
            if let Some(fanout) = &writer.fanout {
                dropped.extend(fanout.set_outputs(self.outlets(writer)));
            }
        }
        // only now, so that no reader is without a writer meanwhile
        dropped.iter().for_each(|outlet| outlet.queue.remove_writer());
        self.finish_removed_transforms(deadline);
        drop(closed);
        Ok(if affected.is_empty() { Duration::ZERO } else { since.elapsed() })
    }

    /// Components whose readers change, and whether they must drain first: all that lie upstream of
    /// a reader or transform on its old and its new route. What is in flight on the new route has
    /// arrived on the old one already.
    fn affected(&self) -> HashMap<&str, bool> {
        let mut affected = HashMap::new();
        for reader in self.old {
            let is_leaf = reader.component.kind == RoleKind::Sink && self.is_removed(reader);
            for input in reader.component.inputs.iter().filter(|it| self.loses(reader, it)) {
                if is_leaf {
                    affected.entry(input.as_str()).or_insert(false);
                } else {
                    self.add_upstream(input, &mut affected);
                }
            }
            for input in self.gained(reader) {
                self.add_upstream(input, &mut affected);
            }
        }
        affected
    }

    /// Inputs that a component gains.
    fn gained(&self, before: &Node) -> impl Iterator<Item = &str> {
        let after = self.next.iter().find(|it| it.component.id == before.component.id);
        let inputs = after.map_or(&[][..], |after| &after.component.inputs);
        let had = before.component.inputs.clone();
        inputs.iter().filter(move |it| !had.contains(it)).map(String::as_str)
    }

    fn add_upstream<'s>(&'s self, id: &'s str, affected: &mut HashMap<&'s str, bool>) {
        let node = self.old.iter().find(|node| node.component.id == id);
        if let Some(node) = node
            && affected.insert(id, true) != Some(true)
        {
            for input in &node.component.inputs {
                self.add_upstream(input, affected);
            }
        }
    }

    /// Whether a component loses that input.
    fn loses(&self, before: &Node, input: &String) -> bool {
        let after = self.next.iter().find(|it| it.component.id == before.component.id);
        after.is_none_or(|after| !after.component.inputs.contains(input))
    }

    fn is_removed(&self, node: &Node) -> bool {
        self.removed.iter().any(|it| it.component.id == node.component.id)
    }

    fn outlets(&self, writer: &Node) -> Vec<Outlet> {
        let reads = |reader: &&Node| reader.component.inputs.contains(&writer.component.id);
        let outlet = |reader: &Node| {
            let queue = Arc::clone(reader.queue.as_ref()?);
            Some(Outlet { reader: Arc::clone(&reader.status), queue })
        };
        self.next.iter().filter(reads).filter_map(outlet).collect()
    }

    /// Closes the gates of those components, and waits until the transforms among them have
    /// drained.
    fn pause(
        &self,
        affected: &HashMap<&str, bool>,
        deadline: Instant,
    ) -> Result<Vec<ClosedGate<'_>>, ChangeError> {
        // writers do not block on the queue of a removed component
        self.set_unbounded(true);
        let mut closed = Vec::new();
        for node in self.upstream_first() {
            let must_drain = affected.get(node.component.id.as_str());
            let (Some(fanout), Some(must_drain)) = (&node.fanout, must_drain) else {
                continue;
            };
            let is_drained = !must_drain || self.is_drained(node, deadline);
            if node.component.kind == RoleKind::Transform && self.is_removed(node) {
                // its unfinished batches must not arrive after later ones
                if !is_drained {
                    cancel(node);
                }
                continue;
            }
            let held = is_drained.then(|| fanout.gate.close(remaining(deadline)));
            match held.flatten() {
                Some(gate) => closed.push(gate),
                None => {
                    self.set_unbounded(false);
                    return Err(self.why_blocked(node));
                }
            }
        }
        Ok(closed)
    }

    /// Waits until removed transforms have forwarded what they hold back, before later batches take
    /// another route.
    fn finish_removed_transforms(&self, deadline: Instant) {
        for node in self.removed.iter().filter(|node| self.is_cut_off(node)) {
            if let Some(runner) = node.runner()
                && !runner.wait_ended(deadline)
            {
                cancel(node);
            }
        }
    }

    /// Whether a removed transform gets no more input: no source that is still ending feeds it.
    fn is_cut_off(&self, node: &Node) -> bool {
        let is_fed = |input: &String| {
            let removed = self.removed.iter().find(|it| it.component.id == *input);
            removed.is_some_and(|it| !self.is_cut_off(it))
        };
        node.component.kind == RoleKind::Transform && !node.component.inputs.iter().any(is_fed)
    }

    fn set_unbounded(&self, unbounded: bool) {
        for queue in self.removed.iter().filter_map(|node| node.queue.as_ref()) {
            queue.set_unbounded(unbounded);
        }
    }

    /// Waits until a transform has drained its queue; a source has none, and one that is paused
    /// drains nothing.
    fn is_drained(&self, node: &Node, deadline: Instant) -> bool {
        let deadline = if node.status.is_paused() { Instant::now() } else { deadline };
        node.queue.as_ref().is_none_or(|queue| queue.wait_idle(remaining(deadline)))
    }

    /// Sources, then transforms after those that they read from.
    fn upstream_first(&self) -> Vec<&Node> {
        let (mut ordered, mut rest): (Vec<_>, Vec<_>) =
            self.old.iter().partition(|node| node.component.kind == RoleKind::Source);
        rest.retain(|node| node.component.kind == RoleKind::Transform);
        while !rest.is_empty() {
            let is_ready = |node: &&Node| {
                let waits = |input: &String| rest.iter().any(|it| it.component.id == *input);
                !node.component.inputs.iter().any(waits)
            };
            let (ready, later): (Vec<_>, Vec<_>) = rest.iter().copied().partition(is_ready);
            // a checked pipeline has no cycle; with one, any order would do
            let stuck = ready.is_empty();
            ordered.extend(if stuck { later.clone() } else { ready });
            rest = if stuck { Vec::new() } else { later };
        }
        ordered
    }

    /// Which component is in the way of a writer that does not get through, and why.
    fn why_blocked(&self, writer: &Node) -> ChangeError {
        let itself = writer.queue.is_some() && writer.status.is_paused();
        let blocking = if itself { writer } else { self.blocking_reader(writer) };
        let id = blocking.component.id.clone();
        if blocking.status.is_paused() { ChangeError::Paused(id) } else { ChangeError::Blocked(id) }
    }

    /// Which component blocks a writer: its fullest reader, or the writer itself when none is full.
    fn blocking_reader<'n>(&'n self, writer: &'n Node) -> &'n Node {
        let reads = |node: &&Node| node.component.inputs.contains(&writer.component.id);
        let fill = |node: &&Node| {
            node.queue.as_ref().map_or(0, |it| it.size().bytes * 1000 / it.max_bytes().max(1))
        };
        let is_full = |node: &&Node| fill(node) >= 500;
        let fullest = self.old.iter().filter(reads).filter(is_full).max_by_key(fill);
        fullest.unwrap_or(writer)
    }
}

/// Aborts a removed transform that does not drain, and discards its queue.
fn cancel(node: &Node) {
    if let Some(runner) = node.runner() {
        runner.shutdown.cancel();
        runner.shutdown.advance(Phase::Aborting);
    }
    let lost = node.queue.as_ref().map_or(0, |queue| queue.discard());
    node.status.note_dropped("removed", lost);
}

fn remaining(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
