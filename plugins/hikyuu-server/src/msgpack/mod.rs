//! MessagePack, as far as requests and answers need it.
//!
//! Requests come from anybody: reading builds no tree, so it needs no memory beyond the bytes
//! themselves, and the depth of nesting is bounded.

mod read;
mod write;

pub use read::{Fault, Reader};
pub use write::Writer;
