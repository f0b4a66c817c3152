//! One security: its bars, and which of its quotes enter them.

use plugin_api::{SpotView, schemas::time::ExchangeTime};

pub mod empty;
pub mod fill;
pub mod history;
pub mod minute;
pub mod row;
pub mod seam;

use crate::{
    auction,
    bar::{Prices, Totals},
    hours::Part,
    options::Rules,
    origin::Origin,
    shape::Auction,
};
use empty::Watch;
use history::Joint;
use row::{Effects, Entry, Row};

/// A believed quote that is older than the last by more than this is of a feed that began anew; what
/// is less only came late.
const REWIND_US: i64 = 30 * 60 * 1_000_000;
/// The same for the first quote after a restart.
const REWIND_AT_START_US: i64 = 60 * 1_000_000;

/// What is known of a security.
#[derive(Debug, Clone, PartialEq)]
pub struct Security {
    pub market: Box<str>,
    pub code: Box<str>,
    /// Time of its newest quote, microseconds since 1970 UTC.
    pub latest_us: i64,
    pub row: Row,
    /// It comes from a checkpoint, and no quote came since.
    pub is_loaded: bool,
    /// How stretches without quotes are filled; `None`: they are not.
    pub watch: Option<Watch>,
    /// What history knows of today; `None`: there is no source of it.
    pub joint: Option<Box<Joint>>,
}

/// What bars need of a quote.
#[derive(Debug, Clone, Copy)]
pub struct Quote {
    pub time_us: i64,
    pub moment: ExchangeTime,
    /// Its moment lies within what makes bars.
    pub counts: bool,
    /// Its day is one of trading.
    pub is_day: bool,
    pub of_day: Prices,
    /// Close of the day before, CNY; 0 when unknown.
    pub pre_close: f64,
    pub totals: Totals,
    pub quality_score: Option<f32>,
    /// Its source.
    pub origin: Origin,
    /// Its last price may be that of a match which is not made yet.
    pub may_be_virtual: bool,
}

impl Quote {
    /// Reads a quote of that source that was made at that moment.
    pub fn new(
        spot: &SpotView<'_>,
        origin: Origin,
        time_us: i64,
        moment: ExchangeTime,
        is_day: bool,
        counts: bool,
    ) -> Self {
        let amount = spot.amount_cny();
        Self {
            time_us,
            moment,
            counts,
            is_day,
            of_day: Prices {
                open: spot.open(),
                high: spot.high(),
                low: spot.low(),
                close: spot.close(),
            },
            pre_close: spot.pre_close(),
            totals: Totals {
                amount: if amount.is_finite() { amount.max(0.0) } else { 0.0 },
                volume: spot.volume_shares(),
            },
            quality_score: spot.quality_score(),
            origin,
            may_be_virtual: auction::may_be_virtual(spot, moment),
        }
    }
}

impl Security {
    /// One of which nothing is known.
    pub fn new(market: &str, code: &str, periods: usize) -> Self {
        Self {
            market: market.into(),
            code: code.into(),
            latest_us: i64::MIN,
            row: Row::new(periods),
            is_loaded: false,
            watch: None,
            joint: None,
        }
    }

    /// Takes a quote; all are watched since `started_us`, microseconds since 1970 UTC.
    pub fn take(
        &mut self,
        quote: &Quote,
        started_us: i64,
        rules: &Rules<'_>,
        effects: &mut Effects,
    ) {
        if self.is_rewound_by(quote) {
            let (watch, joint) = (self.watch.map(|_| Watch::new()), self.joint.is_some());
            *self = Self::new(&self.market, &self.code, rules.periods.len());
            (self.watch, self.joint) = (watch, joint.then(Box::default));
        }
        self.is_loaded = false;
        self.latest_us = self.latest_us.max(quote.time_us);
        self.row.close(quote.time_us, &mut effects.closed);
        if let Some(watch) = self.watch.as_mut().filter(|_| quote.is_day) {
            watch.note(quote, &self.row, started_us);
        }
        let part = rules.hours.part(quote.moment.of_day_us).filter(|_| quote.counts);
        match part.and_then(|part| self.entry(quote, part, rules)) {
            Some(entry) => self.enter(&entry, started_us, rules, effects),
            None => {
                if let Some(watch) = &mut self.watch {
                    watch.note_auction(quote, rules.hours);
                }
            }
        }
    }

    fn is_rewound_by(&self, quote: &Quote) -> bool {
        let most_us = if self.is_loaded { REWIND_AT_START_US } else { REWIND_US };
        self.latest_us.saturating_sub(quote.time_us) > most_us
    }

    /// What a quote of that part of the day brings to the bars, if anything.
    fn entry(&mut self, quote: &Quote, part: Part, rules: &Rules<'_>) -> Option<Entry> {
        let Quote { moment, mut of_day, totals, quality_score, origin, .. } = *quote;
        let known = if self.row.day == moment.day { self.row.totals } else { Totals::default() };
        match part {
            // before the match the last price is a virtual one
            Part::Auction if totals.volume == 0 || !Prices::flat(of_day.close).are_valid() => {
                return None;
            }
            Part::Auction if rules.shape.auction == Auction::FirstBar => return None,
            Part::Auction if rules.shape.auction == Auction::Drop => {
                self.row.trade(moment.day, totals);
                return None;
            }
            // QMT begins at 0 again after the close
            Part::AfterHours if self.row.day != moment.day || totals.volume <= known.volume => {
                return None;
            }
            _ => {}
        }
        if quote.may_be_virtual && !auction::is_traded_at(of_day.close, known, totals) {
            of_day.close = self.row.last_price(moment.day)?;
        }
        Some(Entry {
            moment,
            minute: Prices::flat(of_day.close),
            of_day: (part != Part::Auction).then_some(of_day),
            totals,
            quality_score,
            origin,
            is_assumed: false,
            fill: self.watch.map(|watch| watch.fill).filter(|fill| fill.day == moment.day),
        })
    }

    fn enter(&mut self, entry: &Entry, started_us: i64, rules: &Rules<'_>, effects: &mut Effects) {
        let Some(joint) = &mut self.joint else {
            self.row.enter(entry, rules, effects);
            return;
        };
        joint.meet(entry, started_us, &self.row, rules);
        self.row.enter(entry, rules, effects);
        if joint.follow(&self.row, rules) {
            self.stitch(rules, false, effects);
        }
    }
}
