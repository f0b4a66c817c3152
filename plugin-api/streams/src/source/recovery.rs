//! What was given to this client and not acknowledged, read again after connecting.

use std::collections::HashSet;

use plugin_api::PluginError;

use super::{RedisSource, batches::Numbers, heartbeat::Heartbeat};
use crate::{
    groups::{Claim, Claimed, Pending, pending},
    server::{Entry, EntryId, Fault, MOST_ENTRIES, Servers},
};

/// Entries that are looked at in one step, unless they are too large for it.
const PAGE: usize = 200;

/// How many entries are read again at once.
pub struct Pages {
    size: usize,
    /// An entry that is too large to be read even alone.
    unreadable: Option<(usize, EntryId)>,
}

impl Default for Pages {
    fn default() -> Self {
        Self { size: PAGE, unreadable: None }
    }
}

impl Pages {
    /// A page of a lane was more than what is read at once: the next one is smaller.
    fn shrink(&mut self, place: usize, page: &[Pending]) {
        match page {
            [only] => self.unreadable = Some((place, only.id)),
            page => self.size = (page.len() / 4).max(1),
        }
    }

    /// A page could be read. One of which everything is in hand already shows nothing.
    fn grow(&mut self, page: &[Pending]) {
        if !page.is_empty() {
            self.size = (self.size * 2).min(PAGE);
        }
    }
}

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
        self.set_aside_unreadable(servers)?;
        let place = recovery.lane;
        let Some(lane) = self.lanes.get(place) else { return Ok(None) };
        let (stream, settings) = (lane.stream.clone(), &self.settings);
        let (name, numbers) = if recovery.is_own {
            (&settings.consumer, Numbers::ByEntry { one_by_one: self.is_catching_up })
        } else {
            (&settings.claimed, Numbers::Host)
        };
        let node = servers.of(&stream)?;
        let from = recovery.from;
        let (group, name) = (settings.group.as_bytes(), name.as_bytes());
        let mut page = pending(node, &stream, group, name, from, self.pages.size)?;
        if !recovery.is_own && !page.is_empty() {
            self.heartbeat.iter().for_each(Heartbeat::claimed);
        }
        recovery.advance(&page);
        page.retain(|it| !recovery.in_hand.contains(&(place, it.id)));
        let claim = Claim {
            stream: &stream,
            group,
            from: name,
            to: name,
            min_idle_ms: 0,
            is_another_try: self.is_another_try,
        };
        let claimed = claim.carry_out(node, &page);
        let Claimed { entries, gone } = self.within_bounds(place, &page, claimed)?;
        self.give_up(place, gone);
        let entries = self.set_aside_poison(servers, place, entries, &page)?;
        self.keep(servers, place, entries, numbers)?;
        Ok(Some(recovery))
    }

    /// Remembers to ask for less when there was too much.
    fn within_bounds(
        &mut self,
        place: usize,
        page: &[Pending],
        claimed: Result<Claimed, Fault>,
    ) -> Result<Claimed, PluginError> {
        match &claimed {
            Ok(_) => self.pages.grow(page),
            Err(fault) if fault.is_too_large() => self.pages.shrink(place, page),
            Err(_) => {}
        }
        Ok(claimed?)
    }

    /// Leaves an entry in its stream that cannot be read, and adds a dead letter that says so.
    fn set_aside_unreadable(&mut self, servers: &mut Servers) -> Result<(), PluginError> {
        if let Some((place, id)) = self.pages.unreadable {
            let most = plugin_api::ByteSize(u64::try_from(MOST_ENTRIES).unwrap_or(u64::MAX));
            let reason = format!("takes more than {most} of memory; write smaller batches");
            self.set_aside(servers, place, &Entry { id, fields: Vec::new() }, &reason)?;
            self.pages.unreadable = None;
        }
        Ok(())
    }

    /// Entries that are not in the stream any more will never be delivered.
    pub(super) fn give_up(&mut self, place: usize, gone: Vec<EntryId>) {
        if gone.is_empty() {
            return;
        }
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
