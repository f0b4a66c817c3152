//! Shrinks waiting batches to the newest quote of each security.

use std::collections::{BTreeSet, HashMap};

use plugin_api::{
    Batch, RecordKind, Round, SpotListEncoder, SpotView,
    schemas::{
        spot::Symbol,
        stray::{Feed, Stamp, Verdict},
    },
};

use super::Delivery;
use crate::ack::Receipt;

/// Joins the quotes of each source into one batch that holds the newest of each security, in the
/// order of arrival. Bars stay as they are. Quotes that are left out are acknowledged with the
/// joined batch.
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
    let mut pending = PendingQuotes::default();
    for delivery in deliveries {
        let received_us = delivery.batch.provenance().received_at_us;
        delivery.batch.spots().iter().for_each(|spot| pending.add(spot, received_us));
    }
    let places = pending.newest();
    let mut encoder = SpotListEncoder::new(places.len());
    for place in places {
        encoder.push_wire(&pending.spots[place].to_wire()).ok()?;
    }
    let round = Round {
        first: deliveries.iter().any(|delivery| delivery.batch.round().first),
        last: newest.batch.round().last,
    };
    let provenance = newest.batch.provenance().clone();
    Some(Batch::from_spots(&mut encoder, round).with_provenance(provenance))
}

/// Pending quotes of one source, in the order of arrival.
#[derive(Default)]
struct PendingQuotes<'a> {
    spots: Vec<SpotView<'a>>,
    by_symbol: HashMap<Symbol<'a>, usize>,
    securities: Vec<Security>,
    feed: Feed<usize, usize>,
}

/// The pending quotes of a security.
#[derive(Default)]
struct Security {
    latest_us: Option<i64>,
    /// Place of the last one whose time is believed.
    believed: Option<usize>,
    /// Place of the last one.
    last: usize,
}

impl<'a> PendingQuotes<'a> {
    fn add(&mut self, spot: SpotView<'a>, received_us: i64) {
        let place = self.spots.len();
        self.spots.push(spot);
        let next = self.securities.len();
        let key = *self.by_symbol.entry(spot.symbol()).or_insert(next);
        if key == next {
            self.securities.push(Security::default());
        }
        let security = &mut self.securities[key];
        security.last = place;
        let (time_us, latest_us) = (spot.time_us(), security.latest_us);
        if time_us == 0 {
            security.believed = Some(place); // without a time only the order tells
            return;
        }
        let stamp = Stamp { time_us, received_us, latest_us, counts: true };
        match self.feed.judge(&key, &stamp) {
            Verdict::Believed => {
                self.believe_released();
                self.believe(key, time_us, place);
            }
            verdict => self.feed.hold(key, stamp, verdict, place),
        }
    }

    /// Places of the newest quote of each security. One whose time is in doubt, as that of a single
    /// quote ahead of all others, is the newest only where there is no other.
    fn newest(&mut self) -> BTreeSet<usize> {
        self.feed.settle();
        if self.feed.newest_us().is_none() {
            self.feed.end();
        }
        self.believe_released();
        self.securities.iter().map(|it| it.believed.unwrap_or(it.last)).collect()
    }

    fn believe_released(&mut self) {
        for held in self.feed.released() {
            self.believe(held.key, held.stamp.time_us, held.quote);
        }
    }

    fn believe(&mut self, key: usize, time_us: i64, place: usize) {
        let security = &mut self.securities[key];
        (security.latest_us, security.believed) = (Some(time_us), Some(place));
    }
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

    const SECOND_US: i64 = 1_000_000;
    /// 2021-12-01 14:00:00 in Shanghai.
    const AFTERNOON_US: i64 = 1_638_338_400_000_000;

    /// Quotes of 600000 and two others by second after two o'clock, each in a batch of its own; what
    /// is kept of each, in the order of their codes.
    fn kept(quotes: &[(&str, i64)], is_live: bool) -> Vec<(String, i64)> {
        let deliveries = quotes.iter().map(|(code, second)| {
            let time_us = AFTERNOON_US + second * SECOND_US;
            let record = SpotRecord { market: "SH", code, time_us, ..SpotRecord::default() };
            let mut encoder = SpotListEncoder::new(1);
            encoder.push(&record).unwrap();
            let mut provenance = Provenance::of_source("a");
            provenance.received_at_us =
                if is_live { AFTERNOON_US + 15 * SECOND_US } else { AFTERNOON_US + (1 << 50) };
            let batch = Batch::from_spots(&mut encoder, Round::MIDDLE).with_provenance(provenance);
            Delivery { batch, receipt: Receipt::none() }
        });
        let mut kept: Vec<_> = newest_per_symbol(deliveries.collect())[0]
            .batch
            .spots()
            .iter()
            .map(|spot| (spot.code().to_owned(), (spot.time_us() - AFTERNOON_US) / SECOND_US))
            .collect();
        kept.sort();
        kept
    }

    #[test]
    fn a_quote_with_a_stray_time_does_not_take_the_place_of_the_newest() {
        let (evening, three, morning, tomorrow) = (5 * 3_600, 3_540, -4 * 3_600, 86_400);
        for is_live in [true, false] {
            for stray in [evening, three, morning, tomorrow] {
                let quotes = [
                    ("600000", 0),
                    ("600001", 3),
                    ("600002", 6),
                    ("600000", 9),
                    ("600000", stray),
                    ("600001", 12),
                    ("600001", stray),
                ];
                let expected = [("600000", 9), ("600001", 12), ("600002", 6)]
                    .map(|(code, at)| (code.to_owned(), at));
                assert_eq!(kept(&quotes, is_live), expected, "{stray}, live {is_live}");
            }
        }
        // where there is no other one it stays
        assert_eq!(kept(&[("600000", 0), ("600001", evening)], false).len(), 2);
    }

    #[test]
    fn after_a_gap_the_newest_quotes_stay() {
        let all: Vec<_> = ["600000", "600001", "600002", "600003", "600004"]
            .into_iter()
            .flat_map(|code| [(code, 0), (code, 1_800)])
            .collect();
        let later = all.iter().filter(|(_, second)| *second > 0).copied();
        let quotes: Vec<_> =
            all.iter().filter(|(_, second)| *second == 0).copied().chain(later).collect();
        assert!(kept(&quotes, false).iter().all(|(_, second)| *second == 1_800));
        assert_eq!(
            kept(&[("600000", 0), ("600000", 1_800)], false),
            [("600000".to_owned(), 1_800)]
        );
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
