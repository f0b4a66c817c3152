//! Entries that were cut off a stream before the group was given them.
//!
//! From 7.0 on, a server counts what was ever added to a stream and what a group was ever given.
//! Where the group stands before the first entry that is left, all that was removed and not given is
//! lost to it. Some servers go on to count what is lost as still to be given (`lag`), others do not;
//! what stands there when nothing is left to give is known to be lost.

use std::time::Duration;

use plugin_api::PluginError;
use redis::{Cmd, Value, cmd};

use super::RedisSource;
use crate::{
    extent::Extent,
    server::{EntryId, Servers, array, int, map, text},
};

/// How far a group is.
#[derive(Debug, Clone, Copy)]
struct Level {
    /// The last entry that it was given.
    last: EntryId,
    /// How many it was given.
    given: u64,
    /// How many are still to be given, by the server's count; it does not always know.
    lag: Option<u64>,
}

impl RedisSource {
    /// Reads the lanes of which something may have been lost, and counts that; true when entries
    /// came.
    pub(super) fn read_trimmed(
        &mut self,
        servers: &mut Servers,
        places: &[usize],
    ) -> Result<bool, PluginError> {
        if !self.tells_levels {
            return Ok(false);
        }
        let mut commands = Vec::with_capacity(2 * places.len());
        for place in places {
            commands.push(self.ask_level(*place));
            commands.push(cmd("XLEN").arg(&self.lanes[*place].stream).to_owned());
        }
        let node = servers.of(&self.lanes[places[0]].stream)?;
        let answers = node.ask_all(&commands)?;
        let ready = self.ready.len();
        for (place, answer) in places.iter().zip(answers.chunks_exact(2)) {
            let level = self.level(answer[0].clone());
            let lane = &mut self.lanes[*place];
            lane.lag = level.and_then(|level| level.lag);
            let length = int(&answer[1]).unwrap_or_default();
            let may_lack_some = level.is_some_and(|level| {
                level.lag.is_none_or(|lag| lag.saturating_sub(lane.never_given) >= length)
            });
            if may_lack_some && length > 0 {
                self.read_and_count(servers, *place)?;
            }
        }
        Ok(self.ready.len() > ready)
    }

    /// Asks and reads in one step, so that of several clients only one finds the gap.
    fn read_and_count(&mut self, servers: &mut Servers, place: usize) -> Result<(), PluginError> {
        let stream = self.lanes[place].stream.clone();
        let commands =
            [self.ask_level(place), Extent::command(&stream), self.command(&[place], None)];
        let node = servers.of(&stream)?;
        node.send_all(&commands, Duration::ZERO)?;
        let (level, extent) = (node.receive()?, node.receive_entries()?);
        let answer = node.receive_entries().and_then(|answer| node.accepted(answer));
        let has_read = answer.as_ref().is_ok_and(|answer| *answer != Value::Nil);
        self.take(servers, answer)?;
        let (Some(level), Some(extent)) = (self.level(level), Extent::read(extent)) else {
            return Ok(());
        };
        let (Some(first), Some(length), Some(removed)) =
            (extent.first, extent.length, extent.removed())
        else {
            return Ok(());
        };
        if !has_read || level.last >= first {
            return Ok(());
        }
        let lane = &self.lanes[place];
        let lost = removed.saturating_sub(level.given.saturating_add(lane.never_given));
        if lost == 0 {
            return Ok(());
        }
        self.context.dropped("trimmed", lost);
        self.context.warn(&format!(
            "{lost} entries of {stream} were cut off before they were read; raise `maxlen` where \
             they are written, or read faster"
        ));
        let goes_on_counting = level.lag.is_some_and(|lag| lag > length);
        if goes_on_counting {
            self.note_never_given(place, lane.never_given + lost)
        } else {
            Ok(())
        }
    }

    /// Asks how far the group is in a lane.
    pub(super) fn ask_level(&self, place: usize) -> Cmd {
        cmd("XINFO").arg("GROUPS").arg(&self.lanes[place].stream).to_owned()
    }

    /// Lanes of which the server counts something as still to be given that may be lost.
    pub(super) fn ask_levels(&self, places: &[usize]) -> Vec<usize> {
        let is_unclear = |place: &&usize| {
            let lane = &self.lanes[**place];
            lane.lag.is_some_and(|lag| lag != lane.never_given)
        };
        places.iter().filter(is_unclear).copied().collect()
    }

    /// Learns what is counted as still to be given when nothing is left.
    pub(super) fn learn_levels(
        &mut self,
        places: &[usize],
        levels: Vec<Value>,
    ) -> Result<(), PluginError> {
        for (place, level) in places.iter().zip(levels) {
            if let Some(lag) = self.level(level).and_then(|level| level.lag)
                && lag != self.lanes[*place].never_given
            {
                self.note_never_given(*place, lag)?;
            }
        }
        Ok(())
    }

    fn note_never_given(&mut self, place: usize, entries: u64) -> Result<(), PluginError> {
        let lane = &mut self.lanes[place];
        lane.never_given = entries;
        self.state.note_never_given(&lane.key, entries)
    }

    /// The group's level in an answer about all groups of a stream; `None` when the server does not
    /// count.
    fn level(&mut self, answer: Value) -> Option<Level> {
        if let Value::ServerError(error) = &answer {
            // who may not ask is not told; a stream that is gone comes back
            self.tells_levels &= error.code() != "NOPERM";
            return None;
        }
        let mut groups = array(answer)?.into_iter().filter_map(map);
        let group = groups.find(|group| {
            group.get("name").and_then(text).as_ref() == Some(&self.settings.group)
        })?;
        Some(Level {
            last: text(group.get("last-delivered-id")?)?.parse().ok()?,
            given: int(group.get("entries-read")?)?,
            lag: group.get("lag").and_then(int),
        })
    }
}
