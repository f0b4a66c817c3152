//! Turns the pipeline that runs into another one, or leaves it as it is.
//!
//! The steps: look the plugins up and plan; start what is new, which waits; replace what changed,
//! one component after the other; hold the sources for a moment and lead the batches along the new
//! ways; let what is new begin; let what is gone drain. What fails up to the new ways is undone:
//! replaced components get an instance of their old settings, with all that theirs had in hand. A
//! start is a change of a pipeline without components.

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
use dataserver_loader::{Opening, Plugin, PluginCatalog};
use plugin_api::{Context, ErrorKind, PluginError, RoleKind};

use super::{
    LAST_WAIT, Topology,
    error::ChangeError,
    handover::Left,
    plan::Plan,
    reroute::Routes,
    runner::{Runner, Stays},
    services::onlooker,
    slot::Slot,
    surrounds::Surrounds,
    survey::{find_plugins, is_at_work, restarts},
    worker,
};
use crate::{
    queue::Queue,
    shutdown::{Farewell, Phase},
};

/// Longest wait for the sinks of a source that has to be closed before its successor opens.
const LINGER: Duration = Duration::from_secs(2);
/// The same where the successor is open already.
const LINGER_BESIDE: Duration = Duration::from_secs(30);
/// How often components that open are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Longest wait for the components of a start to open; those that take longer do so beside the
/// others.
const OPEN_TOGETHER: Duration = Duration::from_secs(3);
/// Longest wait for all else at a start, which has no limit.
const FOR_EVER: Duration = Duration::from_secs(365 * 86_400);

/// What a change has done.
#[derive(Debug, Clone)]
pub struct Applied {
    /// What was to be done.
    pub plan: Plan,
    /// Longest time in which a component passed nothing on.
    pub gap: Duration,
    /// Components that are gone, but for a call that does not come back.
    pub left_behind: Vec<String>,
}

/// The places of a changed pipeline.
struct Next {
    /// All of them, in the order of the file.
    slots: Vec<Slot>,
    /// Those where somebody works who was not there before.
    fresh: Vec<Slot>,
    /// Those where somebody else takes over: before and after.
    replaced: Vec<(Slot, Slot)>,
    /// Those that are gone.
    removed: Vec<Slot>,
}

impl Topology {
    /// Turns the pipeline into another one while it runs.
    ///
    /// Components that stay the same are not touched. Returns when what is gone has ended too, or
    /// its time is up: about twice `[host] drain_timeout` at the latest.
    ///
    /// # Errors
    /// Why it is not done; then everything is as it was.
    pub fn change(
        &self,
        pipeline: Pipeline,
        catalog: &PluginCatalog,
    ) -> Result<Applied, ChangeError> {
        let until = Instant::now() + pipeline.host.drain_timeout.max(LAST_WAIT);
        loop {
            let changed = self.change_with(pipeline.clone(), catalog, (until, None), |_| ());
            match changed {
                // what has ended is started anew by the next try
                Err(ChangeError::Ended(_)) if Instant::now() < until => {}
                changed => return changed.map(|(applied, ())| applied),
            }
        }
    }

    /// Starts the pipeline; `before` sees its places before anybody begins there.
    ///
    /// Waits for plugins to open for some seconds: what is wrong with the file shows by then.
    pub(super) fn start_first<T>(
        &self,
        pipeline: Pipeline,
        catalog: &PluginCatalog,
        before: impl FnOnce(&[Slot]) -> T,
    ) -> Result<T, ChangeError> {
        let until = Instant::now() + FOR_EVER;
        let starting = pipeline.clone();
        let shown = |slots: &[Slot]| {
            // whoever asks for health sees who starts
            self.commit(starting, slots.to_vec());
            before(slots)
        };
        let patience = Some(OPEN_TOGETHER);
        self.change_with(pipeline, catalog, (until, patience), shown).map(|(_, made)| made)
    }

    fn change_with<T>(
        &self,
        pipeline: Pipeline,
        catalog: &PluginCatalog,
        (until, patience): (Instant, Option<Duration>),
        before: impl FnOnce(&[Slot]) -> T,
    ) -> Result<(Applied, T), ChangeError> {
        let _one_at_a_time = super::lock(&self.changing);
        let is_start = patience.is_some();
        if !is_start && self.all.shutdown.phase() > Phase::Running {
            return Err(ChangeError::Ending);
        }
        // the pipeline must not count as ended while one component has gone and the next is to come
        let _at_work = self.all.shutdown.at_work();
        let plugins = find_plugins(&pipeline, catalog)?;
        let old = self.slots();
        // nobody must end for want of a writer that is to come
        let writers = Writers::of(&old);
        let has_other_plugin = |id: &str| {
            let slot = old.iter().find(|slot| slot.component.id == id);
            slot.is_some_and(|it| !Arc::ptr_eq(&it.plugin, &plugins[id]))
        };
        let restarts = restarts(&old, &pipeline, has_other_plugin);
        let further = |id: &str| {
            let other = has_other_plugin(id).then_some("plugin file");
            other.or_else(|| restarts.contains(id).then_some("had ended"))
        };
        let plan =
            Plan::new(&self.pipeline(), &pipeline, further).map_err(ChangeError::Impossible)?;
        let next = self.next(&old, &plan, &pipeline, &plugins)?;
        let staying = Writers::of(&next.slots);
        drop(writers);
        let made = before(&next.slots);
        if !is_start {
            self.note_passing(next.fresh.iter().chain(&next.removed));
        }
        let change = Change { all: &self.all, until, patience };
        let carried_out = change.carry_out(&next, &old);
        drop(staying);
        let gap = match carried_out {
            Ok(gap) => gap,
            Err(error) => {
                self.note_passing(std::iter::empty());
                return Err(error);
            }
        };
        self.commit(pipeline, next.slots.clone());
        let drain_timeout = self.pipeline().host.drain_timeout;
        let left_behind = change.see_off(&next.removed, Instant::now() + drain_timeout);
        self.note_passing(std::iter::empty());
        change.forget_metrics(&next);
        Ok((Applied { plan, gap, left_behind }, made))
    }

    fn next(
        &self,
        old: &[Slot],
        plan: &Plan,
        pipeline: &Pipeline,
        plugins: &HashMap<String, Arc<dyn Plugin>>,
    ) -> Result<Next, ChangeError> {
        let is_gone = |slot: &&Slot| plan.removed.contains(&slot.component.id);
        let removed = old.iter().filter(is_gone).cloned().collect();
        let mut next = Next { slots: Vec::new(), fresh: Vec::new(), replaced: Vec::new(), removed };
        for component in &pipeline.components {
            let id = component.id.as_str();
            let (component, plugin) = (component.clone(), Arc::clone(&plugins[id]));
            let before = old.iter().find(|slot| slot.component.id == id);
            let is_changed = plan.changed.iter().any(|changed| changed.id == id);
            let slot = match before {
                Some(before) if !is_changed => before.rerouted(component),
                Some(before) if is_at_work(before) => {
                    let slot = before.changed(component, plugin, &self.all);
                    next.replaced.push((before.clone(), slot.clone()));
                    slot
                }
                _ => {
                    let slot = Slot::new(component, plugin, pipeline, &self.all)?;
                    next.fresh.push(slot.clone());
                    slot
                }
            };
            next.slots.push(slot);
        }
        Ok(next)
    }
}

/// One change under way.
struct Change<'a> {
    all: &'a Surrounds,
    /// Longest time of all waits together.
    until: Instant,
    /// How long is waited for what is new to open before the rest goes on without it; none where
    /// all has to be open.
    patience: Option<Duration>,
}

impl Change<'_> {
    /// All that can fail, and then is undone. Gives the longest time without a batch.
    fn carry_out(&self, next: &Next, old: &[Slot]) -> Result<Duration, ChangeError> {
        let result = self.start_fresh(next).and_then(|()| self.replace_and_lead(next, old));
        if result.is_err() {
            next.fresh.iter().for_each(|slot| self.dismiss(slot));
            self.forget_new_metrics(next, old);
        }
        result
    }

    /// Starts what is new, readers before writers; all of it waits for its cue.
    fn start_fresh(&self, next: &Next) -> Result<(), ChangeError> {
        let (sources, readers): (Vec<_>, Vec<_>) =
            next.fresh.iter().partition(|slot| slot.component.kind == RoleKind::Source);
        for slots in [readers, sources] {
            for slot in &slots {
                slot.employ(worker::start(slot, self.all, false)?);
            }
            self.all_opened(&slots)?;
        }
        Ok(())
    }

    /// Waits for all; not much longer once one has failed.
    fn all_opened(&self, slots: &[&Slot]) -> Result<(), ChangeError> {
        let mut failed = Vec::new();
        let patient_until = self.patience.map(|patience| Instant::now() + patience);
        let mut until = patient_until.map_or(self.until, |until| until.min(self.until));
        let mut waiting: Vec<_> =
            slots.iter().filter_map(|slot| Some((&slot.component.id, slot.runner()?))).collect();
        while !waiting.is_empty() && Instant::now() < until && !self.all.shutdown.is_stopping() {
            let mut pause = Instant::now() + LOOK_EVERY;
            waiting.retain(|(id, runner)| {
                let opened = runner.opened(pause);
                // only the first is waited for: the others have had the same time
                pause = Instant::now();
                if let Some(Err(error)) = &opened {
                    failed.push(((*id).clone(), error.clone()));
                    until = until.min(Instant::now() + LAST_WAIT);
                }
                opened.is_none()
            });
        }
        if failed.is_empty() && !self.all.shutdown.is_stopping() {
            for (id, runner) in waiting {
                if self.patience.is_none() {
                    return Err(ChangeError::Busy(id.clone()));
                }
                match runner.let_open_later() {
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

    fn replace_and_lead(&self, next: &Next, old: &[Slot]) -> Result<Duration, ChangeError> {
        let mut done = Vec::new();
        let result = self.replace_all(next, &mut done).and_then(|gap| {
            let routes = Routes { old, next: &next.slots, removed: &next.removed };
            routes.switch(self.until).map(|held| gap.max(held))
        });
        match result {
            Ok(gap) => {
                for slot in &next.fresh {
                    if !slot.runner().is_some_and(|runner| runner.begin_first()) {
                        slot.shut();
                    }
                }
                Ok(gap)
            }
            Err(error) => {
                for (before, after) in done.into_iter().rev() {
                    self.undo(before, after);
                }
                Err(error)
            }
        }
    }

    /// Replaces what changed. Successors that can be opened beside those at work are opened first.
    fn replace_all<'n>(
        &self,
        next: &'n Next,
        done: &mut Vec<&'n (Slot, Slot)>,
    ) -> Result<Duration, ChangeError> {
        let mut gap = Duration::ZERO;
        let mut waiting = Vec::new();
        let result = (|| {
            let mut alone = Vec::new();
            for pair in &next.replaced {
                match self.open_beside(&pair.1)? {
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
            let is_done = |pair: &&(Slot, Slot)| done.iter().any(|it| std::ptr::eq(*it, *pair));
            waiting.iter().filter(|pair| !is_done(pair)).for_each(|pair| end(&pair.1));
        }
        result
    }

    /// Opens a successor while the component before it is at work; false when that has to end
    /// first, because only one of them can have what they need.
    fn open_beside(&self, slot: &Slot) -> Result<bool, ChangeError> {
        let id = slot.component.id.clone();
        let kind = slot.component.kind;
        let is_ordered = slot.plugin.manifest().role(kind).is_none_or(|role| role.ordered);
        if kind == RoleKind::Sink && is_ordered {
            return self.check(slot).map(|()| false);
        }
        let runner = slot.employ(worker::start(slot, self.all, false)?);
        match runner.opened(self.until) {
            Some(Ok(())) => Ok(true),
            // the one before it may have the port that it needs
            Some(Err(error)) if kind == RoleKind::Source && error.kind != ErrorKind::Config => {
                Ok(false)
            }
            Some(Err(error)) => Err(ChangeError::Components(vec![(id, error)])),
            None => Err(self.busy(id)),
        }
    }

    /// Asks a plugin whether its options could work, before the instance that has what it needs is
    /// closed.
    fn check(&self, slot: &Slot) -> Result<(), ChangeError> {
        let id = slot.component.id.clone();
        let (tell, told) = sync_channel(1);
        let (slot, all) = (slot.clone(), self.all);
        let context = Context::new(&id, &all.base_dir, all.state_dir(&id), onlooker());
        // it may ask a server that does not answer
        thread::Builder::new().name(format!("{id} check")).spawn(move || {
            let opening = Opening::of(&slot.component, context);
            let _ = tell.send(slot.plugin.check(slot.component.kind, opening));
        })?;
        match told.recv_timeout(self.until.saturating_duration_since(Instant::now())) {
            Ok(Err(error)) if error.kind == ErrorKind::Config => {
                Err(ChangeError::Components(vec![(id, error)]))
            }
            Ok(_) | Err(RecvTimeoutError::Disconnected) => Ok(()),
            Err(RecvTimeoutError::Timeout) => Err(self.busy(id)),
        }
    }

    /// Lets the successor take over from the component before it, which goes on when that fails.
    fn replace(&self, before: &Slot, after: &Slot) -> Result<(), ChangeError> {
        let id = || before.component.id.clone();
        let is_open = after.runner().is_some_and(|runner| !runner.has_ended());
        let Some(runner) = before.runner() else { return Ok(()) };
        let is_single = before.component.workers <= 1 && after.component.workers <= 1;
        let hand_over = is_single && before.component.plugin == after.component.plugin;
        let farewell = Farewell { hand_over, linger: if is_open { LINGER_BESIDE } else { LINGER } };
        let left = runner.leave(before.queue.as_deref(), farewell, self.until);
        let left = left.map_err(|stays| match stays {
            Stays::Refused(error) => ChangeError::Components(vec![(id(), error)]),
            Stays::Busy => self.busy(id()),
            Stays::Ended => ChangeError::Ended(id()),
        })?;
        let (error, left) = match self.take_over(&runner, after, is_open, left) {
            Ok(()) => return Ok(()),
            Err(failed) => failed,
        };
        end(after);
        self.revive(before, *left);
        Err(error)
    }

    fn take_over(
        &self,
        before: &Runner,
        after: &Slot,
        is_open: bool,
        left: Left,
    ) -> Result<(), (ChangeError, Box<Left>)> {
        let failed = |error| ChangeError::Components(vec![(after.component.id.clone(), error)]);
        if !is_open {
            // it may still have what the next one needs, a port or a lock
            before.wait_ended(self.until);
            let started = worker::start(after, self.all, false);
            let runner = match started {
                Ok(runner) => after.employ(runner),
                Err(error) => return Err((error.into(), Box::new(left))),
            };
            match runner.opened(self.until) {
                Some(Ok(())) => {}
                Some(Err(error)) => return Err((failed(error), Box::new(left))),
                None => return Err((self.busy(after.component.id.clone()), Box::new(left))),
            }
        }
        after.adopt_queue();
        let Some(runner) = after.runner() else { return Ok(()) };
        runner.begin(left, self.until).map_err(|(error, left)| (failed(error), left))
    }

    /// Puts a component back that was replaced.
    ///
    /// One that does not make room goes on with its new settings: better than two at work, or none.
    fn undo(&self, before: &Slot, after: &Slot) {
        let Some(runner) = after.runner() else { return };
        let hand_over = before.component.plugin == after.component.plugin;
        let until = self.until.max(Instant::now() + LAST_WAIT);
        let leave = |hand_over| {
            let farewell = Farewell { hand_over, linger: LINGER };
            runner.leave(after.queue.as_deref(), farewell, until)
        };
        let left = match leave(hand_over) {
            Err(Stays::Refused(_)) => leave(false),
            left => left,
        };
        match left {
            Ok(left) => {
                runner.wait_ended(until.min(Instant::now() + LINGER));
                end(after);
                self.revive(before, left);
            }
            Err(_) => {
                let component = before.component.id.as_str();
                tracing::error!(component, "does not go back to its old settings; reload again");
                before.take_from(after);
            }
        }
    }

    /// Lets a component go on whose settings have worked before.
    fn revive(&self, slot: &Slot, left: Left) {
        slot.adopt_queue();
        match worker::start(slot, self.all, true) {
            Ok(runner) => {
                let until = self.until.max(Instant::now() + LAST_WAIT);
                // it takes whatever it is given
                let _ = slot.employ(runner).begin(left, until);
            }
            Err(error) => {
                let component = slot.component.id.as_str();
                tracing::error!(component, "cannot go on: {error}");
                slot.status.note_error(&PluginError::fatal(error.to_string()));
            }
        }
    }

    /// Ends a component that was to be new.
    fn dismiss(&self, slot: &Slot) {
        end(slot);
        if let Some(queue) = &slot.queue {
            queue.abort();
        }
    }

    /// Lets what is removed drain and end. Gives those that do not.
    fn see_off(&self, removed: &[Slot], until: Instant) -> Vec<String> {
        let runners: Vec<_> =
            removed.iter().filter_map(|slot| Some((slot, slot.runner()?))).collect();
        for (slot, runner) in &runners {
            // what is on disk is safe there, and no source waits for it
            if slot.queue.as_ref().is_some_and(|queue| queue.is_on_disk()) {
                runner.lever.dismiss();
            }
            runner.lever.advance(Phase::Draining);
        }
        let mut left_behind = Vec::new();
        for (slot, runner) in &runners {
            let component = slot.component.id.as_str();
            if !runner.wait_ended(until) {
                runner.lever.dismiss();
                runner.lever.advance(Phase::Aborting);
                let lost = slot.queue.as_ref().map_or(0, |queue| queue.discard());
                slot.status.note_dropped("removed", lost);
                if !runner.wait_ended(Instant::now() + LAST_WAIT) {
                    left_behind.push(component.to_owned());
                }
            }
            let kept = slot.queue.as_ref().map_or(0, |queue| queue.kept());
            let dropped = slot.status.dropped();
            if kept > 0 {
                tracing::warn!(component, records = kept, "removed; its records wait on disk");
            } else {
                tracing::info!(component, dropped, "removed");
            }
        }
        left_behind
    }

    /// A component that is gone, or has another plugin, is shown no more.
    fn forget_metrics(&self, next: &Next) {
        let replaced = next.replaced.iter().map(|(before, _)| before);
        for slot in next.removed.iter().chain(replaced) {
            let is_shown = next.slots.iter().any(|it| Arc::ptr_eq(&it.status, &slot.status));
            if !is_shown {
                slot.status.metrics.forget();
            }
        }
    }

    /// What was to come and does not is not shown.
    fn forget_new_metrics(&self, next: &Next, old: &[Slot]) {
        let is_new = |slot: &&Slot| {
            let same = |it: &&Slot| it.component.id == slot.component.id;
            let before = old.iter().find(same);
            before.is_none_or(|it| it.component.plugin != slot.component.plugin)
        };
        next.slots.iter().filter(is_new).for_each(|slot| slot.status.metrics.forget());
    }

    fn busy(&self, id: String) -> ChangeError {
        if self.all.shutdown.is_stopping() { ChangeError::Ending } else { ChangeError::Busy(id) }
    }
}

/// Writers of queues, for as long as nobody must take one for ended.
struct Writers(Vec<Arc<Queue>>);

impl Writers {
    fn of(slots: &[Slot]) -> Self {
        let queues: Vec<_> = slots.iter().filter_map(|slot| slot.queue.clone()).collect();
        queues.iter().for_each(|queue| queue.add_writer());
        Self(queues)
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        self.0.iter().for_each(|queue| queue.remove_writer());
    }
}

/// Ends whoever works there, and waits a moment for that.
fn end(slot: &Slot) {
    if let Some(lever) = slot.runner().map(|runner| Arc::clone(&runner.lever)) {
        lever.advance(Phase::Aborting);
        // one that waits for its cue goes
        slot.unemploy();
        lever.wait_last(LAST_WAIT);
    }
}
