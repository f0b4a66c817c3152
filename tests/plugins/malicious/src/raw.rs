//! Batches that the authors' traits cannot make, and a source that gives them.

use std::cell::RefCell;

use plugin_api::{
    Batch, Context, RecordKind, serde_json,
    testing::spot_batch,
    wasm::bindings::{
        host,
        source::exports::dataserver::plugin::source_role::{Guest, Polled},
        types::{self, Error, Instance, MadeBatch, Payload, Provenance},
    },
};

use crate::{
    acts::{act, bytes},
    options::{How, Options},
};

fn made(kind: RecordKind, payload: Payload, provenance: Option<Provenance>) -> MadeBatch {
    let kind = match kind {
        RecordKind::Bar => types::RecordKind::Bar,
        _ => types::RecordKind::Spot,
    };
    MadeBatch { kind, round: types::Round { first: true, last: true }, provenance, payload }
}

fn other(kind: RecordKind) -> RecordKind {
    match kind {
        RecordKind::Bar => RecordKind::Spot,
        _ => RecordKind::Bar,
    }
}

/// The bad batches that the options ask for, made of a good list.
fn bad(options: &Options, kind: RecordKind, good: &[u8], source: &str) -> Vec<MadeBatch> {
    let list = |bytes: Vec<u8>| made(kind, Payload::Bytes(bytes), None);
    match options.how {
        How::Huge => vec![list(vec![0x55; bytes(options)])],
        How::Malformed => vec![list(vec![0x55; bytes(options).max(16)])],
        How::Truncated => vec![list(good[..good.len() / 2].to_vec())],
        How::WrongKind => vec![made(other(kind), Payload::Bytes(good.to_vec()), None)],
        How::Given => {
            let digits = options.list.as_bytes().as_chunks::<2>().0;
            let byte = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
            vec![list(digits.iter().filter_map(byte).collect())]
        }
        How::WrongPlace => {
            let place = |source: &str, epoch, sequence, part| Provenance {
                source: source.to_owned(),
                epoch,
                sequence,
                part,
                received_at_us: i64::MIN,
            };
            [
                place(source, 0, 1, 0),
                place(source, u64::MAX, u64::MAX, u64::MAX),
                place("no-such-source", 7, 7, 7),
                place("../../etc", 1, u64::MAX, 0),
            ]
            .map(|place| made(kind, Payload::Bytes(good.to_vec()), Some(place)))
            .into()
        }
        _ => Vec::new(),
    }
}

/// Pushes what the options ask for; false when they ask for no batch.
pub fn push_bad(options: &Options, kind: RecordKind, input: Option<&Batch>) -> bool {
    let good: &[u8] = input.map_or(&[], |batch| batch.payload());
    if options.how == How::Batches {
        (0..options.amount).for_each(|_| push_unchanged(kind));
        return true;
    }
    let source = input.map_or("", |batch| batch.provenance().source());
    let batches = bad(options, kind, good, source);
    batches.iter().for_each(host::push);
    !batches.is_empty()
}

/// Pushes the records of the input, if there is one.
pub fn push_unchanged(kind: RecordKind) {
    host::push(&made(kind, Payload::Unchanged, None));
}

struct Open {
    options: Options,
    context: Context,
    calls: u64,
    waiting: Vec<MadeBatch>,
}

thread_local! {
    static OPEN: RefCell<Option<Open>> = const { RefCell::new(None) };
}

/// A source that makes one quote a call until it is due.
pub struct RawSource;

impl Guest for RawSource {
    fn open(options: String, instance: Instance) -> Result<(), Error> {
        let options: Options = serde_json::from_str(&options).map_err(|error| Error {
            kind: types::ErrorKind::Config,
            message: error.to_string(),
        })?;
        let context = Context::from(instance);
        if options.at_open {
            act(&options, &context)?;
        }
        OPEN.set(Some(Open { options, context, calls: 0, waiting: Vec::new() }));
        Ok(())
    }

    fn next(_: u64) -> Result<Polled, Error> {
        OPEN.with_borrow_mut(|open| {
            let open = open.as_mut().ok_or_else(|| Error {
                kind: types::ErrorKind::Fatal,
                message: "not open".to_owned(),
            })?;
            open.next()
        })
    }

    fn confirm(_: u64) -> Result<(), Error> {
        Ok(())
    }

    fn export_state() -> Result<Option<Vec<u8>>, Error> {
        Ok(None)
    }

    fn import_state(_: Vec<u8>) -> Result<(), Error> {
        Ok(())
    }

    fn close() -> Result<(), Error> {
        OPEN.set(None);
        Ok(())
    }
}

impl Open {
    fn next(&mut self) -> Result<Polled, Error> {
        if let Some(batch) = self.waiting.pop() {
            return Ok(Polled::Batch(batch));
        }
        if self.options.batches != 0 && self.calls >= self.options.batches {
            return Ok(Polled::End);
        }
        self.calls += 1;
        let good = spot_batch(1, plugin_api::Round::WHOLE).payload().to_vec();
        let is_due = if self.options.once {
            self.calls == self.options.after + 1
        } else {
            self.calls > self.options.after
        };
        if is_due && !self.options.at_open {
            act(&self.options, &self.context)?;
            match self.options.how {
                How::UnchangedOfNothing => {
                    return Ok(Polled::Batch(made(RecordKind::Spot, Payload::Unchanged, None)));
                }
                How::PushFromWrongCall => push_unchanged(RecordKind::Spot),
                _ => {}
            }
            self.waiting = bad(&self.options, RecordKind::Spot, &good, self.context.instance());
            self.waiting.reverse();
            if let Some(batch) = self.waiting.pop() {
                return Ok(Polled::Batch(batch));
            }
        }
        Ok(Polled::Batch(made(RecordKind::Spot, Payload::Bytes(good), None)))
    }
}
