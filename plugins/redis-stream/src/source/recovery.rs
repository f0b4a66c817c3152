//! What was given to this client and not acknowledged, read again after connecting.

use std::collections::HashSet;

use plugin_api::PluginError;

use super::{
    RedisSource,
    batches::Numbers,
    heartbeat::Heartbeat,
    lane::{Pending, claim, pending},
};
use crate::server::{EntryId, Servers};

/// Entries that are looked at in one step.
const PAGE: usize = 200;

/// Where the reading stands.
pub struct Recovery {
    /// Entries that this run has still in hand, by lane.
    in_hand: HashSet<(usize, EntryId)>,
    lane: usize,
    /// First come those that were taken over from others, then the client's own.
    is_own: bool,
    from: Option<EntryId>,
    /// Only what was taken over: by an operator, while this run was at work.
    is_own_left_out: bool,
}

impl Recovery {
    /// From the beginning.
    pub fn new(in_hand: HashSet<(usize, EntryId)>) -> Self {
        Self { in_hand, lane: 0, is_own: false, from: None, is_own_left_out: false }
    }

    /// Only of what was taken over.
    pub fn of_claimed(in_hand: HashSet<(usize, EntryId)>) -> Self {
        Self { is_own_left_out: true, ..Self::new(in_hand) }
    }

    /// Goes on behind a page that ended there, or with the next name when there was none.
    fn advance(&mut self, page: &[Pending]) {
        self.from = page.last().map(|last| last.id.next());
        if page.is_empty() {
            self.lane += usize::from(self.is_own || self.is_own_left_out);
            self.is_own = !self.is_own && !self.is_own_left_out;
        }
    }
}

impl RedisSource {
    /// Reads one page again; gives back where to go on, unless that was all.
    pub(super) fn recover(
        &mut self,
        servers: &mut Servers,
        mut recovery: Recovery,
    ) -> Result<Option<Recovery>, PluginError> {
        let place = recovery.lane;
        let Some(lane) = self.lanes.get(place) else { return Ok(None) };
        let (stream, settings) = (lane.stream.clone(), &self.settings);
        let (name, numbers) = if recovery.is_own {
            (&settings.consumer, Numbers::ByEntry { one_by_one: self.is_catching_up })
        } else {
            (&settings.claimed, Numbers::Host)
        };
        let node = servers.of(&stream)?;
        let mut page = pending(node, &stream, &settings.group, name, recovery.from, PAGE)?;
        if !recovery.is_own && !page.is_empty() {
            self.heartbeat.iter().for_each(Heartbeat::claimed);
        }
        recovery.advance(&page);
        page.retain(|it| !recovery.in_hand.contains(&(place, it.id)));
        let entries = claim(node, &stream, &settings.group, name, 0, &page, self.is_another_try)?;
        if entries.len() < page.len() {
            let is_there = |id| entries.iter().any(|entry| entry.id == id);
            let gone: Vec<_> = page.iter().map(|it| it.id).filter(|id| !is_there(*id)).collect();
            self.give_up(place, gone);
        }
        let entries = self.set_aside_poison(servers, place, entries, &page)?;
        self.keep(servers, place, entries, numbers)?;
        Ok(Some(recovery))
    }

    /// Entries that are not in the stream any more will never be delivered.
    fn give_up(&mut self, place: usize, gone: Vec<EntryId>) {
        let stream = &self.lanes[place].stream;
        self.context.dropped("trimmed", gone.len() as u64);
        self.context.warn(&format!(
            "{} entries of {stream} were deleted before they were delivered; raise `maxlen` where \
             they are written",
            gone.len()
        ));
        self.lanes[place].acks.extend(gone);
    }
}
