//! The host with real plugins: what goes in comes out, and faults stay where they are.

// a test that cannot go on must fail loudly
#![allow(clippy::unwrap_used, missing_docs)]

mod abi;
mod architecture;
mod backpressure;
mod bad_input;
mod bars;
mod callers;
mod clickhouse;
mod commands;
mod control;
mod crash;
mod dead_letter;
mod delivery;
mod drift;
mod dropin;
mod examples;
mod faults;
mod files;
mod hikyuu_server;
mod interop;
mod nng_sub;
mod observer;
mod pages;
mod plugin_files;
mod plugins_new;
mod qmt;
mod qq;
mod quality;
mod readers;
mod recorded;
mod redis;
mod reference;
mod reload;
mod replay;
mod secrets;
mod serve;
mod servers;
mod shutdown;
mod spool;
mod spooled;
mod start;
mod wasm;
