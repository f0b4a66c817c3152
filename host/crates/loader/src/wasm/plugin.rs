//! A component that was compiled, and how instances are made of it.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use plugin_api::{Context, Descriptor, Manifest, PluginError, RoleKind};
use serde_json::Value;
use wasmtime::component::InstancePre;

use super::{
    bindings::{
        dataserver::plugin::types,
        exports::dataserver::{
            plugin::{plugin, sink_role, source_role, transform_role},
            readers::readers,
        },
    },
    cache, compile,
    engine::{Runtime, runtime},
    from_guest,
    instance::{Answer, Exports, Instance, RoleExports, about},
    sandbox::{Sandbox, StateDir},
};
use crate::{
    NullHost, Opening, Plugin, SinkInstance, SourceInstance, TransformInstance, problem::Problem,
    rate_limit::NameLimiter, trial_settings::TrialSettings,
};

/// Longest answer to an operator's request, bytes.
const MAX_ANSWER: usize = 1 << 20;

/// A compiled component.
pub struct WasmPlugin {
    runtime: &'static Runtime,
    pre: InstancePre<Sandbox>,
    plugin: plugin::GuestIndices,
    source: Option<source_role::GuestIndices>,
    transform: Option<transform_role::GuestIndices>,
    sink: Option<sink_role::GuestIndices>,
    /// An interface of its own, which components have that were built since there is one.
    readers: Option<readers::GuestIndices>,
    manifest: Manifest,
    names_by_component: Mutex<HashMap<String, Arc<Mutex<NameLimiter>>>>,
}

impl WasmPlugin {
    /// Loads a component whose bytes passed [`inspect`](super::inspect()); compiled code is kept
    /// in `cache`, and made by a child process when it is not there.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn load(
        bytes: &[u8],
        sha256: &str,
        descriptor: &Descriptor,
        cache: Option<&Path>,
        trial: &TrialSettings,
    ) -> Result<Self, Problem> {
        let runtime = runtime().map_err(|error| {
            Problem::new(
                format!("needs a sandbox, which cannot be set up here: {error}"),
                "use the native library of the plugin, or another machine",
            )
        })?;
        let compile = || compile::compile(bytes, trial);
        let component = cache::compiled(&runtime.engine, sha256, cache, compile)?;
        let pre = runtime.linker.instantiate_pre(&component).map_err(|error| {
            Problem::new(
                format!("asks for what this host does not lend: {error:#}"),
                "plugins have WASI 0.2 and what schemas/wit/v1/plugin.wit lends",
            )
        })?;
        let plugin = plugin::GuestIndices::new(&pre).map_err(|error| {
            let help = "build it against schemas/wit/v1/plugin.wit of this host";
            Problem::new(format!("does not export what a plugin must: {error:#}"), help)
        })?;
        let mut loaded = Self {
            runtime,
            source: source_role::GuestIndices::new(&pre).ok(),
            transform: transform_role::GuestIndices::new(&pre).ok(),
            sink: sink_role::GuestIndices::new(&pre).ok(),
            readers: readers::GuestIndices::new(&pre).ok(),
            pre,
            plugin,
            manifest: Manifest {
                name: descriptor.name(),
                version: descriptor.version(),
                description: String::new(),
                author: String::new(),
                api: descriptor.api(),
                roles: Vec::new(),
            },
            names_by_component: Mutex::default(),
        };
        loaded.manifest = loaded.describe(descriptor)?;
        Ok(loaded)
    }

    /// Asks the component what it is, in a sandbox that has nothing, not even the time.
    fn describe(&self, descriptor: &Descriptor) -> Result<Manifest, Problem> {
        let context = Context::new(descriptor.name(), "", "", Arc::new(NullHost { now_us: || 0 }));
        let opening = Opening::plain("{}", context);
        let described = self.ask("describe", &opening, async |guest, store| {
            Ok(Ok(guest.call_describe(store).await?))
        });
        let described = described.map_err(|error| {
            let message = format!("does not tell what it is: {error}");
            Problem::new(message, "report this to the plugin's author")
        })?;
        let manifest = from_guest::manifest(described, descriptor.api())?;
        // another name is told by whoever compares the two for every carrier
        let is_same = manifest.name == descriptor.name();
        if is_same && manifest.version != descriptor.version() {
            let message = format!(
                "has version {} in its descriptor and {} in its manifest",
                descriptor.version(),
                manifest.version
            );
            return Err(Problem::new(message, "rebuild the plugin"));
        }
        match manifest.roles.iter().find(|role| !self.has(role.kind)) {
            Some(role) => {
                let message = format!("says it is a {0}, but does not export {0}-role", role.kind);
                Err(Problem::new(message, "report this to the plugin's author"))
            }
            None => Ok(manifest),
        }
    }

    fn has(&self, role: RoleKind) -> bool {
        match role {
            RoleKind::Source => self.source.is_some(),
            RoleKind::Transform => self.transform.is_some(),
            RoleKind::Sink => self.sink.is_some(),
        }
    }

    /// Puts a question to an instance that is only there for it.
    fn ask<R>(
        &self,
        name: &str,
        opening: &Opening,
        question: impl AsyncFnOnce(&plugin::Guest, &mut wasmtime::Store<Sandbox>) -> Answer<R>,
    ) -> Result<R, PluginError> {
        let mut instance = self.instance(opening, StateDir::IfThere, |store, instance| {
            Ok(Exports { own: self.plugin.load(store, instance)?, readers: None })
        })?;
        instance.call_slow(name, question)
    }

    fn instance<G>(
        &self,
        opening: &Opening,
        state: StateDir,
        exports: impl FnOnce(
            &mut wasmtime::Store<Sandbox>,
            &wasmtime::component::Instance,
        ) -> wasmtime::Result<Exports<G>>,
    ) -> Result<Instance<G>, PluginError> {
        let names = self.names(opening.context.instance());
        Instance::new(self.runtime, &self.pre, opening, state, names, exports)
    }

    /// What a component's earlier instances used counts for the next ones.
    fn names(&self, component: &str) -> Arc<Mutex<NameLimiter>> {
        let mut names = self.names_by_component.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(names.entry(component.to_owned()).or_default())
    }

    /// Opens an instance of a role; `load` finds its exports by the indices, which only a plugin
    /// that has the role has.
    fn open<I, G: RoleExports>(
        &self,
        role: RoleKind,
        indices: Option<&I>,
        opening: &Opening,
        load: impl FnOnce(
            &I,
            &mut wasmtime::Store<Sandbox>,
            &wasmtime::component::Instance,
        ) -> wasmtime::Result<G>,
    ) -> Result<Box<Instance<G>>, PluginError> {
        let indices = indices.ok_or_else(|| {
            PluginError::config(format!("plugin \"{}\" is no {role}", self.manifest.name))
        })?;
        let instance = self.instance(opening, StateDir::Make, |store, instance| {
            let readers = match &self.readers {
                Some(readers) => Some((kind(role), readers.load(&mut *store, instance)?)),
                None => None,
            };
            Ok(Exports { own: load(indices, store, instance)?, readers })
        })?;
        Ok(Box::new(instance.open(opening)?))
    }
}

impl Plugin for WasmPlugin {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn check(&self, role: RoleKind, opening: Opening) -> Result<(), PluginError> {
        self.ask("check", &opening, async |guest, store| {
            let about = about(&opening, store.data());
            guest.call_check(store, kind(role), &opening.options, about).await
        })
    }

    fn command(
        &self,
        role: RoleKind,
        opening: Opening,
        request: &Value,
    ) -> Result<Value, PluginError> {
        let request = request.to_string();
        let answer = self.ask("command", &opening, async |guest, store| {
            let about = about(&opening, store.data());
            guest.call_command(store, kind(role), &opening.options, about, &request).await
        })?;
        if answer.len() > MAX_ANSWER {
            let text = format!("the plugin's answer has {} bytes", answer.len());
            return Err(PluginError::fatal(text));
        }
        serde_json::from_str(&answer)
            .map_err(|error| PluginError::fatal(format!("the plugin's answer is no JSON: {error}")))
    }

    fn open_source(&self, opening: Opening) -> Result<Box<dyn SourceInstance>, PluginError> {
        let indices = self.source.as_ref();
        Ok(self.open(RoleKind::Source, indices, &opening, |it, store, instance| {
            it.load(store, instance)
        })?)
    }

    fn open_transform(&self, opening: Opening) -> Result<Box<dyn TransformInstance>, PluginError> {
        let indices = self.transform.as_ref();
        Ok(self.open(RoleKind::Transform, indices, &opening, |it, store, instance| {
            it.load(store, instance)
        })?)
    }

    fn open_sink(&self, opening: Opening) -> Result<Box<dyn SinkInstance>, PluginError> {
        let indices = self.sink.as_ref();
        Ok(self.open(RoleKind::Sink, indices, &opening, |it, store, instance| {
            it.load(store, instance)
        })?)
    }
}

fn kind(role: RoleKind) -> types::RoleKind {
    match role {
        RoleKind::Source => types::RoleKind::Source,
        RoleKind::Transform => types::RoleKind::Transform,
        RoleKind::Sink => types::RoleKind::Sink,
    }
}
