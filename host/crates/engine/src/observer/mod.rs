//! What operators see of the data: the newest quote of each security, and records as they pass.
//!
//! There is one observer a host, while `[host] http` is set. Every fan-out has a [`Port`], which keeps
//! clones of some batches and counts the others; a thread of the observer looks at them some twenty
//! times a second, with a bounded share of the processors' time. So no component ever waits for it,
//! and under load it sees a part and says how much it missed. Who needs every record uses a sink.

mod budget;
mod key;
mod line;
mod lines;
mod market;
mod port;
mod quote;
mod tap;

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use plugin_api::Batch;

use self::{budget::Budget, market::Market, tap::Watcher};

pub use key::Key;
pub use line::Minute;
pub use market::{Day, NamedQuote, Watch};
pub use port::Port;
pub use quote::{LEVELS, Quote, Side};
pub use tap::{Tap, TapRequest};

/// How often the observer looks.
const TURN: Duration = Duration::from_millis(50);
/// What keeping the newest quotes may use up of each processor, a second. The whole market at a
/// quote of each security a second needs a tenth of it on two processors.
const FOR_QUOTES: Duration = Duration::from_millis(5);
/// What may be used at once after a pause: several rounds of the whole market.
const QUOTES_BURST: Duration = Duration::from_millis(50);
/// The same for all who watch components.
const FOR_TAPS: Duration = Duration::from_micros(12_500);
const TAPS_BURST: Duration = Duration::from_millis(100);
/// Of what a source gave last so many records are looked at in any case, sooner or later: a round of
/// the whole market. So what stands still after a burst is the newest of it.
const NEWEST: u64 = 6_000;
/// Batches for which room is kept between two turns.
const USUAL_BATCHES: usize = 1_024;

/// The observer of a host.
#[derive(Debug)]
pub struct Observer {
    ports: Mutex<Vec<Arc<Port>>>,
    market: Mutex<Market>,
    watchers: Mutex<Vec<Arc<Watcher>>>,
    turns: Mutex<Turns>,
    /// The thread ends when this is dropped.
    _ends_thread: SyncSender<()>,
}

/// What only the observer's thread uses.
#[derive(Debug)]
struct Turns {
    quotes: Budget,
    taps: Budget,
    batches: VecDeque<Batch>,
    /// Turns that were taken, so that another port comes first in each.
    count: usize,
}

impl Observer {
    /// An observer, and the thread that looks; it ends when the observer is dropped.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start() -> io::Result<Arc<Self>> {
        let (observer, ended) = Self::new(Instant::now());
        let observed = Arc::downgrade(&observer);
        thread::Builder::new()
            .name("observer".to_owned())
            .spawn(move || look(&observed, &ended))?;
        Ok(observer)
    }

    fn new(now: Instant) -> (Arc<Self>, Receiver<()>) {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let processors = u32::try_from(processors).unwrap_or(1);
        let turns = Turns {
            quotes: Budget::new(FOR_QUOTES * processors, QUOTES_BURST, now),
            taps: Budget::new(FOR_TAPS * processors, TAPS_BURST, now),
            batches: VecDeque::new(),
            count: 0,
        };
        let (ends_thread, ended) = sync_channel(0);
        let observer = Self {
            ports: Mutex::default(),
            market: Mutex::default(),
            watchers: Mutex::default(),
            turns: Mutex::new(turns),
            _ends_thread: ends_thread,
        };
        (Arc::new(observer), ended)
    }

    /// The port of a component; the same one for the same id while anybody holds it.
    pub fn port(&self, id: &str, is_source: bool) -> Arc<Port> {
        let mut ports = lock(&self.ports);
        if let Some(port) = ports.iter().find(|port| **port.id() == *id) {
            port.set_source(is_source);
            return Arc::clone(port);
        }
        let port = Arc::new(Port::new(id, is_source));
        ports.push(Arc::clone(&port));
        port
    }

    /// Watches components from the next turn on.
    pub fn tap(&self, request: TapRequest) -> Tap {
        let (tap, watcher) = Tap::new(request);
        lock(&self.watchers).push(watcher);
        tap
    }

    /// The newest quotes of those securities, in their order; `None` where there is none.
    pub fn quotes(&self, keys: &[Key]) -> Vec<Option<NamedQuote>> {
        let market = lock(&self.market);
        keys.iter().map(|key| market.quote(key)).collect()
    }

    /// The day of a security so far; `None` when it was not seen.
    pub fn day(&self, key: &Key) -> Option<Day> {
        lock(&self.market).day(key)
    }

    /// What a watch has not seen yet.
    pub fn changed(&self, watch: &mut Watch) -> Vec<NamedQuote> {
        lock(&self.market).changed(watch)
    }

    /// All securities that were seen, with their names.
    pub fn names(&self) -> Vec<(Key, Arc<str>)> {
        lock(&self.market).names()
    }

    /// Grows with each new security and each new name.
    pub fn names_revision(&self) -> u64 {
        lock(&self.market).names_revision()
    }

    /// Looks at what has passed.
    fn turn(&self, now: Instant) {
        let mut turns = lock(&self.turns);
        turns.quotes.refill(now);
        turns.taps.refill(now);
        let watchers = self.watchers_now();
        turns.count = turns.count.wrapping_add(1);
        let mut ports = self.ports_now();
        let first = turns.count % ports.len().max(1);
        ports.rotate_left(first);
        for port in ports {
            let readers: Vec<_> = watchers.iter().filter(|it| it.wants(port.id())).collect();
            self.look_at(&port, &readers, &mut turns, now);
        }
        lock(&self.market).settle(now);
    }

    fn look_at(&self, port: &Port, readers: &[&Arc<Watcher>], turns: &mut Turns, now: Instant) {
        let Turns { quotes, taps, batches, .. } = turns;
        let for_quotes = port.is_source().then(|| quotes.records().max(NEWEST));
        let for_taps = (!readers.is_empty()).then(|| taps.records());
        let may_look =
            for_quotes.is_some() && !quotes.is_spent() || for_taps.is_some() && !taps.is_spent();
        let room = for_quotes.max(for_taps);
        if room.is_some() && !may_look && port.is_observed() {
            return; // the newest ones go on waiting
        }
        let missed = port.take(batches, room);
        readers.iter().for_each(|reader| reader.miss(missed));
        // beyond the budget the newest ones count
        let wanted = quotes.records().max(NEWEST);
        let mut newer: u64 = batches.iter().map(|batch| u64::from(batch.records())).sum();
        for batch in batches.drain(..) {
            let records = u64::from(batch.records());
            newer -= records;
            if port.is_source() && newer >= if quotes.is_spent() { NEWEST } else { wanted } {
                port.report_missed(records);
            } else if port.is_source() {
                let since = Instant::now();
                lock(&self.market).take(port.id(), &batch, now);
                quotes.spend(since.elapsed(), records);
            }
            for reader in readers {
                if taps.is_spent() {
                    reader.miss(records);
                    continue;
                }
                let since = Instant::now();
                reader.take(port.id(), &batch);
                taps.spend(since.elapsed(), records);
            }
        }
        batches.shrink_to(USUAL_BATCHES);
    }

    /// Those that watch, without those that have left.
    fn watchers_now(&self) -> Vec<Arc<Watcher>> {
        let mut watchers = lock(&self.watchers);
        watchers.retain(|watcher| Arc::strong_count(watcher) > 1);
        watchers.clone()
    }

    /// The ports of all components, without those that are gone.
    fn ports_now(&self) -> Vec<Arc<Port>> {
        let mut ports = lock(&self.ports);
        let before = ports.len();
        ports.retain(|port| Arc::strong_count(port) > 1);
        let now = ports.clone();
        drop(ports);
        if now.len() < before {
            let is_there = |id: &str| now.iter().any(|port| **port.id() == *id);
            lock(&self.market).retain_sources(is_there);
        }
        now
    }
}

/// Takes turns until the observer is gone.
fn look(observer: &Weak<Observer>, ended: &Receiver<()>) {
    while ended.recv_timeout(TURN) == Err(RecvTimeoutError::Timeout) {
        let Some(observer) = observer.upgrade() else { return };
        observer.turn(Instant::now());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
