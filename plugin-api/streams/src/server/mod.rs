//! Talking to Redis: where the servers are, connections to them, and what they complain about.
//!
//! Commands are sent to the node that has the key. Whatever goes wrong ends all connections, so that
//! no answer is ever taken for that of another command; the next call connects again. Time and
//! size of every answer are bounded: who answers may be anybody.

mod address;
mod cluster;
mod fault;
mod link;
mod node;
mod reply;
pub mod resp;
mod value;

pub use address::{Access, Target};
pub use cluster::Servers;
pub use fault::Fault;
pub use node::Node;
pub use reply::MOST_ENTRIES;
pub use value::{Entry, EntryId, array, bytes, int, into_entries, map, text};
