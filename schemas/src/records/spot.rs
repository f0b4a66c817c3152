//! Quotes: encoder, verifier and view are written by hand, the columns are listed here.

use super::{Column, Record, Visitor};
use crate::{
    encode::{ListFull, SpotListEncoder},
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
}
