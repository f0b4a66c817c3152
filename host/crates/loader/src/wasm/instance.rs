//! One instance of a component, and the calls into it.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use dataserver_config::Limits;
use plugin_api::{Action, Outcome, PluginError, Reader, no_such_reader};
use wasmtime::{Store, UpdateDeadline, component::InstancePre};

use super::{
    bindings::{
        dataserver::plugin::types,
        exports::dataserver::{
            plugin::{sink_role, source_role, transform_role},
            readers,
        },
    },
    engine::Runtime,
    fault::{self, Overdue},
    sandbox::{STATE_DIR, Sandbox, StateDir},
};
use crate::{AnyInstance, Opening, rate_limit::NameLimiter, readers as told};

/// Opening, closing and questions have at least so long.
pub(super) const MIN_OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// What a guest may hand over in one host call beside its memory, bytes: lists take more room here.
const HOST_CALL_EXTRA: u64 = 16 << 20;
/// Handles of resources in all of a store.
const MAX_HANDLES: usize = 10_000;

/// What a guest's call ends with: a trap or the like, an error that the guest returns, or the
/// answer.
pub(super) type Answer<R> = wasmtime::Result<Result<R, types::Error>>;

/// The calls that the exports of every role have.
pub(super) trait RoleExports {
    /// Opens the component of the pipeline.
    async fn open(
        &self,
        store: &mut Store<Sandbox>,
        options: &str,
        about: types::Instance<'_>,
    ) -> Answer<()>;
    /// Gives the state for a successor.
    async fn export_state(&self, store: &mut Store<Sandbox>) -> Answer<Option<Vec<u8>>>;
    /// Goes on with the state of the instance before.
    async fn import_state(&self, store: &mut Store<Sandbox>, state: &[u8]) -> Answer<()>;
}

macro_rules! role_exports {
    ($($role:ident),*) => {
        $(impl RoleExports for $role::Guest {
            async fn open(
                &self,
                store: &mut Store<Sandbox>,
                options: &str,
                about: types::Instance<'_>,
            ) -> Answer<()> {
                self.call_open(store, options, about).await
            }

            async fn export_state(&self, store: &mut Store<Sandbox>) -> Answer<Option<Vec<u8>>> {
                self.call_export_state(store).await
            }

            async fn import_state(&self, store: &mut Store<Sandbox>, state: &[u8]) -> Answer<()> {
                self.call_import_state(store, state).await
            }
        })*
    };
}

role_exports!(source_role, transform_role, sink_role);

/// What is called of a guest: the exports of its role, and `readers` where it has them.
pub(super) struct Exports<G> {
    pub own: G,
    pub readers: Option<Readers>,
}

/// The exports about readers, which are asked for the role that is open.
type Readers = (types::RoleKind, readers::readers::Guest);

/// A guest with its exports `G`. After a call that did not end in order it is gone.
pub(super) struct Instance<G> {
    runtime: &'static Runtime,
    living: Option<(Store<Sandbox>, G)>,
    readers: Option<Readers>,
    limits: Limits,
    memory_shown: usize,
}

impl<G> Instance<G> {
    /// Makes the instance; `exports` finds those that are called.
    pub fn new(
        runtime: &'static Runtime,
        pre: &InstancePre<Sandbox>,
        opening: &Opening,
        state: StateDir,
        names: Arc<Mutex<NameLimiter>>,
        exports: impl FnOnce(
            &mut Store<Sandbox>,
            &wasmtime::component::Instance,
        ) -> wasmtime::Result<Exports<G>>,
    ) -> Result<Self, PluginError> {
        let limits = opening.limits;
        let sandbox = Sandbox::new(&opening.context, &limits, &opening.grants, state, names)?;
        let mut store = runtime.enter(|| Store::new(&runtime.engine, sandbox));
        let fuel = limits.memory.saturating_add(HOST_CALL_EXTRA);
        store.set_hostcall_fuel(usize::try_from(fuel).unwrap_or(usize::MAX));
        store.set_max_component_handles(MAX_HANDLES);
        store.limiter(|sandbox| &mut sandbox.limiter);
        // looked at every few milliseconds while the guest computes
        store.epoch_deadline_callback(|store| {
            let is_over = Instant::now() >= store.data().deadline;
            if is_over { Err(Overdue.into()) } else { Ok(UpdateDeadline::Continue(1)) }
        });
        let allowed = limits.deadline.max(MIN_OPEN_TIMEOUT);
        let made = timed(runtime, &mut store, "start", allowed, &limits, async |store| {
            let instance = pre.instantiate_async(&mut *store).await?;
            exports(store, &instance)
        });
        match made {
            Ok(Exports { own, readers }) => {
                let living = Some((store, own));
                Ok(Self { runtime, living, readers, limits, memory_shown: 0 })
            }
            Err(error) => {
                runtime.enter(|| drop(store));
                Err(error)
            }
        }
    }

    /// A call that has as long as opening has.
    pub fn call_slow<R>(
        &mut self,
        name: &str,
        call: impl AsyncFnOnce(&G, &mut Store<Sandbox>) -> Answer<R>,
    ) -> Result<R, PluginError> {
        let allowed = self.limits.deadline.max(MIN_OPEN_TIMEOUT);
        self.call(name, allowed, call, |answer, _| Ok(answer))
    }

    /// A call that has the component's deadline.
    pub fn call_plain<R>(
        &mut self,
        name: &str,
        call: impl AsyncFnOnce(&G, &mut Store<Sandbox>) -> Answer<R>,
    ) -> Result<R, PluginError> {
        self.call(name, self.limits.deadline, call, |answer, _| Ok(answer))
    }

    /// The deadline of one call.
    pub fn deadline(&self) -> Duration {
        self.limits.deadline
    }

    /// Calls the guest and takes what it gave. A call that does not end in order, or gives what
    /// cannot be used, ends the instance.
    pub fn call<R, T>(
        &mut self,
        name: &str,
        allowed: Duration,
        call: impl AsyncFnOnce(&G, &mut Store<Sandbox>) -> Answer<R>,
        take: impl FnOnce(R, &mut Sandbox) -> Result<T, PluginError>,
    ) -> Result<T, PluginError> {
        let Some((store, exports)) = &mut self.living else {
            return Err(PluginError::fatal("the instance has ended with an earlier call"));
        };
        let answer = timed(self.runtime, store, name, allowed, &self.limits, async |store| {
            call(exports, store).await
        });
        let (taken, in_order) = match answer {
            // a guest that says what is wrong is in order
            Ok(Err(error)) => (Err(fault::told(&error, store.data())), true),
            Ok(Ok(answer)) => {
                let taken = take(answer, store.data_mut());
                let in_order = taken.is_ok();
                (taken, in_order)
            }
            Err(error) => (Err(error), false),
        };
        store.data_mut().output.end();
        if in_order {
            self.show_memory();
        } else {
            self.end();
        }
        taken
    }

    fn show_memory(&mut self) {
        let Some((store, _)) = &self.living else { return };
        let memory = store.data().limiter.memory();
        if memory != self.memory_shown {
            self.memory_shown = memory;
            #[allow(clippy::cast_precision_loss)]
            store.data().host.gauge("sandbox_memory_bytes", memory as f64);
        }
    }

    fn end(&mut self) {
        let living = self.living.take();
        self.runtime.enter(|| drop(living));
    }

    /// The sandbox between two calls.
    pub fn sandbox(&mut self) -> Option<&mut Sandbox> {
        self.living.as_mut().map(|(store, _)| store.data_mut())
    }
}

impl<G: RoleExports> Instance<G> {
    /// Opens the component that the instance was made for.
    pub fn open(mut self, opening: &Opening) -> Result<Self, PluginError> {
        self.call_slow("open", async |guest, store| {
            let about = about(opening, store.data());
            guest.open(store, &opening.options, about).await
        })?;
        Ok(self)
    }
}

impl<G: RoleExports> AnyInstance for Instance<G> {
    fn export_state(&mut self) -> Result<Option<Vec<u8>>, PluginError> {
        self.call_slow("export-state", async |guest, store| guest.export_state(store).await)
    }

    fn import_state(&mut self, state: &[u8]) -> Result<(), PluginError> {
        self.call_slow("import-state", async |guest, store| guest.import_state(store, state).await)
    }

    fn readers(&mut self) -> Result<Option<Vec<Reader>>, PluginError> {
        let Some((role, guest)) = self.readers.clone() else { return Ok(None) };
        let text =
            self.call_plain("readers", async |_, store| guest.call_tell(store, role).await)?;
        let mut readers = told::read(&text)?;
        if let (Some(readers), Some(sandbox)) = (&mut readers, self.sandbox()) {
            told::cover(readers, |text| sandbox.shown(text));
        }
        Ok(readers)
    }

    fn act(
        &mut self,
        reader: &str,
        action: &Action,
        preview: bool,
    ) -> Result<Outcome, PluginError> {
        let Some((role, guest)) = self.readers.clone() else {
            return Err(no_such_reader(reader));
        };
        let request = told::request(reader, action, preview)?;
        let text =
            self.call_plain("act", async |_, store| guest.call_act(store, role, &request).await)?;
        let mut outcome = told::outcome(&text)?;
        if let Some(sandbox) = self.sandbox() {
            told::cover_outcome(&mut outcome, |text| sandbox.shown(text));
        }
        Ok(outcome)
    }
}

impl<G> Drop for Instance<G> {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the contract tells an instance about the component that it serves.
pub(super) fn about<'a>(opening: &'a Opening, sandbox: &Sandbox) -> types::Instance<'a> {
    let state_dir = sandbox.has_state.then_some(STATE_DIR);
    types::Instance { id: opening.context.instance(), state_dir }
}

/// Runs what calls the guest until it ends or its time is up, whether it computes or waits.
fn timed<R>(
    runtime: &Runtime,
    store: &mut Store<Sandbox>,
    name: &str,
    allowed: Duration,
    limits: &Limits,
    call: impl AsyncFnOnce(&mut Store<Sandbox>) -> wasmtime::Result<R>,
) -> Result<R, PluginError> {
    let sandbox = store.data_mut();
    sandbox.deadline = Instant::now() + allowed;
    sandbox.limiter.begin();
    store.set_epoch_deadline(1);
    let ended = runtime.block_on(async { tokio::time::timeout(allowed, call(store)).await });
    match ended {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(fault::explain(&error, name, allowed, limits, store.data())),
        Err(_) => Err(fault::waited_too_long(name, allowed)),
    }
}
