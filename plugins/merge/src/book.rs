//! All securities, with what each source has brought of them.

use std::collections::{HashMap, VecDeque};

use plugin_api::Symbol;

use crate::{
    facts::{Facts, Kept},
    options::Settings,
    security::{Release, Scene, Security, Slot, Switch, Verdict},
    sources::{NEVER_US, Source},
};

/// What becomes of a quote, and what it showed.
#[derive(Debug)]
pub struct Judged {
    pub verdict: Verdict,
    pub switch: Option<Switch>,
    /// Rank and price of the source whose price is too far from its own, and how far.
    pub deviation: Option<(usize, f64, f64)>,
}

/// Every security that was seen.
#[derive(Debug)]
pub struct Book {
    settings: Settings,
    ranks: usize,
    by_name: HashMap<Box<str>, usize>,
    securities: Vec<Security>,
    /// By security, then by rank.
    slots: Vec<Slot>,
    /// Securities with something that stands by, and since when it is waited for.
    due: VecDeque<(i64, usize)>,
    /// Securities that the first choice has, and those that it serves.
    first_choice: [usize; 2],
    name: String,
}

impl Book {
    /// An empty book.
    pub fn new(settings: Settings) -> Self {
        let ranks = settings.prefer.len() + 1;
        Self {
            settings,
            ranks,
            by_name: HashMap::new(),
            securities: Vec::new(),
            slots: Vec::new(),
            due: VecDeque::new(),
            first_choice: [0, 0],
            name: String::new(),
        }
    }

    /// What it was opened with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether a moment lies within the sessions.
    pub fn is_in_session(&mut self, at_us: i64) -> bool {
        self.settings.hours.contain(at_us)
    }

    /// The place of a security; `None` for one that is new and for which there is no room.
    pub fn find(&mut self, market: &str, code: &str, clock_us: i64) -> Option<usize> {
        self.spell(market, code);
        if let Some(place) = self.by_name.get(self.name.as_str()) {
            return Some(*place);
        }
        let name = self.name.as_str().into();
        self.insert(Security { name, since_us: clock_us, ..Security::default() })
    }

    /// Puts a security in that none of its sources has brought yet, unless there is no room.
    pub fn insert(&mut self, security: Security) -> Option<usize> {
        if self.securities.len() == self.settings.max_symbols {
            return None;
        }
        let place = self.securities.len();
        self.by_name.insert(security.name.clone(), place);
        self.securities.push(security);
        self.slots.resize(self.slots.len() + self.ranks, Slot::default());
        Some(place)
    }

    /// Code and exchange as `600000.SH`, in one spelling.
    fn spell(&mut self, market: &str, code: &str) {
        // an exchange that another publisher left empty may stand in the code
        let named = if market.is_empty() { Symbol::parse(code, None) } else { None };
        let Symbol { market, code } = named.unwrap_or(Symbol { market, code });
        self.name.clear();
        self.name.push_str(code);
        self.name.push('.');
        self.name.extend(market.chars().map(|it| it.to_ascii_uppercase()));
    }

    /// When the newest believed quote was made that a source has brought of a security.
    pub fn latest_us(&self, place: usize, rank: usize) -> Option<i64> {
        self.slots[place * self.ranks + rank].latest.map(|it| it.time_us)
    }

    /// Takes a quote whose time is believed, at that moment of the clock.
    pub fn take(
        &mut self,
        place: usize,
        rank: usize,
        facts: Facts,
        sources: &mut [Source],
        clock_us: i64,
    ) -> Judged {
        let is_first = rank == 0 && self.latest_us(place, 0).is_none();
        self.first_choice[0] += usize::from(is_first);
        let had_server = self.securities[place].server.is_some();
        let slots = &mut self.slots[place * self.ranks..][..self.ranks];
        let hours = &mut self.settings.hours;
        let security = &mut self.securities[place];
        let mut scene = Scene { security, slots, sources, rules: self.settings.rules, clock_us };
        let deviation = scene.deviation(rank, &facts);
        scene.note(rank, facts, || hours.contain(facts.time_us));
        let switch = scene.choose(rank);
        let verdict = scene.pass(rank, facts);
        self.first_choice[1] += usize::from(!had_server && rank == 0);
        self.note_switch(switch);
        Judged { verdict, switch, deviation }
    }

    /// Keeps what stands by and the source that serves has not brought.
    pub fn stand_by(&mut self, place: usize, rank: usize, kept: Kept) {
        let security = &mut self.securities[place];
        let Some(server) = security.server else { return };
        security.standby = Some((kept, rank));
        if !std::mem::replace(&mut security.is_due, true) {
            let since_us = self.slots[place * self.ranks + server].behind_us;
            self.due.push_back((since_us, place));
        }
    }

    /// Hands over what stood by and the source that serves has not brought in time, and says who serves
    /// from then on.
    pub fn release(
        &mut self,
        sources: &mut [Source],
        clock_us: i64,
        mut out: impl FnMut(Option<Kept>, Option<Switch>),
    ) {
        let stale_after_us = self.settings.rules.stale_after_us;
        while let Some(&(since_us, place)) = self.due.front()
            && clock_us.saturating_sub(since_us) > stale_after_us
        {
            self.due.pop_front();
            self.securities[place].is_due = false;
            let (released, switch) = self.scene(place, sources, clock_us).release();
            self.note_switch(switch);
            match released {
                Release::Nothing => out(None, switch),
                Release::Waits { since_us } => {
                    self.securities[place].is_due = true;
                    self.due.push_back((since_us, place));
                    out(None, switch);
                }
                Release::Passes(kept) => out(Some(kept), switch),
            }
        }
    }

    /// Hands over all that stands by, for a feed of which nothing more is expected.
    pub fn release_all(
        &mut self,
        sources: &mut [Source],
        clock_us: i64,
        mut out: impl FnMut(Kept),
    ) {
        for (_, place) in std::mem::take(&mut self.due) {
            self.securities[place].is_due = false;
            if let Some(kept) = self.scene(place, sources, clock_us).release_now() {
                out(kept);
            }
        }
    }

    fn scene<'a>(
        &'a mut self,
        place: usize,
        sources: &'a mut [Source],
        clock_us: i64,
    ) -> Scene<'a> {
        let security = &mut self.securities[place];
        let slots = &mut self.slots[place * self.ranks..][..self.ranks];
        Scene { security, slots, sources, rules: self.settings.rules, clock_us }
    }

    fn note_switch(&mut self, switch: Option<Switch>) {
        let Some(Switch { from, to, .. }) = switch else { return };
        let serves = &mut self.first_choice[1];
        *serves = (*serves + usize::from(to == 0)).saturating_sub(usize::from(from == 0));
    }

    /// Securities that the first choice has brought, and how many of these others serve.
    pub fn first_choice(&self) -> (usize, usize) {
        let [has, serves] = self.first_choice;
        (has, has.saturating_sub(serves))
    }

    /// Goes on with another clock, by which nobody has been away and those who lack something lack it
    /// from now on.
    pub fn restart_clock(&mut self, clock_us: i64) {
        for slot in &mut self.slots {
            slot.fresh_us = i64::MIN;
            slot.behind_us = from_now_on(slot.behind_us, clock_us);
        }
        self.securities.iter_mut().for_each(|it| it.since_us = clock_us);
        self.due.iter_mut().for_each(|(since_us, _)| *since_us = clock_us);
    }

    /// The securities, each with what its sources have brought by rank.
    pub fn securities(&self) -> impl Iterator<Item = (&Security, &[Slot])> {
        self.securities.iter().zip(self.slots.chunks(self.ranks))
    }

    /// The name of a security.
    pub fn name(&self, place: usize) -> &str {
        &self.securities[place].name
    }

    /// Puts a security of an earlier instance in, with what its sources have brought, unless there is no
    /// room.
    pub fn restore(&mut self, security: Security, slots: &[Slot]) {
        let serves = security.server == Some(0);
        let since_us = security.server.map(|server| slots[server].behind_us);
        let has_standby = security.standby.is_some();
        let Some(place) = self.insert(Security { is_due: has_standby, ..security }) else { return };
        self.slots[place * self.ranks..].copy_from_slice(slots);
        self.first_choice[0] += usize::from(slots[0].latest.is_some());
        self.first_choice[1] += usize::from(serves);
        if let Some(since_us) = since_us.filter(|_| has_standby) {
            self.due.push_back((since_us, place));
        }
    }

    /// Number of securities.
    pub fn len(&self) -> usize {
        self.securities.len()
    }
}

/// A moment since which something is lacked, by another clock that shows a time now.
pub fn from_now_on(lacks_us: i64, clock_us: i64) -> i64 {
    if lacks_us == NEVER_US { NEVER_US } else { clock_us }
}
