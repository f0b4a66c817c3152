//! The rules that one quote breaks by itself.

use plugin_api::schemas::{
    market_phase::MarketPhase,
    time::{ExchangeTime, SECOND_US},
};

use crate::{
    board::{Band, is_ex_right},
    options::Bands,
    quote::{Quote, Side},
    rule::{Rule, Rules},
    session,
};

/// Half of the finest step: no price lies between 0 and this.
const LEAST_PRICE: f64 = 0.0005;
/// CNY; the dearest index stands below a hundredth of it.
const MOST_PRICE: f64 = 1e7;
/// Shares; a hundred times what a whole exchange trades on its busiest day.
const MOST_VOLUME: f64 = 1e14;
/// CNY, likewise.
const MOST_AMOUNT: f64 = 1e16;
/// Below the finest step: what floating point adds to a price, as in `10.620000000000001`.
const PRICE_NOISE: f64 = 1e-4;
/// Between an amount that is right and one that is off by 100.
const AMOUNT_FACTOR: f64 = 10.0;
/// A volume in lots is cut off below.
const LOT: u64 = 100;
/// How far clocks may be apart.
const FUTURE_US: i64 = 60 * SECOND_US;

/// What the checks measure with.
#[derive(Debug, Clone)]
pub struct Measures {
    bands: Bands,
    narrowest: f64,
    /// Microseconds of trading time; `None` for never.
    stale_after_us: Option<i64>,
}

impl Measures {
    /// From the options.
    pub fn new(bands: Bands, stale_after: std::time::Duration) -> Self {
        let stale_after_us = i64::try_from(stale_after.as_micros()).ok().filter(|us| *us > 0);
        Self { bands, narrowest: bands.narrowest(), stale_after_us }
    }

    /// Every rule that the quote breaks by itself, whether anybody asked for it or not.
    #[allow(clippy::cast_precision_loss)] // exact enough for a bound
    pub fn check(&self, quote: &Quote<'_>) -> Rules {
        let mut broken = Rules::NONE;
        let prices = [quote.pre_close, quote.open, quote.high, quote.low, quote.close];
        let sides = [&quote.bid, &quote.ask];
        let has_price =
            prices.iter().any(|price| *price > 0.0) || sides.iter().any(|side| !side.is_empty());
        broken.add_if(quote.time_us == 0 || !has_price, Rule::Fields);
        let is_sane = prices.into_iter().all(is_price)
            && sides.iter().all(|side| side.prices.iter().all(is_price));
        broken.add_if(!is_sane, Rule::Price);
        let [volume, amount] = quote.on_wire();
        let has_sizes = is_amount(quote.amount)
            && is_amount(amount)
            && is_volume(volume)
            && is_volume(quote.volume as f64)
            && sides.iter().all(|side| side.sizes.iter().all(is_volume));
        broken.add_if(!has_sizes, Rule::Volume);
        if !broken.is_empty() {
            // the other rules would measure with what was just found to be garbage
            return broken;
        }
        broken = high_low([quote.open, quote.high, quote.low, quote.close]);
        broken = broken.or(self.limits(quote)).or(self.clock(quote)).or(zeroes(quote));
        let price = if quote.high > 0.0 { [quote.low, quote.high] } else { [quote.close; 2] };
        let is_off = !fits(quote.amount, quote.volume, price);
        broken.add_if(is_off && quote.board().trades_in_shares(), Rule::Amount);
        if quote.phase == MarketPhase::Continuous { broken.or(book(quote)) } else { broken }
    }

    fn limits(&self, quote: &Quote<'_>) -> Rules {
        let prices = [quote.open, quote.high, quote.low, quote.close];
        let given = prices.into_iter().filter(|price| *price > 0.0);
        let reach = self.narrowest * quote.pre_close - 0.005;
        if given.clone().all(|price| (price - quote.pre_close).abs() <= reach) {
            return Rules::NONE; // within the narrowest band of all, whatever the security is
        }
        let (name, day) = (quote.name(), quote.time.day);
        let band = Band::of(quote.board(), name, day, quote.pre_close, &self.bands);
        let Some(band) = band else { return Rules::NONE };
        let (mut above, mut below) = (0, 0);
        for price in given {
            above += usize::from(band.is_above(price));
            below += usize::from(band.is_below(price));
        }
        let width = band.high / band.low;
        let agree = quote.low > 0.0 && quote.high <= quote.low * width + PRICE_NOISE;
        match above.max(below) {
            0 => Rules::NONE,
            4 if agree && is_ex_right(name) => Rules::NONE,
            4 if agree => Rules::of(&[Rule::PreClose]),
            _ => Rules::of(&[Rule::PriceLimit]),
        }
    }

    fn clock(&self, quote: &Quote<'_>) -> Rules {
        let mut broken = Rules::NONE;
        if quote.recv_time_us <= 0 {
            return broken;
        }
        let ahead = quote.time_us.saturating_sub(quote.recv_time_us);
        broken.add_if(ahead > FUTURE_US, Rule::Future);
        if let Some(stale_after) = self.stale_after_us.filter(|after| -ahead > *after) {
            let received = ExchangeTime::from_utc_us(quote.recv_time_us);
            let age = session::trading_time_between(quote.time, received);
            broken.add_if(age > stale_after, Rule::Stale);
        }
        broken
    }
}

/// Whether a number can be a price; 0 stands for none.
pub fn is_price(price: f64) -> bool {
    price == 0.0 || (LEAST_PRICE..=MOST_PRICE).contains(&price)
}

/// Whether a number can be a turnover in CNY or 10,000 CNY.
pub fn is_amount(amount: f64) -> bool {
    (0.0..=MOST_AMOUNT).contains(&amount)
}

/// Whether a number can be a volume in shares or lots.
pub fn is_volume(volume: f64) -> bool {
    (0.0..=MOST_VOLUME).contains(&volume)
}

/// Whether open, high, low and close agree; a price of 0 is one that is not there.
pub fn high_low([open, high, low, close]: [f64; 4]) -> Rules {
    let mut broken = Rules::NONE;
    if high <= 0.0 && low <= 0.0 {
        return broken;
    }
    let is_reversed = high > 0.0 && high < low - PRICE_NOISE;
    broken.add_if(is_reversed, Rule::HighLow);
    let is_outside =
        |price: f64| price > 0.0 && !(low - PRICE_NOISE..=high + PRICE_NOISE).contains(&price);
    let is_half = high <= 0.0 || low <= 0.0;
    broken.add_if(!is_reversed && (is_half || is_outside(open) || is_outside(close)), Rule::Range);
    broken
}

/// Whether an amount is that of a volume within a factor of [`AMOUNT_FACTOR`]. An amount of 0 is
/// one that is not there.
#[allow(clippy::cast_precision_loss)] // exact enough for a factor of 10
pub fn fits(amount: f64, volume: u64, [low, high]: [f64; 2]) -> bool {
    let least = low * volume.saturating_sub(LOT) as f64 / AMOUNT_FACTOR;
    let most = high * volume.saturating_add(LOT) as f64 * AMOUNT_FACTOR;
    amount <= 0.0 || high <= 0.0 || (least..=most).contains(&amount)
}

fn zeroes(quote: &Quote<'_>) -> Rules {
    let mut broken = Rules::NONE;
    if quote.close <= 0.0 {
        let is_silent = quote.phase == MarketPhase::Continuous && quote.has_empty_book();
        broken.add_if(quote.has_traded() || is_silent, Rule::Zero);
    } else if quote.volume == 0 && quote.amount <= 0.0 {
        let has_moved = quote.high > quote.low + PRICE_NOISE;
        broken.add_if(has_moved && quote.board().trades_in_shares(), Rule::Zero);
    }
    broken
}

/// For continuous trading: in auctions both sides have one virtual price, and a size without one.
fn book(quote: &Quote<'_>) -> Rules {
    let mut broken = Rules::NONE;
    let (bid, ask) = (quote.bid.best(), quote.ask.best());
    broken.add_if(ask > 0.0 && bid > ask + PRICE_NOISE, Rule::Crossed);
    let is_sorted = is_sorted(quote.bid, |better, worse| worse < better)
        && is_sorted(quote.ask, |better, worse| worse > better);
    broken.add_if(!is_sorted, Rule::Levels);
    if bid <= 0.0 && ask <= 0.0 && quote.volume > 0 && quote.has_empty_book() {
        broken.add_if(quote.board().trades_in_shares(), Rule::EmptyBook);
    }
    broken
}

/// Whether each level is worse than the one before it and none is behind one without a price.
fn is_sorted(side: Side<'_>, is_worse: impl Fn(f64, f64) -> bool) -> bool {
    let mut levels = side.prices.iter();
    let Some(mut last) = levels.next() else { return true };
    levels.all(|price| {
        let fits = price <= 0.0 || last > 0.0 && is_worse(last, price);
        last = price;
        fits
    })
}
