//! Glue between the author traits and the ABI, compiled into every plugin.

// what abi_stable's macros expand to
#![allow(missing_docs)]

use std::{marker::PhantomData, path::PathBuf, sync::Arc, time::Duration};

use abi_stable::{
    prefix_type::PrefixTypeTrait,
    sabi_trait::TD_Opaque,
    std_types::{ROption, RResult, RSlice, RStr, RString, RVec},
};
use schemars::JsonSchema;
use serde::{Deserialize, de::DeserializeOwned};

use super::abi::{
    AbiAck, AbiContext, AbiDelivery, AbiError, AbiManifest, AbiPolled, AbiRole, AbiRoleKind,
    AbiSink, AbiSink_TO, AbiSource, AbiSource_TO, AbiTransform, AbiTransform_TO, HostObject,
    PluginModule, PluginModuleRef, SinkObject, SourceObject, TransformObject,
};
use crate::{
    Ack, Batch, Context, Delivery, HostServices, Level, Output, PluginError, Polled, Sink, Source,
    Transform,
    guard::{guard, install_panic_hook},
    options_schema,
};

/// Names what a library can be. Exactly one call in a plugin's crate, which is a `cdylib`.
///
/// `version` is the crate's own unless it is given.
#[macro_export]
macro_rules! export_plugin {
    (
        name: $name:literal,
        $(version: $version:expr,)?
        description: $description:literal,
        author: $author:literal,
        $(source: $source:ty,)?
        $(transform: $transform:ty,)?
        $(sink: $sink:ty $(,)?)?
    ) => {
        const _: () = {
            struct Plugin;

            impl $crate::native::Exports for Plugin {
                const NAME: &'static str = $name;
                const VERSION: &'static str = $crate::first_of!($($version,)? env!("CARGO_PKG_VERSION"));
                const DESCRIPTION: &'static str = $description;
                const AUTHOR: &'static str = $author;
                type Source = $crate::first_type_of!($($source,)? $crate::native::NoSource);
                type Transform = $crate::first_type_of!($($transform,)? $crate::native::NoTransform);
                type Sink = $crate::first_type_of!($($sink,)? $crate::native::NoSink);
            }

            // SAFETY: the name is this project's own, and a library exports it once.
            #[allow(unsafe_code)]
            #[unsafe(no_mangle)]
            static DATASERVER_PLUGIN: $crate::native::Descriptor = $crate::native::Descriptor::new(
                $name,
                <Plugin as $crate::native::Exports>::VERSION,
            );

            extern "C" fn module() -> $crate::native::library::RootModuleResult {
                $crate::native::library::__call_root_module_loader(
                    $crate::native::root_module::<Plugin>,
                )
            }

            // SAFETY: this is the symbol that abi_stable looks for, and `module` returns the root
            // module of the very type that it is declared for.
            #[allow(unsafe_code)]
            #[unsafe(export_name = "_1as_0lib_1header_0root_bmodule_bloader")]
            static ROOT_MODULE: $crate::native::library::LibHeader = unsafe {
                $crate::native::library::LibHeader::from_constructor::<$crate::native::PluginModuleRef>(
                    module,
                    $crate::native::library::CheckTypeLayout::Yes,
                )
            };
        };
    };
}

/// The first of one or two expressions.
#[doc(hidden)]
#[macro_export]
macro_rules! first_of {
    ($first:expr $(, $second:expr)?) => {
        $first
    };
}

/// The first of one or two types.
#[doc(hidden)]
#[macro_export]
macro_rules! first_type_of {
    ($first:ty $(, $second:ty)?) => {
        $first
    };
}

/// What [`export_plugin!`] gathers.
pub trait Exports: 'static {
    const NAME: &'static str;
    const VERSION: &'static str;
    const DESCRIPTION: &'static str;
    const AUTHOR: &'static str;
    type Source: Source + 'static;
    type Transform: Transform + 'static;
    type Sink: Sink + 'static;
}

/// Stands for a role that the library does not have.
#[derive(Deserialize, JsonSchema)]
pub struct NoOptions {}

macro_rules! absent_role {
    ($name:ident) => {
        pub struct $name;

        impl $name {
            fn refuse<T>() -> Result<T, PluginError> {
                Err(PluginError::config("this plugin has no such role"))
            }
        }
    };
}

absent_role!(NoSource);
absent_role!(NoTransform);
absent_role!(NoSink);

impl Source for NoSource {
    type Options = NoOptions;

    fn open(_: NoOptions, _: Context) -> Result<Self, PluginError> {
        Self::refuse()
    }

    fn next(&mut self, _: Duration) -> Result<Polled, PluginError> {
        Self::refuse()
    }
}

impl Transform for NoTransform {
    type Options = NoOptions;

    fn open(_: NoOptions, _: Context) -> Result<Self, PluginError> {
        Self::refuse()
    }

    fn apply(&mut self, _: &Batch, _: &mut Output) -> Result<(), PluginError> {
        Self::refuse()
    }
}

impl Sink for NoSink {
    type Options = NoOptions;

    fn open(_: NoOptions, _: Context) -> Result<Self, PluginError> {
        Self::refuse()
    }

    fn write(&mut self, _: &[Batch]) -> Result<Ack, PluginError> {
        Self::refuse()
    }
}

fn is<Role: 'static, Absent: 'static>() -> bool {
    std::any::TypeId::of::<Role>() == std::any::TypeId::of::<Absent>()
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
    let roles = guard(|| Ok(roles::<P>())).unwrap_or_default();
    AbiManifest {
        name: P::NAME.into(),
        version: P::VERSION.into(),
        description: P::DESCRIPTION.into(),
        author: P::AUTHOR.into(),
        roles: roles.into(),
    }
}

fn roles<P: Exports>() -> Vec<AbiRole> {
    let mut roles = Vec::new();
    if !is::<P::Source, NoSource>() {
        roles.push(role::<<P::Source as Source>::Options>(AbiRoleKind::Source, None));
    }
    if !is::<P::Transform, NoTransform>() {
        roles.push(role::<<P::Transform as Transform>::Options>(AbiRoleKind::Transform, None));
    }
    if !is::<P::Sink, NoSink>() {
        let delivery = match P::Sink::DELIVERY {
            Delivery::Publisher => AbiDelivery::Publisher,
            Delivery::Service => AbiDelivery::Service,
            Delivery::Store => AbiDelivery::Store,
        };
        let mut sink = role::<<P::Sink as Sink>::Options>(AbiRoleKind::Sink, Some(delivery));
        sink.ordered = P::Sink::ORDERED;
        sink.max_records = P::Sink::MAX_RECORDS;
        sink.max_wait_us = u64::try_from(P::Sink::MAX_WAIT.as_micros()).unwrap_or(u64::MAX);
        roles.push(sink);
    }
    roles
}

fn role<Options: JsonSchema>(kind: AbiRoleKind, delivery: Option<AbiDelivery>) -> AbiRole {
    let options_schema = RString::from(options_schema::<Options>().to_string());
    let delivery = ROption::from(delivery);
    AbiRole { kind, options_schema, delivery, ordered: true, max_records: 0, max_wait_us: 0 }
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
    to_abi(guard(|| {
        let context = Context::from(context);
        match role {
            AbiRoleKind::Source => P::Source::check(&parse(options)?, &context),
            AbiRoleKind::Transform => P::Transform::check(&parse(options)?, &context),
            AbiRoleKind::Sink => P::Sink::check(&parse(options)?, &context),
        }
    }))
}

extern "C" fn command<P: Exports>(
    role: AbiRoleKind,
    options: RStr<'_>,
    context: AbiContext,
    request: RStr<'_>,
) -> RResult<RString, AbiError> {
    to_abi(guard(|| {
        let context = Context::from(context);
        let request = parse(request)?;
        let answer = match role {
            AbiRoleKind::Source => P::Source::command(&parse(options)?, &context, &request)?,
            AbiRoleKind::Sink => P::Sink::command(&parse(options)?, &context, &request)?,
            AbiRoleKind::Transform => {
                return Err(PluginError::config("transforms have no commands"));
            }
        };
        Ok(RString::from(answer.to_string()))
    }))
}

fn parse<Options: DeserializeOwned>(options: RStr<'_>) -> Result<Options, PluginError> {
    serde_json::from_str(options.as_str())
        .map_err(|error| PluginError::config(format!("options: {error}")))
}

fn open<Options: DeserializeOwned, Role, Object>(
    options: RStr<'_>,
    context: AbiContext,
    open: impl FnOnce(Options, Context) -> Result<Role, PluginError>,
    object: impl FnOnce(Instance<Role>) -> Object,
) -> RResult<Object, AbiError> {
    to_abi(guard(|| {
        let role = open(parse(options)?, context.into())?;
        Ok(object(Instance { role: Some(role), of: PhantomData }))
    }))
}

/// One open plugin. Emptied only when it is dropped.
struct Instance<Role> {
    role: Option<Role>,
    of: PhantomData<Role>,
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

    fn export_state(&mut self) -> RResult<ROption<RVec<u8>>, AbiError> {
        to_abi(self.call(Source::export_state).map(abi_state))
    }

    fn import_state(&mut self, state: RSlice<'_, u8>) -> RResult<(), AbiError> {
        to_abi(self.call(|source| source.import_state(state.as_slice())))
    }

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

    fn export_state(&mut self) -> RResult<ROption<RVec<u8>>, AbiError> {
        to_abi(self.call(Transform::export_state).map(abi_state))
    }

    fn import_state(&mut self, state: RSlice<'_, u8>) -> RResult<(), AbiError> {
        to_abi(self.call(|transform| transform.import_state(state.as_slice())))
    }

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

    fn export_state(&mut self) -> RResult<ROption<RVec<u8>>, AbiError> {
        to_abi(self.call(Sink::export_state).map(abi_state))
    }

    fn import_state(&mut self, state: RSlice<'_, u8>) -> RResult<(), AbiError> {
        to_abi(self.call(|sink| sink.import_state(state.as_slice())))
    }

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

fn abi_state(state: Option<Vec<u8>>) -> ROption<RVec<u8>> {
    state.map(RVec::from).into()
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
