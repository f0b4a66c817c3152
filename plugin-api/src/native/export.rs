//! Glue between the author traits and the ABI, compiled into every native plugin.

// what abi_stable's macros expand to
#![allow(missing_docs)]

use std::{path::PathBuf, sync::Arc, time::Duration};

use abi_stable::{
    prefix_type::PrefixTypeTrait,
    sabi_trait::TD_Opaque,
    std_types::{ROption, RResult, RSlice, RStr, RString, RVec},
};
use serde::de::DeserializeOwned;

use super::{
    abi::{
        AbiAck, AbiContext, AbiError, AbiManifest, AbiPolled, AbiRole, AbiRoleKind, AbiSink,
        AbiSink_TO, AbiSource, AbiSource_TO, AbiTransform, AbiTransform_TO, HostObject,
        PluginModule, PluginModuleRef, SinkObject, SourceObject, TransformObject,
    },
    guard::{guard, install_panic_hook},
};
use crate::{
    Ack, Batch, Context, HostServices, Level, Output, PluginError, Polled, Report, Sink, Source,
    Transform,
    export::{self, Exports, parse},
};

/// What [`export_plugin!`](crate::export_plugin) makes of a plugin in a native library.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_carrier {
    ($plugin:ident, $($role:tt)*) => {
        // SAFETY: the name is this project's own, and a library exports it once; a program that has
        // several plugins linked in exports none, and nothing in it refers to the symbol.
        #[allow(unsafe_code)]
        #[unsafe(no_mangle)]
        static DATASERVER_PLUGIN: $crate::Descriptor = $crate::export::descriptor::<$plugin>();

        extern "C" fn module() -> $crate::native::library::RootModuleResult {
            $crate::native::library::__call_root_module_loader(
                $crate::native::root_module::<$plugin>,
            )
        }

        // SAFETY: this is the symbol that abi_stable looks for, and `module` returns the root
        // module of the very type that it is declared for; of several that are linked in, see above.
        #[allow(unsafe_code)]
        #[unsafe(export_name = "_1as_0lib_1header_0root_bmodule_bloader")]
        static ROOT_MODULE: $crate::native::library::LibHeader = unsafe {
            $crate::native::library::LibHeader::from_constructor::<$crate::native::PluginModuleRef>(
                module,
                $crate::native::library::CheckTypeLayout::Yes,
            )
        };
    };
}

/// Where [`export_plugin!`](crate::export_plugin) puts what it makes in a native library.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_item {
    ($plugin:ident, $($items:tt)*) => {
        /// This plugin, for a program that has the crate linked in rather than loads it.
        #[allow(dead_code)]
        pub const DATASERVER_PLUGIN: $crate::native::Linked = {
            $($items)*
            $crate::native::Linked::of::<$plugin>()
        };
    };
}

/// The root module of a library.
pub fn root_module<P: Exports>() -> PluginModuleRef {
    install_panic_hook();
    PluginModule {
        manifest: manifest::<P>,
        open_source: open_source::<P::Source>,
        open_transform: open_transform::<P::Transform>,
        open_sink: open_sink::<P::Sink>,
        check: check::<P>,
        command: command::<P>,
    }
    .leak_into_prefix()
}

extern "C" fn manifest<P: Exports>() -> AbiManifest {
    let roles = guard(|| Ok(export::roles::<P>())).unwrap_or_default();
    AbiManifest {
        name: P::NAME.into(),
        version: P::VERSION.into(),
        description: P::DESCRIPTION.into(),
        author: P::AUTHOR.into(),
        roles: roles.into_iter().map(AbiRole::from).collect(),
    }
}

extern "C" fn open_source<S: Source + 'static>(
    options: RStr<'_>,
    context: AbiContext,
) -> RResult<SourceObject, AbiError> {
    open(options, context, S::open, |source| AbiSource_TO::from_value(source, TD_Opaque))
}

extern "C" fn open_transform<T: Transform + 'static>(
    options: RStr<'_>,
    context: AbiContext,
) -> RResult<TransformObject, AbiError> {
    open(options, context, T::open, |transform| AbiTransform_TO::from_value(transform, TD_Opaque))
}

extern "C" fn open_sink<S: Sink + 'static>(
    options: RStr<'_>,
    context: AbiContext,
) -> RResult<SinkObject, AbiError> {
    open(options, context, S::open, |sink| AbiSink_TO::from_value(sink, TD_Opaque))
}

extern "C" fn check<P: Exports>(
    role: AbiRoleKind,
    options: RStr<'_>,
    context: AbiContext,
) -> RResult<(), AbiError> {
    to_abi(guard(|| export::check::<P>(role.into(), options.as_str(), &context.into())))
}

extern "C" fn command<P: Exports>(
    role: AbiRoleKind,
    options: RStr<'_>,
    context: AbiContext,
    request: RStr<'_>,
) -> RResult<RString, AbiError> {
    to_abi(guard(|| {
        let (options, request) = (options.as_str(), request.as_str());
        export::command::<P>(role.into(), options, &context.into(), request).map(RString::from)
    }))
}

fn open<Options: DeserializeOwned, Role, Object>(
    options: RStr<'_>,
    context: AbiContext,
    open: impl FnOnce(Options, Context) -> Result<Role, PluginError>,
    object: impl FnOnce(Instance<Role>) -> Object,
) -> RResult<Object, AbiError> {
    to_abi(guard(|| {
        let role = open(parse(options.as_str())?, context.into())?;
        Ok(object(Instance { role: Some(role) }))
    }))
}

/// One open plugin. Emptied only when it is dropped.
struct Instance<Role> {
    role: Option<Role>,
}

impl<Role> Instance<Role> {
    fn call<T>(
        &mut self,
        call: impl FnOnce(&mut Role) -> Result<T, PluginError>,
    ) -> Result<T, PluginError> {
        guard(|| match &mut self.role {
            Some(role) => call(role),
            None => Err(PluginError::fatal("the instance is closed")),
        })
    }
}

impl<Role> Drop for Instance<Role> {
    /// A panic in the author's own drop must not reach the host either.
    fn drop(&mut self) {
        let role = self.role.take();
        let _ = guard(|| {
            drop(role);
            Ok(())
        });
    }
}

fn to_abi<T>(result: Result<T, PluginError>) -> RResult<T, AbiError> {
    RResult::from(result.map_err(AbiError::from))
}

/// The calls that hand a state over and those about readers, the same for every role.
macro_rules! common_calls {
    ($role:ident) => {
        fn export_state(&mut self) -> RResult<ROption<RVec<u8>>, AbiError> {
            to_abi(self.call($role::export_state).map(|state| state.map(RVec::from).into()))
        }

        fn import_state(&mut self, state: RSlice<'_, u8>) -> RResult<(), AbiError> {
            to_abi(self.call(|role| role.import_state(state.as_slice())))
        }

        fn readers(&mut self) -> RResult<RString, AbiError> {
            to_abi(self.call(|role| export::readers(role.readers()?.as_deref())).map(RString::from))
        }

        fn act(&mut self, request: RStr<'_>) -> RResult<RString, AbiError> {
            let outcome = self.call(|role| {
                let request = request.as_str();
                export::act(request, |reader, action, preview| role.act(reader, action, preview))
            });
            to_abi(outcome.map(RString::from))
        }
    };
}

impl<S: Source> AbiSource for Instance<S> {
    fn next(&mut self, wait_us: u64) -> RResult<AbiPolled, AbiError> {
        let polled = self.call(|source| source.next(Duration::from_micros(wait_us)));
        to_abi(polled.map(|polled| match polled {
            Polled::Batch(batch) => AbiPolled::Batch(batch),
            Polled::Idle => AbiPolled::Idle,
            Polled::End => AbiPolled::End,
        }))
    }

    fn confirm(&mut self, batches: u64) -> RResult<(), AbiError> {
        to_abi(self.call(|source| source.confirm(batches)))
    }

    common_calls!(Source);

    fn close(&mut self) -> RResult<(), AbiError> {
        to_abi(self.call(Source::close))
    }
}

impl<T: Transform> Instance<T> {
    fn collect(
        &mut self,
        call: impl FnOnce(&mut T, &mut Output) -> Result<(), PluginError>,
    ) -> RResult<RVec<Batch>, AbiError> {
        to_abi(self.call(|transform| {
            let mut output = Output::default();
            call(transform, &mut output)?;
            Ok(output.into_batches().into())
        }))
    }
}

impl<T: Transform> AbiTransform for Instance<T> {
    fn apply(&mut self, batch: &Batch) -> RResult<RVec<Batch>, AbiError> {
        self.collect(|transform, output| transform.apply(batch, output))
    }

    fn tick(&mut self) -> RResult<RVec<Batch>, AbiError> {
        self.collect(Transform::tick)
    }

    common_calls!(Transform);

    fn close(&mut self) -> RResult<RVec<Batch>, AbiError> {
        self.collect(Transform::close)
    }
}

impl<S: Sink> AbiSink for Instance<S> {
    fn write(&mut self, batches: RSlice<'_, Batch>) -> RResult<AbiAck, AbiError> {
        to_abi(self.call(|sink| sink.write(batches.as_slice())).map(abi_ack))
    }

    fn tick(&mut self) -> RResult<AbiAck, AbiError> {
        to_abi(self.call(Sink::tick).map(abi_ack))
    }

    fn flush(&mut self) -> RResult<(), AbiError> {
        to_abi(self.call(Sink::flush))
    }

    common_calls!(Sink);

    fn close(&mut self) -> RResult<(), AbiError> {
        to_abi(self.call(Sink::close))
    }
}

fn abi_ack(ack: Ack) -> AbiAck {
    match ack {
        Ack::Delivered => AbiAck::Delivered,
        Ack::Held => AbiAck::Held,
    }
}

/// The lent host behind the author's [`Context`].
struct LentHost(HostObject);

impl HostServices for LentHost {
    fn log(&self, level: Level, message: &str) {
        self.0.log(level, message.into());
    }

    fn dropped(&self, reason: &str, records: u64) {
        self.0.dropped(reason.into(), records);
    }

    fn count(&self, metric: &str, by: u64) {
        self.0.count(metric.into(), by);
    }

    fn gauge(&self, metric: &str, value: f64) {
        self.0.gauge(metric.into(), value);
    }

    fn now_us(&self) -> i64 {
        self.0.now_us()
    }

    fn is_stopping(&self) -> bool {
        self.0.is_stopping()
    }

    fn expect_records(&self, within: Option<Duration>) {
        let micros = |it: Duration| u64::try_from(it.as_micros()).unwrap_or(u64::MAX);
        self.0.expect_records(within.map(micros).into());
    }

    fn dead_letter(&self, reason: &str, payload: &[u8]) {
        self.0.dead_letter(reason.into(), payload.into());
    }

    fn report(&self, report: &Report) {
        self.0.report(export::report(report).as_str().into());
    }
}

impl From<AbiContext> for Context {
    fn from(context: AbiContext) -> Self {
        Self::new(
            context.instance,
            PathBuf::from(context.base_dir.as_str()),
            PathBuf::from(context.state_dir.as_str()),
            Arc::new(LentHost(context.host)),
        )
    }
}
