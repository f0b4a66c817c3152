//! A source plugin, and the check of the contract that every source keeps.
//!
//! ```sh
//! cargo run -p dataserver-plugin-api --example source
//! ```

#![allow(clippy::print_stdout)]

use std::{path::Path, sync::Arc, time};

use plugin_api::{
    Batch, Context, PluginError, Polled, Round, Source, SpotListEncoder, SpotRecord, export_plugin,
    options, serde_json::json, testing,
};

options! {
    /// Options of the source.
    pub struct Options {
        /// Code of a security in Shanghai, e.g. `600000`. No default.
        pub code: String,
        /// Its prices, CNY, one a round. No default, at least one.
        pub prices: Vec<f64>,
    }
}

/// Gives a quote for each price, then ends.
struct Prices {
    options: Options,
    context: Context,
    /// Quotes so far: the number of the last one, too.
    given: usize,
    list: SpotListEncoder,
}

impl Source for Prices {
    type Options = Options;

    fn open(options: Options, context: Context) -> Result<Self, PluginError> {
        if options.prices.is_empty() {
            return Err(PluginError::config("`prices` is empty; write e.g. [8.55, 8.56]"));
        }
        Ok(Self { options, context, given: 0, list: SpotListEncoder::new(1) })
    }

    /// Never waits: all that it will give is there.
    fn next(&mut self, _: time::Duration) -> Result<Polled, PluginError> {
        let Some(price) = self.options.prices.get(self.given).copied() else {
            return Ok(Polled::End);
        };
        self.given += 1;
        self.list.push(&SpotRecord {
            market: "SH",
            code: &self.options.code,
            time_us: self.context.now_us(),
            close: price,
            source: self.context.instance(),
            sequence: self.given as u64,
            ..SpotRecord::default()
        })?;
        Ok(Polled::Batch(Batch::from_spots(&mut self.list, Round::WHOLE)))
    }
}

export_plugin! {
    name: "prices",
    description: "Gives the prices that its options list",
    author: "dataserver developers",
    source: Prices,
}

fn main() {
    let options = json!({ "code": "600000", "prices": [8.55, 8.56, 8.54] });
    let context = testing::context(&Arc::default(), Path::new("."));
    // panics with the rule that is broken
    let batches = testing::check_source::<Prices>(&options, context, 10);
    for spot in batches.iter().flat_map(|batch| batch.spots().iter()) {
        println!("{}. {}{}: {}", spot.sequence(), spot.market(), spot.code(), spot.close());
    }
    println!("the source keeps its contract, in {} batches", batches.len());
}
