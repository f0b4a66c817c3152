//! Columns of both tables: name, type, unit, and where each value comes from.

use plugin_api::{BarRecord, Batch, SpotView, Symbol, schemas::spot::shares};

use crate::{native, types::Type};

/// How exactly a table keeps times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// `DateTime64(6)`.
    Micros,
    /// `DateTime`, with the microseconds in columns of their own.
    Seconds,
}

impl Precision {
    fn time(self) -> Type {
        match self {
            Self::Micros => Type::Moment,
            Self::Seconds => Type::Second,
        }
    }
}

/// A column and how a record fills it.
#[derive(Debug, Clone, Copy)]
pub struct Field<F> {
    /// Name in the table.
    pub name: &'static str,
    /// Its type.
    pub kind: Type,
    /// What it holds, with the unit.
    pub comment: &'static str,
    /// Adds the value of a record.
    pub fill: F,
}

/// A quote with what its batch says about it.
pub struct Spot<'a> {
    view: SpotView<'a>,
    time_us: i64,
    source: &'a str,
    sequence: u64,
}

impl<'a> Spot<'a> {
    /// The quote at that place of its batch.
    ///
    /// One without a number of its own gets one that it has again when the batch is offered again,
    /// and that two quotes of one second never share.
    #[inline]
    pub fn new(view: SpotView<'a>, batch: &'a Batch, index: usize) -> Self {
        let provenance = batch.provenance();
        let (source, sequence) = match view.sequence() {
            0 => {
                let place = provenance.part.wrapping_add(index as u64) & 0xf_ffff;
                (provenance.source(), provenance.sequence << 20 | place)
            }
            sequence => (view.source(), sequence),
        };
        Self { time_us: view.time_us(), view, source, sequence }
    }
}

/// A bar with what its batch says about it.
pub struct Bar<'a> {
    /// The bar.
    pub record: BarRecord<'a>,
    /// When its batch was received, microseconds since 1970 UTC.
    pub version: u64,
}

/// How a quote fills a column.
pub type SpotFill = fn(&mut native::Column, &Spot<'_>);
/// How a bar fills a column.
pub type BarFill = fn(&mut native::Column, &Bar<'_>);

/// Columns of the table of quotes.
pub fn spot_fields(precision: Precision) -> Vec<Field<SpotFill>> {
    use Type::{Count, Number, Prices, Score, Sizes, Text};
    let time = precision.time();
    let mut fields: Vec<Field<SpotFill>> = vec![
        spot("symbol", Text, "security, e.g. 600000.SH", |to, it| symbol(to, it.view.symbol())),
        spot("market", Text, "exchange: SH, SZ or BJ", |to, it| to.text(&[it.view.market()])),
        spot("code", Text, "code without the exchange", |to, it| to.text(&[it.view.code()])),
        spot("name", Text, "display name, empty when unknown", |to, it| to.text(&[it.view.name()])),
        spot("time", time, "exchange time; 1970 when unknown", |to, it| to.moment(it.time_us)),
        spot("recv_time", time, "when the source received it; 1970 when unknown", |to, it| {
            to.moment(it.view.recv_time_us());
        }),
        spot("pre_close", Number, "close of the day before, CNY", |to, it| {
            to.number(it.view.pre_close());
        }),
        spot("open", Number, "first price of the day, CNY", |to, it| to.number(it.view.open())),
        spot("high", Number, "highest price of the day, CNY", |to, it| to.number(it.view.high())),
        spot("low", Number, "lowest price of the day, CNY", |to, it| to.number(it.view.low())),
        spot("close", Number, "last price, CNY", |to, it| to.number(it.view.close())),
        spot("amount", Number, "turnover since the open, CNY", |to, it| {
            to.number(it.view.amount_cny());
        }),
        spot("volume", Count, "volume since the open, shares", |to, it| {
            to.count(it.view.volume_shares());
        }),
        spot("bid", Prices, "bid prices, best first, CNY", |to, it| {
            to.prices(it.view.bid().iter())
        }),
        spot("bid_volume", Sizes, "bid sizes, best first, shares", |to, it| {
            to.sizes(it.view.bid_lots().iter().map(shares));
        }),
        spot("ask", Prices, "ask prices, best first, CNY", |to, it| {
            to.prices(it.view.ask().iter())
        }),
        spot("ask_volume", Sizes, "ask sizes, best first, shares", |to, it| {
            to.sizes(it.view.ask_lots().iter().map(shares));
        }),
        spot("source", Text, "id of the source", |to, it| to.text(&[it.source])),
        spot("quality_score", Score, "share of quality rules passed, 0 to 1", |to, it| {
            to.score(it.view.quality_score());
        }),
        spot("sequence", Count, "number of the record at its source", |to, it| {
            to.count(it.sequence);
        }),
    ];
    if precision == Precision::Seconds {
        fields.push(spot("time_us", Type::Micros, TIME_US, |to, it| to.moment(it.time_us)));
        fields.push(spot("recv_time_us", Type::Micros, RECV_TIME_US, |to, it| {
            to.moment(it.view.recv_time_us());
        }));
    }
    fields
}

/// Columns of the table of bars.
pub fn bar_fields(precision: Precision) -> Vec<Field<BarFill>> {
    use Type::{Count, Flag, Number, Score, Text};
    let time = precision.time();
    let mut fields: Vec<Field<BarFill>> = vec![
        bar("symbol", Text, "security, e.g. 600000.SH", |to, it| symbol(to, it.record.symbol)),
        bar("period", Text, "length of the bar: 1m, 5m, 15m, 30m, 60m, day", |to, it| {
            to.text(&[it.record.period]);
        }),
        bar("time", time, "end of the bar", |to, it| to.moment(it.record.time_us)),
        bar("open", Number, "first price, CNY", |to, it| to.number(it.record.open)),
        bar("high", Number, "highest price, CNY", |to, it| to.number(it.record.high)),
        bar("low", Number, "lowest price, CNY", |to, it| to.number(it.record.low)),
        bar("close", Number, "last price, CNY", |to, it| to.number(it.record.close)),
        bar("amount", Number, "turnover within the bar, CNY", |to, it| {
            to.number(it.record.amount_cny);
        }),
        bar("volume", Count, "volume within the bar, shares", |to, it| {
            to.count(it.record.volume_shares);
        }),
        bar("closed", Flag, "0 while the bar may still change", |to, it| to.flag(it.record.closed)),
        bar("quality_score", Score, "share of quality rules passed, 0 to 1", |to, it| {
            to.score(it.record.quality_score);
        }),
        bar("version", Count, "when it was received, microseconds since 1970 UTC", |to, it| {
            to.count(it.version);
        }),
    ];
    if precision == Precision::Seconds {
        fields.push(bar("time_us", Type::Micros, TIME_US, |to, it| to.moment(it.record.time_us)));
    }
    fields
}

const TIME_US: &str = "time in microseconds since 1970 UTC; 0 when unknown";
const RECV_TIME_US: &str = "recv_time in microseconds since 1970 UTC; 0 when unknown";

fn spot(name: &'static str, kind: Type, comment: &'static str, fill: SpotFill) -> Field<SpotFill> {
    Field { name, kind, comment, fill }
}

fn bar(name: &'static str, kind: Type, comment: &'static str, fill: BarFill) -> Field<BarFill> {
    Field { name, kind, comment, fill }
}

/// `600000.SH`
fn symbol(to: &mut native::Column, symbol: Symbol<'_>) {
    to.text(&[symbol.code, ".", symbol.market]);
}
