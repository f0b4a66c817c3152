//! The state of one instance: memory limits, grants, and host services.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use dataserver_config::{Access, Grants, Limits};
use plugin_api::{Context, HostServices, PluginError};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{
    FsPerms, HostWallClock, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView, sockets::SocketAddrUse,
};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::{denied::Denied, http::Gate, limiter::Limiter, output::Printed};
use crate::{
    guest_output::GuestOutput,
    rate_limit::{self, LineLimiter, NameLimiter},
};

/// Where a guest finds the folder of its own.
pub(super) const STATE_DIR: &str = "/state";
/// Things of the host that a guest may hold at once: streams, requests, files.
const MAX_RESOURCES: usize = 256;
/// Shorter values of granted variables are no secrets that could be covered in a text.
const MIN_SECRET: usize = 4;

/// The state behind one instance.
pub(super) struct Sandbox {
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    gate: Gate,
    /// Bounds of memory and tables.
    pub limiter: Limiter,
    /// When the call that runs must have ended.
    pub deadline: Instant,
    /// Output of the current call.
    pub output: GuestOutput,
    /// The host.
    pub host: Arc<dyn HostServices>,
    /// How many lines it may still log.
    pub lines: LineLimiter,
    /// Names that its component has used.
    pub names: Arc<Mutex<NameLimiter>>,
    /// The end of what it printed.
    pub printed: Printed,
    secrets: Vec<String>,
    /// Denied uses.
    pub denied: Denied,
    /// Whether it has a folder of its own.
    pub has_state: bool,
}

/// Whether a folder that the plugin may have is made for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StateDir {
    /// An instance is opened.
    Make,
    /// Checked only: must not leave a trace.
    IfThere,
}

impl Sandbox {
    /// A sandbox for a component; `names` are those that its earlier instances used.
    pub fn new(
        context: &Context,
        limits: &Limits,
        grants: &Grants,
        state: StateDir,
        names: Arc<Mutex<NameLimiter>>,
    ) -> Result<Self, PluginError> {
        let (host, printed) = (context.host(), Printed::default());
        let denied = Denied::new(Arc::clone(&host));
        let mut wasi = WasiCtx::builder();
        wasi.stdout(printed.clone()).stderr(printed.clone());
        wasi.wall_clock(WallClock(Arc::clone(&host)));
        refuse_sockets(&mut wasi, denied.clone());
        for (folder, access) in &grants.dirs {
            mount(&mut wasi, &context.resolve(Path::new(folder)), folder, *access)?;
        }
        let has_state = grants.state && (state == StateDir::Make || context.state_path().is_dir());
        if has_state {
            let folder = context.state_dir().map_err(|error| no_state(context, &error))?;
            mount(&mut wasi, folder, STATE_DIR, Access::Write)?;
        }
        let mut secrets = Vec::new();
        for name in &grants.env {
            if let Ok(value) = std::env::var(name) {
                wasi.env(name, &value);
                secrets.push(value);
            }
        }
        secrets.retain(|secret| secret.len() >= MIN_SECRET);
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        Ok(Self {
            table,
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            gate: Gate::new(grants.http.clone(), denied.clone()),
            denied,
            limiter: Limiter::new(limits.memory),
            deadline: Instant::now(),
            output: GuestOutput::of_memory(limits.memory),
            lines: LineLimiter::new(Instant::now()),
            host,
            names,
            printed,
            secrets,
            has_state,
        })
    }

    /// A text of the guest as it may be shown: values of granted variables are covered.
    pub fn shown(&self, text: &str) -> String {
        let mut line = rate_limit::line(text);
        for secret in &self.secrets {
            line = line.replace(secret, "***");
        }
        line
    }
}

/// The system binds a socket before it connects it, which alone reaches nobody; all that would is
/// denied.
fn refuse_sockets(wasi: &mut WasiCtxBuilder, denied: Denied) {
    // so that sockets come as far as the check, which names what they are for
    wasi.allow_tcp(true).allow_udp(true);
    wasi.socket_addr_check(move |address, usage| {
        let binds = matches!(usage, SocketAddrUse::TcpBind | SocketAddrUse::UdpBind);
        let is_harmless = binds && address.port() == 0 && address.ip().is_unspecified();
        if !is_harmless {
            let what = format!("a socket ({usage:?} {address})");
            denied.note("sockets", &what, "plugins in a sandbox have HTTP, see grants.http");
        }
        Box::pin(std::future::ready(is_harmless))
    });
}

/// The host's clock, so that a replay is the same for a guest that asks WASI for the time.
struct WallClock(Arc<dyn HostServices>);

impl HostWallClock for WallClock {
    fn resolution(&self) -> Duration {
        Duration::from_micros(1)
    }

    fn now(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.now_us()).unwrap_or(0))
    }
}

fn mount(
    wasi: &mut WasiCtxBuilder,
    folder: &Path,
    name: &str,
    access: Access,
) -> Result<(), PluginError> {
    let rights = match access {
        Access::Read => FsPerms::ReadOnly,
        Access::Write => FsPerms::ReadWrite,
    };
    wasi.preopened_dir(folder, name, rights).map(|_| ()).map_err(|error| {
        PluginError::config(format!(
            "the granted folder {} cannot be opened: {error:#}; make it, or correct grants.dirs",
            folder.display()
        ))
    })
}

fn no_state(context: &Context, error: &std::io::Error) -> PluginError {
    PluginError::fatal(format!(
        "the folder {} cannot be made: {error}; mend the folder, or set another `data_dir`",
        context.state_path().display()
    ))
}

impl WasiView for Sandbox {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Sandbox {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.gate, table: &mut self.table, ctx: &mut self.http }
    }
}
