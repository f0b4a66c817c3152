//! Records as the fields of an entry, and back.
//!
//! Base units: prices and amounts in CNY, volumes in shares, `frame` on the exchange's clock.
//! docs/REDIS.md lists the fields.

mod form;
mod read;
mod write;

pub use form::{Fields, Json, Resp};
pub use read::{Book, Content, bar, content, spot};
pub use write::Writer;

/// Levels of each side of the book that every entry has, padded with zeroes.
const LEVELS: usize = 5;
