//! What answers are made of: the quotes and bars of every security.
//!
//! One thread writes, many read. Each security has a lock of its own, which readers hold only to
//! copy a list of blocks or a few bars, so neither side waits for the other for long.

mod bars;
mod days;
mod image;
mod store_writer;
mod tick;
mod ticks;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

pub use bars::BarRow;
use bars::{Bar, Bars};
pub use image::{load, save};
pub use store_writer::{Evicted, Limits, Oldest, Skipped, StoreWriter};
pub use tick::{MOST_LEVELS, Tick};
pub use ticks::Block;
use ticks::Ticks;

use crate::ktype::KType;

/// Longest name of a security, bytes.
const LONGEST_KEY: usize = 32;

/// Everything that is kept, for readers.
#[derive(Debug, Default)]
pub struct Store {
    securities: RwLock<HashMap<Box<str>, Arc<Security>>>,
    /// What the writer says of it.
    pub figures: Figures,
}

/// How much is kept.
#[derive(Debug, Default)]
pub struct Figures {
    /// Quotes.
    pub ticks: AtomicU64,
    /// Bars of all types.
    pub bars: AtomicU64,
    /// Memory that they take, bytes.
    pub bytes: AtomicU64,
    /// Quotes that were evicted because there was no more room.
    pub evicted: AtomicU64,
    /// Time of the newest quote, microseconds since 1970 UTC; 0 before the first.
    pub newest_us: AtomicU64,
}

/// One security.
#[derive(Debug, Default)]
pub struct Security {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    ticks: Ticks,
    bars: [Bars; KType::COUNT],
}

/// How much a security holds.
#[derive(Debug, Clone, Copy)]
struct Weight {
    ticks: u64,
    bars: u64,
    bytes: usize,
}

impl Held {
    fn weight(&self) -> Weight {
        Weight {
            ticks: self.ticks.len(),
            bars: self.bars.iter().map(|bars| bars.len() as u64).sum(),
            bytes: self.ticks.size() + self.bars.iter().map(Bars::size).sum::<usize>(),
        }
    }
}

impl Store {
    /// A security by its name, e.g. `SH600000`.
    pub fn security(&self, key: &str) -> Option<Arc<Security>> {
        self.read().get(key).cloned()
    }

    /// The names of all securities, sorted.
    pub fn keys(&self) -> Vec<Box<str>> {
        let mut keys: Vec<_> = self.read().keys().cloned().collect();
        keys.sort_unstable();
        keys
    }

    /// How many securities there are.
    pub fn len(&self) -> usize {
        self.read().len()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, HashMap<Box<str>, Arc<Security>>> {
        self.securities.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(&self, key: &str) -> Arc<Security> {
        let mut securities = self.securities.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(securities.entry(key.into()).or_default())
    }
}

impl Security {
    /// The blocks that hold quotes at or after a moment, and maybe some before it.
    pub fn ticks_since(&self, time_us: i64) -> Vec<Arc<Block>> {
        let held = self.lock();
        let blocks = held.ticks.blocks();
        blocks[blocks.partition_point(|block| block.last_us < time_us)..].to_vec()
    }

    /// How many bars there are at or after a moment.
    pub fn count_bars(&self, ktype: KType, since_us: i64) -> usize {
        self.lock().bars[ktype.index()].since(since_us).len()
    }

    /// Lends the bars at or after a moment.
    pub fn with_bars<T>(
        &self,
        ktype: KType,
        since_us: i64,
        read: impl FnOnce(&[BarRow]) -> T,
    ) -> T {
        read(self.lock().bars[ktype.index()].since(since_us))
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // a reader that panicked has changed nothing
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Figures {
    /// Sets what changes with every batch.
    fn set(&self, ticks: u64, bars: u64, bytes: usize) {
        self.ticks.store(ticks, Ordering::Relaxed);
        self.bars.store(bars, Ordering::Relaxed);
        self.bytes.store(bytes as u64, Ordering::Relaxed);
    }
}

/// The name under which Hikyuu knows a security: market and code in upper case, `SH600000`; a code
/// `600000.SH` carries its market behind a dot. `None` when it is empty or longer than any name.
pub fn key_of<'k>(market: &str, code: &str, key: &'k mut [u8; LONGEST_KEY]) -> Option<&'k str> {
    let (market, code) = match code.split_once('.') {
        Some((code, market)) => (market, code),
        None => (market, code),
    };
    let len = market.len() + code.len();
    if len == 0 || len > LONGEST_KEY {
        return None;
    }
    key[..market.len()].copy_from_slice(market.as_bytes());
    key[market.len()..len].copy_from_slice(code.as_bytes());
    key[..len].make_ascii_uppercase();
    std::str::from_utf8(&key[..len]).ok()
}

/// Room for a name.
pub fn key_buffer() -> [u8; LONGEST_KEY] {
    [0; LONGEST_KEY]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn securities_are_known_by_hikyuus_names() {
        let key = |market, code| key_of(market, code, &mut key_buffer()).map(str::to_owned);
        assert_eq!(key("SH", "600000").as_deref(), Some("SH600000"));
        assert_eq!(key("sh", "600000").as_deref(), Some("SH600000"));
        assert_eq!(key("", "sh600000").as_deref(), Some("SH600000"));
        assert_eq!(key("", "600000.sh").as_deref(), Some("SH600000"));
        assert_eq!(key("", ""), None);
        assert_eq!(key("SH", &"9".repeat(40)), None);
    }
}
