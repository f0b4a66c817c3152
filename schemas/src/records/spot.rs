//! Quotes: encoder, verifier and view are written by hand, the columns are listed here.

use super::{Column, Record, Visitor};
use crate::{
    encode::{ListFull, SpotListEncoder},
    market_phase::MarketPhase,
    spot::{SpotView, shares},
    symbol::Symbol,
};

/// The columns of quotes and the values that they take of a view.
macro_rules! spot {
    ($spot:ident; $($name:literal: $kind:ident = $value:expr, $meaning:literal;)*) => {
        impl Record for SpotView<'_> {
            const COLUMNS: &'static [Column] = columns! { $($name: $kind, $meaning;)* };

            fn symbol(&self) -> Symbol<'_> {
                SpotView::symbol(self)
            }

            fn time_us(&self) -> i64 {
                SpotView::time_us(self)
            }

            fn origin(&self) -> Option<(&str, u64)> {
                Some((self.source(), self.sequence()))
            }

            #[inline]
            fn visit(&self, visitor: &mut impl Visitor) {
                let $spot = self;
                $(visit!(visitor, $name, $kind, $meaning, $value);)*
            }

            fn encode(records: impl ExactSizeIterator<Item = Self>) -> Result<Vec<u8>, ListFull> {
                let mut encoder = SpotListEncoder::new(records.len());
                for spot in records {
                    encoder.push_wire(&spot.to_wire())?;
                }
                Ok(encoder.finish())
            }
        }
    };
}

spot! {
    spot;
    "symbol": Symbol = spot.symbol(), "security, e.g. 600000.SH";
    "market": SymbolPart = spot.market(), "exchange: SH, SZ or BJ";
    "code": SymbolPart = spot.code(), "code without the exchange";
    "name": OptionalText = spot.name(), "display name, empty when unknown";
    "time": Time = spot.time_us(), "exchange time; 1970 when unknown";
    "recv_time": Time = spot.recv_time_us(), "when the source received it; 1970 when unknown";
    "pre_close": Price = spot.pre_close(), "close of the day before, CNY";
    "open": Price = spot.open(), "first price of the day, CNY";
    "high": Price = spot.high(), "highest price of the day, CNY";
    "low": Price = spot.low(), "lowest price of the day, CNY";
    "close": Price = spot.close(), "last price, CNY";
    "amount": Amount = spot.amount_cny(), "turnover since the open, CNY";
    "volume": Volume = spot.volume_shares(), "volume since the open, shares";
    "bid": Prices = spot.bid().iter(), "bid prices, best first, CNY";
    "bid_volume": Sizes = spot.bid_lots().iter().map(shares),
        "bid sizes, best first, shares";
    "ask": Prices = spot.ask().iter(), "ask prices, best first, CNY";
    "ask_volume": Sizes = spot.ask_lots().iter().map(shares),
        "ask sizes, best first, shares";
    "source": Source = spot.source(), "id of the source";
    "quality_score": Score = spot.quality_score(), "share of quality rules passed, 0 to 1";
    "phase": OptionalText = spot.phase().map_or("", MarketPhase::as_str),
        "part of the exchange's day, e.g. continuous; empty when the time is unknown";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::SpotRecord;

    /// Values as texts, by the names of their columns.
    #[derive(Default)]
    struct Shown(Vec<(&'static str, String)>);

    impl Shown {
        fn put(&mut self, column: &Column, value: impl std::fmt::Debug) {
            self.0.push((column.name, format!("{value:?}")));
        }
    }

    impl Visitor for Shown {
        fn symbol(&mut self, column: &'static Column, symbol: Symbol<'_>) {
            self.put(column, symbol.to_string());
        }
        fn text(&mut self, column: &'static Column, text: &str) {
            self.put(column, text);
        }
        fn time(&mut self, column: &'static Column, time_us: i64) {
            self.put(column, time_us);
        }
        fn number(&mut self, column: &'static Column, value: f64) {
            self.put(column, value);
        }
        fn count(&mut self, column: &'static Column, value: u64) {
            self.put(column, value);
        }
        fn prices(&mut self, column: &'static Column, it: impl ExactSizeIterator<Item = f64>) {
            self.put(column, it.collect::<Vec<_>>());
        }
        fn sizes(&mut self, column: &'static Column, it: impl ExactSizeIterator<Item = u64>) {
            self.put(column, it.collect::<Vec<_>>());
        }
        fn flag(&mut self, column: &'static Column, value: bool) {
            self.put(column, value);
        }
        fn score(&mut self, column: &'static Column, value: Option<f32>) {
            self.put(column, value);
        }
    }

    /// The encoder, the view and the table name the same fields, in the units of the table.
    #[test]
    fn every_column_comes_through_encoder_and_view() {
        let mut encoder = SpotListEncoder::new(1);
        let record = SpotRecord {
            market: "SH",
            code: "600000",
            name: "n",
            time_us: 1_638_321_301_000_000,
            recv_time_us: 2,
            pre_close: 3.0,
            open: 4.0,
            high: 5.0,
            low: 6.0,
            close: 7.0,
            amount_cny: 8.0,
            volume_shares: 9,
            bid: &[10.0],
            bid_volume: &[1_100],
            ask: &[12.0],
            ask_volume: &[1_300],
            source: "s",
            sequence: 14,
            quality_score: Some(0.5),
        };
        encoder.push(&record).unwrap();
        let list = encoder.finish();
        let spot = crate::verify::complete_spot_list(&list).unwrap().iter().next().unwrap();
        let mut shown = Shown::default();
        spot.visit(&mut shown);
        let expected = [
            ("symbol", "\"600000.SH\""),
            ("market", "\"SH\""),
            ("code", "\"600000\""),
            ("name", "\"n\""),
            ("time", "1638321301000000"),
            ("recv_time", "2"),
            ("pre_close", "3.0"),
            ("open", "4.0"),
            ("high", "5.0"),
            ("low", "6.0"),
            ("close", "7.0"),
            ("amount", "8.0"),
            ("volume", "9"),
            ("bid", "[10.0]"),
            ("bid_volume", "[1100]"),
            ("ask", "[12.0]"),
            ("ask_volume", "[1300]"),
            ("source", "\"s\""),
            ("quality_score", "Some(0.5)"),
            ("phase", "\"auction\""),
        ];
        assert_eq!(shown.0, expected.map(|(name, value)| (name, value.to_owned())));
        let names = SpotView::COLUMNS.iter().map(|column| column.name);
        assert!(names.eq(expected.map(|(name, _)| name)));
        assert_eq!(Record::origin(&spot), Some(("s", 14)));
        assert_eq!(SpotView::encode([spot].into_iter()).unwrap(), list);
    }
}
