//! The sink: what comes is kept, a server answers from it.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
};

use kit::Throttle;
use plugin_api::{
    Ack, Action, Batch, Context, Delivery, Outcome, PluginError, Reader, RecordKind, Sink,
    no_such_action, no_such_reader,
    schemas::time::{DAY_US, DatetimeText, EXCHANGE_OFFSET_US, SECOND_US},
    serde_json::json,
};

use crate::{
    counters::Counters,
    lake,
    options::{Options, Settings},
    server::Server,
    store::{self, Evicted, Limits, Oldest, Skipped, StoreWriter},
};

/// Name of the file in which what is kept outlives a restart.
const IMAGE: &str = "store.bin";
/// When nothing has come for so long, quotes whose time is in doubt wait for others no longer.
const QUIET_US: i64 = 5 * 60 * SECOND_US;

/// The `hikyuu-server` sink.
pub struct HikyuuServer {
    context: Context,
    /// Closed before the rest of the sink is dropped, so that nothing is read any more.
    server: Option<Server>,
    writer: StoreWriter,
    counters: Arc<Counters>,
    /// Values of the counters when they were last reported to the host.
    reported: Reported,
    image: Option<PathBuf>,
    throttle: Throttle,
    /// When the last quotes came, microseconds since 1970 UTC.
    taken_us: i64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Reported {
    requests: u64,
    refusals: u64,
    idle: u64,
}

impl Sink for HikyuuServer {
    type Options = Options;

    const DELIVERY: Delivery = Delivery::Service;

    /// Does not bind: a running host may hold the addresses.
    fn check(options: &Options, context: &Context) -> Result<(), PluginError> {
        let settings = Settings::new(options, context)?;
        settings.warm_start.as_deref().map_or(Ok(()), lake::check)
    }

    fn open(options: Options, context: Context) -> Result<Self, PluginError> {
        Self::start(&Settings::new(&options, &context)?, context)
    }

    fn write(&mut self, batches: &[Batch]) -> Result<Ack, PluginError> {
        let now_us = self.context.now_us();
        let mut skipped = Skipped::default();
        for batch in batches {
            match batch.kind() {
                RecordKind::Spot => {
                    let received_us = match batch.provenance().received_at_us {
                        0 => now_us,
                        received_us => received_us,
                    };
                    for spot in batch.spots().iter() {
                        self.writer.take_spot(&spot, received_us, now_us, &mut skipped);
                    }
                    self.writer.settle_times(&mut skipped);
                    self.taken_us = now_us;
                }
                RecordKind::Bar => {
                    batch.bars().for_each(|bar| self.writer.take_bar(&bar, now_us, &mut skipped));
                }
                // Hikyuu asks for no other kind
                _ => {}
            }
        }
        settle(&mut self.writer, skipped, &self.context, &self.throttle);
        self.report();
        Ok(Ack::Delivered)
    }

    fn tick(&mut self) -> Result<Ack, PluginError> {
        let is_quiet = self.context.now_us().saturating_sub(self.taken_us) > QUIET_US;
        if is_quiet && self.writer.is_in_doubt() {
            self.end_times();
        }
        self.report();
        Ok(Ack::Delivered)
    }

    fn readers(&mut self) -> Result<Option<Vec<Reader>>, PluginError> {
        Ok(Some(self.server.as_ref().map(Server::readers).unwrap_or_default()))
    }

    fn act(
        &mut self,
        reader: &str,
        action: &Action,
        preview: bool,
    ) -> Result<Outcome, PluginError> {
        if *action != Action::Disconnect {
            return Err(no_such_action(action, "a client asks, and keeps no place"));
        }
        let client = self.server.as_ref().and_then(|server| server.find(reader, !preview));
        let Reader { records, .. } = client.ok_or_else(|| no_such_reader(reader))?;
        Ok(Outcome {
            before: json!({ "connected": true, "records": records }),
            after: json!({ "connected": false, "records": records }),
        })
    }

    fn close(&mut self) -> Result<(), PluginError> {
        self.end_times();
        self.report();
        self.server = None;
        let Some(path) = &self.image else { return Ok(()) };
        store::save(&self.writer, path).map_err(|error| {
            PluginError::fatal(format!(
                "what was kept could not be written to {}: {error}; free space there, or set \
                 remember = false",
                path.display()
            ))
        })
    }
}

impl HikyuuServer {
    /// Reads what was kept before, then listens at all addresses, or at none.
    pub(crate) fn start(settings: &Settings, context: Context) -> Result<Self, PluginError> {
        let mut writer = StoreWriter::new(Limits {
            days: settings.keep_days,
            bytes: settings.max_memory,
            ticks: settings.ticks,
        });
        let image = match settings.remember {
            true => Some(Self::image_path(&context)?),
            false => None,
        };
        let throttle = Throttle::default();
        let mut settle =
            |writer: &mut StoreWriter, skipped| settle(writer, skipped, &context, &throttle);
        if let Some(path) = image.as_deref().filter(|path| path.exists()) {
            match store::load(&mut writer, path, context.now_us()) {
                Ok(skipped) => settle(&mut writer, skipped),
                Err(error) => context.warn(&format!(
                    "{} is not used: {error}; it is written anew at the end",
                    path.display()
                )),
            }
        }
        if let Some(lake) = &settings.warm_start {
            lake::read(&mut writer, lake, settings.keep_days, &context, &mut settle)?;
        }
        let (counters, store) = (Arc::<Counters>::default(), Arc::clone(writer.store()));
        let server =
            Server::start(settings.clone(), context.clone(), store, Arc::clone(&counters))?;
        let (reported, server) = (Reported::default(), Some(server));
        let taken_us = context.now_us();
        let mut sink =
            Self { context, server, writer, counters, reported, image, throttle, taken_us };
        sink.report();
        Ok(sink)
    }

    fn end_times(&mut self) {
        let mut skipped = Skipped::default();
        self.writer.end_times(&mut skipped);
        settle(&mut self.writer, skipped, &self.context, &self.throttle);
    }

    fn image_path(context: &Context) -> Result<PathBuf, PluginError> {
        let folder = context.state_dir().map_err(|error| {
            PluginError::config(format!(
                "cannot make {}: {error}; make [host] data_dir writable, or set remember = false",
                context.state_path().display()
            ))
        })?;
        Ok(folder.join(IMAGE))
    }

    /// Tells the host what the server did.
    #[allow(clippy::cast_precision_loss)] // gauges are floats
    fn report(&mut self) {
        let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let (requests, refusals) = (load(&self.counters.requests), load(&self.counters.refusals));
        let idle = load(&self.counters.idle);
        for (metric, now, told) in [
            ("queries_total", requests, self.reported.requests),
            ("query_errors_total", refusals, self.reported.refusals),
            ("query_clients_put_out_total", idle, self.reported.idle),
        ] {
            if now > told {
                self.context.count(metric, now - told);
            }
        }
        self.reported = Reported { requests, refusals, idle };
        let figures = &self.writer.store().figures;
        self.context.gauge("query_clients", load(&self.counters.clients) as f64);
        self.context.gauge("kept_ticks", load(&figures.ticks) as f64);
        self.context.gauge("kept_bars", load(&figures.bars) as f64);
        self.context.gauge("kept_bytes", load(&figures.bytes) as f64);
    }

    /// Where the server listens, with the ports in effect.
    #[cfg(test)]
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.server.as_ref().map(Server::addresses).unwrap_or_default()
    }
}

/// Counts what was left out, and makes room.
fn settle(writer: &mut StoreWriter, skipped: Skipped, context: &Context, throttle: &Throttle) {
    for (reason, records) in [
        ("bad_time", skipped.bad_time),
        ("bad_symbol", skipped.bad_symbol),
        ("bad_bar", skipped.bad_bar),
    ] {
        if records > 0 {
            context.dropped(reason, records);
        }
    }
    for (metric, records) in [
        ("records_outdated_total", skipped.outdated),
        ("records_known_total", skipped.known),
        ("stray_times_total", skipped.strays),
    ] {
        if records > 0 {
            context.count(metric, records);
        }
    }
    let Evicted { ticks, from, is_full } = writer.settle();
    if ticks > 0 {
        context.count("ticks_forgotten_total", ticks);
    }
    let mut datetime = DatetimeText::default();
    let line = match from {
        _ if is_full => {
            "max_memory is used up, and there is nothing left to forget: raise it, let \
                         the bars before this sink have fewer periods, or send it fewer securities"
                .to_owned()
        }
        Some(oldest) => {
            let from_us = match oldest {
                Oldest::Tick(time_us) => time_us,
                Oldest::Day(day) => day * DAY_US - EXCHANGE_OFFSET_US,
            };
            format!(
                "max_memory is used up: {ticks} ticks, those before about {}, were forgotten; \
                 raise max_memory, or lower keep",
                String::from_utf8_lossy(datetime.format(from_us))
            )
        }
        None => return,
    };
    throttle.warn(context, line);
}
