//! Taking bars in, in the units that Hikyuu counts them in.

use plugin_api::{
    BarRecord,
    schemas::{
        time::DatetimeText,
        units::{CNY_PER_WIRE_AMOUNT, SHARES_PER_LOT, shares_per_wire_volume},
    },
};

use super::{AHEAD_US, Skipped, StoreWriter};
use crate::{
    ktype::KType,
    store::{Bar, Bars, ticks::day_of},
};

impl StoreWriter {
    /// Takes a bar in.
    pub fn take_bar(&mut self, bar: &BarRecord<'_>, now_us: i64, skipped: &mut Skipped) {
        self.convert_bar(bar, now_us, skipped, Bars::put);
    }

    /// Takes a bar from elsewhere in, unless a later state of it is here.
    pub fn merge_bar(&mut self, bar: &BarRecord<'_>, now_us: i64, skipped: &mut Skipped) {
        self.convert_bar(bar, now_us, skipped, Bars::merge);
    }

    fn convert_bar(
        &mut self,
        bar: &BarRecord<'_>,
        now_us: i64,
        skipped: &mut Skipped,
        put: fn(&mut Bars, Bar, &mut DatetimeText),
    ) {
        let Some(ktype) = KType::of_period(bar.period) else {
            skipped.bad_bar += 1;
            return;
        };
        let (market, code) = (bar.symbol.market, bar.symbol.code);
        let lots_per_unit = shares_per_wire_volume(market, code) / SHARES_PER_LOT;
        #[allow(clippy::cast_precision_loss)] // within 2^53 shares
        let shares = bar.volume_shares as f64 / lots_per_unit;
        let volume = if ktype.is_within_day() { shares } else { shares / SHARES_PER_LOT };
        let amount = bar.amount_cny / CNY_PER_WIRE_AMOUNT;
        let values = [bar.open, bar.high, bar.low, bar.close, amount, volume];
        let kept = Bar { time_us: bar.time_us, values };
        self.put_bar((market, code), ktype, kept, now_us, skipped, put);
    }

    pub(super) fn put_bar(
        &mut self,
        (market, code): (&str, &str),
        ktype: KType,
        bar: Bar,
        now_us: i64,
        skipped: &mut Skipped,
        put: fn(&mut Bars, Bar, &mut DatetimeText),
    ) {
        if !bar.is_sound() {
            skipped.bad_bar += 1;
            return;
        }
        let day = if ktype.is_within_day() { bar.day() } else { day_of(bar.time_us) };
        let last_day = day_of(now_us.saturating_add(AHEAD_US)) + ktype.longest_wait();
        if bar.time_us <= 0 || day > last_day {
            skipped.bad_time += 1;
            return;
        }
        if ktype.is_within_day() && !self.is_kept_day(day) {
            skipped.outdated += 1;
            return;
        }
        let Some(security) = self.security(market, code) else {
            skipped.bad_symbol += 1;
            return;
        };
        let mut held = security.lock();
        let bars = &mut held.bars[ktype.index()];
        let before = (bars.size(), bars.len());
        put(bars, bar, &mut self.datetime);
        if !ktype.is_within_day() {
            bars.keep_newest();
        }
        self.bytes = self.bytes + bars.size() - before.0;
        self.bars = self.bars + bars.len() as u64 - before.1 as u64;
    }
}
