//! What was seen as bytes: for a checkpoint on disk, and for the next instance of the plugin.
//!
//! ```text
//! "DSBARS2\n" │ newest time │ number of securities │ securities │ live │ number of quotes that wait │
//! quotes that wait │ checksum of all before
//! ```
//!
//! Version 1 ended with the securities.
//!
//! Numbers are little-endian; a text is its length in a byte and its bytes; a bar carries the number
//! of its period, so that another instance may have other periods.

use plugin_api::schemas::{
    stray::{Feed, Held, Stamp},
    time::ExchangeTime,
};

use crate::{
    bar::{Bar, Prices, Totals},
    period::{Period, Slot},
    security::{Quote, Security},
};

const MAGIC: &[u8; 8] = b"DSBARS2\n";
const MAGIC_1: &[u8; 8] = b"DSBARS1\n";
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
}

/// Writes all securities, whose bars are of those periods.
pub fn encode(feed: &Feed<usize, Quote>, securities: &[Security], periods: &[Period]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
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
    if magic != MAGIC && magic != MAGIC_1 {
        return None;
    }
    let mut reader = Reader(content);
    let newest_us = reader.time()?;
    let count = reader.count()?;
    let securities = (0..count).map(|_| reader.security(periods)).collect::<Option<_>>()?;
    let mut state = State { newest_us, is_live: false, securities, held: Vec::new() };
    if magic == MAGIC {
        state.is_live = reader.u8()? == 1;
        let count = reader.count()?;
        state.held = (0..count).map(|_| reader.held()).collect::<Option<_>>()?;
    }
    reader.0.is_empty().then_some(state)
}

fn write_security(bytes: &mut Vec<u8>, security: &Security, periods: &[Period]) {
    for text in [&security.market, &security.code] {
        let text = &text.as_bytes()[..text.len().min(255)];
        bytes.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(text);
    }
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
}

/// Takes numbers off the front.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
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
        usize::try_from(self.u64()?).ok().filter(|count| *count <= self.0.len())
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

    fn held(&mut self) -> Option<Held<usize, Quote>> {
        let key = usize::try_from(self.u64()?).ok()?;
        let (time_us, received_us, latest_us) = (self.i64()?, self.i64()?, self.time()?);
        let is_behind = self.u8()? == 1;
        let (of_day, totals, quality_score) = (self.prices()?, self.totals()?, self.score()?);
        let moment = ExchangeTime::from_utc_us(time_us);
        // what lies outside of the sessions does not wait
        let stamp = Stamp { time_us, received_us, latest_us, counts: true };
        let quote = Quote { time_us, moment, counts: true, of_day, totals, quality_score };
        Some(Held::new(key, stamp, is_behind, quote))
    }

    fn text(&mut self) -> Option<Box<str>> {
        let len = self.u8()?;
        let (text, rest) = self.0.split_at_checked(usize::from(len))?;
        self.0 = rest;
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
        let quality_score = self.score()?;
        Some(Bar { slot, prices, day, base, until, quality_score, is_closed, is_dirty: false })
    }
}

/// FNV-1a: enough to tell a file that was cut or overwritten in part.
fn checksum(bytes: &[u8]) -> u64 {
    let mix = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix)
}
