//! Shrinks waiting batches to the newest quote of each security.

use std::collections::{HashMap, HashSet};

use plugin_api::{Batch, RecordKind, Round, SpotListEncoder, SpotView};

use super::Delivery;
use crate::ack::Receipt;

/// Joins the quotes of each source into one batch that holds the newest of each security, in the
/// order of arrival. Bars stay as they are. What is left out is settled with the joined batch.
pub fn newest_per_symbol(deliveries: Vec<Delivery>) -> Vec<Delivery> {
    let mut kept = Vec::new();
    let mut by_source: Vec<(String, Vec<Delivery>)> = Vec::new();
    let mut place: HashMap<String, usize> = HashMap::new();
    for delivery in deliveries {
        if delivery.batch.kind() != RecordKind::Spot {
            kept.push(delivery);
            continue;
        }
        let source = delivery.batch.provenance().source().to_owned();
        let at = *place.entry(source.clone()).or_insert_with(|| {
            by_source.push((source, Vec::new()));
            by_source.len() - 1
        });
        by_source[at].1.push(delivery);
    }
    for (_, deliveries) in by_source {
        match join(&deliveries) {
            Some(batch) => {
                let receipts = deliveries.into_iter().map(|delivery| delivery.receipt).collect();
                kept.push(Delivery { batch, receipt: Receipt::join(receipts) });
            }
            None => kept.extend(deliveries),
        }
    }
    kept
}

/// `None` when there is nothing to join.
fn join(deliveries: &[Delivery]) -> Option<Batch> {
    let (newest, _) = deliveries.split_last().filter(|(_, older)| !older.is_empty())?;
    let mut seen = HashSet::new();
    let mut spots: Vec<SpotView<'_>> = Vec::new();
    for delivery in deliveries.iter().rev() {
        let newest_first = delivery.batch.spots().iter().rev();
        spots.extend(newest_first.filter(|spot| seen.insert(spot.symbol())));
    }
    let mut encoder = SpotListEncoder::new(spots.len());
    for spot in spots.iter().rev() {
        encoder.push_wire(&spot.to_wire()).ok()?;
    }
    let round = Round {
        first: deliveries.iter().any(|delivery| delivery.batch.round().first),
        last: newest.batch.round().last,
    };
    let provenance = newest.batch.provenance().clone();
    Some(Batch::from_spots(&mut encoder, round).with_provenance(provenance))
}

#[cfg(test)]
mod tests {
    use plugin_api::{
        Provenance, SpotRecord,
        testing::{bar_batch, spot_batch},
    };

    use super::*;

    fn delivery(prices: &[(&str, f64)], round: Round) -> Delivery {
        let mut encoder = SpotListEncoder::new(prices.len());
        for (code, close) in prices {
            let record = SpotRecord { market: "SH", code, close: *close, ..SpotRecord::default() };
            encoder.push(&record).unwrap();
        }
        Delivery { batch: Batch::from_spots(&mut encoder, round), receipt: Receipt::none() }
    }

    #[test]
    fn the_newest_quote_of_each_security_stays_in_order_of_arrival() {
        let opening = Round { first: true, last: false };
        let kept = newest_per_symbol(vec![
            delivery(&[("600000", 1.0), ("600001", 1.0)], opening),
            delivery(&[("600000", 2.0), ("600002", 2.0)], Round::MIDDLE),
            delivery(&[("600000", 3.0)], Round { first: false, last: true }),
        ]);
        assert_eq!(kept.len(), 1);
        let batch = &kept[0].batch;
        let spots: Vec<_> =
            batch.spots().iter().map(|spot| (spot.code().to_owned(), spot.close())).collect();
        let expected = [("600001", 1.0), ("600002", 2.0), ("600000", 3.0)];
        assert_eq!(spots, expected.map(|(code, price)| (code.to_owned(), price)));
        assert_eq!(batch.round(), Round::WHOLE);
    }

    #[test]
    fn sources_and_kinds_are_kept_apart() {
        let of = |source: &str| Delivery {
            batch: spot_batch(2, Round::WHOLE).with_provenance(Provenance::of_source(source)),
            receipt: Receipt::none(),
        };
        let bars = || Delivery { batch: bar_batch(), receipt: Receipt::none() };
        let kept = newest_per_symbol(vec![of("a"), bars(), of("b"), of("a"), bars()]);
        let kinds: Vec<_> = kept
            .iter()
            .map(|it| (it.batch.kind().as_str(), it.batch.provenance().source().to_owned()))
            .collect();
        let expected = [("bar", ""), ("bar", ""), ("spot", "a"), ("spot", "b")];
        assert_eq!(kinds, expected.map(|(kind, source)| (kind, source.to_owned())));
    }
}
