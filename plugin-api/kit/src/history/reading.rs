//! A store that is read back step by step, as a source gives it.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use plugin_api::{Batch, PluginError, Polled};

/// What reads a store back, a bounded piece of work after the other.
pub trait Reading {
    /// Does the next piece of work.
    ///
    /// # Errors
    /// As [`Source::next`](plugin_api::Source::next); the next call goes on behind or repeats it.
    fn step(&mut self) -> Result<(), PluginError>;

    /// Batches that may leave.
    fn ready(&mut self) -> &mut VecDeque<Batch>;

    /// There is no more work.
    fn has_ended(&self) -> bool;
}

/// [`Source::next`](plugin_api::Source::next) of one: works until a batch is ready, or for so long.
///
/// # Errors
/// As [`Reading::step`].
pub fn next(reading: &mut impl Reading, wait: Duration) -> Result<Polled, PluginError> {
    let deadline = Instant::now() + wait;
    loop {
        if let Some(batch) = reading.ready().pop_front() {
            return Ok(Polled::Batch(batch));
        }
        if reading.has_ended() {
            return Ok(Polled::End);
        }
        reading.step()?;
        if reading.ready().is_empty() && Instant::now() >= deadline {
            let has_ended = reading.has_ended();
            return Ok(if has_ended { Polled::End } else { Polled::Idle });
        }
    }
}

#[cfg(test)]
mod tests {
    use plugin_api::testing::bar_batch;

    use super::*;

    /// Steps with the number of batches that each makes; a negative one fails.
    struct Script(VecDeque<i32>, VecDeque<Batch>);

    impl Reading for Script {
        fn step(&mut self) -> Result<(), PluginError> {
            match self.0.pop_front() {
                Some(batches @ 0..) => self.1.extend((0..batches).map(|_| bar_batch())),
                _ => return Err(PluginError::retry("away")),
            }
            Ok(())
        }

        fn ready(&mut self) -> &mut VecDeque<Batch> {
            &mut self.1
        }

        fn has_ended(&self) -> bool {
            self.0.is_empty()
        }
    }

    fn told(polled: Result<Polled, PluginError>) -> &'static str {
        match polled {
            Ok(Polled::Batch(_)) => "batch",
            Ok(Polled::Idle) => "idle",
            Ok(Polled::End) => "end",
            Err(_) => "fault",
        }
    }

    #[test]
    fn what_is_ready_leaves_first_and_the_end_comes_once_nothing_is_left() {
        let mut script = Script([0, 2, -1, 0].into(), VecDeque::new());
        let wait = Duration::ZERO;
        let given: Vec<_> = (0..6).map(|_| told(next(&mut script, wait))).collect();
        assert_eq!(given, ["idle", "batch", "batch", "fault", "end", "end"]);
        let mut script = Script([0, 0, 1].into(), VecDeque::new());
        assert_eq!(told(next(&mut script, Duration::from_secs(60))), "batch");
    }
}
