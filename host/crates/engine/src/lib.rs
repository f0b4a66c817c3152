//! Runs a pipeline: one thread a component, bounded queues between them.
//!
//! [`topology`] wires, starts and changes it; a [`queue`] stands before every component that reads;
//! [receipts](ack) tell a source what is safe; what a component refuses is kept as
//! [dead letters](dead_letter). An [`observer`] sees what passes for those who look on.

pub mod ack;
pub mod clock;
pub mod dead_letter;
pub mod observer;
pub mod pause;
pub mod queue;
pub mod retry;
pub mod shutdown;
pub mod telemetry;
pub mod topology;
