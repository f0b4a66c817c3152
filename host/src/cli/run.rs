//! `dataserver run`

use std::{process::ExitCode, sync::Arc};

use dataserver_config::{Faults, ParsedConfig};
use dataserver_engine::{
    shutdown::{Phase, Shutdown},
    topology::Outcome,
};
use dataserver_loader::PluginCatalog;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use super::{EXIT_CONFIG, PipelineFile, following, output};
use crate::{
    descriptors,
    embed::{Checked, Host},
    hikyuu::Asked,
    reload::{ReloadHandle, Trigger},
};

/// Runs the pipeline of a file to its end.
pub fn run(file: PipelineFile) -> ExitCode {
    run_read(move || file.load())
}

/// Runs or prints what a command asks for that stands for a pipeline of its own.
pub fn run_asked(asked: Result<Asked, Faults>) -> ExitCode {
    match asked {
        Ok(Asked::Print(text)) => output::print(&text),
        Ok(Asked::Run(read)) => run_read(read),
        Err(faults) => output::show_faults(&faults),
    }
}

/// Runs a pipeline to its end, wherever it is read from; a reload reads it anew.
fn run_read(read: impl Fn() -> Result<ParsedConfig, Faults> + Send + Sync + 'static) -> ExitCode {
    // first of all: a signal that comes while plugins are read or open ends the host in order
    let shutdown = Arc::new(Shutdown::default());
    let (reload_handle, requests) = ReloadHandle::new();
    if let Err(error) = listen_to_signals(Arc::clone(&shutdown), Some(reload_handle.clone())) {
        return output::complain(&format!("cannot listen to signals: {error}"));
    }
    descriptors::raise_limit();
    let parsed = match read() {
        Ok(parsed) => parsed,
        Err(faults) => return output::show_faults(&faults),
    };
    let catalog = PluginCatalog::of(parsed.host());
    let warnings = parsed.warnings();
    if !warnings.is_empty() {
        output::show_faults(&warnings);
    }
    let checked = match Checked::new(parsed, catalog) {
        Ok(checked) => checked.read_by(read),
        Err(faults) => return output::show_faults(&faults),
    };
    if shutdown.is_stopping() {
        tracing::info!("told to end before the pipeline began");
        return ExitCode::SUCCESS;
    }
    let host = match checked.start(shutdown, (reload_handle, requests)) {
        Ok(host) => host,
        Err(error) => {
            let code = output::complain(&error.to_string());
            return if error.is_config() { ExitCode::from(EXIT_CONFIG) } else { code };
        }
    };
    if !host.topology().shutdown().is_stopping() {
        announce(&host);
    }
    let outcome = following::wait(&host);
    conclude(&host, &outcome)
}

fn announce(host: &Host) {
    let http = host.control().map(|control| control.address().to_string());
    tracing::info!(
        components = host.topology().components().len(),
        http = http.as_deref().unwrap_or("off"),
        "the pipeline runs"
    );
    // now: every source and sink has begun, or is named as slow to open; without systemd there is
    // nobody to tell
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
}

fn conclude(host: &Host, outcome: &Outcome) -> ExitCode {
    output::note(&host.summary().to_string());
    for (component, error) in &outcome.failed {
        output::complain(&format!("{component} failed: {error}"));
    }
    for component in &outcome.abandoned {
        output::complain(&format!("{component} did not end in time and was left behind"));
    }
    if outcome.kept > 0 {
        output::note(&format!("{} records wait on disk for the next start", outcome.kept));
    }
    if outcome.undelivered > 0 {
        output::complain(&format!("{} records were not delivered", outcome.undelivered));
    }
    if outcome.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A first SIGTERM or SIGINT drains, a second one aborts; SIGHUP requests a reload.
pub(super) fn listen_to_signals(
    shutdown: Arc<Shutdown>,
    reload_handle: Option<ReloadHandle>,
) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in &mut signals {
            if signal == SIGHUP {
                match &reload_handle {
                    Some(reload_handle) => reload_handle.request(Trigger::Signal),
                    None => tracing::info!("there is nothing to reload"),
                }
                continue;
            }
            let next = match shutdown.phase() {
                Phase::Running => Phase::Draining,
                Phase::Draining | Phase::Aborting => Phase::Aborting,
            };
            tracing::info!(
                signal,
                "{}",
                match next {
                    Phase::Aborting => "ending at once",
                    Phase::Running | Phase::Draining =>
                        "stopping the sources and delivering the rest",
                }
            );
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
            shutdown.advance(next);
        }
    })?;
    Ok(())
}
