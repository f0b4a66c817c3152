//! Plugins that are part of a program rather than files.

use super::{PluginModuleRef, export::root_module};
use crate::{Descriptor, export, export::Exports};

/// A plugin that a program has linked in, and uses without a file.
///
/// [`export_plugin!`](crate::export_plugin) puts one named `DATASERVER_PLUGIN` into the root of the
/// plugin's crate, where other crates find it if the crate is an `rlib` too.
#[derive(Debug, Clone, Copy)]
pub struct Linked {
    descriptor: Descriptor,
    module: fn() -> PluginModuleRef,
}

impl Linked {
    #[doc(hidden)]
    pub const fn of<P: Exports>() -> Self {
        Self { descriptor: export::descriptor::<P>(), module: root_module::<P> }
    }

    /// What would be read off its file.
    pub fn descriptor(&self) -> Descriptor {
        self.descriptor
    }

    /// What would be found in its file; made anew with each call, and never freed.
    pub fn module(&self) -> PluginModuleRef {
        (self.module)()
    }
}
