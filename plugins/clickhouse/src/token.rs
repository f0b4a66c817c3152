//! Tokens by which a server recognises an insert that it has already.

use std::fmt::Write as _;

use plugin_api::Batch;

/// The token of an insert of those batches into that table.
///
/// The same batches have the same token again, also after a restart of the host. What it says of
/// their sources keeps two hosts apart that share a table and a component's id; number and count of
/// records keep a batch from its halves. `None` when the batches are not numbered.
pub fn of(instance: &str, table: &str, batches: &[&Batch]) -> Option<String> {
    let (first, last) = (batches.first()?.delivery(), batches.last()?.delivery());
    if batches.iter().any(|batch| batch.delivery() == 0) {
        return None;
    }
    let mut described = String::new();
    for batch in batches {
        let provenance = batch.provenance();
        let _ = writeln!(
            described,
            "{} {} {} {} {} {}",
            provenance.source(),
            provenance.epoch,
            provenance.sequence,
            provenance.part,
            batch.delivery(),
            batch.records()
        );
    }
    let hash = cityhash_rs::cityhash_102_128(described.as_bytes());
    Some(format!("{instance}.{table}.{first}-{last}.{hash:032x}"))
}

#[cfg(test)]
mod tests {
    use plugin_api::{
        Round,
        testing::{bar_batch, spot_batch},
    };

    use super::*;

    fn numbered(sequence: u64, part: u64, delivery: u64, records: usize) -> Batch {
        let batch = spot_batch(records, Round::MIDDLE);
        batch.numbered(7, sequence, part).with_delivery(delivery)
    }

    #[test]
    fn a_token_tells_an_insert_from_all_others() {
        let token = |batches: &[&Batch]| of("lake", "spots", batches).unwrap();
        let (a, b) = (numbered(1, 0, 100, 4), numbered(2, 0, 101, 4));
        let (first, second) = a.halves().unwrap().unwrap();
        let whole = token(&[&a, &b]);
        assert_eq!(token(&[&a.clone(), &b.clone()]), whole, "the same again");
        assert!(whole.starts_with("lake.spots.100-101."), "{whole}");
        let mut all = vec![
            token(&[&a]),
            token(&[&b]),
            token(&[&first]),
            token(&[&second]),
            token(&[&a, &numbered(3, 0, 101, 4)]),
            token(&[&a.clone().numbered(8, 1, 0), &b]),
            of("lake", "others", &[&a, &b]).unwrap(),
            of("other", "spots", &[&a, &b]).unwrap(),
            whole,
        ];
        let len = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), len, "{all:?}");
    }

    #[test]
    fn batches_without_a_number_have_no_token() {
        let (bars, numbered) = (bar_batch(), bar_batch().with_delivery(3));
        assert_eq!(of("lake", "minute_bars", &[&bars]), None);
        assert_eq!(of("lake", "minute_bars", &[&numbered, &bars]), None);
        assert_eq!(of("lake", "minute_bars", &[]), None);
    }
}
