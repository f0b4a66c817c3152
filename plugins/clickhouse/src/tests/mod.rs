//! What is sent, without a server.

mod blocks;
mod options;
mod requests;
mod statements;

use plugin_api::{
    serde_json::{Value, json},
    testing,
};

use crate::options::{Options, Settings};

/// Options with a url and whatever else is said.
fn options(more: Value) -> Options {
    let mut options = json!({ "url": "http://127.0.0.1:8123" });
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    testing::options(options).unwrap()
}

fn settings(more: Value) -> Settings {
    options(more).check().unwrap()
}
