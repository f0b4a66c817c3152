//! What both carriers make of the author traits.

#![allow(missing_docs)]

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    Ack, ActRequest, Action, Batch, Context, Descriptor, Outcome, Output, PluginError, Polled,
    Reader, Report, Role, RoleKind, Sink, Source, Transform, options_schema,
};

/// Names what a plugin can be. Exactly one call in a plugin's crate, which is a `cdylib`.
///
/// `version` is the crate's own unless it is given. The target alone decides what comes out: a
/// native library, or a component with `--target wasm32-wasip2`. A native crate that is an `rlib`
/// besides can be linked into a program, which finds the plugin as `DATASERVER_PLUGIN` in the place
/// of this call.
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
        $crate::__export_item! { __Plugin,
            // names that no author's type has: items of a macro are seen by what it is given
            struct __Plugin;

            impl $crate::export::Exports for __Plugin {
                const NAME: &'static str = $name;
                const VERSION: &'static str = $crate::first_of!($($version,)? env!("CARGO_PKG_VERSION"));
                const DESCRIPTION: &'static str = $description;
                const AUTHOR: &'static str = $author;
                type Source = $crate::first_type_of!($($source,)? $crate::export::NoSource);
                type Transform = $crate::first_type_of!($($transform,)? $crate::export::NoTransform);
                type Sink = $crate::first_type_of!($($sink,)? $crate::export::NoSink);
            }

            $crate::__export_carrier!(
                __Plugin, $(source $source,)? $(transform $transform,)? $(sink $sink,)?
            );
        }
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

/// The identity of a plugin, to be read off its file.
pub const fn descriptor<P: Exports>() -> Descriptor {
    Descriptor::new(P::NAME, P::VERSION)
}

/// Stands for a role that the plugin does not have.
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

/// What the plugin can be.
pub(crate) fn roles<P: Exports>() -> Vec<Role> {
    let mut roles = Vec::new();
    if !is::<P::Source, NoSource>() {
        roles.push(role::<<P::Source as Source>::Options>(RoleKind::Source));
    }
    if !is::<P::Transform, NoTransform>() {
        roles.push(role::<<P::Transform as Transform>::Options>(RoleKind::Transform));
    }
    if !is::<P::Sink, NoSink>() {
        roles.push(Role {
            delivery: Some(P::Sink::DELIVERY),
            ordered: P::Sink::ORDERED,
            max_records: P::Sink::MAX_RECORDS,
            max_wait: P::Sink::MAX_WAIT,
            ..role::<<P::Sink as Sink>::Options>(RoleKind::Sink)
        });
    }
    roles
}

fn role<Options: JsonSchema>(kind: RoleKind) -> Role {
    Role {
        kind,
        options_schema: options_schema::<Options>(),
        delivery: None,
        ordered: true,
        max_records: 0,
        max_wait: Duration::ZERO,
    }
}

pub(crate) fn check<P: Exports>(
    role: RoleKind,
    options: &str,
    context: &Context,
) -> Result<(), PluginError> {
    match role {
        RoleKind::Source => P::Source::check(&parse(options)?, context),
        RoleKind::Transform => P::Transform::check(&parse(options)?, context),
        RoleKind::Sink => P::Sink::check(&parse(options)?, context),
    }
}

pub(crate) fn command<P: Exports>(
    role: RoleKind,
    options: &str,
    context: &Context,
    request: &str,
) -> Result<String, PluginError> {
    let request = parse(request)?;
    let answer = match role {
        RoleKind::Source => P::Source::command(&parse(options)?, context, &request)?,
        RoleKind::Sink => P::Sink::command(&parse(options)?, context, &request)?,
        RoleKind::Transform => return Err(PluginError::config("transforms have no commands")),
    };
    Ok(answer.to_string())
}

/// A report as JSON; it is made of texts and numbers alone, so there is one always.
pub(crate) fn report(report: &Report) -> String {
    serde_json::to_string(report).unwrap_or_default()
}

/// The readers of an instance as JSON; `null` when it never knows any.
pub(crate) fn readers(told: Option<&[Reader]>) -> Result<String, PluginError> {
    json(&told)
}

/// Does what a request in JSON says; gives the outcome as JSON.
pub(crate) fn act(
    request: &str,
    act: impl FnOnce(&str, &Action, bool) -> Result<Outcome, PluginError>,
) -> Result<String, PluginError> {
    let request: ActRequest = serde_json::from_str(request)
        .map_err(|error| PluginError::config(format!("a request about a reader: {error}")))?;
    json(&act(&request.reader, &request.action, request.preview)?)
}

fn json(answer: &impl Serialize) -> Result<String, PluginError> {
    serde_json::to_string(answer)
        .map_err(|error| PluginError::bad_data(format!("an answer that is no JSON: {error}")))
}

pub(crate) fn parse<Options: DeserializeOwned>(options: &str) -> Result<Options, PluginError> {
    serde_json::from_str(options).map_err(|error| PluginError::config(format!("options: {error}")))
}
