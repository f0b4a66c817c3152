//! The writing half: what [`Reader`](super::read::Reader) reads.

use plugin_api::schemas::stray::Held;

use super::NONE_US;
use crate::{
    bar::{Bar, Prices, Totals},
    origin::Origin,
    period::{Period, Slot},
    security::empty::Watch,
    security::history::Joint,
    security::row::Row,
    security::{Quote, Security},
};

/// A security with its bars.
pub fn security(bytes: &mut Vec<u8>, security: &Security, periods: &[Period]) {
    text(bytes, &security.market);
    text(bytes, &security.code);
    bytes.extend(security.latest_us.to_le_bytes());
    write_row(bytes, &security.row, periods);
}

/// A text of at most 255 bytes; a longer one is cut.
pub fn text(bytes: &mut Vec<u8>, text: &str) {
    let text = &text.as_bytes()[..text.floor_char_boundary(255)];
    bytes.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    bytes.extend_from_slice(text);
}

/// What is kept of a security besides its bars.
pub fn more(bytes: &mut Vec<u8>, security: &Security, periods: &[Period]) {
    bytes.push(u8::from(security.watch.is_some()) | u8::from(security.joint.is_some()) << 1);
    if let Some(Watch { fill, is_hole }) = &security.watch {
        bytes.extend(fill.day.to_le_bytes());
        bytes.extend(fill.from_us.to_le_bytes());
        bytes.extend(fill.price.to_le_bytes());
        write_origin(bytes, fill.origin);
        bytes.push(u8::from(*is_hole));
    }
    if let Some(joint) = &security.joint {
        write_joint(bytes, joint, periods);
    }
}

fn write_joint(bytes: &mut Vec<u8>, joint: &Joint, periods: &[Period]) {
    let Joint { is_live, seen_us, taken, assumed_us, seam } = joint;
    let flags = [*is_live, taken.lacks_amounts, seam.is_some()];
    bytes.push(flags.iter().rev().fold(0, |byte, flag| byte << 1 | u8::from(*flag)));
    for number in [*seen_us, *assumed_us, taken.day, taken.last_us] {
        bytes.extend(number.to_le_bytes());
    }
    write_totals(bytes, taken.before);
    write_totals(bytes, taken.last);
    write_prices(bytes, taken.prices);
    write_origin(bytes, taken.origin);
    if let Some(seam) = seam {
        bytes.extend(seam.day.to_le_bytes());
        bytes.extend(seam.end_us.to_le_bytes());
        write_totals(bytes, seam.totals);
        bytes.extend(seam.price.to_le_bytes());
        write_row(bytes, &seam.past, periods);
        write_bars(bytes, &seam.first, periods);
    }
}

fn write_row(bytes: &mut Vec<u8>, row: &Row, periods: &[Period]) {
    bytes.extend(row.day.to_le_bytes());
    write_totals(bytes, row.totals);
    write_bars(bytes, &row.bars, periods);
}

fn write_bars(bytes: &mut Vec<u8>, bars: &[Option<Bar>], periods: &[Period]) {
    let bars = bars.iter().zip(periods).filter_map(|(bar, period)| Some((bar.as_ref()?, period)));
    bytes.push(u8::try_from(bars.clone().count()).unwrap_or(u8::MAX));
    for (bar, period) in bars {
        let number = Period::ALL.iter().position(|it| it == period).unwrap_or_default();
        bytes.push(u8::try_from(number).unwrap_or_default());
        write_bar(bytes, bar);
    }
}

/// A quote that waits.
pub fn held(bytes: &mut Vec<u8>, held: &Held<usize, Quote>) {
    let Held { key, stamp, is_behind, quote, .. } = held;
    bytes.extend((*key as u64).to_le_bytes());
    let latest_us = stamp.latest_us.unwrap_or(NONE_US);
    for time_us in [stamp.time_us, stamp.received_us, latest_us] {
        bytes.extend(time_us.to_le_bytes());
    }
    bytes.push(u8::from(*is_behind) | u8::from(quote.may_be_virtual) << 1);
    write_prices(bytes, quote.of_day);
    write_totals(bytes, quote.totals);
    write_score(bytes, quote.quality_score);
    write_origin(bytes, quote.origin);
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

fn write_origin(bytes: &mut Vec<u8>, origin: Origin) {
    bytes.extend(origin.0.to_le_bytes());
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
    bytes.push(u8::from(bar.is_closed) | u8::from(bar.is_assumed) << 1);
    write_score(bytes, bar.quality_score);
    write_origin(bytes, bar.origin);
}
