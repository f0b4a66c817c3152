//! Plugins as native libraries: the stable ABI and what exports it.
//!
//! A library carries two symbols: a plain descriptor that the host reads from the file before any
//! code of it runs, and abi_stable's root module, whose layout is compared type by type.

mod abi;
mod descriptor;
mod export;

pub use abi::{
    AbiAck, AbiContext, AbiDelivery, AbiError, AbiHost, AbiHost_TO, AbiManifest, AbiPolled,
    AbiRole, AbiRoleKind, AbiSink_TO, AbiSource_TO, AbiTransform_TO, HostObject, PluginModule,
    PluginModuleRef, SinkObject, SourceObject, TransformObject,
};
pub use descriptor::{DESCRIPTOR_SYMBOL, Descriptor, ROOT_MODULE_SYMBOL};
#[doc(hidden)]
pub use export::{Exports, NoSink, NoSource, NoTransform, root_module};
#[doc(hidden)]
pub mod library {
    pub use abi_stable::{
        library::{__call_root_module_loader, CheckTypeLayout, LibHeader, RootModuleResult},
        prefix_type::PrefixTypeTrait,
    };
}
