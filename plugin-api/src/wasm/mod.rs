//! Plugins as WebAssembly components: bindings of `schemas/wit/`, and what exports them.
//!
//! A component carries the descriptor in a custom section that the host reads before any code of
//! it runs, exports `plugin`, `readers` and the roles that [`export_plugin!`](crate::export_plugin) names, and
//! serves one open instance: the host makes a component instance for each.

mod convert;
mod export;
mod host;
mod open_instance;

#[doc(hidden)]
pub mod bindings;
#[doc(hidden)]
pub use export::Component;
