//! What wit-bindgen makes of the contract: one world a role, so that a component exports the roles
//! that it has, and one set of types for all.

// generated code
#![allow(
    missing_docs,
    unsafe_code,
    unsafe_op_in_unsafe_fn,
    clippy::all,
    clippy::pedantic,
    clippy::undocumented_unsafe_blocks,
    clippy::cast_possible_truncation,
    clippy::unwrap_used
)]

/// What the host lends, and the types of all worlds.
pub mod lent {
    wit_bindgen::generate!({
        path: ["../schemas/wit/v1", "../schemas/wit/reports"],
        inline: "
            package dataserver:sdk-lent;
            world lent {
                include dataserver:plugin/lent@1.0.0;
                import dataserver:reports/reports@1.0.0;
            }
        ",
        pub_export_macro: true,
        generate_all,
    });
}

pub use lent::dataserver::{
    plugin::{clock, host, log, metrics, types},
    reports::reports,
};

macro_rules! exported {
    ($module:ident, $inline:literal) => {
        pub mod $module {
            wit_bindgen::generate!({
                path: ["../schemas/wit/v1", "../schemas/wit/readers"],
                inline: $inline,
                pub_export_macro: true,
                with: { "dataserver:plugin/types@1.0.0": crate::wasm::bindings::types },
                generate_all,
            });
        }
    };
}

exported!(
    plugin,
    "package dataserver:sdk-plugin; world plugin { export dataserver:plugin/plugin@1.0.0; }"
);
exported!(
    source,
    "package dataserver:sdk-source; world source { export dataserver:plugin/source-role@1.0.0; }"
);
exported!(
    transform,
    "package dataserver:sdk-transform; world transform { export dataserver:plugin/transform-role@1.0.0; }"
);
exported!(
    sink,
    "package dataserver:sdk-sink; world sink { export dataserver:plugin/sink-role@1.0.0; }"
);
exported!(
    readers,
    "package dataserver:sdk-readers; world readers { export dataserver:readers/readers@1.0.0; }"
);
