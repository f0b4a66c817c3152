//! Replacing the runner of a node by another one, and going back to the one before.

use std::time::{Duration, Instant};

use plugin_api::PluginError;

use super::{Change, Next, abort_runner};
use crate::{
    shutdown::StopRequest,
    topology::{
        LAST_WAIT,
        error::ChangeError,
        handoff::Handoff,
        node::Node,
        runner::{HandoffError, Runner},
        worker,
    },
};

/// Longest time that a source waits for acknowledgements before it is closed, when its successor
/// opens only then.
const GRACE: Duration = Duration::from_secs(2);
/// The same where the successor is open already.
const GRACE_WHEN_OPEN: Duration = Duration::from_secs(30);

impl Change<'_> {
    /// Replaces changed nodes. Successors that can be open beside the running instance are opened
    /// first.
    pub(super) fn replace_all<'n>(
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
    pub(super) fn roll_back(&self, before: &Node, after: &Node) {
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
}
