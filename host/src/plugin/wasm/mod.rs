//! Plugins in WebAssembly components.

mod inspect;

pub use inspect::inspect;
