//! What kind of security a code names, and how far its price may move in a day.
//!
//! Sources: the trading rules of the three exchanges; checked against the limits that recorded
//! Tencent lines carry.

use crate::options::Bands;

/// Kind of security, as far as the rules differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Board {
    /// Main boards of Shanghai and Shenzhen.
    Main,
    /// STAR and ChiNext.
    Growth,
    /// Beijing.
    Beijing,
    /// Funds, ETFs among them; prices in thousandths.
    Fund,
    /// B shares of Shanghai (USD, thousandths) and Shenzhen (HKD, cents).
    ShanghaiB,
    /// See [`Board::ShanghaiB`].
    ShenzhenB,
    /// Has no limits, no book, and no turnover at its own price.
    Index,
    /// Bonds, repos and what else there is: no rule for it is known here.
    Other,
}

impl Board {
    /// The kind of a code; the exchange in any case.
    pub fn of(market: &str, code: &str) -> Self {
        let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| code.starts_with(prefix));
        if market.eq_ignore_ascii_case("SH") {
            match () {
                () if starts(&["60"]) => Self::Main,
                () if starts(&["688", "689"]) => Self::Growth,
                () if starts(&["5"]) => Self::Fund,
                () if starts(&["000"]) => Self::Index,
                () if starts(&["900"]) => Self::ShanghaiB,
                () => Self::Other,
            }
        } else if market.eq_ignore_ascii_case("SZ") {
            match () {
                () if starts(&["00"]) => Self::Main,
                () if starts(&["30"]) => Self::Growth,
                () if starts(&["15", "16", "18"]) => Self::Fund,
                () if starts(&["39"]) => Self::Index,
                () if starts(&["20"]) => Self::ShenzhenB,
                () => Self::Other,
            }
        } else if market.eq_ignore_ascii_case("BJ") {
            match () {
                () if starts(&["899"]) => Self::Index,
                () if starts(&["43", "83", "87", "88", "92"]) => Self::Beijing,
                () => Self::Other,
            }
        } else {
            Self::Other
        }
    }

    /// Whether amount is about volume in shares times price.
    pub fn trades_in_shares(self) -> bool {
        !matches!(self, Self::Index | Self::Other)
    }

    /// Smallest step of a price.
    pub fn tick(self) -> f64 {
        if matches!(self, Self::Fund | Self::ShanghaiB) { 0.001 } else { 0.01 }
    }

    /// How far a price may be from the close of the day before, as a share of it; 0 when nothing
    /// holds it.
    fn reach(self, name: &str, day: i64, bands: &Bands) -> f64 {
        let percent = match self {
            _ if is_unlimited(name) => 0.0,
            Self::Main | Self::ShanghaiB | Self::ShenzhenB if name.contains("ST") => {
                bands.st_on(day)
            }
            Self::Main | Self::ShanghaiB | Self::ShenzhenB => bands.main,
            Self::Growth => bands.growth,
            Self::Beijing => bands.beijing,
            Self::Fund => bands.fund,
            Self::Index | Self::Other => 0.0,
        };
        percent / 100.0
    }
}

/// Lowest and highest price of a day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Band {
    /// Lowest price.
    pub low: f64,
    /// Highest price.
    pub high: f64,
    /// Smallest step of a price.
    pub tick: f64,
}

impl Band {
    /// The band of a security on a day, counted from 1970; `None` when nothing limits its price.
    ///
    /// Limits are rounded to the step, in Beijing towards the close of the day before, and are at
    /// least one step away from that.
    pub fn of(board: Board, name: &str, day: i64, pre_close: f64, bands: &Bands) -> Option<Self> {
        let reach = board.reach(name, day, bands);
        if reach <= 0.0 || pre_close <= 0.0 {
            return None;
        }
        let tick = board.tick();
        // in steps; a product such as 10.45 × 1.1 may come out a little beside what it is
        let (low, high) = (pre_close * (1.0 - reach) / tick, pre_close * (1.0 + reach) / tick);
        let (low, high) = if board == Board::Beijing {
            ((low - 1e-6).ceil(), (high + 1e-6).floor())
        } else {
            ((low + 0.5 + 1e-6).floor(), (high + 0.5 + 1e-6).floor())
        };
        Some(Self {
            low: (low * tick).min(pre_close - tick).max(tick),
            high: (high * tick).max(pre_close + tick),
            tick,
        })
    }

    /// Whether a price is below the band, with half a step for what floating point adds.
    pub fn is_below(self, price: f64) -> bool {
        self.low - price > 0.5 * self.tick
    }

    /// Whether a price is above the band.
    pub fn is_above(self, price: f64) -> bool {
        price - self.high > 0.5 * self.tick
    }
}

/// Whether the name says that nothing limits the price today: `N…` on the first day, `C…` on the
/// four after it, `退` in the weeks before a delisting, of which the first day has no limits.
fn is_unlimited(name: &str) -> bool {
    let mut letters = name.chars();
    let is_new = matches!(letters.next(), Some('N' | 'C'))
        && letters.next().is_some_and(|second| !second.is_ascii());
    is_new || name.contains('退')
}

/// Whether the name says that today's reference price was adjusted: ex-dividend, ex-rights, both.
pub fn is_ex_right(name: &str) -> bool {
    ["XD", "XR", "DR"].iter().any(|mark| name.starts_with(mark))
}
