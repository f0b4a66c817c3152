//! The bytes of a list into a batch, with every check that a reader should not have to make again.
//!
//! A list that is no FlatBuffer is refused whole. Of one that is, each quote is checked alone: what
//! has no exchange, code or readable time, holds a number that is none, or says one thing in two
//! ways that do not agree is left out and counted; the others go on. They get what Hikyuu's
//! publishers do not send: exchange in upper case, the time in one form and as a number, a source,
//! a number, and the time of receipt. A list that has all of that, as one of `nng-pub` does, goes
//! on byte for byte.

use std::borrow::Cow;

use plugin_api::{
    Batch, Levels, PluginError, Round, SpotListEncoder, SpotView, Symbol, WireSpot,
    schemas::{
        time::{DatetimeText, parse_exchange_time},
        units::{CNY_PER_WIRE_AMOUNT, shares_per_wire_volume},
        verify::{self, InvalidList},
    },
};

/// Longest name of an exchange and longest code, in bytes.
const LONGEST_MARKET: usize = 8;
const LONGEST_CODE: usize = 16;
/// How far numbers that say the same may be apart, by rounding alone.
const ROUNDING: f64 = 1e-9;

/// Why a quote is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// No exchange or code, or none that can be one.
    BadSymbol,
    /// No time, or none that can be read. Hikyuu crashes on a quote without.
    BadTime,
    /// A number that is infinite, not a number, or negative where nothing can be.
    BadNumber,
    /// Base units that do not agree with those of the wire.
    Contradiction,
}

impl Refusal {
    /// The reason under which it is counted.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadSymbol => "bad_symbol",
            Self::BadTime => "bad_time",
            Self::BadNumber => "bad_number",
            Self::Contradiction => "contradiction",
        }
    }
}

/// Gives quotes what their publisher did not.
#[derive(Debug)]
pub struct Lists {
    encoder: SpotListEncoder,
    datetime: DatetimeText,
    /// Source of quotes that name none.
    instance: String,
    /// Number of the next quote that has none.
    pub next_number: u64,
}

/// What became of a list.
#[derive(Debug)]
pub struct Read {
    /// The quotes that are fit.
    pub batch: Batch,
    /// Why others are not, one entry each.
    pub refused: Vec<Refusal>,
    /// The first of those, for the log.
    pub example: Option<String>,
}

/// A quote as it will go on.
struct Fit<'a> {
    wire: WireSpot<'a>,
    market: Cow<'a, str>,
    code: Cow<'a, str>,
    time_us: i64,
    /// Nothing of it was changed.
    is_same: bool,
}

impl Lists {
    /// For the component of that name.
    pub fn new(instance: &str) -> Self {
        Self {
            encoder: SpotListEncoder::new(0),
            datetime: DatetimeText::default(),
            instance: instance.to_owned(),
            next_number: 1,
        }
    }

    /// Reads a list that was received at that moment, microseconds since 1970 UTC.
    ///
    /// # Errors
    /// `BadData` when the bytes are no list.
    pub fn read(
        &mut self,
        bytes: Vec<u8>,
        round: Round,
        now_us: i64,
    ) -> Result<Read, (PluginError, Vec<u8>)> {
        let (mut fit, mut refused, mut example) = (Vec::new(), Vec::new(), None);
        let spots = verify::spot_list(&bytes).map_err(InvalidList::from);
        let spots = match spots.and_then(|list| list.spot().ok_or(InvalidList::NoVector)) {
            Ok(spots) => spots,
            Err(error) => return Err((error.into(), bytes)),
        };
        for spot in spots.iter().map(SpotView) {
            match judge(&spot, &mut self.datetime) {
                Ok(spot) => fit.push(spot),
                Err(refusal) => {
                    let named = || format!("{} at \"{}\"", spot.symbol(), spot.datetime());
                    example.get_or_insert_with(named);
                    refused.push(refusal);
                }
            }
        }
        if refused.is_empty() && fit.iter().all(|spot| spot.is_same) {
            drop(fit);
            return match Batch::from_untrusted_spots(bytes, round) {
                Ok(batch) => Ok(Read { batch, refused, example }),
                Err(error) => Err((error, Vec::new())),
            };
        }
        let batch = self.encode(&fit, round, now_us).map_err(|error| (error, Vec::new()))?;
        Ok(Read { batch, refused, example })
    }

    fn encode(&mut self, fit: &[Fit<'_>], round: Round, now_us: i64) -> Result<Batch, PluginError> {
        for spot in fit {
            let mut wire = WireSpot {
                market: &spot.market,
                code: &spot.code,
                datetime: self.datetime.format(spot.time_us),
                time_us: spot.time_us,
                ..spot.wire
            };
            if wire.source.is_empty() {
                // this source is where it enters; another one would have said when it did
                wire.source = &self.instance;
                wire.recv_time_us = now_us;
            }
            if wire.sequence == 0 {
                wire.sequence = self.next_number;
                self.next_number += 1;
            }
            self.encoder.push_wire(&wire)?;
        }
        Ok(Batch::from_spots(&mut self.encoder, round))
    }
}

fn judge<'a>(spot: &SpotView<'a>, datetime: &mut DatetimeText) -> Result<Fit<'a>, Refusal> {
    let (market, code) = symbol(spot)?;
    let text = spot.0.datetime().ok_or(Refusal::BadTime)?;
    let time_us = parse_exchange_time(text).ok_or(Refusal::BadTime)?;
    let wire = spot.to_wire();
    check_numbers(&wire, &market, &code, time_us)?;
    let is_same = matches!((&market, &code), (Cow::Borrowed(_), Cow::Borrowed(_)))
        && market.len() == wire.market.len()
        && wire.time_us != 0
        && wire.sequence != 0
        && !wire.source.is_empty()
        && datetime.format(time_us) == text.as_bytes();
    Ok(Fit { wire, market, code, time_us, is_same })
}

/// Exchange and code, both in upper case. Hikyuu joins the two texts, so the exchange may also
/// stand before or behind the code.
fn symbol<'a>(spot: &SpotView<'a>) -> Result<(Cow<'a, str>, Cow<'a, str>), Refusal> {
    let market = spot.0.market().ok_or(Refusal::BadSymbol)?;
    let code = spot.0.code().ok_or(Refusal::BadSymbol)?;
    if market.is_empty() {
        let symbol = Symbol::parse(code, None).ok_or(Refusal::BadSymbol)?;
        return Ok((symbol.market.into(), upper(symbol.code)));
    }
    let is_name = |text: &str, longest: usize| {
        (1..=longest).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    if is_name(market, LONGEST_MARKET) && is_name(code, LONGEST_CODE) {
        Ok((upper(market), upper(code)))
    } else {
        Err(Refusal::BadSymbol)
    }
}

fn upper(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_lowercase()) {
        text.to_ascii_uppercase().into()
    } else {
        text.into()
    }
}

fn check_numbers(
    wire: &WireSpot<'_>,
    market: &str,
    code: &str,
    time_us: i64,
) -> Result<(), Refusal> {
    let prices = [wire.yesterday_close, wire.open, wire.high, wire.low, wire.close];
    let sums = [wire.amount, wire.volume, wire.amount_cny.unwrap_or(0.0)];
    let is_finite = |levels: Levels<'_>| levels.iter().all(f64::is_finite);
    let is_sound = prices.iter().all(|price| price.is_finite())
        && sums.iter().all(|sum| sum.is_finite() && *sum >= 0.0)
        && [wire.bid, wire.bid_amount, wire.ask, wire.ask_amount].into_iter().all(is_finite)
        && wire.quality_score.is_none_or(|score| (0.0..=1.0).contains(&score));
    if !is_sound {
        return Err(Refusal::BadNumber);
    }
    let amount = wire.amount_cny.map(|cny| (wire.amount * CNY_PER_WIRE_AMOUNT, cny));
    #[allow(clippy::cast_precision_loss)] // far below what rounding allows for
    let volume = wire
        .volume_shares
        .map(|shares| (wire.volume * shares_per_wire_volume(market, code), shares as f64));
    let agrees = |(one, other): (f64, f64)| (one - other).abs() <= ROUNDING * one.max(other);
    if !amount.is_none_or(agrees)
        || !volume.is_none_or(agrees)
        || (wire.time_us != 0 && wire.time_us != time_us)
    {
        return Err(Refusal::Contradiction);
    }
    Ok(())
}
