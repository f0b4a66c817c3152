//! The reading half.

use plugin_api::schemas::{
    stray::{Held, Stamp},
    time::ExchangeTime,
};

use super::NONE_US;
use crate::{
    bar::{Bar, Prices, Totals},
    origin::Origin,
    period::{Period, Slot},
    security::empty::Watch,
    security::fill::Fill,
    security::history::{Joint, Taken},
    security::row::Row,
    security::seam::Seam,
    security::{Quote, Security},
};

/// Takes numbers off the front.
pub struct Reader<'a> {
    pub rest: &'a [u8],
    /// Of the state that is read.
    pub version: usize,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.take().map(|[byte]| byte)
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_le_bytes)
    }

    fn f64(&mut self) -> Option<f64> {
        self.take().map(f64::from_le_bytes)
    }

    /// A number of members, each of which takes more than a byte.
    pub fn count(&mut self) -> Option<usize> {
        usize::try_from(self.u64()?).ok().filter(|count| *count <= self.rest.len())
    }

    pub fn time(&mut self) -> Option<Option<i64>> {
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

    pub fn held(&mut self) -> Option<Held<usize, Quote>> {
        let key = usize::try_from(self.u64()?).ok()?;
        let (time_us, received_us, latest_us) = (self.i64()?, self.i64()?, self.time()?);
        let flags = self.u8()?;
        let (is_behind, may_be_virtual) = (flags & 1 == 1, flags & 2 == 2);
        let (of_day, totals, quality_score) = (self.prices()?, self.totals()?, self.score()?);
        let moment = ExchangeTime::from_utc_us(time_us);
        // what lies outside of the sessions does not wait
        let stamp = Stamp { time_us, received_us, latest_us, counts: true };
        let quote = Quote {
            time_us,
            moment,
            counts: true,
            is_day: true,
            of_day,
            pre_close: 0.0,
            totals,
            quality_score,
            origin: self.origin()?,
            may_be_virtual,
        };
        Some(Held::new(key, stamp, is_behind, quote))
    }

    pub fn text(&mut self) -> Option<Box<str>> {
        let len = self.u8()?;
        let (text, rest) = self.rest.split_at_checked(usize::from(len))?;
        self.rest = rest;
        Some(str::from_utf8(text).ok()?.into())
    }

    fn totals(&mut self) -> Option<Totals> {
        Some(Totals { amount: self.f64()?, volume: self.u64()? })
    }

    pub fn security(&mut self, periods: &[Period]) -> Option<Security> {
        let (market, code) = (self.text()?, self.text()?);
        let mut security = Security::new(&market, &code, periods.len());
        security.latest_us = self.i64()?;
        security.row = self.row(periods)?;
        Some(security)
    }

    /// What is kept of a security besides its bars.
    pub fn more(&mut self, security: &mut Security, periods: &[Period]) -> Option<()> {
        let flags = self.u8()?;
        if flags & 1 == 1 {
            let (day, from_us, price) = (self.i64()?, self.i64()?, self.f64()?);
            let fill = Fill { day, from_us, price, origin: self.origin()? };
            security.watch = Some(Watch { fill, is_hole: self.u8()? == 1 });
        }
        if flags & 2 == 2 {
            security.joint = Some(Box::new(self.joint(periods)?));
        }
        Some(())
    }

    fn joint(&mut self, periods: &[Period]) -> Option<Joint> {
        let flags = self.u8()?;
        let (seen_us, assumed_us) = (self.i64()?, self.i64()?);
        let taken = Taken {
            day: self.i64()?,
            last_us: self.i64()?,
            before: self.totals()?,
            last: self.totals()?,
            prices: self.prices()?,
            lacks_amounts: flags & 2 == 2,
            origin: self.origin()?,
        };
        let seam = if flags & 4 == 4 { Some(self.seam(periods)?) } else { None };
        Some(Joint { is_live: flags & 1 == 1, seen_us, taken, assumed_us, seam })
    }

    fn seam(&mut self, periods: &[Period]) -> Option<Seam> {
        Some(Seam {
            day: self.i64()?,
            end_us: self.i64()?,
            totals: self.totals()?,
            price: self.f64()?,
            past: self.row(periods)?,
            first: self.bars(periods)?,
        })
    }

    fn row(&mut self, periods: &[Period]) -> Option<Row> {
        Some(Row { day: self.i64()?, totals: self.totals()?, bars: self.bars(periods)? })
    }

    fn bars(&mut self, periods: &[Period]) -> Option<Vec<Option<Bar>>> {
        let mut bars = vec![None; periods.len()];
        for _ in 0..self.u8()? {
            let period = Period::ALL.get(usize::from(self.u8()?))?;
            let bar = self.bar()?;
            if let Some(place) = periods.iter().position(|it| it == period) {
                bars[place] = Some(bar);
            }
        }
        Some(bars)
    }

    fn bar(&mut self) -> Option<Bar> {
        let slot = Slot { time_us: self.i64()?, end_us: self.i64()?, due_us: self.i64()? };
        let day = self.i64()?;
        let prices = self.prices()?;
        let (base, until) = (self.totals()?, self.totals()?);
        let flags = self.u8()?;
        Some(Bar {
            slot,
            prices,
            day,
            base,
            until,
            quality_score: self.score()?,
            origin: self.origin()?,
            is_closed: flags & 1 == 1,
            is_dirty: false,
            is_assumed: flags & 2 == 2,
        })
    }
}
