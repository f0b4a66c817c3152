//! Glue between the author traits and the contract, compiled into every component.

#![allow(missing_docs)]

use std::{marker::PhantomData, time::Duration};

use super::{
    bindings::{
        host,
        plugin::exports::dataserver::plugin::plugin,
        readers::exports::dataserver::readers::readers,
        sink::exports::dataserver::plugin::sink_role,
        source::exports::dataserver::plugin::source_role,
        transform::exports::dataserver::plugin::transform_role,
        types::{self, Error, Instance},
    },
    convert::made,
    open_instance,
};
use crate::{
    Ack, Batch, Output, PluginError, Polled, Sink, Source, Transform,
    export::{self, Exports, parse},
};

/// What [`export_plugin!`](crate::export_plugin) makes of a plugin in a component.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_carrier {
    (
        $plugin:ident,
        $(source $source:ty,)? $(transform $transform:ty,)? $(sink $sink:ty,)?
    ) => {
        type __Component = $crate::wasm::Component<$plugin>;

        // SAFETY: the section is this project's own, and bytes without pointers may lie in one.
        #[allow(unsafe_code)]
        #[used]
        #[unsafe(link_section = "dataserver-plugin")]
        static DESCRIPTOR: $crate::Descriptor = $crate::export::descriptor::<$plugin>();

        $crate::__export_world!(plugin);
        $crate::__export_world!(readers);
        $($crate::__export_world!(source $source);)?
        $($crate::__export_world!(transform $transform);)?
        $($crate::__export_world!(sink $sink);)?
    };
}

/// Where [`export_plugin!`](crate::export_plugin) puts what it makes in a component.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_item {
    ($plugin:ident, $($items:tt)*) => {
        const _: () = {
            $($items)*
        };
    };
}

/// Exports one interface; a role only where `export_plugin!` names it.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_world {
    ($world:ident $($role:ty)?) => {
        #[allow(unsafe_code, clippy::undocumented_unsafe_blocks)]
        const _: () = {
            $crate::wasm::bindings::$world::export!(
                __Component with_types_in $crate::wasm::bindings::$world
            );
        };
    };
}

/// Exports a plugin; never made.
pub struct Component<P>(PhantomData<P>);

impl<P: Exports> plugin::Guest for Component<P> {
    fn describe() -> types::Manifest {
        types::Manifest {
            name: P::NAME.to_owned(),
            version: P::VERSION.to_owned(),
            description: P::DESCRIPTION.to_owned(),
            author: P::AUTHOR.to_owned(),
            roles: export::roles::<P>().into_iter().map(Into::into).collect(),
        }
    }

    fn check(role: types::RoleKind, options: String, instance: Instance) -> Result<(), Error> {
        Ok(export::check::<P>(role.into(), &options, &instance.into())?)
    }

    fn command(
        role: types::RoleKind,
        options: String,
        instance: Instance,
        request: String,
    ) -> Result<String, Error> {
        Ok(export::command::<P>(role.into(), &options, &instance.into(), &request)?)
    }
}

impl<P: Exports> readers::Guest for Component<P> {
    fn tell(role: types::RoleKind) -> Result<String, Error> {
        let told = match role {
            types::RoleKind::Source => open_instance::call(P::Source::readers),
            types::RoleKind::Transform => open_instance::call(P::Transform::readers),
            types::RoleKind::Sink => open_instance::call(P::Sink::readers),
        };
        Ok(export::readers(told?.as_deref())?)
    }

    fn act(role: types::RoleKind, request: String) -> Result<String, Error> {
        Ok(export::act(&request, |reader, action, preview| match role {
            types::RoleKind::Source => {
                open_instance::call(|it: &mut P::Source| it.act(reader, action, preview))
            }
            types::RoleKind::Transform => {
                open_instance::call(|it: &mut P::Transform| it.act(reader, action, preview))
            }
            types::RoleKind::Sink => {
                open_instance::call(|it: &mut P::Sink| it.act(reader, action, preview))
            }
        })?)
    }
}

/// Opening, and the calls that hand a state over: the same for every role of `P`.
macro_rules! open_and_state {
    ($role:ident) => {
        fn open(options: String, instance: Instance) -> Result<(), Error> {
            open_instance::put(P::$role::open(parse(&options)?, instance.into())?);
            Ok(())
        }

        fn export_state() -> Result<Option<Vec<u8>>, Error> {
            Ok(open_instance::call(P::$role::export_state)?)
        }

        fn import_state(state: Vec<u8>) -> Result<(), Error> {
            Ok(open_instance::call(|role: &mut P::$role| role.import_state(&state))?)
        }
    };
}

impl<P: Exports> source_role::Guest for Component<P> {
    open_and_state!(Source);

    fn next(wait_us: u64) -> Result<source_role::Polled, Error> {
        let wait = Duration::from_micros(wait_us);
        Ok(match open_instance::call(|source: &mut P::Source| source.next(wait))? {
            Polled::Batch(batch) => source_role::Polled::Batch(made(batch, None)),
            Polled::Idle => source_role::Polled::Idle,
            Polled::End => source_role::Polled::End,
        })
    }

    fn confirm(batches: u64) -> Result<(), Error> {
        Ok(open_instance::call(|source: &mut P::Source| source.confirm(batches))?)
    }

    fn close() -> Result<(), Error> {
        Ok(open_instance::call_last(P::Source::close)?)
    }
}

impl<P: Exports> transform_role::Guest for Component<P> {
    open_and_state!(Transform);

    fn apply(batch: types::Batch) -> Result<(), Error> {
        let input = Batch::from(batch);
        let mut output = Output::default();
        open_instance::call(|transform: &mut P::Transform| transform.apply(&input, &mut output))?;
        push(output, Some(&input));
        Ok(())
    }

    fn tick() -> Result<(), Error> {
        let mut output = Output::default();
        open_instance::call(|transform: &mut P::Transform| transform.tick(&mut output))?;
        push(output, None);
        Ok(())
    }

    fn close() -> Result<(), Error> {
        let mut output = Output::default();
        open_instance::call_last(|transform: &mut P::Transform| transform.close(&mut output))?;
        push(output, None);
        Ok(())
    }
}

fn push(output: Output, input: Option<&Batch>) {
    for batch in output.into_batches() {
        host::push(&made(batch, input));
    }
}

impl<P: Exports> sink_role::Guest for Component<P> {
    open_and_state!(Sink);

    fn write(batches: Vec<types::Batch>) -> Result<sink_role::Ack, Error> {
        let batches: Vec<_> = batches.into_iter().map(Batch::from).collect();
        verdict(open_instance::call(|sink: &mut P::Sink| sink.write(&batches)))
    }

    fn tick() -> Result<sink_role::Ack, Error> {
        verdict(open_instance::call(P::Sink::tick))
    }

    fn flush() -> Result<(), Error> {
        Ok(open_instance::call(P::Sink::flush)?)
    }

    fn close() -> Result<(), Error> {
        Ok(open_instance::call_last(P::Sink::close)?)
    }
}

fn verdict(ack: Result<Ack, PluginError>) -> Result<sink_role::Ack, Error> {
    Ok(match ack? {
        Ack::Delivered => sink_role::Ack::Delivered,
        Ack::Held => sink_role::Ack::Held,
    })
}
