//! A process with a host in it: runs the pipeline of a file to its end and prints the summary.
//!
//! After `make demo`, which builds `dataserver` and its plugins:
//!
//! ```sh
//! cargo run --release -p dataserver --example embed -- dist/current/config/demo.toml
//! ```

#![allow(clippy::print_stdout)]

use std::{env, path::Path, process::ExitCode, sync::Arc};

use dataserver::{
    config::{self, Faults, ProcessEnvironment},
    embed::Checked,
    engine::{shutdown::Shutdown, topology::Outcome},
    loader::PluginCatalog,
    reload::ReloadHandle,
};

fn main() -> ExitCode {
    let Some(file) = env::args_os().nth(1) else {
        eprintln!("name the file of a pipeline");
        return ExitCode::from(2);
    };
    match run(Path::new(&file)) {
        Ok(outcome) if outcome.is_success() => ExitCode::SUCCESS,
        Ok(outcome) => {
            eprintln!("not all was delivered: {outcome:?}");
            ExitCode::FAILURE
        }
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

/// Blocks until the pipeline has ended; an error says why it does not run.
fn run(file: &Path) -> Result<Outcome, String> {
    let parsed = config::load(file, &ProcessEnvironment).map_err(|faults| shown(&faults))?;
    // plugin files are tried by `dataserver`, which Cargo puts into the folder above this example's
    let catalog = PluginCatalog::of(parsed.host());
    let checked = Checked::new(parsed, catalog).map_err(|faults| shown(&faults))?;
    // a clone of it can end the pipeline from another thread: `advance(Phase::Draining)`
    let shutdown = Arc::new(Shutdown::default());
    let host = checked.start(shutdown, ReloadHandle::new()).map_err(|error| error.to_string())?;
    let outcome = host.wait();
    println!("{}", host.summary());
    host.close();
    Ok(outcome)
}

fn shown(faults: &Faults) -> String {
    faults.render(false, 100)
}
