//! Bars: what transforms make of quotes, and what stores keep of them.

record! {
    /// Prices and turnover of one security over one period.
    BarRecord, owned OwnedBar,
    wire Bar (BarArgs) in BarList (BarListArgs) . bar,
    encoded by encode_bars;

    period: Text, period, "period", "length of the bar: 1m, 5m, 15m, 30m, 60m, day";
    time_us: Time, time_us, "time", "end of the bar";
    open: Price, open, "open", "first price, CNY";
    high: Price, high, "high", "highest price, CNY";
    low: Price, low, "low", "lowest price, CNY";
    close: Price, close, "close", "last price, CNY";
    amount_cny: Amount, amount, "amount", "turnover within the bar, CNY";
    volume_shares: Volume, volume, "volume", "volume within the bar, shares";
    closed: Flag, closed, "closed", "0 while the bar may still change";
    quality_score: Score, quality_score, "quality_score", "share of quality rules passed, 0 to 1";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        records::{OwnedRecord, Record},
        symbol::Symbol,
    };

    #[test]
    fn bars_come_back_as_they_went_in() {
        let bar = BarRecord {
            symbol: Symbol { market: "SH", code: "600000" },
            period: "1m",
            time_us: 1_638_322_260_000_000,
            open: 8.5,
            high: 8.6,
            low: 8.4,
            close: 8.55,
            amount_cny: 123.45,
            volume_shares: 1_500,
            closed: true,
            quality_score: None,
        };
        let bytes = encode_bars([bar, BarRecord { quality_score: Some(0.5), ..bar }]);
        let read: Vec<_> = BarRecord::read_list(&bytes).unwrap().collect();
        assert_eq!(read, [bar, BarRecord { quality_score: Some(0.5), ..bar }]);
        let owned = OwnedBar::read_list(&bytes).unwrap();
        assert_eq!(owned[0].record(0), bar);
        assert_eq!(owned[1].record(60).time_us, bar.time_us + 60);
    }

    #[test]
    fn columns_stay_in_their_order() {
        let names: Vec<_> = BarRecord::COLUMNS.iter().map(|column| column.name).collect();
        let expected = [
            "symbol",
            "period",
            "time",
            "open",
            "high",
            "low",
            "close",
            "amount",
            "volume",
            "closed",
            "quality_score",
        ];
        assert_eq!(names, expected);
    }
}
