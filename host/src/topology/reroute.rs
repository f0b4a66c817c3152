//! Leads batches along other ways, between two of them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use plugin_api::RoleKind;

use super::{error::ChangeError, fanout::Outlet, gate::Closed, slot::Slot};

/// Longest time that sources are held; what does not get through by then holds them up anyway.
const LONGEST_HOLD: Duration = Duration::from_secs(5);

/// The places of a pipeline before and after a change.
pub struct Routes<'a> {
    /// Before.
    pub old: &'a [Slot],
    /// After.
    pub next: &'a [Slot],
    /// Those of before that are no more.
    pub removed: &'a [Slot],
}

impl Routes<'_> {
    /// Leads every batch from now on along the new ways; gives the time that sources were held.
    ///
    /// Where a way ends, sources are held until what is under way has got through the transforms,
    /// so that no batch is overtaken by a later one on a shorter way.
    ///
    /// # Errors
    /// When that takes longer than `until`; then all ways are as they were.
    pub fn switch(&self, until: Instant) -> Result<Duration, ChangeError> {
        let since = Instant::now();
        let ends_ways = !self.removed.is_empty() || self.next.iter().any(|it| self.loses_one(it));
        let closed = if ends_ways { self.hold(until)? } else { Vec::new() };
        let mut dropped = Vec::new();
        for writer in self.next {
            if let Some(fanout) = &writer.fanout {
                dropped.extend(fanout.lead_to(self.outlets(writer)));
            }
        }
        // only now, so that no reader is without a writer in between
        dropped.iter().for_each(|outlet| outlet.queue.remove_writer());
        drop(closed);
        Ok(if ends_ways { since.elapsed() } else { Duration::ZERO })
    }

    /// Whether a component reads no longer from all that it read from.
    fn loses_one(&self, after: &Slot) -> bool {
        let before = self.old.iter().find(|it| it.component.id == after.component.id);
        before.is_some_and(|before| {
            before.component.inputs.iter().any(|input| !after.component.inputs.contains(input))
        })
    }

    fn outlets(&self, writer: &Slot) -> Vec<Outlet> {
        let reads = |reader: &&Slot| reader.component.inputs.contains(&writer.component.id);
        let outlet = |reader: &Slot| {
            let queue = Arc::clone(reader.queue.as_ref()?);
            Some(Outlet { reader: Arc::clone(&reader.status), queue })
        };
        self.next.iter().filter(reads).filter_map(outlet).collect()
    }

    /// Holds all sources back, and waits until every transform is done with what it has.
    fn hold(&self, until: Instant) -> Result<Vec<Closed<'_>>, ChangeError> {
        let until = until.min(Instant::now() + LONGEST_HOLD);
        // nobody waits for room before one that goes
        self.open_ends(true);
        let mut closed = Vec::new();
        for slot in self.upstream_first() {
            let Some(fanout) = &slot.fanout else { continue };
            let held = self.is_through(slot, until).then(|| fanout.gate.close(left(until)));
            match held.flatten() {
                Some(gate) => closed.push(gate),
                None => {
                    self.open_ends(false);
                    return Err(ChangeError::Blocked(self.culprit(slot)));
                }
            }
        }
        Ok(closed)
    }

    fn open_ends(&self, open: bool) {
        for queue in self.removed.iter().filter_map(|slot| slot.queue.as_ref()) {
            queue.open_end(open);
        }
    }

    /// Waits until a transform is done with what it has; a source has nothing.
    fn is_through(&self, slot: &Slot, until: Instant) -> bool {
        slot.queue.as_ref().is_none_or(|queue| queue.wait_idle(left(until)))
    }

    /// Sources, then transforms behind those that they read from.
    fn upstream_first(&self) -> Vec<&Slot> {
        let (mut ordered, mut rest): (Vec<_>, Vec<_>) =
            self.old.iter().partition(|slot| slot.component.kind == RoleKind::Source);
        rest.retain(|slot| slot.component.kind == RoleKind::Transform);
        while !rest.is_empty() {
            let is_ready = |slot: &&Slot| {
                let waits = |input: &String| rest.iter().any(|it| it.component.id == *input);
                !slot.component.inputs.iter().any(waits)
            };
            let (ready, later): (Vec<_>, Vec<_>) = rest.iter().copied().partition(is_ready);
            // checked files have no cycle; if one did, its order would not matter
            let stuck = ready.is_empty();
            ordered.extend(if stuck { later.clone() } else { ready });
            rest = if stuck { Vec::new() } else { later };
        }
        ordered
    }

    /// Who holds up a writer: the fullest of its readers, or the writer itself.
    fn culprit(&self, writer: &Slot) -> String {
        let reads = |slot: &&Slot| slot.component.inputs.contains(&writer.component.id);
        let fill = |slot: &&Slot| {
            slot.queue.as_ref().map_or(0, |it| it.fill().bytes * 1000 / it.max_bytes().max(1))
        };
        let fullest = self.old.iter().filter(reads).max_by_key(fill);
        fullest.unwrap_or(writer).component.id.clone()
    }
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}
