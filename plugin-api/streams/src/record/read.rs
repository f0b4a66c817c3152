//! Fields into records, strictly: an entry that does not say clearly what it is, is refused.

use std::{cell::Cell, str::FromStr};

use plugin_api::{
    BarRecord, SpotRecord, Symbol,
    schemas::{
        encode::MAX_LEVELS,
        number::{parse_float, parse_shares},
        spot::market_name,
        time::parse_moment,
    },
};

use crate::server::{Entry, EntryId};

/// Longest part of a value that an error shows.
const SHOWN: usize = 40;
/// What a record that was made by others counts as when it says nothing of a period.
const DEFAULT_PERIOD: &str = "1m";

/// What an entry holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// A quote in fields.
    Spot,
    /// A bar in fields.
    Bar,
    /// A batch of quotes or bars in one field.
    Payload,
}

/// What the entry holds, told by the names of its fields.
pub fn content(entry: &Entry) -> Content {
    let mut content = Content::Bar;
    for (name, _) in entry.pairs() {
        match name {
            b"payload" => return Content::Payload,
            b"period" => return Content::Bar,
            b"pre_close" | b"bid" | b"ask" | b"name" => content = Content::Spot,
            _ => {}
        }
    }
    content
}

/// Levels of one quote, kept from entry to entry.
#[derive(Debug, Default)]
pub struct Book {
    bid: Vec<f64>,
    bid_volume: Vec<u64>,
    ask: Vec<f64>,
    ask_volume: Vec<u64>,
}

/// The quote of an entry that was read from that stream.
///
/// # Errors
/// The first field that is missing or cannot be read.
pub fn spot<'a>(
    entry: &'a Entry,
    stream: &'a str,
    book: &'a mut Book,
) -> Result<SpotRecord<'a>, String> {
    let fields = Reader::new(entry);
    let symbol = fields.symbol()?;
    let mut record = SpotRecord {
        market: symbol.market,
        code: symbol.code,
        name: fields.optional("name")?.unwrap_or_default(),
        time_us: fields.frame()?,
        pre_close: fields.float("pre_close")?.unwrap_or_default(),
        open: fields.price("open")?,
        high: fields.price("high")?,
        low: fields.price("low")?,
        close: fields.price("close")?,
        volume_shares: fields.volume()?,
        amount_cny: fields.price("amount")?,
        ..SpotRecord::default()
    };
    book.read(&fields)?;
    record.recv_time_us = fields.timestamp()?;
    record.quality_score = fields.quality()?;
    record.source = fields.optional("source")?.filter(|it| !it.is_empty()).unwrap_or(stream);
    record.sequence = fields.parsed("seq")?.unwrap_or_else(|| sequence_of(entry.id));
    (record.bid, record.bid_volume) = (&book.bid, &book.bid_volume);
    (record.ask, record.ask_volume) = (&book.ask, &book.ask_volume);
    Ok(record)
}

/// The bar of an entry.
///
/// # Errors
/// The first field that is missing or cannot be read.
pub fn bar(entry: &Entry) -> Result<BarRecord<'_>, String> {
    let fields = Reader::new(entry);
    Ok(BarRecord {
        symbol: fields.symbol()?,
        time_us: fields.frame()?,
        open: fields.price("open")?,
        high: fields.price("high")?,
        low: fields.price("low")?,
        close: fields.price("close")?,
        volume_shares: fields.volume()?,
        amount_cny: fields.price("amount")?,
        quality_score: fields.quality()?,
        period: fields.optional("period")?.filter(|it| !it.is_empty()).unwrap_or(DEFAULT_PERIOD),
        closed: fields.truth("closed")?.unwrap_or(true),
        source: fields.optional("source")?.unwrap_or_default(),
    })
}

/// A number that grows with the ids of a stream, for entries that have none of their own.
fn sequence_of(id: EntryId) -> u64 {
    const NUMBER_BITS: u32 = 22;
    id.ms << NUMBER_BITS | id.number & ((1 << NUMBER_BITS) - 1)
}

impl Book {
    fn read(&mut self, fields: &Reader<'_>) -> Result<(), String> {
        let (price, size) =
            (|text: &str| parse_float(text).ok(), |text: &str| parse_shares(text).ok());
        levels(fields, ["bid", "bid_more"], &mut self.bid, price)?;
        levels(fields, ["bid_vol", "bid_vol_more"], &mut self.bid_volume, size)?;
        levels(fields, ["ask", "ask_more"], &mut self.ask, price)?;
        levels(fields, ["ask_vol", "ask_vol_more"], &mut self.ask_volume, size)?;
        let Some(counts) = fields.optional("levels")? else { return Ok(()) };
        let parsed: Option<Vec<usize>> = counts.split(',').map(|it| it.parse().ok()).collect();
        let Some(&[bid, bid_volume, ask, ask_volume]) = parsed.as_deref() else {
            return Err(unfit("levels", counts, "four counts"));
        };
        self.bid.truncate(bid);
        self.bid_volume.truncate(bid_volume);
        self.ask.truncate(ask);
        self.ask_volume.truncate(ask_volume);
        Ok(())
    }
}

/// Values of one side, joined by commas in two fields of which the second may be missing.
fn levels<T>(
    fields: &Reader<'_>,
    names: [&str; 2],
    levels: &mut Vec<T>,
    read: impl Fn(&str) -> Option<T>,
) -> Result<(), String> {
    levels.clear();
    for name in names {
        let Some(text) = fields.optional(name)?.filter(|text| !text.is_empty()) else { continue };
        for item in text.split(',') {
            let level = read(item.trim());
            levels.push(level.ok_or_else(|| unfit(name, text, "numbers joined by commas"))?);
        }
        if levels.len() > MAX_LEVELS {
            return Err(unfit(name, text, "at most ten levels"));
        }
    }
    Ok(())
}

/// Fields by name. They mostly come in one order, so each search begins behind the last find.
struct Reader<'a> {
    entry: &'a Entry,
    next: Cell<usize>,
}

impl<'a> Reader<'a> {
    fn new(entry: &'a Entry) -> Self {
        Self { entry, next: Cell::new(0) }
    }

    fn optional(&self, name: &str) -> Result<Option<&'a str>, String> {
        let fields = &self.entry.fields;
        let count = fields.len() / 2;
        let mut places = (0..count).map(|step| (self.next.get() + step) % count);
        let Some(place) = places.find(|place| fields[2 * place] == name.as_bytes()) else {
            return Ok(None);
        };
        self.next.set(place + 1);
        let value = str::from_utf8(&fields[2 * place + 1]);
        value.map(Some).map_err(|_| format!("`{name}` is no text in UTF-8"))
    }

    fn parsed<T: FromStr>(&self, name: &str) -> Result<Option<T>, String> {
        let Some(text) = self.optional(name)? else { return Ok(None) };
        text.trim().parse().map(Some).map_err(|_| unfit(name, text, "a number"))
    }

    fn float(&self, name: &str) -> Result<Option<f64>, String> {
        let Some(text) = self.optional(name)? else { return Ok(None) };
        parse_float(text).map(Some).map_err(|_| unfit(name, text, "a number"))
    }

    fn price(&self, name: &str) -> Result<f64, String> {
        self.float(name)?.ok_or_else(|| missing(name))
    }

    fn symbol(&self) -> Result<Symbol<'a>, String> {
        let text = self.optional("symbol")?.ok_or_else(|| missing("symbol"))?;
        let other_market = || {
            let (code, market) = text.trim().split_once('.')?;
            let is_name = |part: &str| {
                !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
            };
            // of the three exchanges the rule is known, under all their names
            let is_other = market_name(market).is_none() && market_name(code).is_none();
            (is_other && is_name(code) && is_name(market)).then_some(Symbol { market, code })
        };
        Symbol::parse(text, None)
            .or_else(other_market)
            .ok_or_else(|| unfit("symbol", text, "a code and an exchange such as 600000.SH"))
    }

    /// Microseconds since 1970 UTC.
    fn frame(&self) -> Result<i64, String> {
        let text = self.optional("frame")?.ok_or_else(|| missing("frame"))?;
        parse_moment(text).ok_or_else(|| unfit("frame", text, "a time such as 2025-06-05 10:30:00"))
    }

    /// Whole shares; others write them with a decimal point, too.
    fn volume(&self) -> Result<u64, String> {
        let text = self.optional("vol")?.ok_or_else(|| missing("vol"))?;
        parse_shares(text).map_err(|_| unfit("vol", text, "a whole number of shares"))
    }

    /// Microseconds since 1970 UTC of seconds with a fraction; 0 when it is missing.
    fn timestamp(&self) -> Result<i64, String> {
        let Some(text) = self.optional("timestamp")? else { return Ok(0) };
        let seconds = || {
            let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
            let digits = format!("{:0<6}", fraction.get(..6).unwrap_or(fraction));
            let is_plain = fraction.bytes().all(|byte| byte.is_ascii_digit());
            let us = is_plain.then(|| digits.parse::<i64>().ok())??;
            let us = if whole.starts_with('-') { -us } else { us };
            whole.parse::<i64>().ok()?.checked_mul(1_000_000)?.checked_add(us)
        };
        seconds().ok_or_else(|| unfit("timestamp", text, "seconds since 1970"))
    }

    /// `1` says that the record was not judged, `1.0` that no fault was found.
    fn quality(&self) -> Result<Option<f32>, String> {
        match self.optional("quality_score")? {
            Some("1") | None => Ok(None),
            Some(text) => {
                let score: Option<f32> = text.trim().parse().ok().filter(|it: &f32| it.is_finite());
                score.map(Some).ok_or_else(|| unfit("quality_score", text, "a number"))
            }
        }
    }

    fn truth(&self, name: &str) -> Result<Option<bool>, String> {
        match self.optional(name)? {
            None => Ok(None),
            Some("1" | "true" | "True") => Ok(Some(true)),
            Some("0" | "false" | "False") => Ok(Some(false)),
            Some(text) => Err(unfit(name, text, "1 or 0")),
        }
    }
}

fn missing(name: &str) -> String {
    format!("`{name}` is missing")
}

fn unfit(name: &str, text: &str, wanted: &str) -> String {
    let shown: String = text.chars().take(SHOWN).collect();
    format!("`{name}` is {shown:?}, not {wanted}")
}
