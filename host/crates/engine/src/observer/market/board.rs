//! What is shown of each security.

use std::{collections::HashMap, sync::Arc};

use plugin_api::SpotView;

use super::{Day, NamedQuote};
use crate::observer::{Key, Quote, line::Line};

/// Most securities; later ones are not kept.
pub(super) const MAX_SECURITIES: usize = 20_000;
/// Longest name, bytes.
const MAX_NAME: usize = 48;

/// What is shown, by place: the number of a security in the order in which they were seen.
#[derive(Debug, Default)]
pub struct Board {
    place_by_key: HashMap<Key, u32>,
    securities: Vec<Security>,
    /// Grows with each batch.
    revision: u64,
    names_revision: u64,
}

#[derive(Debug)]
struct Security {
    key: Key,
    name: Arc<str>,
    shown: Option<Shown>,
    line: Option<Box<Line>>,
}

#[derive(Debug)]
struct Shown {
    quote: Quote,
    source: Arc<str>,
    /// Its time is believed; one that is in doubt stands only where there is no other.
    is_believed: bool,
    /// Revision of the board that it came with.
    revision: u64,
}

/// Some securities, and up to which revision of the board they were seen.
#[derive(Debug, Default)]
pub struct Watch {
    keys: Vec<Key>,
    seen: u64,
}

impl Watch {
    /// A watch of those securities that has seen nothing yet.
    pub fn new(keys: Vec<Key>) -> Self {
        Self { keys, seen: 0 }
    }
}

impl Board {
    /// What is shown from now on is new to all who watch.
    pub fn begin(&mut self) {
        self.revision += 1;
    }

    /// The place of a quote's security; `None` when there is no room for another one.
    pub fn place(&mut self, spot: &SpotView<'_>) -> Option<u32> {
        let key = Key::of(spot.symbol())?;
        let name = spot.name();
        if let Some(&place) = self.place_by_key.get(&key) {
            let security = &mut self.securities[place as usize];
            if !name.is_empty() && cut(name) != &*security.name {
                security.name = cut(name).into();
                self.names_revision += 1;
            }
            return Some(place);
        }
        if self.securities.len() >= MAX_SECURITIES {
            return None;
        }
        let place = u32::try_from(self.securities.len()).ok()?;
        self.place_by_key.insert(key, place);
        self.securities.push(Security { key, name: cut(name).into(), shown: None, line: None });
        self.names_revision += 1;
        Some(place)
    }

    /// Shows a quote whose time is believed, unless another source has a newer one.
    pub fn show(&mut self, place: u32, source: &Arc<str>, quote: Quote) {
        let security = &mut self.securities[place as usize];
        let age = |quote: &Quote| (quote.time_us, quote.recv_time_us);
        let is_newer = security.shown.as_ref().is_none_or(|shown| {
            !shown.is_believed || shown.source == *source || age(&quote) >= age(&shown.quote)
        });
        if !is_newer {
            return;
        }
        if quote.time_us > 0 && quote.price > 0.0 {
            let line = security.line.get_or_insert_with(|| Box::new(Line::new(&quote)));
            line.note(&quote);
        }
        self.put(place, source, quote, true);
    }

    /// Shows a quote whose time is in doubt where there is no other.
    pub fn propose(&mut self, place: u32, source: &Arc<str>, quote: &Quote) {
        let shown = self.securities[place as usize].shown.as_ref();
        if shown.is_none_or(|shown| !shown.is_believed) {
            self.put(place, source, *quote, false);
        }
    }

    fn put(&mut self, place: u32, source: &Arc<str>, quote: Quote, is_believed: bool) {
        let revision = self.revision;
        let security = &mut self.securities[place as usize];
        // the usual case, without counting references
        if let Some(shown) = security.shown.as_mut().filter(|shown| shown.source == *source) {
            (shown.quote, shown.is_believed, shown.revision) = (quote, is_believed, revision);
            return;
        }
        let source = Arc::clone(source);
        security.shown = Some(Shown { quote, source, is_believed, revision });
    }

    /// The newest quote of a security.
    pub fn quote(&self, key: &Key) -> Option<NamedQuote> {
        named(self.security(key)?).map(|(_, quote)| quote)
    }

    /// The day of a security.
    pub fn day(&self, key: &Key) -> Option<Day> {
        let security = self.security(key)?;
        let quote = security.shown.as_ref()?.quote;
        let line = security.line.as_ref();
        let date = line.map_or_else(|| Line::new(&quote).date(), |line| line.date());
        let minutes = line.map_or_else(Vec::new, |line| line.minutes());
        Some(Day { date, prev_close: quote.prev_close, minutes })
    }

    /// What a watch has not seen yet.
    pub fn changed(&self, watch: &mut Watch) -> Vec<NamedQuote> {
        let seen = std::mem::replace(&mut watch.seen, self.revision);
        let quotes = watch.keys.iter().filter_map(|key| named(self.security(key)?));
        quotes.filter(|(revision, _)| *revision > seen).map(|(_, quote)| quote).collect()
    }

    /// All securities with their names.
    pub fn names(&self) -> Vec<(Key, Arc<str>)> {
        self.securities.iter().map(|it| (it.key, Arc::clone(&it.name))).collect()
    }

    /// Grows with each new security and each new name.
    pub fn names_revision(&self) -> u64 {
        self.names_revision
    }

    fn security(&self, key: &Key) -> Option<&Security> {
        self.place_by_key.get(key).map(|place| &self.securities[*place as usize])
    }
}

/// The quote of a security, and the revision that it came with.
fn named(security: &Security) -> Option<(u64, NamedQuote)> {
    let shown = security.shown.as_ref()?;
    let quote = NamedQuote {
        key: security.key,
        name: Arc::clone(&security.name),
        source: Arc::clone(&shown.source),
        quote: shown.quote,
    };
    Some((shown.revision, quote))
}

/// The beginning of a name that is longer than any exchange gives.
fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(MAX_NAME)]
}
