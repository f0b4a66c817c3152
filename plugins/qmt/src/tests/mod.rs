//! Tests of the source without a host.

mod payloads;
