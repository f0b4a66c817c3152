//! Which pipeline runs: the user's own, or the one that the arguments of a start ask for.

use std::fmt::Write;

use dataserver::config::{self, Draft, Faults, ProcessEnvironment};

use crate::{home::Home, server::Arguments};

/// Widest line of a fault that is shown.
const WIDTH: usize = 100;

/// The pipeline that is to run, as far as it goes without plugins.
///
/// # Errors
/// What is wrong with the user's file or the arguments.
pub fn draft(home: &Home, arguments: &Arguments) -> Result<Draft, String> {
    let own = home.own_pipeline();
    if own.exists() {
        let addr = arguments.addr.as_str();
        tracing::info!(
            file = %own.display(), addr,
            "the user's own pipeline runs; what the start was called with is left aside"
        );
        return config::load(&own, &ProcessEnvironment).map_err(|faults| shown(&faults));
    }
    let text = text(home, arguments)?;
    tracing::debug!("the pipeline is\n{text}");
    // there is no such file: the name shows where a fault lies
    let name = home.folder().join("start_data_server");
    config::load_text(&text, &name, &ProcessEnvironment).map_err(|faults| shown(&faults))
}

/// What is wrong, for the log.
pub fn shown(faults: &Faults) -> String {
    faults.render(false, WIDTH).trim_end().to_owned()
}

/// The pipeline that those arguments ask for.
fn text(home: &Home, arguments: &Arguments) -> Result<String, String> {
    let mut text = String::new();
    let data_dir = home.data_dir(&arguments.addr);
    let _ = write!(
        text,
        "[host]\ndata_dir = {data_dir:?}\nwatch = false\ndrain_timeout = \"10s\"\n\n\
         [sources.quotes]\nplugin = \"nng-sub\"\n\n\
         [transforms.bars]\nplugin = \"bars\"\ninputs = [\"quotes\"]\n\n",
    );
    if arguments.save_tick {
        let path = arguments.parquet_path.as_str();
        let _ = write!(
            text,
            "[sinks.lake]\nplugin = \"parquet\"\ninputs = [\"quotes\"]\npath = {path:?}\n\n"
        );
    }
    Ok(text)
}
