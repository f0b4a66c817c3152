//! Plugins in native libraries: loading, and the calls across the boundary.
//!
//! A library is loaded from a private copy, because the loader answers a path that it knows with
//! the old code, and because a file that is overwritten in place would change under the running
//! process. A child process loads that copy first. It is never unloaded: batches, errors and threads
//! of it may live on.
#![allow(unsafe_code)]

use std::{path::Path, time::Duration};

use abi_stable::{
    StableAbi,
    abi_stability::check_layout_compatibility,
    library::{AbiHeaderRef, LibHeader, LibraryError},
    std_types::{RResult, RSlice, RStr, RVec},
};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use plugin_api::{
    Ack, Action, ApiVersion, Batch, Delivery, Manifest, Outcome, PluginError, Polled, Reader, Role,
    RoleKind,
    native::{
        AbiAck, AbiContext, AbiDelivery, AbiError, AbiManifest, AbiPolled, AbiRoleKind, Descriptor,
        Linked, PluginModuleRef, ROOT_MODULE_SYMBOL, SinkObject, SourceObject, TransformObject,
    },
};

use serde_json::Value;

use super::{
    About, AnyInstance, Opening, Plugin, SinkInstance, SourceInstance, TransformInstance,
    apart::{Helper, Workspace},
    native_host::abi_context,
    probe::probe,
    problem::Problem,
    readers,
};

/// A loaded native library, or a plugin that is part of the program and called the same way.
pub struct NativePlugin {
    module: PluginModuleRef,
    manifest: Manifest,
}

impl NativePlugin {
    /// Loads a library whose bytes passed [`inspect`](super::elf::inspect), after a child process
    /// has done the same with the same copy.
    ///
    /// The report on differing types, which is long, is written into `report_dir`.
    pub fn load(
        bytes: &[u8],
        descriptor: &Descriptor,
        report_dir: &Path,
        helper: &Helper,
    ) -> Result<Self, Problem> {
        let (workspace, _) = tried(bytes, report_dir, helper)?;
        Self::open(workspace.file(), descriptor, report_dir)
    }

    /// What such a library says about itself to a child process; none of its code runs in this one.
    pub fn about(bytes: &[u8], report_dir: &Path, helper: &Helper) -> Result<About, Problem> {
        tried(bytes, report_dir, helper).map(|(_, about)| about)
    }

    /// Runs code of the file for the first time in this process.
    pub(super) fn open(
        file: &Path,
        descriptor: &Descriptor,
        report_dir: &Path,
    ) -> Result<Self, Problem> {
        let module = root_module(open(file)?)
            .map_err(|error| layout_differs(&error, report_dir, &descriptor.name()))?;
        let manifest = read_manifest(module.manifest()(), descriptor.api())?;
        Ok(Self { module, manifest })
    }

    /// Uses a plugin that is part of the program.
    pub fn linked(linked: &Linked) -> Result<Self, Problem> {
        let module = linked.module();
        let manifest = read_manifest(module.manifest()(), linked.descriptor().api())?;
        Ok(Self { module, manifest })
    }
}

/// A copy of a library that a child process has loaded, and what it says about itself.
fn tried(bytes: &[u8], report_dir: &Path, helper: &Helper) -> Result<(Workspace, About), Problem> {
    let workspace = Workspace::new("plugin.so", bytes).map_err(|error| {
        Problem::new(
            format!("could not be copied to {}: {error}", std::env::temp_dir().display()),
            "free space there, or set TMPDIR to a folder that can be written",
        )
    })?;
    let about = probe(helper, &workspace, bytes.len(), report_dir)?;
    if !workspace.holds(bytes) {
        return Err(Problem::new(
            "changed its own file when it was loaded",
            "report this to the plugin's author",
        ));
    }
    Ok((workspace, about))
}

/// Loads the library for good and finds its root module.
///
/// All its symbols are resolved now: one that is missing is an error here, not the end of the
/// process at its first call.
fn open(path: &Path) -> Result<&'static LibHeader, Problem> {
    // SAFETY: the file was inspected and is private, so it does not change; that the initialisers
    // of a plugin are sound is what whoever installs it vouches for.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }
        .map_err(|error| not_loaded(&error.to_string()))?;
    // SAFETY: `export_plugin!` declares this symbol with this type; what lies there is checked by
    // `upgrade` before anything of it is used.
    let header = unsafe { library.get::<AbiHeaderRef>(ROOT_MODULE_SYMBOL.as_bytes()) }
        .map(|header| *header)
        .map_err(|error| not_loaded(&error.to_string()))?;
    // the header lives as long as the library: for good
    std::mem::forget(library);
    header.upgrade().map_err(|error| not_loaded(&error.to_string()))
}

/// The root module, after its types were compared with this host's.
///
/// abi_stable takes a library for compatible that has at least what the host knows. One that was built
/// before a method was added to the ABI has less of it: its types must be the beginning of the host's,
/// which the same comparison finds out the other way round. A table of methods says how many it has,
/// and for those behind its end the host runs the bodies that stand in the ABI.
fn root_module(header: &'static LibHeader) -> Result<PluginModuleRef, LibraryError> {
    let differs = match header.init_root_module::<PluginModuleRef>() {
        Err(error @ LibraryError::AbiInstability(_)) => error,
        ended => return ended,
    };
    let is_earlier = header.layout().is_some_and(|theirs| {
        check_layout_compatibility(theirs, <PluginModuleRef as StableAbi>::LAYOUT).is_ok()
    });
    if !is_earlier {
        return Err(differs);
    }
    // SAFETY: every field that the library has is one of the host's, of the same type in the same
    // place, as was just compared; what it lacks lies behind `last_prefix_field`, where a field is
    // only read if the library's own table says that it is there.
    unsafe { header.init_root_module_with_unchecked_layout::<PluginModuleRef>() }
}

fn not_loaded(text: &str) -> Problem {
    let text = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>();
    Problem::new(
        format!("could not be loaded: {}", text.join(" ")),
        "install the libraries it names, or set TMPDIR if its folder is mounted noexec",
    )
}

/// One report a plugin, however often a supervisor starts the host.
fn layout_differs(error: &LibraryError, report_dir: &Path, plugin: &str) -> Problem {
    let report = std::fs::create_dir_all(report_dir).and_then(|()| {
        let file = tempfile::NamedTempFile::new_in(report_dir)?;
        std::fs::write(file.path(), error.to_string())?;
        let path = report_dir.join(format!("plugin-layout-{plugin}.txt"));
        file.persist(&path)?;
        Ok(path)
    });
    let help = match report {
        Ok(path) => {
            format!("rebuild it against this host's plugin-api; details: {}", path.display())
        }
        Err(_) => "rebuild it against this host's plugin-api".to_owned(),
    };
    Problem::new("was built against a plugin-api whose types differ from this host's", help)
}

fn read_manifest(manifest: AbiManifest, api: ApiVersion) -> Result<Manifest, Problem> {
    let roles = manifest.roles.into_iter().map(|role| {
        let options_schema = serde_json::from_str(&role.options_schema).map_err(|error| {
            Problem::new(
                format!("declares options that are no JSON Schema: {error}"),
                "report this to the plugin's author",
            )
        })?;
        let kind = match role.kind {
            AbiRoleKind::Source => RoleKind::Source,
            AbiRoleKind::Transform => RoleKind::Transform,
            AbiRoleKind::Sink => RoleKind::Sink,
        };
        let delivery = role.delivery.into_option().map(|delivery| match delivery {
            AbiDelivery::Publisher => Delivery::Publisher,
            AbiDelivery::Service => Delivery::Service,
            AbiDelivery::Store => Delivery::Store,
        });
        let max_wait = Duration::from_micros(role.max_wait_us);
        let (ordered, max_records) = (role.ordered, role.max_records);
        Ok(Role { kind, options_schema, delivery, ordered, max_records, max_wait })
    });
    Ok(Manifest {
        roles: roles.collect::<Result<_, Problem>>()?,
        name: manifest.name.into(),
        version: manifest.version.into(),
        description: manifest.description.into(),
        author: manifest.author.into(),
        api,
    })
}

impl Plugin for NativePlugin {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn check(&self, role: RoleKind, opening: Opening) -> Result<(), PluginError> {
        let check = self.module.check();
        Ok(check(
            abi_role(role),
            RStr::from(opening.options.as_str()),
            abi_context(opening.context),
        )
        .into_result()?)
    }

    fn command(
        &self,
        role: RoleKind,
        opening: Opening,
        request: &Value,
    ) -> Result<Value, PluginError> {
        let request = request.to_string();
        let command = self.module.command();
        let (options, request) = (opening.options.as_str().into(), RStr::from(request.as_str()));
        let answer = command(abi_role(role), options, abi_context(opening.context), request)
            .into_result()?;
        serde_json::from_str(&answer)
            .map_err(|error| PluginError::fatal(format!("the plugin's answer is no JSON: {error}")))
    }

    fn open_source(&self, opening: Opening) -> Result<Box<dyn SourceInstance>, PluginError> {
        Ok(Box::new(NativeSource(opened(self.module.open_source(), opening)?)))
    }

    fn open_transform(&self, opening: Opening) -> Result<Box<dyn TransformInstance>, PluginError> {
        Ok(Box::new(NativeTransform(opened(self.module.open_transform(), opening)?)))
    }

    fn open_sink(&self, opening: Opening) -> Result<Box<dyn SinkInstance>, PluginError> {
        Ok(Box::new(NativeSink(opened(self.module.open_sink(), opening)?)))
    }
}

/// Opens an instance with the function of its role.
fn opened<Object>(
    open: extern "C" fn(RStr<'_>, AbiContext) -> RResult<Object, AbiError>,
    opening: Opening,
) -> Result<Object, PluginError> {
    Ok(open(RStr::from(opening.options.as_str()), abi_context(opening.context)).into_result()?)
}

fn abi_role(role: RoleKind) -> AbiRoleKind {
    match role {
        RoleKind::Source => AbiRoleKind::Source,
        RoleKind::Transform => AbiRoleKind::Transform,
        RoleKind::Sink => AbiRoleKind::Sink,
    }
}

/// An open instance behind an object of the ABI, with the calls that every role has.
macro_rules! instance {
    ($name:ident, $object:ty) => {
        struct $name($object);

        impl AnyInstance for $name {
            fn export_state(&mut self) -> Result<Option<Vec<u8>>, PluginError> {
                Ok(self.0.export_state().into_result()?.into_option().map(RVec::into_vec))
            }

            fn import_state(&mut self, state: &[u8]) -> Result<(), PluginError> {
                Ok(self.0.import_state(RSlice::from_slice(state)).into_result()?)
            }

            fn readers(&mut self) -> Result<Option<Vec<Reader>>, PluginError> {
                readers::read(&self.0.readers().into_result()?)
            }

            fn act(
                &mut self,
                reader: &str,
                action: &Action,
                preview: bool,
            ) -> Result<Outcome, PluginError> {
                let request = readers::request(reader, action, preview)?;
                let told = self.0.act(RStr::from(request.as_str())).into_result()?;
                readers::outcome(&told)
            }
        }
    };
}

instance!(NativeSource, SourceObject);

impl SourceInstance for NativeSource {
    fn next(&mut self, wait: Duration) -> Result<Polled, PluginError> {
        let wait_us = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
        Ok(match self.0.next(wait_us).into_result()? {
            AbiPolled::Batch(batch) => Polled::Batch(batch),
            AbiPolled::Idle => Polled::Idle,
            AbiPolled::End => Polled::End,
        })
    }

    fn confirm(&mut self, batches: u64) -> Result<(), PluginError> {
        Ok(self.0.confirm(batches).into_result()?)
    }

    fn close(&mut self) -> Result<(), PluginError> {
        Ok(self.0.close().into_result()?)
    }
}

instance!(NativeTransform, TransformObject);

impl TransformInstance for NativeTransform {
    fn apply(&mut self, batch: &Batch) -> Result<Vec<Batch>, PluginError> {
        Ok(self.0.apply(batch).map(RVec::into_vec).into_result()?)
    }

    fn tick(&mut self) -> Result<Vec<Batch>, PluginError> {
        Ok(self.0.tick().map(RVec::into_vec).into_result()?)
    }

    fn close(&mut self) -> Result<Vec<Batch>, PluginError> {
        Ok(self.0.close().map(RVec::into_vec).into_result()?)
    }
}

instance!(NativeSink, SinkObject);

impl SinkInstance for NativeSink {
    fn write(&mut self, batches: &[Batch]) -> Result<Ack, PluginError> {
        Ok(ack(self.0.write(RSlice::from_slice(batches)).into_result()?))
    }

    fn tick(&mut self) -> Result<Ack, PluginError> {
        Ok(ack(self.0.tick().into_result()?))
    }

    fn flush(&mut self) -> Result<(), PluginError> {
        Ok(self.0.flush().into_result()?)
    }

    fn close(&mut self) -> Result<(), PluginError> {
        Ok(self.0.close().into_result()?)
    }
}

fn ack(ack: AbiAck) -> Ack {
    match ack {
        AbiAck::Delivered => Ack::Delivered,
        AbiAck::Held => Ack::Held,
    }
}
