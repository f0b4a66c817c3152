//! What is sent, without a server.

mod blocks;
mod options;
mod requests;
mod statements;

use std::{path::Path, sync::Arc};

use plugin_api::{
    Context,
    serde_json::{Value, json},
    testing::{self, TestHost},
};

use crate::{access::Target, options::Options};

/// Options with a url and whatever else is said.
fn options(more: Value) -> Options {
    let mut options = json!({ "url": "http://127.0.0.1:8123" });
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    testing::options(options).unwrap()
}

/// A context that nothing is kept in.
fn context() -> Context {
    testing::context(&Arc::<TestHost>::default(), Path::new("."))
}

/// Where options lead.
pub fn target(more: Value) -> Target {
    options(more).check(&context()).unwrap().target
}
