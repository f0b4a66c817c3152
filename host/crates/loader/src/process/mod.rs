//! Plugins in processes of their own: Python files, programs in any language, and libraries that are
//! kept apart.
//!
//! Each instance is one child, which the host starts without a shell and talks to over a socket, the
//! child's standard input; docs/PROCESS.md has the protocol byte by byte. A call runs on the thread
//! that makes it, which also reads what the child prints. It ends when the child has answered or
//! ended, or when its time is up; in all cases but the first the child is killed with its group, and
//! the loops above open another instance, as after a panic of a native plugin.
//!
//! A child is confined against mistakes, not against malice: it may do what the host's user may.

mod channel;
mod child;
pub(crate) mod declared;
mod fault;
mod hello;
mod host_end;
mod instance;
mod launch;
mod layout;
mod link;
mod memory;
mod plugin;
mod printed;
pub(crate) mod serve;
mod wire;

pub use launch::{PythonSettings, python_package};
pub(crate) use plugin::ProcessPlugin;
