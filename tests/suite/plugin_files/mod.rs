//! Plugin files that are damaged or do harm when they are loaded cost a child process, not the host.

mod costly;
mod damaged;
mod earlier;
mod exposed;
mod harmful;
