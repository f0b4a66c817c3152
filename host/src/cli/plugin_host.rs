//! `dataserver plugin-host`: serves one native library to the host that started this process.

use std::{os::fd::AsFd, os::unix::net::UnixStream, path::PathBuf, process::ExitCode};

use clap::Args;
use dataserver_engine::clock::{Clock, SystemClock};
use dataserver_loader::child::plugin_host;

use super::output;

/// Arguments of `plugin-host`.
#[derive(Debug, Args)]
pub struct PluginHost {
    /// The library, `.so`.
    file: PathBuf,
}

impl PluginHost {
    /// Serves until the host is done.
    pub fn run(&self) -> ExitCode {
        let Some(socket) = socket() else {
            return output::complain(
                "the standard input is no socket of a host; a component with carrier = \"process\" \
                 is run so, and docs/PROCESS.md tells how",
            );
        };
        match plugin_host(&self.file, socket, || SystemClock.now_us()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(problem) => output::complain(&problem),
        }
    }
}

/// The socket that the host gave this process as its standard input.
fn socket() -> Option<UnixStream> {
    let socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().ok()?);
    socket.peer_addr().is_ok().then_some(socket)
}
