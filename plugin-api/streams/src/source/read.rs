//! New entries.

use std::{
    thread,
    time::{Duration, Instant},
};

use plugin_api::PluginError;
use redis::{Cmd, Value, cmd};

use super::{RedisSource, batches::Numbers};
use crate::server::{Entry, Fault, Node, Servers, array, into_entries, text};

/// What one reading should be about, so that entries with whole batches do not fill the memory.
const BYTES_AT_ONCE: usize = 4 << 20;
/// Entries of the first reading, before their size is known.
const FIRST_COUNT: usize = 32;
/// Pauses between looks at nodes that cannot be waited for together.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// How many entries are asked for, by the size of those before.
pub struct ReadLimit {
    count: usize,
    most: usize,
}

impl ReadLimit {
    /// At most so many.
    pub fn new(most: usize) -> Self {
        Self { count: FIRST_COUNT.min(most), most }
    }

    /// There was more than what is read at once: next time only a part of it.
    fn shrink(&mut self) {
        self.count = (self.count / 8).max(1);
    }

    fn learn(&mut self, entries: &[Entry]) {
        let bytes = entries.iter().flat_map(|entry| &entry.fields).map(Vec::len).sum::<usize>();
        if let Some(mean) = bytes.checked_div(entries.len()) {
            self.count = (BYTES_AT_ONCE / mean.max(1)).clamp(1, self.most);
        }
    }
}

impl RedisSource {
    /// Reads what was not given to anybody yet; waits for it when there is nothing.
    pub(super) fn read_new(
        &mut self,
        servers: &mut Servers,
        wait: Duration,
    ) -> Result<(), PluginError> {
        if !self.settings.target.is_cluster || self.lanes.len() == 1 {
            let places: Vec<_> = (0..self.lanes.len()).collect();
            return self.read_lanes(servers, &places, wait);
        }
        // one command cannot name keys of several slots, so the streams are asked in turn
        let deadline = Instant::now() + wait;
        let mut pause = SHORTEST_PAUSE;
        loop {
            for place in 0..self.lanes.len() {
                self.read_lanes(servers, &[place], Duration::ZERO)?;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if !self.ready.is_empty() || left.is_zero() || self.context.is_stopping() {
                return Ok(());
            }
            thread::sleep(pause.min(left));
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Reads lanes that are on one node; waits so long for the first entry.
    fn read_lanes(
        &mut self,
        servers: &mut Servers,
        places: &[usize],
        wait: Duration,
    ) -> Result<(), PluginError> {
        let has_read = self.read_trimmed(servers, places)?;
        let wait = Some(wait).filter(|wait| !has_read && !wait.is_zero());
        let mut commands = vec![self.command(places, wait)];
        let told = self.ask_levels(places);
        commands.extend(told.iter().map(|place| self.ask_level(*place)));
        let node: &mut Node = servers.of(&self.lanes[places[0]].stream)?;
        node.send_all(&commands, wait.unwrap_or_default())?;
        let answer = node.receive_entries().and_then(|answer| node.accepted(answer));
        let mut levels = Vec::new();
        if answer.is_ok() {
            levels = told.iter().map(|_| node.receive()).collect::<Result<_, _>>()?;
        }
        let is_end = matches!(answer, Ok(Value::Nil));
        self.take(servers, answer)?;
        if is_end { self.learn_levels(&told, levels) } else { Ok(()) }
    }

    pub(super) fn command(&self, places: &[usize], wait: Option<Duration>) -> Cmd {
        let mut command = cmd("XREADGROUP");
        command.arg("GROUP").arg(&self.settings.group).arg(&self.settings.consumer);
        command.arg("COUNT").arg(self.read_limit.count);
        if let Some(wait) = wait {
            // 0 would be for ever
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
            command.arg("BLOCK").arg(wait_ms);
        }
        command.arg("STREAMS");
        for place in places {
            command.arg(&self.lanes[*place].stream);
        }
        for _ in places {
            command.arg(">");
        }
        command
    }

    /// Makes batches of an answer, which lists streams with their entries.
    pub(super) fn take(
        &mut self,
        servers: &mut Servers,
        answer: Result<Value, Fault>,
    ) -> Result<(), PluginError> {
        let name = self.settings.target.name();
        let answer = match answer {
            Ok(answer) => answer,
            // connecting makes the group again
            Err(fault) if fault.is_no_group() => {
                self.context.warn("a stream or its group was deleted; it is made again");
                return Err(fault.into());
            }
            Err(fault) if fault.is_too_large() => {
                // it is ours by now, and read again in smaller pages
                self.read_limit.shrink();
                return Err(fault.into());
            }
            Err(fault) => return Err(fault.about(&self.lanes[0].stream).into()),
        };
        let strange = || Fault::strange(&name, "no list of streams");
        for stream in array(answer).ok_or_else(strange)? {
            let mut parts = array(stream).ok_or_else(strange)?.into_iter();
            let key = parts.next().and_then(|key| text(&key));
            let entries = parts.next().and_then(into_entries).ok_or_else(strange)?;
            let place = self.lanes.iter().position(|lane| Some(&lane.stream) == key.as_ref());
            let place = place.ok_or_else(strange)?;
            self.read_limit.learn(&entries);
            self.keep(servers, place, entries, Numbers::ByEntry { one_by_one: false })?;
        }
        Ok(())
    }
}
