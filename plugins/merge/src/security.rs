//! One security: which source serves it, and whether a quote passes.

use plugin_api::{
    schemas::stray::LATE_US,
    serde::{Deserialize, Serialize},
};

use crate::{
    facts::{Facts, Kept},
    options::Rules,
    sources::{NEVER_US, Source},
};

/// Stands for having lacked news always.
const ALWAYS_US: i64 = i64::MIN;

/// What one source has brought of a security.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(crate = "plugin_api::serde")]
pub struct Slot {
    /// Its newest quote.
    pub latest: Option<Facts>,
    /// Since when it lacks the news, by the clock; [`NEVER_US`] while it has them.
    pub behind_us: i64,
    /// Since when it is fresh, by the clock; the least there is if it was never away.
    pub fresh_us: i64,
}

impl Default for Slot {
    fn default() -> Self {
        Self { latest: None, behind_us: NEVER_US, fresh_us: ALWAYS_US }
    }
}

/// What went out of a security, and what is known of it.
#[derive(Debug, Default)]
pub struct Security {
    /// Code and exchange, as `600000.SH`.
    pub name: Box<str>,
    /// What went out last, and from which source.
    pub out: Option<(Facts, usize)>,
    /// The source that serves it.
    pub server: Option<usize>,
    /// The newest quote of any source that said something else than those before it.
    pub news: Option<Facts>,
    /// When it was first seen, by the clock.
    pub since_us: i64,
    /// The newest news that stood by and that the source which serves has not brought, and from which
    /// source it is.
    pub standby: Option<(Kept, usize)>,
    /// It is among those whose `standby` is looked at.
    pub is_due: bool,
}

/// What becomes of a quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes out.
    Passes,
    /// It has gone out already.
    Repeated,
    /// Something newer has gone out.
    Older,
    /// Another source serves the security.
    StandsBy {
        /// It has what the source that serves does not.
        is_news: bool,
    },
}

/// Another source now serves a security.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switch {
    pub from: usize,
    pub to: usize,
    /// The one before was stale.
    pub is_stale: bool,
}

/// What becomes of a quote that stood by.
#[derive(Debug)]
pub enum Release {
    /// It is not there, or no longer of use.
    Nothing,
    /// It waits for the source that serves, which lacks it since then.
    Waits { since_us: i64 },
    /// It goes out.
    Passes(Kept),
}

/// A security beside what its sources have brought of it, for the moment of one quote.
pub struct Scene<'a> {
    pub security: &'a mut Security,
    /// By rank.
    pub slots: &'a mut [Slot],
    /// By rank.
    pub sources: &'a mut [Source],
    pub rules: Rules,
    /// The clock, microseconds since 1970 UTC.
    pub clock_us: i64,
}

impl Scene<'_> {
    /// Notes what a source has brought. `counts`: within the sessions, where a source that does not
    /// follow becomes stale.
    pub fn note(&mut self, rank: usize, facts: Facts, counts: impl FnOnce() -> bool) {
        let before = self.slots[rank].latest;
        // its feed began anew
        let is_rewound =
            before.is_some_and(|it| it.time_us.saturating_sub(facts.time_us) > LATE_US);
        let is_new = before.is_none_or(|it| is_newer(&facts, &it));
        if !is_new && !is_rewound {
            return;
        }
        self.sources[rank].note_news(self.clock_us, self.rules.stale_after_us);
        if before.is_none() {
            self.introduce(rank);
        }
        self.slots[rank].latest = Some(facts);
        let is_news = |news: Facts| facts.time_us > news.time_us && !facts.says_same(&news);
        if self.security.news.is_none_or(is_news) {
            self.security.news = Some(facts);
            if counts() {
                self.others_lack(rank, &facts);
            }
        }
        self.follow(rank, &facts);
    }

    /// A source that comes to a security which others have served for long has been away.
    fn introduce(&mut self, rank: usize) {
        let since_us = self.security.since_us;
        if self.clock_us.saturating_sub(since_us) > self.rules.stale_after_us {
            self.slots[rank].fresh_us = self.clock_us;
        }
    }

    fn others_lack(&mut self, rank: usize, facts: &Facts) {
        for (other, slot) in self.slots.iter_mut().enumerate() {
            let lacks = slot.latest.is_some_and(|it| !has(&it, facts));
            if other == rank || !lacks || slot.behind_us != NEVER_US {
                continue;
            }
            slot.behind_us = self.clock_us;
            let source = &mut self.sources[other];
            source.lacks_us = source.lacks_us.min(self.clock_us);
        }
    }

    /// Notes how far a source is behind the news with its newest quote.
    fn follow(&mut self, rank: usize, facts: &Facts) {
        let Some(news) = self.security.news else { return };
        let was_stale = self.is_stale(rank);
        let slot = &mut self.slots[rank];
        slot.behind_us = if has(facts, &news) {
            NEVER_US
        } else if news.time_us.saturating_sub(facts.time_us) <= self.rules.stale_after_us {
            self.clock_us // a little late, and on its way
        } else if slot.behind_us == NEVER_US {
            ALWAYS_US // so late that it serves nobody
        } else {
            slot.behind_us
        };
        if was_stale && !self.is_stale(rank) {
            self.slots[rank].fresh_us = self.clock_us;
        }
    }

    /// Whether a source lacks the news of this security, or of any, for too long.
    pub fn is_stale(&self, rank: usize) -> bool {
        let behind_us = self.slots[rank].behind_us;
        let stale_after_us = self.rules.stale_after_us;
        self.clock_us.saturating_sub(behind_us) > stale_after_us
            || self.sources[rank].is_silent(self.clock_us, stale_after_us)
    }

    /// Has the source of a quote serve the security if it should.
    pub fn choose(&mut self, rank: usize) -> Option<Switch> {
        let Some(server) = self.security.server else {
            self.security.server = Some(rank);
            return None;
        };
        if server == rank || self.is_stale(rank) {
            return None;
        }
        let is_stale = self.is_stale(server);
        let may = if is_stale {
            self.best_fresh() == Some(rank)
        } else {
            let fresh_us = self.slots[rank].fresh_us.max(self.sources[rank].fresh_us);
            rank < server && self.clock_us.saturating_sub(fresh_us) >= self.rules.hold_us
        };
        may.then(|| self.switch(rank, server, is_stale))
    }

    fn switch(&mut self, to: usize, from: usize, is_stale: bool) -> Switch {
        self.security.server = Some(to);
        Switch { from, to, is_stale }
    }

    /// Whether a quote passes; then it is what went out last.
    pub fn pass(&mut self, rank: usize, facts: Facts) -> Verdict {
        if let Some((out, from)) = self.security.out {
            let is_repeat = facts.volume == out.volume || from != rank && facts.is_of_volume(&out);
            if facts.time_us == out.time_us && is_repeat {
                return Verdict::Repeated;
            }
            if !is_newer(&facts, &out) {
                return Verdict::Older;
            }
        }
        let Some(server) = self.security.server.filter(|server| *server != rank) else {
            self.go_out(rank, facts);
            return Verdict::Passes;
        };
        let lacks = self.slots[server].behind_us != NEVER_US;
        let is_next =
            self.security.standby.as_ref().is_none_or(|(Kept { facts: last, .. }, of)| {
                let is_better = rank < *of && facts.time_us >= last.time_us;
                is_better || is_newer(&facts, last) && !facts.says_same(last)
            });
        Verdict::StandsBy { is_news: lacks && is_next }
    }

    fn go_out(&mut self, rank: usize, facts: Facts) {
        self.security.out = Some((facts, rank));
        let is_past = |it: &Facts| !is_newer(it, &facts) || it.says_same(&facts);
        self.security.standby.take_if(|(it, _)| is_past(&it.facts));
    }

    /// What stood by, unless the source that serves has followed or has time to. It is not waited for a
    /// better one, which serves from then on: that might be gone too.
    pub fn release(&mut self) -> (Release, Option<Switch>) {
        let standby = self.security.standby.as_ref().map(|(_, rank)| *rank);
        let Some((server, rank)) = self.security.server.zip(standby) else {
            return (Release::Nothing, None);
        };
        let is_stale = self.is_stale(server);
        if server != rank && !is_stale {
            let since_us = self.slots[server].behind_us;
            if since_us != NEVER_US {
                return (Release::Waits { since_us }, None);
            }
            self.security.standby = None; // it has followed
        }
        let next = if is_stale { self.best_fresh().unwrap_or(rank) } else { server };
        let switch = (next != server).then(|| self.switch(next, server, is_stale));
        (self.release_now().map_or(Release::Nothing, Release::Passes), switch)
    }

    /// What stood by if it is newer than what went out, whether or not it is waited for.
    pub fn release_now(&mut self) -> Option<Kept> {
        let (kept, rank) = self.security.standby.take()?;
        if self.security.out.is_some_and(|(out, _)| !is_newer(&kept.facts, &out)) {
            return None;
        }
        self.go_out(rank, kept.facts);
        Some(kept)
    }

    /// The best source that has brought the security and is fresh.
    fn best_fresh(&self) -> Option<usize> {
        let mut ranks = 0..self.slots.len();
        ranks.find(|rank| self.slots[*rank].latest.is_some() && !self.is_stale(*rank))
    }

    /// The source whose price is furthest from that of a quote of the same moment, beyond the tolerance:
    /// its rank, its price, and how far they are apart as a share of it.
    pub fn deviation(&self, rank: usize, facts: &Facts) -> Option<(usize, f64, f64)> {
        let before = self.slots[rank].latest;
        if before.is_some_and(|it| it.says_same(facts) && it.time_us == facts.time_us) {
            return None; // was compared when it first came
        }
        let others = self.slots.iter().enumerate().filter(|(other, _)| *other != rank);
        let apart = others.filter_map(|(other, slot)| {
            let latest = slot.latest?;
            Some((other, latest.price, facts.deviation(&latest)?))
        });
        let beyond = apart.filter(|(_, _, share)| *share > self.rules.tolerance);
        beyond.max_by(|one, other| one.2.total_cmp(&other.2))
    }
}

/// Whether a quote is later than another one, or of the same moment with more volume.
pub fn is_newer(quote: &Facts, other: &Facts) -> bool {
    (quote.time_us, quote.volume) > (other.time_us, other.volume)
}

/// Whether who has brought one quote lacks nothing of what another one says.
fn has(quote: &Facts, other: &Facts) -> bool {
    quote.time_us >= other.time_us || quote.says_same(other)
}
