//! Encoder, reader and verifier against those of the flatbuffers crate.

use flatbuffers::FlatBufferBuilder;
use plugin_api::{
    SpotListEncoder, SpotRecord, WireSpot,
    schemas::{
        flat::{Spot, SpotArgs, SpotList, SpotListArgs, root_as_spot_list},
        spot::SpotListReader,
        verify,
    },
};

use super::measure::{Row, nanos};

/// Quotes of a batch.
pub const SPOTS: usize = 500;

/// A list of [`SPOTS`] quotes with five levels.
pub fn list() -> Vec<u8> {
    let codes: Vec<String> = (0..SPOTS).map(|index| format!("{}", 600_000 + index)).collect();
    let mut encoder = SpotListEncoder::new(SPOTS);
    for (index, code) in codes.iter().enumerate() {
        let price = 8.0 + index as f64 / 100.0;
        let levels = [0.0, 0.01, 0.02, 0.03, 0.04];
        encoder
            .push(&SpotRecord {
                market: "SH",
                code,
                name: "浦发银行",
                time_us: 1_638_321_301_000_000 + index as i64 % 3 * 1_000_000,
                recv_time_us: 1_638_321_301_050_000,
                pre_close: price,
                open: price,
                high: price,
                low: price,
                close: price,
                amount_cny: price * 123_456.0,
                volume_shares: 123_456,
                bid: &levels.map(|step| price - step),
                bid_volume: &[100, 200, 300, 400, 500],
                ask: &levels.map(|step| price + step),
                ask_volume: &[100, 200, 300, 400, 500],
                source: "quotes",
                sequence: index as u64 + 1,
                quality_score: None,
            })
            .unwrap();
    }
    encoder.finish()
}

pub fn rows() -> Vec<Row> {
    let bytes = list();
    let reader = verify::complete_spot_list(&bytes).unwrap();
    let spots: Vec<WireSpot<'_>> = reader.iter().map(|spot| spot.to_wire()).collect();
    let levels: Vec<[Vec<f64>; 4]> = spots
        .iter()
        .map(|spot| {
            [spot.bid, spot.bid_amount, spot.ask, spot.ask_amount].map(|side| side.iter().collect())
        })
        .collect();

    let mut encoder = SpotListEncoder::new(SPOTS);
    let ours = nanos(300, || {
        for spot in &spots {
            encoder.push_wire(spot).unwrap();
        }
        encoder.finish()
    });
    let mut builder = FlatBufferBuilder::new();
    let general = nanos(300, || build(&mut builder, &spots, &levels));
    let mut generic_bytes = FlatBufferBuilder::new();
    build(&mut generic_bytes, &spots, &levels);

    let verified = nanos(300, || verify::spot_list(&bytes).is_ok());
    let complete = nanos(300, || verify::complete_spot_list(&bytes).is_ok());
    let verified_general = nanos(300, || root_as_spot_list(&bytes).is_ok());
    let foreign = generic_bytes.finished_data();
    let verified_foreign = nanos(300, || verify::spot_list(foreign).is_ok());
    let verified_foreign_general = nanos(300, || root_as_spot_list(foreign).is_ok());
    let visited = nanos(300, || visit(reader));
    let copied = nanos(300, || bytes.clone());

    let per_spot = |nanos: f64| {
        format!("{:.1} ns a quote ({:.1} M/s)", nanos / SPOTS as f64, SPOTS as f64 * 1e3 / nanos)
    };
    let times = |ours: f64, other: f64, name: &str| {
        format!("{name} {}: {:.1} times", per_spot(other), other / ours)
    };
    vec![
        Row::new("encode", per_spot(ours)).against(times(ours, general, "the crate's builder")),
        Row::new("verify a list of ours", per_spot(verified)).against(times(
            verified,
            verified_general,
            "the crate's verifier",
        )),
        Row::new("verify a list of another encoder", per_spot(verified_foreign)).against(times(
            verified_foreign,
            verified_foreign_general,
            "the crate's verifier",
        )),
        Row::new("verify that a list is complete, too", per_spot(complete)),
        Row::new("visit prices and book", per_spot(visited)),
        Row::new("copy the bytes", per_spot(copied)).against(format!("{} bytes", bytes.len())),
    ]
}

/// The plain way of the flatbuffers crate, with every builder call that the list needs.
fn build(
    builder: &mut FlatBufferBuilder<'_>,
    spots: &[WireSpot<'_>],
    levels: &[[Vec<f64>; 4]],
) -> usize {
    builder.reset();
    let source = builder.create_string("quotes");
    let tables: Vec<_> = spots
        .iter()
        .zip(levels)
        .map(|(spot, levels)| {
            let args = SpotArgs {
                market: Some(builder.create_string(spot.market)),
                code: Some(builder.create_string(spot.code)),
                name: Some(builder.create_string(spot.name)),
                datetime: Some(builder.create_string(std::str::from_utf8(spot.datetime).unwrap())),
                yesterday_close: spot.yesterday_close,
                open: spot.open,
                high: spot.high,
                low: spot.low,
                close: spot.close,
                amount: spot.amount,
                volume: spot.volume,
                bid: Some(builder.create_vector(&levels[0])),
                bid_amount: Some(builder.create_vector(&levels[1])),
                ask: Some(builder.create_vector(&levels[2])),
                ask_amount: Some(builder.create_vector(&levels[3])),
                time_us: spot.time_us,
                recv_time_us: spot.recv_time_us,
                amount_cny: spot.amount_cny,
                volume_shares: spot.volume_shares,
                source: Some(source),
                sequence: spot.sequence,
                quality_score: spot.quality_score,
            };
            Spot::create(builder, &args)
        })
        .collect();
    let vector = builder.create_vector(&tables);
    let list = SpotList::create(builder, &SpotListArgs { spot: Some(vector) });
    builder.finish(list, None);
    builder.finished_data().len()
}

fn visit(reader: SpotListReader<'_>) -> f64 {
    reader
        .iter()
        .map(|spot| {
            spot.close()
                + spot.amount_cny()
                + spot.bid().iter().sum::<f64>()
                + spot.ask().iter().sum::<f64>()
        })
        .sum()
}
