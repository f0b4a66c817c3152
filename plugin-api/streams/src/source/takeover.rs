//! Entries of clients that show no sign of life.
//!
//! A client counts as dead when it asked for nothing for `claim_after`, not when an entry waits for
//! so long: a store that is away for an hour must not make its neighbours deliver everything twice.

use std::time::{Duration, Instant};

use plugin_api::PluginError;

use super::{
    RedisSource, batches::Numbers, heartbeat::Heartbeat, options::Settings, recovery::Recovery,
};
use crate::{
    groups::{Claim, Claimed, Info, clients, pending},
    server::Servers,
};

/// Entries that are taken over in one step from one client.
const AT_ONCE: usize = 200;
/// How often is looked, in parts of `claim_after`.
const LOOKS: u32 = 4;
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

impl RedisSource {
    /// Takes over what dead clients have, some of it, when it is time to look.
    pub(super) fn take_over(&mut self, servers: &mut Servers) -> Result<(), PluginError> {
        let Some(claim_after) = self.settings.claim_after else { return Ok(()) };
        if Instant::now() < self.next_takeover {
            return Ok(());
        }
        let mut is_complete = true;
        for place in 0..self.lanes.len() {
            let stream = self.lanes[place].stream.clone();
            let clients = clients(servers, &stream, self.settings.group.as_bytes())?;
            let clients: Vec<_> = clients.iter().map(Client::of).collect();
            let is_ours = |it: &Client| it.name == self.settings.claimed.as_bytes();
            // an operator may have given us something
            if self.recovery.is_none() && clients.iter().any(|it| is_ours(it) && it.pending > 0) {
                self.recovery = Some(Recovery::of_claimed(self.in_hand()));
            }
            for client in clients {
                if self.is_dead(&client, claim_after) {
                    is_complete &=
                        self.take_over_from(servers, place, &client.name, claim_after)?;
                }
            }
        }
        if is_complete {
            self.next_takeover = Instant::now() + (claim_after / LOOKS).min(LONGEST_PAUSE);
        }
        Ok(())
    }

    /// Whether another client has entries and shows no sign of life.
    fn is_dead(&self, client: &Client, claim_after: Duration) -> bool {
        let Settings { consumer, claimed, .. } = &self.settings;
        let is_other = ![consumer, claimed].iter().any(|own| client.name == own.as_bytes());
        is_other && client.pending > 0 && u128::from(client.idle_ms) >= claim_after.as_millis()
    }

    /// Takes over what one client has on one stream; false when there is more.
    fn take_over_from(
        &mut self,
        servers: &mut Servers,
        place: usize,
        client: &[u8],
        claim_after: Duration,
    ) -> Result<bool, PluginError> {
        let settings = &self.settings;
        let stream = self.lanes[place].stream.clone();
        let idle_ms = u64::try_from(claim_after.as_millis()).unwrap_or(u64::MAX);
        let node = servers.of(&stream)?;
        let group = settings.group.as_bytes();
        let mut page = pending(node, &stream, group, client, None, AT_ONCE)?;
        let is_complete = page.len() < AT_ONCE;
        page.retain(|it| it.idle_ms >= idle_ms);
        let claim = Claim {
            stream: &stream,
            group,
            from: client,
            to: settings.claimed.as_bytes(),
            min_idle_ms: idle_ms,
            is_another_try: true,
        };
        // what is too much to read at once is ours by then, and read again in smaller pages
        let Claimed { entries, gone } = claim.carry_out(node, &page)?;
        if !entries.is_empty() {
            self.heartbeat.iter().for_each(Heartbeat::claimed);
            self.context.count("redis_claimed_total", entries.len() as u64);
            let (count, client) = (entries.len(), String::from_utf8_lossy(client));
            self.context.warn(&format!("takes over {count} entries of {stream} from {client}"));
        }
        // what others are faster to take is theirs
        let is_complete = is_complete || entries.is_empty() && gone.is_empty();
        self.give_up(place, gone);
        let entries = self.set_aside_poison(servers, place, entries, &page)?;
        self.keep(servers, place, entries, Numbers::Host)?;
        Ok(is_complete)
    }
}

/// A client of the group.
struct Client {
    name: Vec<u8>,
    /// Entries that it did not acknowledge.
    pending: u64,
    /// How long it asked for nothing.
    idle_ms: u64,
}

impl Client {
    fn of(info: &Info) -> Self {
        let number = |name: &str| info.number(name).unwrap_or_default();
        Self { name: info.bytes("name"), pending: number("pending"), idle_ms: number("idle") }
    }
}
