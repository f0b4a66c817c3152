//! An open instance in a child, and its calls.

use std::time::Duration;

use dataserver_config::Limits;
use plugin_api::{Ack, Action, Batch, Outcome, PluginError, Polled, Reader};

use super::{
    layout::{put_batches, put_blob},
    link::{Link, Reply},
    memory::Memory,
    wire::Kind,
};
use crate::{
    AnyInstance, SinkInstance, SourceInstance, TransformInstance,
    at_fault::at_fault,
    guest_output::{GuestOutput, accept_of_source},
    rate_limit, readers as told,
};

/// Starting, opening, closing and questions have at least so long.
pub(super) const MIN_OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// A child that was closed may take so long to end by itself.
const FAREWELL: Duration = Duration::from_secs(1);

/// A child with a role of its plugin. After a call that did not end in order it is gone.
pub(super) struct Instance {
    living: Option<Link>,
    limits: Limits,
}

/// What a call writes into its frame.
type Fill<'a> = &'a dyn Fn(&mut Vec<u8>, &mut Memory) -> Result<(), PluginError>;

const NOTHING: Fill<'static> = &|_, _| Ok(());

impl Instance {
    pub fn new(link: Link, limits: Limits) -> Self {
        Self { living: Some(link), limits }
    }

    /// Calls the child and takes what it gave. A call that does not end in order, or gives what cannot
    /// be used, ends the instance.
    pub fn call<T>(
        &mut self,
        (kind, name, allowed): (Kind, &str, Duration),
        fill: Fill<'_>,
        take: impl FnOnce(Reply, &mut GuestOutput) -> Result<T, PluginError>,
    ) -> Result<T, PluginError> {
        let Some(link) = &mut self.living else {
            return Err(PluginError::fatal("the instance has ended with an earlier call"));
        };
        // nothing of it was sent
        link.put(kind, fill)?;
        let (taken, in_order) = match link.reply(name, allowed) {
            // a child that says what is wrong is in order
            Ok(Err(error)) => (Err(error), true),
            Ok(Ok(reply)) => {
                let taken = take(reply, &mut link.output);
                let in_order = taken.is_ok();
                (taken, in_order)
            }
            Err(error) => (Err(error), false),
        };
        link.output.end();
        if !in_order {
            self.living = None;
        }
        taken
    }

    fn call_pushing(
        &mut self,
        call: (Kind, &str, Duration),
        input: Option<&Batch>,
    ) -> Result<Vec<Batch>, PluginError> {
        if let Some(link) = &mut self.living {
            link.output.begin(input);
        }
        let batches = input.map(std::slice::from_ref).unwrap_or_default();
        let name = call.1;
        self.call(call, &|body, memory| put_batches(body, batches, memory), |reply, output| {
            match reply {
                Reply::Done(0) => output.finish(input),
                reply => Err(odd(name, &reply)),
            }
        })
    }

    fn call_plain(
        &mut self,
        call: (Kind, &str, Duration),
        fill: Fill<'_>,
    ) -> Result<(), PluginError> {
        let name = call.1;
        self.call(call, fill, |reply, _| match reply {
            Reply::Done(0) => Ok(()),
            reply => Err(odd(name, &reply)),
        })
    }

    fn call_acked(
        &mut self,
        call: (Kind, &str, Duration),
        fill: Fill<'_>,
    ) -> Result<Ack, PluginError> {
        let name = call.1;
        self.call(call, fill, |reply, _| match reply {
            Reply::Done(0) => Ok(Ack::Delivered),
            Reply::Done(1) => Ok(Ack::Held),
            reply => Err(odd(name, &reply)),
        })
    }

    fn call_answered(
        &mut self,
        call: (Kind, &str, Duration),
        request: &str,
    ) -> Result<String, PluginError> {
        let name = call.1;
        self.call(call, &|body, _| text(body, request), |reply, _| match reply {
            Reply::Answer(text) => Ok(text),
            reply => Err(odd(name, &reply)),
        })
    }

    /// The time of a call that opens or closes something.
    fn slow(&self) -> Duration {
        self.limits.deadline.max(MIN_OPEN_TIMEOUT)
    }

    fn end(&mut self) {
        if let Some(link) = self.living.take() {
            link.finish(FAREWELL);
        }
    }
}

/// Writes a text as the whole body.
pub(super) fn text(body: &mut Vec<u8>, text: &str) -> Result<(), PluginError> {
    body.extend(text.as_bytes());
    Ok(())
}

/// A reply that does not answer the call.
pub(super) fn odd(call: &str, reply: &Reply) -> PluginError {
    let reply = rate_limit::line(&format!("{reply:?}"));
    at_fault(format!(
        "the plugin's process answered {call} with {reply}; report this to its author"
    ))
}

impl AnyInstance for Instance {
    fn export_state(&mut self) -> Result<Option<Vec<u8>>, PluginError> {
        let call = (Kind::ExportState, "export_state", self.slow());
        self.call(call, NOTHING, |reply, _| match reply {
            Reply::State(state) => Ok(state),
            reply => Err(odd("export_state", &reply)),
        })
    }

    fn import_state(&mut self, state: &[u8]) -> Result<(), PluginError> {
        let call = (Kind::ImportState, "import_state", self.slow());
        self.call_plain(call, &|body, memory| put_blob(body, "", Some(state), memory))
    }

    fn readers(&mut self) -> Result<Option<Vec<Reader>>, PluginError> {
        let call = (Kind::Readers, "readers", self.limits.deadline);
        told::read(&self.call_answered(call, "")?)
    }

    fn act(
        &mut self,
        reader: &str,
        action: &Action,
        preview: bool,
    ) -> Result<Outcome, PluginError> {
        let request = told::request(reader, action, preview)?;
        let call = (Kind::Act, "act", self.limits.deadline);
        told::outcome(&self.call_answered(call, &request)?)
    }
}

impl SourceInstance for Instance {
    fn next(&mut self, wait: Duration) -> Result<Polled, PluginError> {
        if let Some(link) = &mut self.living {
            link.output.begin(None);
        }
        let wait_us = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
        let allowed = self.limits.deadline.saturating_add(wait);
        self.call(
            (Kind::Next, "next", allowed),
            &|body, _| {
                body.extend(wait_us.to_le_bytes());
                Ok(())
            },
            |reply, output| match (reply, output.take_single()) {
                (Reply::Done(0), Some(made)) => Ok(Polled::Batch(accept_of_source(made)?)),
                (Reply::Done(1), None) => Ok(Polled::Idle),
                (Reply::Done(2), None) => Ok(Polled::End),
                (reply, _) => Err(odd("next", &reply)),
            },
        )
    }

    fn confirm(&mut self, batches: u64) -> Result<(), PluginError> {
        let call = (Kind::Confirm, "confirm", self.limits.deadline);
        self.call_plain(call, &|body, _| {
            body.extend(batches.to_le_bytes());
            Ok(())
        })
    }

    fn close(&mut self) -> Result<(), PluginError> {
        let closed = self.call_plain((Kind::Close, "close", self.slow()), NOTHING);
        self.end();
        closed
    }
}

impl TransformInstance for Instance {
    fn apply(&mut self, batch: &Batch) -> Result<Vec<Batch>, PluginError> {
        self.call_pushing((Kind::Apply, "apply", self.limits.deadline), Some(batch))
    }

    fn tick(&mut self) -> Result<Vec<Batch>, PluginError> {
        self.call_pushing((Kind::Tick, "tick", self.limits.deadline), None)
    }

    fn close(&mut self) -> Result<Vec<Batch>, PluginError> {
        let closed = self.call_pushing((Kind::Close, "close", self.slow()), None);
        // one that cannot close just now is asked again
        if !closed.as_ref().is_err_and(|error| error.kind == plugin_api::ErrorKind::Retry) {
            self.end();
        }
        closed
    }
}

impl SinkInstance for Instance {
    fn write(&mut self, batches: &[Batch]) -> Result<Ack, PluginError> {
        self.call_acked((Kind::Write, "write", self.limits.deadline), &|body, memory| {
            let number = u32::try_from(batches.len()).unwrap_or(u32::MAX);
            body.extend(number.to_le_bytes());
            put_batches(body, batches, memory)
        })
    }

    fn tick(&mut self) -> Result<Ack, PluginError> {
        self.call_acked((Kind::Tick, "tick", self.limits.deadline), NOTHING)
    }

    fn flush(&mut self) -> Result<(), PluginError> {
        self.call_plain((Kind::Flush, "flush", self.limits.deadline), NOTHING)
    }

    fn close(&mut self) -> Result<(), PluginError> {
        let closed = self.call_plain((Kind::Close, "close", self.slow()), NOTHING);
        self.end();
        closed
    }
}
