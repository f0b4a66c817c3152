//! The engine that all components of the process share, and the thread that counts its time.

use std::{
    num::NonZeroUsize,
    pin::pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

use dataserver_config::Limits;
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, component::Linker,
};

use super::{
    bindings,
    fault::MAX_FRAMES,
    sandbox::Sandbox,
    sizes::{MAX_CORE_INSTANCES, MAX_MEMORIES, MAX_TABLE_ELEMENTS, MAX_TABLES},
    wasi_denied,
};

/// How often running guests are looked at: they end at most so long after their deadline.
const TICK: Duration = Duration::from_millis(5);
/// Instances at one time; address space is set aside for so many.
const MAX_INSTANCES: u32 = 200;
/// Stack of guest code; what needs more is a recursion without an end.
const STACK_BYTES: usize = 1 << 20;
/// Stack of guest code and of the host functions that it calls.
const WHOLE_STACK_BYTES: usize = 2 << 20;

/// What all components share.
pub(super) struct Runtime {
    pub engine: Engine,
    pub linker: Linker<Sandbox>,
    /// Waits for what guests wait for: timers, sockets, files. Guests run on their callers' threads.
    io: tokio::runtime::Runtime,
}

/// The runtime, started when first used.
pub(super) fn runtime() -> Result<&'static Runtime, String> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    RUNTIME.get_or_init(Runtime::start).as_ref().map_err(Clone::clone)
}

impl Runtime {
    fn start() -> Result<Self, String> {
        // a machine may forbid to set so much address space aside
        let engine = Engine::new(&config(true))
            .or_else(|_| Engine::new(&config(false)))
            .map_err(|error| format!("{error:#}"))?;
        let linker = link(&engine).map_err(|error| format!("{error:#}"))?;
        let io = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(64)
            .thread_name("wasm-io")
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let ticking = engine.weak();
        let tick = move || {
            while let Some(engine) = ticking.upgrade() {
                engine.increment_epoch();
                drop(engine);
                thread::sleep(TICK);
            }
        };
        thread::Builder::new()
            .name("wasm-clock".to_owned())
            .spawn(tick)
            .map_err(|error| error.to_string())?;
        Ok(Self { engine, linker, io })
    }

    /// Runs a call on this thread, which sleeps while the guest waits for something.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        // timers and sockets find their driver by it
        let _entered = self.io.enter();
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let (mut future, mut context) = (pin!(future), Context::from_waker(&waker));
        loop {
            match future.as_mut().poll(&mut context) {
                Poll::Ready(output) => return output,
                Poll::Pending => thread::park(),
            }
        }
    }

    /// Runs what may need the drivers, such as dropping a connection.
    pub fn enter<R>(&self, work: impl FnOnce() -> R) -> R {
        let _entered = self.io.enter();
        work()
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// An engine that only compiles, with the settings of the one that runs what it makes.
pub(super) fn compiler() -> wasmtime::Result<Engine> {
    Engine::new(&config(false))
}

fn config(pooled: bool) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(STACK_BYTES)
        .async_stack_size(WHOLE_STACK_BYTES)
        .wasm_backtrace_max_frames(NonZeroUsize::new(MAX_FRAMES));
    if pooled {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(MAX_INSTANCES)
            .total_core_instances(MAX_INSTANCES * 8)
            .max_core_instances_per_component(MAX_CORE_INSTANCES)
            .total_memories(MAX_INSTANCES * 2)
            .max_memories_per_component(MAX_MEMORIES)
            .max_memory_size(usize::try_from(Limits::MAX_MEMORY).unwrap_or(usize::MAX))
            .total_tables(MAX_INSTANCES * 4)
            .max_tables_per_component(MAX_TABLES)
            .table_elements(MAX_TABLE_ELEMENTS)
            .total_stacks(MAX_INSTANCES);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

fn link(engine: &Engine) -> wasmtime::Result<Linker<Sandbox>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasi_denied::report_denied(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    bindings::Whole::add_to_linker::<_, wasmtime::component::HasSelf<Sandbox>>(
        &mut linker,
        |sandbox| sandbox,
    )?;
    Ok(linker)
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hash, Hasher};

    use super::*;

    #[test]
    fn what_the_compiler_makes_fits_the_engine_that_runs_it() {
        let of = |engine: &Engine| {
            let mut hasher = DefaultHasher::new();
            engine.precompile_compatibility_hash().hash(&mut hasher);
            hasher.finish()
        };
        assert_eq!(of(&compiler().unwrap()), of(&runtime().unwrap().engine));
    }
}
