//! What was seen as bytes: for a checkpoint on disk, and for the next instance of the plugin.
//!
//! ```text
//! "DSBARS3\n" │ newest time │ number of securities │ securities │ live │ number of quotes that wait │
//! quotes that wait │ number of sources │ their names │ checksum of all before
//! ```
//!
//! Version 1 ended with the securities, version 2 with the quotes; neither knew sources.
//!
//! Numbers are little-endian; a text is its length in a byte and its bytes; a bar carries the number
//! of its period, so that another instance may have other periods.

use plugin_api::schemas::{
    stray::{Feed, Held, Stamp},
    time::ExchangeTime,
};

use crate::{
    bar::{Bar, Prices, Totals},
    origin::{Origin, Origins},
    period::{Period, Slot},
    security::{Quote, Security},
};

/// What each version begins with.
const MAGICS: [&[u8; 8]; 3] = [b"DSBARS1\n", b"DSBARS2\n", b"DSBARS3\n"];
const VERSION: usize = MAGICS.len();
/// Stands for a time that is not known.
const NONE_US: i64 = i64::MIN;

/// What was read.
#[derive(Debug)]
pub struct State {
    /// Time of the newest believed quote of all.
    pub newest_us: Option<i64>,
    /// Whether that was received when it was made.
    pub is_live: bool,
    pub securities: Vec<Security>,
    /// Quotes that wait, by the place of their security.
    pub held: Vec<Held<usize, Quote>>,
    /// The sources that bars and quotes are of.
    pub origins: Origins,
}

/// Writes all securities, whose bars are of those periods.
pub fn encode(
    feed: &Feed<usize, Quote>,
    securities: &[Security],
    periods: &[Period],
    origins: &Origins,
) -> Vec<u8> {
    let mut bytes = MAGICS[VERSION - 1].to_vec();
    bytes.extend(feed.newest_us().unwrap_or(NONE_US).to_le_bytes());
    bytes.extend((securities.len() as u64).to_le_bytes());
    for security in securities {
        write_security(&mut bytes, security, periods);
    }
    bytes.push(u8::from(feed.is_live()));
    bytes.extend((feed.held().len() as u64).to_le_bytes());
    for held in feed.held() {
        write_held(&mut bytes, held);
    }
    bytes.extend((origins.names().len() as u64).to_le_bytes());
    origins.names().iter().for_each(|name| write_text(&mut bytes, name));
    let checksum = checksum(&bytes);
    bytes.extend(checksum.to_le_bytes());
    bytes
}

/// Reads what [`encode`] wrote, for an instance with those periods; `None` when the bytes are
/// damaged or of another form.
pub fn decode(bytes: &[u8], periods: &[Period]) -> Option<State> {
    let (content, sum) = bytes.split_last_chunk::<8>()?;
    if checksum(content) != u64::from_le_bytes(*sum) {
        return None;
    }
    let (magic, content) = content.split_first_chunk::<8>()?;
    let version = MAGICS.iter().position(|it| *it == magic)? + 1;
    let mut reader = Reader { rest: content, version };
    let newest_us = reader.time()?;
    let count = reader.count()?;
    let securities = (0..count).map(|_| reader.security(periods)).collect::<Option<_>>()?;
    let (held, origins) = (Vec::new(), Origins::default());
    let mut state = State { newest_us, is_live: false, securities, held, origins };
    if version >= 2 {
        state.is_live = reader.u8()? == 1;
        let count = reader.count()?;
        state.held = (0..count).map(|_| reader.held()).collect::<Option<_>>()?;
    }
    if version >= 3 {
        let count = reader.count()?;
        let names = (0..count).map(|_| reader.text()).collect::<Option<_>>()?;
        state.origins = Origins::restored(names);
    }
    reader.rest.is_empty().then_some(state)
}

fn write_security(bytes: &mut Vec<u8>, security: &Security, periods: &[Period]) {
    write_text(bytes, &security.market);
    write_text(bytes, &security.code);
    bytes.extend(security.latest_us.to_le_bytes());
    bytes.extend(security.day.to_le_bytes());
    write_totals(bytes, security.totals);
    let bars =
        security.bars.iter().zip(periods).filter_map(|(bar, period)| Some((bar.as_ref()?, period)));
    bytes.push(u8::try_from(bars.clone().count()).unwrap_or(u8::MAX));
    for (bar, period) in bars {
        let number = Period::ALL.iter().position(|it| it == period).unwrap_or_default();
        bytes.push(u8::try_from(number).unwrap_or_default());
        write_bar(bytes, bar);
    }
}

fn write_text(bytes: &mut Vec<u8>, text: &str) {
    let text = &text.as_bytes()[..text.floor_char_boundary(255)];
    bytes.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    bytes.extend_from_slice(text);
}

fn write_held(bytes: &mut Vec<u8>, held: &Held<usize, Quote>) {
    let Held { key, stamp, is_behind, quote, .. } = held;
    bytes.extend((*key as u64).to_le_bytes());
    let latest_us = stamp.latest_us.unwrap_or(NONE_US);
    for time_us in [stamp.time_us, stamp.received_us, latest_us] {
        bytes.extend(time_us.to_le_bytes());
    }
    bytes.push(u8::from(*is_behind));
    write_prices(bytes, quote.of_day);
    write_totals(bytes, quote.totals);
    write_score(bytes, quote.quality_score);
    bytes.extend(quote.origin.0.to_le_bytes());
}

fn write_prices(bytes: &mut Vec<u8>, prices: Prices) {
    let Prices { open, high, low, close } = prices;
    for price in [open, high, low, close] {
        bytes.extend(price.to_le_bytes());
    }
}

/// No score is a number that no score is.
fn write_score(bytes: &mut Vec<u8>, score: Option<f32>) {
    bytes.extend(score.unwrap_or(f32::NAN).to_le_bytes());
}

fn write_totals(bytes: &mut Vec<u8>, totals: Totals) {
    bytes.extend(totals.amount.to_le_bytes());
    bytes.extend(totals.volume.to_le_bytes());
}

fn write_bar(bytes: &mut Vec<u8>, bar: &Bar) {
    let Slot { time_us, end_us, due_us } = bar.slot;
    for number in [time_us, end_us, due_us, bar.day] {
        bytes.extend(number.to_le_bytes());
    }
    write_prices(bytes, bar.prices);
    write_totals(bytes, bar.base);
    write_totals(bytes, bar.until);
    bytes.push(u8::from(bar.is_closed));
    write_score(bytes, bar.quality_score);
    bytes.extend(bar.origin.0.to_le_bytes());
}

/// Takes numbers off the front.
struct Reader<'a> {
    rest: &'a [u8],
    version: usize,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take().map(|[byte]| byte)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_le_bytes)
    }

    fn f64(&mut self) -> Option<f64> {
        self.take().map(f64::from_le_bytes)
    }

    /// A number of members, each of which takes more than a byte.
    fn count(&mut self) -> Option<usize> {
        usize::try_from(self.u64()?).ok().filter(|count| *count <= self.rest.len())
    }

    fn time(&mut self) -> Option<Option<i64>> {
        self.i64().map(|time_us| (time_us != NONE_US).then_some(time_us))
    }

    fn prices(&mut self) -> Option<Prices> {
        Some(Prices { open: self.f64()?, high: self.f64()?, low: self.f64()?, close: self.f64()? })
    }

    fn score(&mut self) -> Option<Option<f32>> {
        let score = self.take().map(f32::from_le_bytes)?;
        Some((!score.is_nan()).then_some(score))
    }

    fn origin(&mut self) -> Option<Origin> {
        if self.version < 3 {
            return Some(Origin::default());
        }
        self.take().map(|bytes| Origin(u16::from_le_bytes(bytes)))
    }

    fn held(&mut self) -> Option<Held<usize, Quote>> {
        let key = usize::try_from(self.u64()?).ok()?;
        let (time_us, received_us, latest_us) = (self.i64()?, self.i64()?, self.time()?);
        let is_behind = self.u8()? == 1;
        let (of_day, totals, quality_score) = (self.prices()?, self.totals()?, self.score()?);
        let origin = self.origin()?;
        let moment = ExchangeTime::from_utc_us(time_us);
        // what lies outside of the sessions does not wait
        let stamp = Stamp { time_us, received_us, latest_us, counts: true };
        let quote = Quote { time_us, moment, counts: true, of_day, totals, quality_score, origin };
        Some(Held::new(key, stamp, is_behind, quote))
    }

    fn text(&mut self) -> Option<Box<str>> {
        let len = self.u8()?;
        let (text, rest) = self.rest.split_at_checked(usize::from(len))?;
        self.rest = rest;
        Some(str::from_utf8(text).ok()?.into())
    }

    fn totals(&mut self) -> Option<Totals> {
        Some(Totals { amount: self.f64()?, volume: self.u64()? })
    }

    fn security(&mut self, periods: &[Period]) -> Option<Security> {
        let (market, code) = (self.text()?, self.text()?);
        let mut security = Security::new(&market, &code, periods.len());
        security.latest_us = self.i64()?;
        security.day = self.i64()?;
        security.totals = self.totals()?;
        for _ in 0..self.u8()? {
            let period = Period::ALL.get(usize::from(self.u8()?))?;
            let bar = self.bar()?;
            if let Some(place) = periods.iter().position(|it| it == period) {
                security.bars[place] = Some(bar);
            }
        }
        Some(security)
    }

    fn bar(&mut self) -> Option<Bar> {
        let slot = Slot { time_us: self.i64()?, end_us: self.i64()?, due_us: self.i64()? };
        let day = self.i64()?;
        let prices = self.prices()?;
        let (base, until) = (self.totals()?, self.totals()?);
        let is_closed = self.u8()? == 1;
        let (quality_score, origin) = (self.score()?, self.origin()?);
        let is_dirty = false;
        Some(Bar { slot, prices, day, base, until, quality_score, origin, is_closed, is_dirty })
    }
}

/// FNV-1a: enough to tell a file that was cut or overwritten in part.
fn checksum(bytes: &[u8]) -> u64 {
    let mix = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A state as it was written before version 3: one security with one bar.
    fn version_2() -> Vec<u8> {
        let mut bytes = MAGICS[1].to_vec();
        bytes.extend(1_000_i64.to_le_bytes());
        bytes.extend(1_u64.to_le_bytes());
        bytes.extend(b"\x02SH\x06600000");
        bytes.extend([1_000_i64, 18_962].map(i64::to_le_bytes).concat());
        bytes.extend([9.0_f64.to_le_bytes(), 7_u64.to_le_bytes()].concat());
        bytes.extend([1, 0]); // one bar, of the first period
        bytes.extend([2_000_i64, 2_000, 2_000, 18_962].map(i64::to_le_bytes).concat());
        bytes.extend([10.0_f64, 11.0, 9.0, 10.5].map(f64::to_le_bytes).concat());
        bytes.extend([[0; 8], [0; 8], 9.0_f64.to_le_bytes(), 7_u64.to_le_bytes()].concat());
        bytes.push(0);
        bytes.extend(f32::NAN.to_le_bytes());
        bytes.push(1); // live
        bytes.extend(0_u64.to_le_bytes());
        let sum = checksum(&bytes);
        bytes.extend(sum.to_le_bytes());
        bytes
    }

    #[test]
    fn a_state_of_before_sources_is_read_and_written_anew() {
        let periods = [Period::ALL[0]];
        let state = decode(&version_2(), &periods).unwrap();
        let bar = state.securities[0].bars[0].unwrap();
        assert_eq!((bar.prices.close, bar.until.volume, bar.quality_score), (10.5, 7, None));
        assert_eq!((bar.origin, state.origins.names().len()), (Origin::default(), 0));
        let feed = Feed::restored(state.newest_us, state.is_live, state.held);
        let again = encode(&feed, &state.securities, &periods, &state.origins);
        assert!(again.starts_with(MAGICS[2]));
        assert_eq!(decode(&again, &periods).unwrap().securities, state.securities);
    }
}
