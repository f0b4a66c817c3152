//! What was seen as bytes: for a checkpoint on disk, and for the next instance of the plugin.
//!
//! ```text
//! "DSBARS1\n" │ newest time │ number of securities │ securities │ checksum of all before
//! ```
//!
//! Numbers are little-endian; a text is its length in a byte and its bytes; a bar carries the number
//! of its period, so that another instance may have other periods.

use crate::{
    bar::{Bar, Prices, Totals},
    period::{Period, Slot},
    security::Security,
};

const MAGIC: &[u8; 8] = b"DSBARS1\n";

/// Writes all securities, whose bars are of those periods.
pub fn encode(newest_us: i64, securities: &[Security], periods: &[Period]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(newest_us.to_le_bytes());
    bytes.extend((securities.len() as u64).to_le_bytes());
    for security in securities {
        write_security(&mut bytes, security, periods);
    }
    let checksum = checksum(&bytes);
    bytes.extend(checksum.to_le_bytes());
    bytes
}

/// Reads what [`encode`] wrote, for an instance with those periods; `None` when the bytes are
/// damaged or of another form.
pub fn decode(bytes: &[u8], periods: &[Period]) -> Option<(i64, Vec<Security>)> {
    let (content, sum) = bytes.split_last_chunk::<8>()?;
    if checksum(content) != u64::from_le_bytes(*sum) {
        return None;
    }
    let mut reader = Reader(content.strip_prefix(MAGIC)?);
    let newest_us = reader.i64()?;
    let count = usize::try_from(reader.u64()?).ok()?;
    // each takes more than a byte
    let mut securities = Vec::with_capacity(count.min(content.len()));
    for _ in 0..count {
        securities.push(reader.security(periods)?);
    }
    reader.0.is_empty().then_some((newest_us, securities))
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

fn write_totals(bytes: &mut Vec<u8>, totals: Totals) {
    bytes.extend(totals.amount.to_le_bytes());
    bytes.extend(totals.volume.to_le_bytes());
}

fn write_bar(bytes: &mut Vec<u8>, bar: &Bar) {
    let Slot { time_us, end_us, due_us } = bar.slot;
    for number in [time_us, end_us, due_us, bar.day] {
        bytes.extend(number.to_le_bytes());
    }
    let Prices { open, high, low, close } = bar.prices;
    for price in [open, high, low, close] {
        bytes.extend(price.to_le_bytes());
    }
    write_totals(bytes, bar.base);
    write_totals(bytes, bar.until);
    bytes.push(u8::from(bar.is_closed));
    // no score is a number that no score is
    bytes.extend(bar.quality_score.unwrap_or(f32::NAN).to_le_bytes());
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
        let prices =
            Prices { open: self.f64()?, high: self.f64()?, low: self.f64()?, close: self.f64()? };
        let (base, until) = (self.totals()?, self.totals()?);
        let is_closed = self.u8()? == 1;
        let score = self.take().map(f32::from_le_bytes)?;
        let quality_score = (!score.is_nan()).then_some(score);
        Some(Bar { slot, prices, day, base, until, quality_score, is_closed, is_dirty: false })
    }
}

/// FNV-1a: enough to tell a file that was cut or overwritten in part.
fn checksum(bytes: &[u8]) -> u64 {
    let mix = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix)
}
