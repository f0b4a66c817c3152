//! Plugins as native libraries: the stable ABI and what exports it.
//!
//! A library carries two symbols: a plain descriptor that the host reads from the file before any
//! code of it runs, and abi_stable's root module, whose layout is compared type by type.

mod abi;
mod export;
mod guard;
mod linked;

pub use crate::descriptor::Descriptor;
pub use abi::{
    AbiAck, AbiContext, AbiDelivery, AbiError, AbiHost, AbiHost_TO, AbiManifest, AbiPolled,
    AbiRole, AbiRoleKind, AbiSink_TO, AbiSource_TO, AbiTransform_TO, HostObject, PluginModule,
    PluginModuleRef, SinkObject, SourceObject, TransformObject,
};
#[doc(hidden)]
pub use export::root_module;
pub use linked::Linked;

/// Name of the descriptor's symbol.
pub const DESCRIPTOR_SYMBOL: &str = "DATASERVER_PLUGIN";
/// Name of the symbol under which abi_stable looks for the root module.
pub const ROOT_MODULE_SYMBOL: &str = abi_stable::library::ROOT_MODULE_LOADER_NAME;

#[doc(hidden)]
pub mod library {
    pub use abi_stable::{
        library::{__call_root_module_loader, CheckTypeLayout, LibHeader, RootModuleResult},
        prefix_type::PrefixTypeTrait,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_export_macro_uses_the_symbol_that_abi_stable_looks_for() {
        assert_eq!(ROOT_MODULE_SYMBOL, "_1as_0lib_1header_0root_bmodule_bloader");
    }
}
