//! Counts what becomes of quotes, a batch at a time, and says in the log what an operator should know.

use std::collections::BTreeMap;

use kit::Throttle;
use plugin_api::Context;

use crate::{
    book::Judged,
    facts::Facts,
    security::{Switch, Verdict},
    sources::Names,
};

/// Most securities of which a report names who disagrees; `merge_deviations_total` counts all.
const MOST_DEVIATING: usize = 200;

/// What happened since the last report.
#[derive(Debug, Default)]
struct Counts {
    switched: u64,
    stale: u64,
    repeated: u64,
    older: u64,
    standby: u64,
    deviations: u64,
    unnamed: u64,
    bad_time: u64,
    no_room: u64,
}

/// Counts, and bounds what goes to the log.
#[derive(Debug, Default)]
pub struct Tally {
    counts: Counts,
    /// How often two sources, by rank, disagreed about a security since the last report.
    deviating: BTreeMap<(String, [usize; 2]), u64>,
    deviations: Throttle,
    drops: Throttle,
    has_warned_of_unnamed: bool,
    /// What the host was told last of the first choice: whether it is fresh, and how many others serve.
    told: Option<(bool, usize)>,
}

impl Tally {
    /// Counts a quote of that security and source.
    pub fn judged(
        &mut self,
        context: &Context,
        names: &Names,
        security: &str,
        rank: usize,
        facts: &Facts,
        judged: &Judged,
    ) {
        match judged.verdict {
            Verdict::Passes => {}
            Verdict::Repeated => self.counts.repeated += 1,
            Verdict::Older => self.counts.older += 1,
            Verdict::StandsBy { .. } => self.counts.standby += 1,
        }
        self.switched(judged.switch);
        if let Some((other, price, share)) = judged.deviation {
            self.counts.deviations += 1;
            let line = format!(
                "{security}: {} has {} and {} has {price}, which is {:.2} % apart; merge_deviations_total \
                 counts all of them",
                names.name(rank),
                facts.price,
                names.name(other),
                share * 100.0
            );
            self.deviations.warn(context, line);
            self.deviating(security, [rank.min(other), rank.max(other)]);
        }
    }

    fn deviating(&mut self, security: &str, ranks: [usize; 2]) {
        let key = (security.to_owned(), ranks);
        if self.deviating.len() < MOST_DEVIATING || self.deviating.contains_key(&key) {
            *self.deviating.entry(key).or_default() += 1;
        }
    }

    /// Counts that another source serves a security.
    pub fn switched(&mut self, switch: Option<Switch>) {
        if let Some(switch) = switch {
            self.counts.switched += 1;
            self.counts.stale += u64::from(switch.is_stale);
        }
    }

    /// Counts a quote of a source that is not among those that are named.
    pub fn unnamed(&mut self, context: &Context, own: &str, component: &str) {
        self.counts.unnamed += 1;
        if !std::mem::replace(&mut self.has_warned_of_unnamed, true) {
            let source = if own.is_empty() { component } else { own };
            context.warn(&format!(
                "quotes of {source:?} (taken in by {component:?}), which is not among `prefer`, come \
                 after all others; add it; from here on they are only counted, in merge_unnamed_total"
            ));
        }
    }

    /// Counts a quote without a time, or from the future.
    pub fn bad_time(&mut self) {
        self.counts.bad_time += 1;
    }

    /// Counts a quote of a security for which there is no room.
    pub fn no_room(&mut self) {
        self.counts.no_room += 1;
    }

    /// Tells the host and starts anew. `strays` are quotes with a time that those around them refute.
    pub fn report(&mut self, context: &Context, names: &Names, strays: u64) {
        for ((security, [one, other]), count) in std::mem::take(&mut self.deviating) {
            let (one, other) = (names.name(one), names.name(other));
            let text = format!("prices of {one} and {other} are further apart than `tolerance`");
            context.deviation(&security, &text, count);
        }
        let counts = std::mem::take(&mut self.counts);
        for (metric, count) in [
            ("merge_switched_total", counts.switched),
            ("merge_stale_total", counts.stale),
            ("merge_repeated_total", counts.repeated),
            ("merge_older_total", counts.older),
            ("merge_standby_total", counts.standby),
            ("merge_deviations_total", counts.deviations),
            ("merge_unnamed_total", counts.unnamed),
            ("stray_times_total", strays),
        ] {
            if count > 0 {
                context.count(metric, count);
            }
        }
        for (reason, records, remedy) in [
            (
                "bad_time",
                counts.bad_time,
                "they have no time, or one later than the clock's by a day",
            ),
            ("too_many_symbols", counts.no_room, "raise max_symbols"),
        ] {
            if records > 0 {
                context.dropped(reason, records);
                self.drops.warn(context, format!("{records} quotes are left out: {remedy}"));
            }
        }
    }

    /// Tells whether the first choice is there, and how many securities others serve that it has.
    pub fn first_choice(&mut self, context: &Context, name: &str, is_fresh: bool, others: usize) {
        let before = self.told.replace((is_fresh, others));
        if before == Some((is_fresh, others)) {
            return;
        }
        context.gauge("merge_first_choice_fresh", if is_fresh { 1.0 } else { 0.0 });
        context
            .gauge("merge_served_by_others", f64::from(u32::try_from(others).unwrap_or(u32::MAX)));
        let was_fresh = before.map(|(was_fresh, _)| was_fresh);
        if was_fresh != Some(is_fresh) {
            let away = format!("{name}, the first of `prefer`, is away: others serve");
            context.degraded((!is_fresh).then_some(away.as_str()));
        }
        match (was_fresh.unwrap_or(true), is_fresh) {
            (true, false) => context.warn(&format!(
                "{name}, the first of `prefer`, lacks quotes that other sources have brought: these serve \
                 until it has followed for `hold`; look at it"
            )),
            (false, true) => context.info(&format!("{name}, the first of `prefer`, serves again")),
            _ => {}
        }
    }
}
