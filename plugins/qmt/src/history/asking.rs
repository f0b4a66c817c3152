//! One request under way.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::{question::Request, row::Row};

/// How often a security is asked for until what came of it is all that there is.
const MOST_TRIES: u32 = 3;
/// Pause before the second time; doubled with every further one.
const PAUSE: Duration = Duration::from_millis(500);

/// A request, and how far the bridge is with it.
pub struct Asking {
    /// What is asked.
    pub request: Request,
    /// Number of the question.
    pub id: u64,
    /// Which bridge was asked.
    pub told: Option<u64>,
    /// It is not asked earlier.
    pub not_before: Instant,
    /// When it was asked, microseconds since 1970 UTC.
    pub asked_us: i64,
    /// Securities of which not all has come.
    pub open: BTreeSet<String>,
    /// Securities that are asked for again, and why.
    pub again: Vec<(String, String)>,
    /// What has come of the security that is being sent.
    pub incoming: Incoming,
    tries: u32,
}

/// What has come of one security.
#[derive(Debug, Default)]
pub struct Incoming {
    /// Which.
    pub symbol: String,
    /// Bars of days beside what was asked for.
    pub of_days: Vec<Row>,
    /// Bars that were asked for.
    pub rows: Vec<Row>,
    /// Pages of quotes.
    pub ticks: Vec<Vec<u8>>,
}

impl Asking {
    /// A request that nobody was asked.
    pub fn new(request: Request) -> Self {
        Self {
            id: 0,
            told: None,
            not_before: Instant::now(),
            asked_us: 0,
            open: request.symbols.iter().cloned().collect(),
            again: Vec::new(),
            incoming: Incoming::default(),
            tries: 1,
            request,
        }
    }

    /// That bridge is asked, for what is open.
    pub fn begin(&mut self, bridge: u64, id: u64, now_us: i64) {
        (self.told, self.id, self.asked_us) = (Some(bridge), id, now_us);
        self.request.symbols.retain(|symbol| self.open.contains(symbol));
        self.incoming = Incoming::default();
    }

    /// Whether more of it may come.
    pub fn is_open(&self, symbol: &str) -> bool {
        self.open.contains(symbol)
    }

    /// All of it has come.
    pub fn settled(&mut self, symbol: &str) {
        self.open.remove(symbol);
    }

    /// Whether what is not whole now never will be.
    pub fn is_last_try(&self) -> bool {
        self.tries >= MOST_TRIES
    }

    /// The bridge has said all.
    pub fn close_open(&mut self) {
        let open = std::mem::take(&mut self.open);
        let why = "the bridge said nothing of it";
        self.again.extend(open.into_iter().map(|symbol| (symbol, why.to_owned())));
    }

    /// Has the rest asked for once more, after a pause.
    pub fn ask_again(&mut self) {
        self.not_before = Instant::now() + PAUSE * 2_u32.pow(self.tries - 1);
        self.tries += 1;
        self.told = None;
        let again = std::mem::take(&mut self.again);
        self.request.symbols = again.into_iter().map(|(symbol, _)| symbol).collect();
        self.open = self.request.symbols.iter().cloned().collect();
    }
}
