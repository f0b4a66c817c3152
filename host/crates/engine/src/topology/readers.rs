//! Who reads from the components of a pipeline, as far as they tell.

use std::time::{Duration, Instant};

use plugin_api::{Action, Outcome, Reader};

use super::{
    Topology,
    node::Node,
    questions::{NoAnswer, Pending},
};
use crate::telemetry::State;

/// Longest wait for a component to come to an action.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(5);

/// What a component tells of its readers.
#[derive(Debug)]
pub struct Told {
    /// Its id.
    pub component: String,
    /// Its readers, or why it does not tell them now.
    pub readers: Result<Vec<Reader>, NoAnswer>,
}

impl Topology {
    /// Asks every component that may know its readers; blocks for so long at most.
    pub fn ask_readers(&self, timeout: Duration) -> Vec<Told> {
        let deadline = Instant::now() + timeout;
        let asked: Vec<_> = self
            .nodes()
            .into_iter()
            .filter(|node| node.questions.tells())
            .map(|node| (node.ask_readers(), node.component.id))
            .collect();
        let answers = asked.into_iter().filter_map(|(asked, component)| {
            let told = asked.and_then(|asked| asked.wait(deadline, deadline));
            Some(Told { component, readers: told.transpose()? })
        });
        answers.collect()
    }

    /// Lets a component do something with one of its readers; blocks for so long at most, and less when
    /// it does not come to it. `None` when there is no such component, or it never knows its readers.
    pub fn act_on_reader(
        &self,
        component: &str,
        reader: &str,
        action: Action,
        preview: bool,
        timeout: Duration,
    ) -> Option<Result<Outcome, NoAnswer>> {
        let (begin, end) = (Instant::now() + timeout.min(BEGIN_TIMEOUT), Instant::now() + timeout);
        let node = self.nodes().into_iter().find(|node| node.component.id == component)?;
        if !node.questions.tells() {
            return None;
        }
        if !node.can_answer() {
            return Some(Err(NoAnswer::Busy));
        }
        let asked = node.questions.act(reader.to_owned(), action, preview);
        node.wake();
        Some(asked.and_then(|asked| asked.wait(begin, end)))
    }
}

impl Node {
    fn ask_readers(&self) -> Result<Pending<Option<Vec<Reader>>>, NoAnswer> {
        if !self.can_answer() {
            return Err(NoAnswer::Busy);
        }
        let asked = self.questions.readers()?;
        self.wake();
        Ok(asked)
    }

    /// Whether its threads come to questions soon: an instance is open, no call hangs, and it is not
    /// paused.
    fn can_answer(&self) -> bool {
        let state = self.status.state();
        !self.status.is_paused()
            && matches!(state, State::Running | State::Degraded | State::Silent)
    }

    /// Wakes a thread that waits for batches. A source's looks around by itself.
    fn wake(&self) {
        if let Some(queue) = &self.queue {
            queue.interrupt();
        }
    }
}
