//! Plugins in WebAssembly components, which cannot leave their sandbox.
//!
//! One engine serves the process. A component is compiled once, by a child process with bounds, and each instance of it has a store
//! of its own with what its component in the pipeline was granted. A call runs on the thread that
//! makes it. It ends when the guest has answered, traps, asks for more memory than it may have, or
//! when its time is up, whether it computes or waits for something outside; in all cases but the
//! first the store is dropped, and the loops above open another instance, as after a panic of a
//! native plugin.

mod bindings;
mod bounds;
mod cache;
pub(crate) mod compile;
mod denied;
mod engine;
mod fault;
mod from_guest;
mod host_imports;
mod http;
mod inspect;
mod instance;
mod limiter;
mod output;
mod plugin;
mod sandbox;
mod sink;
mod sizes;
mod source;
mod to_guest;
mod transform;
mod wasi_denied;

pub(super) use cache::cache_folder;
pub(super) use inspect::inspect;
pub(super) use plugin::WasmPlugin;
