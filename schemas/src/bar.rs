//! Bars: what transforms make of quotes, and what stores keep of them.

use flatbuffers::FlatBufferBuilder;

use crate::{
    flat::{self, BarArgs, BarListArgs},
    spot::Symbol,
};

/// Prices and turnover of one security over one period.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BarRecord<'a> {
    /// The security.
    pub symbol: Symbol<'a>,
    /// Length of the bar: `1m`, `5m`, …, `day`.
    pub period: &'a str,
    /// End of the bar, microseconds since 1970 UTC.
    pub time_us: i64,
    /// First price, CNY.
    pub open: f64,
    /// Highest price, CNY.
    pub high: f64,
    /// Lowest price, CNY.
    pub low: f64,
    /// Last price, CNY.
    pub close: f64,
    /// Turnover within the bar, CNY.
    pub amount_cny: f64,
    /// Volume within the bar, shares.
    pub volume_shares: u64,
    /// False while the bar may still change.
    pub closed: bool,
    /// Share of quality rules passed, 0 to 1.
    pub quality_score: Option<f32>,
}

impl<'a> From<flat::Bar<'a>> for BarRecord<'a> {
    fn from(bar: flat::Bar<'a>) -> Self {
        Self {
            symbol: Symbol { market: bar.market(), code: bar.code() },
            period: bar.period(),
            time_us: bar.time_us(),
            open: bar.open(),
            high: bar.high(),
            low: bar.low(),
            close: bar.close(),
            amount_cny: bar.amount(),
            volume_shares: bar.volume(),
            closed: bar.closed(),
            quality_score: bar.quality_score(),
        }
    }
}

/// Encodes bars as one list.
pub fn encode_bars<'a>(bars: impl IntoIterator<Item = BarRecord<'a>>) -> Vec<u8> {
    let mut builder = FlatBufferBuilder::new();
    let tables: Vec<_> = bars
        .into_iter()
        .map(|bar| {
            let args = BarArgs {
                market: Some(builder.create_shared_string(bar.symbol.market)),
                code: Some(builder.create_string(bar.symbol.code)),
                period: Some(builder.create_shared_string(bar.period)),
                time_us: bar.time_us,
                open: bar.open,
                high: bar.high,
                low: bar.low,
                close: bar.close,
                amount: bar.amount_cny,
                volume: bar.volume_shares,
                closed: bar.closed,
                quality_score: bar.quality_score,
            };
            flat::Bar::create(&mut builder, &args)
        })
        .collect();
    let vector = builder.create_vector(&tables);
    let list = flat::BarList::create(&mut builder, &BarListArgs { bar: Some(vector) });
    builder.finish(list, None);
    builder.finished_data().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let list = crate::verify::bar_list(&bytes).unwrap();
        let read: Vec<_> = list.bar().iter().map(BarRecord::from).collect();
        assert_eq!(read, [bar, BarRecord { quality_score: Some(0.5), ..bar }]);
    }
}
