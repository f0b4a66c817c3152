//! A data server as Hikyuu's caller sees it: started, stopped, started again.
//!
//! `start` returns at once, because it is called with Python's lock held: everything happens on a
//! thread, which is joined by `stop`.

use std::{
    io::ErrorKind,
    net::TcpListener,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use dataserver::{
    embed::Checked,
    engine::{
        shutdown::{Phase, Shutdown},
        topology::Outcome,
    },
    loader::PluginCatalog,
    reload::ReloadHandle,
};

use crate::{PLUGINS, arguments::Arguments, home::Home, log, pipeline, signals};

/// How long what has come in may take to be delivered when the server stops: the caller holds
/// Python's lock.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// A data server, stopped in the beginning. Dropping it stops it.
#[derive(Default)]
pub struct Server {
    running: Mutex<Option<Running>>,
}

impl Server {
    /// Starts it, and returns before it runs. One that runs with the same arguments goes on, with
    /// others it is stopped first. What goes wrong is logged.
    pub fn start(&self, arguments: Arguments) {
        log::start();
        let mut running = self.lock();
        if let Some(now) = running.as_ref()
            && now.is_alive()
            && now.arguments == arguments
        {
            tracing::info!(addr = arguments.addr, "the data server runs already");
            return;
        }
        match Running::new(arguments, running.take()) {
            Ok(now) => *running = Some(now),
            Err(error) => {
                tracing::error!("the data server is not started: cannot start a thread: {error}");
            }
        }
    }

    /// Stops it, and returns when all its threads have ended: what has come in is delivered before
    /// that. Does nothing to one that does not run.
    pub fn stop(&self) {
        drop(self.lock().take());
    }

    fn lock(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A pipeline on its thread. Dropping it stops and joins.
struct Running {
    arguments: Arguments,
    shutdown: Arc<Shutdown>,
    thread: Option<JoinHandle<()>>,
    /// A process that was forked from this one has none of its threads.
    process: u32,
}

impl Running {
    /// Runs as soon as the one before has stopped.
    fn new(arguments: Arguments, before: Option<Self>) -> std::io::Result<Self> {
        let shutdown = Arc::new(Shutdown::default());
        let thread = thread::Builder::new().name("dataserver".to_owned()).spawn({
            let (arguments, shutdown) = (arguments.clone(), Arc::clone(&shutdown));
            move || {
                signals::block();
                drop(before);
                let run = AssertUnwindSafe(|| run(&arguments, shutdown));
                match catch_unwind(run) {
                    Ok(Ok(())) => {}
                    Ok(Err(text)) => tracing::error!("the data server does not run: {text}"),
                    Err(_) => tracing::error!("the data server panicked; please report it"),
                }
            }
        })?;
        Ok(Self { arguments, shutdown, thread: Some(thread), process: std::process::id() })
    }

    fn is_alive(&self) -> bool {
        self.is_of_this_process() && self.thread.as_ref().is_some_and(|it| !it.is_finished())
    }

    fn is_of_this_process(&self) -> bool {
        self.process == std::process::id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        if !self.is_of_this_process() {
            // nobody would ever wake who waits for it
            std::mem::forget(thread);
            return;
        }
        self.shutdown.advance(Phase::Draining);
        if !self.shutdown.wait_ended(STOP_TIMEOUT) {
            self.shutdown.advance(Phase::Aborting);
        }
        let _ = thread.join();
    }
}

/// Runs the pipeline until the shutdown has come; an error says why it does not run.
fn run(arguments: &Arguments, shutdown: Arc<Shutdown>) -> Result<(), String> {
    if shutdown.is_stopping() {
        return Ok(());
    }
    let home = Home::of_user()?;
    let parsed = pipeline::parsed(&home, arguments)?;
    let warnings = parsed.warnings();
    if !warnings.is_empty() {
        tracing::warn!("{}", pipeline::shown(&warnings));
    }
    let catalog = PluginCatalog::of(parsed.host()).with_linked(&PLUGINS);
    let checked = Checked::new(parsed, catalog).map_err(|faults| pipeline::shown(&faults))?;
    let host = checked.start(shutdown, ReloadHandle::new()).map_err(|error| {
        // a server of the same port has its folder, too, and the address tells more
        let addr = &arguments.addr;
        if is_taken(addr) { format!("{addr} is in use: {error}") } else { error.to_string() }
    })?;
    if !host.topology().shutdown().is_stopping() {
        tracing::info!(addr = arguments.addr, "the data server runs");
    }
    let outcome = host.wait();
    tracing::debug!("\n{}", host.summary());
    host.close();
    tell(&outcome);
    Ok(())
}

/// Whether somebody listens at an address such as `tcp://0.0.0.0:9201`.
fn is_taken(addr: &str) -> bool {
    let bound = addr.strip_prefix("tcp://").map(TcpListener::bind);
    bound.is_some_and(|it| it.is_err_and(|error| error.kind() == ErrorKind::AddrInUse))
}

fn tell(outcome: &Outcome) {
    for (component, error) in &outcome.failed {
        tracing::error!(component, "failed: {error}");
    }
    for component in &outcome.abandoned {
        tracing::error!(component, "did not end in time and was left behind");
    }
    if outcome.undelivered > 0 {
        tracing::error!(records = outcome.undelivered, "records were not delivered");
    }
    tracing::info!(kept_on_disk = outcome.kept, "the data server has stopped");
}
