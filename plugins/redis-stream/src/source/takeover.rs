//! Entries of clients that show no sign of life.
//!
//! A client counts as dead when it asked for nothing for `claim_after`, not when an entry waits for
//! so long: a store that is away for an hour must not make its neighbours deliver everything twice.

use std::time::{Duration, Instant};

use plugin_api::PluginError;
use redis::cmd;

use super::{
    RedisSource,
    batches::Numbers,
    heartbeat::Heartbeat,
    lane::{claim, pending},
};
use crate::server::{Fault, Node, Servers, array, int, map, text};

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
            for client in dead_clients(servers.of(&stream)?, &stream, self, claim_after)? {
                is_complete &= self.take_over_from(servers, place, &client, claim_after)?;
            }
        }
        if is_complete {
            self.next_takeover = Instant::now() + (claim_after / LOOKS).min(LONGEST_PAUSE);
        }
        Ok(())
    }

    /// Takes over what one client has on one stream; false when there is more.
    fn take_over_from(
        &mut self,
        servers: &mut Servers,
        place: usize,
        client: &str,
        claim_after: Duration,
    ) -> Result<bool, PluginError> {
        let settings = &self.settings;
        let stream = self.lanes[place].stream.clone();
        let idle_ms = u64::try_from(claim_after.as_millis()).unwrap_or(u64::MAX);
        let node = servers.of(&stream)?;
        let mut page = pending(node, &stream, settings, client, None, AT_ONCE)?;
        let is_complete = page.len() < AT_ONCE;
        page.retain(|it| it.idle_ms >= idle_ms);
        let entries = claim(node, &stream, settings, &settings.claimed, idle_ms, &page, true)?;
        if !entries.is_empty() {
            self.heartbeat.iter().for_each(Heartbeat::claimed);
            self.context.count("redis_claimed_total", entries.len() as u64);
            let count = entries.len();
            self.context.warn(&format!("takes over {count} entries of {stream} from {client}"));
        }
        // what others are faster to take is theirs
        let is_complete = is_complete || entries.is_empty();
        let entries = self.set_aside_poison(servers, place, entries, &page)?;
        self.keep(servers, place, entries, Numbers::Host)?;
        Ok(is_complete)
    }
}

/// Clients of the group that have entries and asked for nothing for so long.
fn dead_clients(
    node: &mut Node,
    stream: &str,
    source: &RedisSource,
    claim_after: Duration,
) -> Result<Vec<String>, Fault> {
    let settings = &source.settings;
    let answer = node.ask(cmd("XINFO").arg("CONSUMERS").arg(stream).arg(&settings.group));
    let clients = array(answer.map_err(|fault| fault.about(stream))?).unwrap_or_default();
    let idle_ms = u64::try_from(claim_after.as_millis()).unwrap_or(u64::MAX);
    let dead = clients.into_iter().filter_map(|client| {
        let client = map(client)?;
        let name = text(client.get("name")?)?;
        let is_other = name != settings.consumer && name != settings.claimed;
        let is_dead = int(client.get("pending")?)? > 0 && int(client.get("idle")?)? >= idle_ms;
        (is_other && is_dead).then_some(name)
    });
    Ok(dead.collect())
}
