//! Leads batches along other ways, between two of them.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use plugin_api::RoleKind;

use super::{error::ChangeError, fanout::Outlet, gate::Closed, slot::Slot};
use crate::shutdown::Phase;

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
    /// Where a way ends, those before it are held until what is under way has got through the
    /// transforms, so that no batch is overtaken by a later one on a shorter way.
    ///
    /// # Errors
    /// When that takes longer than `until`; then all ways are as they were.
    pub fn switch(&self, until: Instant) -> Result<Duration, ChangeError> {
        let since = Instant::now();
        let until = until.min(since + LONGEST_HOLD);
        let touched = self.touched();
        let closed = self.hold(&touched, until)?;
        let mut dropped = Vec::new();
        for writer in self.next {
            if let Some(fanout) = &writer.fanout {
                dropped.extend(fanout.lead_to(self.outlets(writer)));
            }
        }
        // only now, so that no reader is without a writer in between
        dropped.iter().for_each(|outlet| outlet.queue.remove_writer());
        self.end_transforms(until);
        drop(closed);
        Ok(if touched.is_empty() { Duration::ZERO } else { since.elapsed() })
    }

    /// Components whose readers change, and whether what they have under way must get through first:
    /// where a reader or a transform gets its batches another way than before, all that lies before
    /// it on both ways. What is under way on the new one has come on the old one already.
    fn touched(&self) -> HashMap<&str, bool> {
        let mut touched = HashMap::new();
        for reader in self.old {
            let is_leaf = reader.component.kind == RoleKind::Sink && self.is_removed(reader);
            for input in reader.component.inputs.iter().filter(|it| self.loses(reader, it)) {
                if is_leaf {
                    touched.entry(input.as_str()).or_insert(false);
                } else {
                    self.add_upstream(input, &mut touched);
                }
            }
            for input in self.gained(reader) {
                self.add_upstream(input, &mut touched);
            }
        }
        touched
    }

    /// What a component reads from that it did not read from before.
    fn gained(&self, before: &Slot) -> impl Iterator<Item = &str> {
        let after = self.next.iter().find(|it| it.component.id == before.component.id);
        let inputs = after.map_or(&[][..], |after| &after.component.inputs);
        let had = before.component.inputs.clone();
        inputs.iter().filter(move |it| !had.contains(it)).map(String::as_str)
    }

    fn add_upstream<'s>(&'s self, id: &'s str, touched: &mut HashMap<&'s str, bool>) {
        let slot = self.old.iter().find(|slot| slot.component.id == id);
        if let Some(slot) = slot
            && touched.insert(id, true) != Some(true)
        {
            for input in &slot.component.inputs {
                self.add_upstream(input, touched);
            }
        }
    }

    /// Whether a component reads no longer from that one.
    fn loses(&self, before: &Slot, input: &String) -> bool {
        let after = self.next.iter().find(|it| it.component.id == before.component.id);
        after.is_none_or(|after| !after.component.inputs.contains(input))
    }

    fn is_removed(&self, slot: &Slot) -> bool {
        self.removed.iter().any(|it| it.component.id == slot.component.id)
    }

    fn outlets(&self, writer: &Slot) -> Vec<Outlet> {
        let reads = |reader: &&Slot| reader.component.inputs.contains(&writer.component.id);
        let outlet = |reader: &Slot| {
            let queue = Arc::clone(reader.queue.as_ref()?);
            Some(Outlet { reader: Arc::clone(&reader.status), queue })
        };
        self.next.iter().filter(reads).filter_map(outlet).collect()
    }

    /// Holds those back, and waits until the transforms among them are done with what they have.
    fn hold(
        &self,
        touched: &HashMap<&str, bool>,
        until: Instant,
    ) -> Result<Vec<Closed<'_>>, ChangeError> {
        // nobody waits for room before one that goes
        self.open_ends(true);
        let mut closed = Vec::new();
        for slot in self.upstream_first() {
            let must_be_through = touched.get(slot.component.id.as_str());
            let (Some(fanout), Some(must_be_through)) = (&slot.fanout, must_be_through) else {
                continue;
            };
            let is_through = !must_be_through || self.is_through(slot, until);
            if slot.component.kind == RoleKind::Transform && self.is_removed(slot) {
                // what one that goes does not get done must not come behind later batches
                if !is_through {
                    dismiss(slot);
                }
                continue;
            }
            let held = is_through.then(|| fanout.gate.close(left(until)));
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

    /// Lets removed transforms give what they hold back before later batches come another way.
    fn end_transforms(&self, until: Instant) {
        for slot in self.removed.iter().filter(|slot| self.is_cut_off(slot)) {
            if let Some(runner) = slot.runner()
                && !runner.wait_ended(until)
            {
                dismiss(slot);
            }
        }
    }

    /// Whether a removed transform gets nothing any more: no source that still ends is before it.
    fn is_cut_off(&self, slot: &Slot) -> bool {
        let is_fed = |input: &String| {
            let removed = self.removed.iter().find(|it| it.component.id == *input);
            removed.is_some_and(|it| !self.is_cut_off(it))
        };
        slot.component.kind == RoleKind::Transform && !slot.component.inputs.iter().any(is_fed)
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

    /// Who holds up a writer: the fullest of its readers, or the writer itself where none is full.
    fn culprit(&self, writer: &Slot) -> String {
        let reads = |slot: &&Slot| slot.component.inputs.contains(&writer.component.id);
        let fill = |slot: &&Slot| {
            slot.queue.as_ref().map_or(0, |it| it.fill().bytes * 1000 / it.max_bytes().max(1))
        };
        let is_full = |slot: &&Slot| fill(slot) >= 500;
        let fullest = self.old.iter().filter(reads).filter(is_full).max_by_key(fill);
        fullest.unwrap_or(writer).component.id.clone()
    }
}

/// Ends a removed transform that does not get done, with all that waits before it.
fn dismiss(slot: &Slot) {
    if let Some(runner) = slot.runner() {
        runner.lever.dismiss();
        runner.lever.advance(Phase::Aborting);
    }
    let lost = slot.queue.as_ref().map_or(0, |queue| queue.discard());
    slot.status.note_dropped("removed", lost);
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}
