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
    source: OptionalText, source, "source", "id of the source it was made of, empty when unknown";
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
            source: "qq",
        };
        let judged = BarRecord { quality_score: Some(0.5), source: "", ..bar };
        let bytes = encode_bars([bar, judged]);
        let read: Vec<_> = BarRecord::read_list(&bytes).unwrap().collect();
        assert_eq!(read, [bar, judged]);
        let owned = OwnedBar::read_list(&bytes).unwrap();
        assert_eq!(owned[0].record(0), bar);
        assert_eq!(owned[1].record(60).time_us, bar.time_us + 60);
    }

    /// A list as builds before the field `source` wrote it, by the builder and layout of then.
    fn earlier_list(bar: &BarRecord<'_>) -> Vec<u8> {
        let mut builder = flatbuffers::FlatBufferBuilder::new();
        let args = crate::flat::BarArgs {
            market: Some(builder.create_string(bar.symbol.market)),
            code: Some(builder.create_string(bar.symbol.code)),
            period: Some(builder.create_string(bar.period)),
            time_us: bar.time_us,
            close: bar.close,
            closed: bar.closed,
            ..Default::default()
        };
        let table = crate::flat::Bar::create(&mut builder, &args);
        let vector = builder.create_vector(&[table]);
        let args = crate::flat::BarListArgs { bar: Some(vector) };
        let list = crate::flat::BarList::create(&mut builder, &args);
        builder.finish(list, None);
        builder.finished_data().to_vec()
    }

    #[test]
    fn lists_without_a_source_are_read_and_a_bar_without_one_takes_no_room() {
        let (symbol, empty) = (Symbol { market: "SH", code: "600000" }, OwnedBar::default());
        let bar = BarRecord { symbol, period: "1m", close: 8.55, closed: true, ..empty.record(60) };
        let earlier = earlier_list(&bar);
        assert_eq!(BarRecord::read_list(&earlier).unwrap().collect::<Vec<_>>(), [bar]);
        assert_eq!(OwnedBar::read_list(&earlier).unwrap()[0].source, "");
        let lens = ["", "qmt"].map(|source| encode_bars([BarRecord { source, ..bar }]).len());
        assert!(lens[0] == earlier.len() && lens[0] < lens[1], "{lens:?} {}", earlier.len());
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
            "source",
        ];
        assert_eq!(names, expected);
    }
}
