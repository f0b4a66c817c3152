//! Code generated from schemas/wit/.
#![allow(
    missing_docs,
    unsafe_code,
    clippy::all,
    clippy::cast_possible_truncation,
    clippy::missing_errors_doc,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used
)]

wasmtime::component::bindgen!({
    inline: "
        package dataserver:carrier;

        /// All that a plugin can ask for and offer. What one offers indeed is looked up one by one.
        world whole {
            include dataserver:plugin/lent@1.0.0;
            import dataserver:reports/reports@1.0.0;
            export dataserver:plugin/plugin@1.0.0;
            export dataserver:plugin/source-role@1.0.0;
            export dataserver:plugin/transform-role@1.0.0;
            export dataserver:plugin/sink-role@1.0.0;
            export dataserver:readers/readers@1.0.0;
        }
    ",
    path: [
        "../../../schemas/wit/v1",
        "../../../schemas/wit/readers",
        "../../../schemas/wit/reports",
    ],
    world: "whole",
    imports: { default: trappable },
    exports: { default: async },
    ownership: Borrowing { duplicate_if_necessary: true },
});
