//! The rules one by one, on real days, on damaged days, and on anything at all.

mod auctions;
mod bars;
mod boards;
mod days;
mod handover;
mod options;
mod order;
mod properties;
mod recorded;
mod rules;
mod speed;
mod vendors;

use std::{path::Path, sync::Arc};

use plugin_api::{
    Batch, Output, PluginError, Round, SpotListEncoder, SpotRecord, Transform,
    serde_json::{Value, json},
    testing::{self, TestHost},
};

use crate::{Quality, rule::Rule};

/// 2021-12-01 00:00 in Shanghai.
pub const MIDNIGHT_US: i64 = 1_638_288_000_000_000;
pub const SECOND_US: i64 = 1_000_000;

/// A time of that day.
pub fn at(hour: i64, minute: i64, second: i64) -> i64 {
    MIDNIGHT_US + (hour * 3_600 + minute * 60 + second) * SECOND_US
}

/// A quote that breaks no rule: 600000.SH at 10:00:00, received at once.
pub fn good() -> SpotRecord<'static> {
    SpotRecord {
        market: "SH",
        code: "600000",
        name: "浦发银行",
        time_us: at(10, 0, 0),
        recv_time_us: at(10, 0, 0) + 200_000,
        pre_close: 10.0,
        open: 10.1,
        high: 10.3,
        low: 9.9,
        close: 10.2,
        amount_cny: 1_015_000.0,
        volume_shares: 100_000,
        bid: &[10.19, 10.18, 10.17],
        bid_volume: &[100, 200, 300],
        ask: &[10.2, 10.21, 10.22],
        ask_volume: &[300, 200, 100],
        source: "test",
        sequence: 1,
        quality_score: None,
    }
}

pub fn batch(records: &[SpotRecord<'_>]) -> Batch {
    let mut encoder = SpotListEncoder::new(records.len());
    for record in records {
        encoder.push(record).unwrap();
    }
    Batch::from_spots(&mut encoder, Round::MIDDLE)
}

/// A transform with the host that it reports to.
pub struct Bench {
    pub host: Arc<TestHost>,
    pub transform: Quality,
}

impl Bench {
    pub fn try_open(options: Value) -> Result<Self, PluginError> {
        let host = Arc::<TestHost>::default();
        let context = testing::context(&host, Path::new("."));
        let transform = Quality::open(testing::options(options)?, context)?;
        Ok(Self { host, transform })
    }

    pub fn open(options: Value) -> Self {
        Self::try_open(options).unwrap()
    }

    /// What becomes of a batch: one, or none when nothing is left in the middle of a round.
    pub fn apply(&mut self, batch: &Batch) -> Option<Batch> {
        let mut output = Output::default();
        self.transform.apply(batch, &mut output).unwrap();
        let mut batches = output.into_batches();
        assert!(batches.len() < 2, "one batch became several");
        batches.pop()
    }

    /// Gives one quote and says what was found in it, by name.
    pub fn found(&mut self, record: &SpotRecord<'_>) -> Vec<&'static str> {
        let before = self.counts();
        self.apply(&batch(&[*record]));
        let after = self.counts();
        let rules = Rule::ALL.into_iter().zip(before.into_iter().zip(after));
        rules
            .filter(|(_, (before, after))| before != after)
            .map(|(rule, _)| rule.about().name)
            .collect()
    }

    /// Findings of each rule so far.
    pub fn counts(&self) -> Vec<u64> {
        Rule::ALL.iter().map(|rule| self.host.counted(rule.about().counter)).collect()
    }

    /// Findings of each rule that has any.
    pub fn findings(&self) -> Vec<(&'static str, u64)> {
        let counts = Rule::ALL.into_iter().zip(self.counts()).filter(|(_, count)| *count > 0);
        counts.map(|(rule, count)| (rule.about().name, count)).collect()
    }

    /// Dropped records by reason.
    pub fn dropped(&self) -> Vec<(String, u64)> {
        self.host.told().dropped
    }

    /// Number of dropped records.
    pub fn dropped_records(&self) -> u64 {
        self.dropped().iter().map(|(_, records)| records).sum()
    }
}

/// Every rule with that action.
pub fn all(action: &str) -> Value {
    Rule::ALL.iter().map(|rule| (rule.about().name.to_owned(), json!(action))).collect()
}

#[test]
fn the_transform_keeps_its_contract() {
    for options in [json!({}), all("drop"), all("pass"), json!({ "score_clean": true })] {
        let context = testing::context(&Arc::default(), Path::new("."));
        testing::check_transform::<Quality>(&options, context);
    }
}
