//! The source: frames of a bridge, or messages of a server, as batches.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use kit::hours::SilenceWatch;
use plugin_api::{Batch, Context, PluginError, Polled, Source};
use sp::Address;

use crate::{
    batches::{BatchBuilder, Numbers},
    columns::{self, Head},
    history::History,
    options::{Options, Origin, Settings},
    progress::Progress,
    queue::Arrival,
    server::{ListenConfig, Role, Server},
    websocket::Client,
};

/// The `qmt` source.
pub struct Qmt {
    settings: Settings,
    context: Context,
    silence: SilenceWatch,
    builder: BatchBuilder,
    feed: Feed,
}

/// Where the quotes come from.
enum Feed {
    Bridge(Bridge),
    Client(Box<Client>),
    History(Box<History>),
}

impl Source for Qmt {
    type Options = Options;

    /// Does not bind: a running host may hold the address.
    fn check(options: &Options, context: &Context) -> Result<(), PluginError> {
        let settings = options.check(context)?;
        match &settings.origin {
            Origin::Bridge { address, .. } => address
                .endpoints()
                .map(drop)
                .map_err(|fault| PluginError::config(format!("{address}: {fault}"))),
            Origin::Server { .. } => Client::new(&settings, context)?.check(),
        }
    }

    fn open(options: Options, context: Context) -> Result<Self, PluginError> {
        let settings = options.check(&context)?;
        let listen = |address: &Address, tls: &Option<Arc<_>>, token: &str, role| ListenConfig {
            role,
            address: address.clone(),
            tls: tls.clone(),
            token: token.to_owned(),
            heartbeat: settings.heartbeat,
        };
        let feed = match (&settings.origin, &settings.question) {
            (Origin::Bridge { address, tls, token }, Some(question)) => {
                let listen = listen(address, tls, token, Role::History);
                let calendar = settings.sessions.calendar().clone();
                let patience = settings.answer_within;
                let question = question.clone();
                Feed::History(Box::new(History::new(
                    question, calendar, listen, patience, &context,
                )))
            }
            (Origin::Bridge { address, tls, token }, None) => Feed::Bridge(Bridge {
                listen: listen(address, tls, token, Role::Quotes),
                server: None,
                progress: Arc::new(Mutex::new(Progress::open(&context)?)),
                handed_on: VecDeque::new(),
                confirmed: 0,
            }),
            (Origin::Server { .. }, _) => Feed::Client(Box::new(Client::new(&settings, &context)?)),
        };
        let mut source = Self {
            silence: SilenceWatch::default(),
            builder: BatchBuilder::new(context.instance()),
            feed,
            settings,
            context,
        };
        if let Feed::Bridge(bridge) = &mut source.feed
            && let Err(error) = bridge.listen(&source.context)
        {
            // the instance before this one may still hold the address; each `next` tries again
            source.context.warn(&error.message);
        }
        Ok(source)
    }

    fn next(&mut self, wait: Duration) -> Result<Polled, PluginError> {
        if let Feed::History(history) = &mut self.feed {
            return history.next(wait);
        }
        let Settings { sessions, stale_after, .. } = &self.settings;
        self.silence.look(sessions, *stale_after, &self.context);
        let deadline = Instant::now() + wait;
        let batch = match &mut self.feed {
            Feed::Bridge(bridge) => bridge.next(deadline, &mut self.builder, &self.context)?,
            Feed::Client(client) => client.next(deadline, &mut self.builder, &self.context)?,
            Feed::History(_) => None,
        };
        Ok(batch.map_or(Polled::Idle, Polled::Batch))
    }

    fn confirm(&mut self, batches: u64) -> Result<(), PluginError> {
        match &mut self.feed {
            Feed::Bridge(bridge) => bridge.confirm(batches),
            Feed::Client(_) | Feed::History(_) => Ok(()),
        }
    }

    fn export_state(&mut self) -> Result<Option<Vec<u8>>, PluginError> {
        match &mut self.feed {
            Feed::Bridge(bridge) => {
                // frees the address; the bridge sends what comes from now on to the next listener
                bridge.server = None;
                Ok(Some(lock(&bridge.progress).export()))
            }
            Feed::Client(_) | Feed::History(_) => Ok(None),
        }
    }

    fn import_state(&mut self, state: &[u8]) -> Result<(), PluginError> {
        match &mut self.feed {
            Feed::Bridge(bridge) => lock(&bridge.progress).import(state),
            Feed::Client(_) | Feed::History(_) => Ok(()),
        }
    }

    fn close(&mut self) -> Result<(), PluginError> {
        match &mut self.feed {
            Feed::Bridge(bridge) => bridge.server = None,
            Feed::Client(client) => client.close(),
            Feed::History(history) => return history.close(),
        }
        Ok(())
    }
}

/// Frames in, batches out, confirmations back.
struct Bridge {
    listen: ListenConfig,
    /// None while the address cannot be had, and after the state was given away.
    server: Option<Server>,
    progress: Arc<Mutex<Progress>>,
    /// Spool and number of frames that were given on and not confirmed, oldest first.
    handed_on: VecDeque<(u64, u64)>,
    confirmed: u64,
}

impl Bridge {
    /// Listens, unless it does.
    fn listen(&mut self, context: &Context) -> Result<(), PluginError> {
        if self.server.is_none() {
            let progress = Arc::clone(&self.progress);
            self.server = Some(Server::start(self.listen.clone(), context, progress)?);
        }
        Ok(())
    }

    fn next(
        &mut self,
        deadline: Instant,
        builder: &mut BatchBuilder,
        context: &Context,
    ) -> Result<Option<Batch>, PluginError> {
        self.listen(context)?;
        while let Some(arrival) = self.server.as_ref().and_then(|server| server.next(deadline)) {
            let batch = self.take(&arrival, builder, context)?;
            // frames that give nothing do not keep the host waiting, however many come
            if batch.is_some() || Instant::now() >= deadline {
                return Ok(batch);
            }
        }
        Ok(None)
    }

    /// What a frame gives; nothing when it was taken before, or holds no quote.
    fn take(
        &mut self,
        arrival: &Arrival,
        builder: &mut BatchBuilder,
        context: &Context,
    ) -> Result<Option<Batch>, PluginError> {
        let &Arrival { spool, sequence, .. } = arrival;
        let place = lock(&self.progress).of(spool);
        if sequence <= place.taken {
            // sent again by a bridge that had not received the acknowledgement
            if sequence <= place.confirmed {
                self.acknowledge(spool, place.confirmed);
            }
            return Ok(None);
        }
        let made = self.make(arrival, place.taken, place.last_record, builder, context);
        let batch = match made {
            Ok(batch) => batch,
            Err(fault) => {
                context.dead_letter(&fault, &arrival.body);
                lock(&self.progress).take(spool, sequence, 0);
                self.pass_over(spool, sequence)?;
                return Err(PluginError::bad_data(format!(
                    "frame {sequence} of the bridge was set aside: {fault}; take bridge and host of \
                     one release"
                )));
            }
        };
        let Some(batch) = batch else {
            self.pass_over(spool, sequence)?;
            return Ok(None);
        };
        self.handed_on.push_back((spool, sequence));
        Ok(Some(batch.numbered(spool, sequence, 0)))
    }

    fn make(
        &self,
        arrival: &Arrival,
        taken: u64,
        last_record: u64,
        builder: &mut BatchBuilder,
        context: &Context,
    ) -> Result<Option<Batch>, String> {
        let (head, rest) = Head::parse(&arrival.body)?;
        let unpacked = head.unpack(rest)?;
        let ticks = columns::ticks(&unpacked)?;
        let count = u64::from(head.records);
        if ticks.len() as u64 > count {
            return Err(format!("it has {} ticks and numbers for {count}", ticks.len()));
        }
        if taken > 0 && head.previous > taken {
            let lost = match last_record {
                0 => String::new(),
                last => format!("{} records ", head.first_record.saturating_sub(last + 1)),
            };
            context.count("qmt_gaps_total", 1);
            context.error(&format!(
                "{lost}between frames {taken} and {} are lost: the bridge had no room for them; \
                 raise its spool_max_bytes",
                arrival.sequence
            ));
        }
        let numbers = Numbers { first: head.first_record, count };
        let batch = builder
            .make(&ticks, numbers, head.received_us, context)
            .map_err(|error| error.to_string())?;
        let last = head.first_record.saturating_add(count.saturating_sub(1));
        lock(&self.progress).take(arrival.spool, arrival.sequence, last);
        if head.is_snapshot {
            context.count("qmt_snapshot_batches_total", 1);
        }
        Ok(batch)
    }

    /// A frame without a quote is confirmed together with the one before it.
    fn pass_over(&mut self, spool: u64, sequence: u64) -> Result<(), PluginError> {
        match self.handed_on.back_mut() {
            Some(last) if last.0 == spool => {
                last.1 = sequence;
                Ok(())
            }
            // frames of another spool are still under way; the next of this one confirms it too
            Some(_) => Ok(()),
            None => self.tell(spool, sequence),
        }
    }

    fn confirm(&mut self, batches: u64) -> Result<(), PluginError> {
        let mut latest: Option<(u64, u64)> = None;
        while self.confirmed < batches {
            let Some(place) = self.handed_on.pop_front() else { break };
            self.confirmed += 1;
            if let Some(earlier) = latest.filter(|earlier| earlier.0 != place.0) {
                self.tell(earlier.0, earlier.1)?;
            }
            latest = Some(place);
        }
        latest.map_or(Ok(()), |(spool, sequence)| self.tell(spool, sequence))
    }

    /// Keeps it first, so that the bridge never forgets what the host does not remember.
    fn tell(&self, spool: u64, sequence: u64) -> Result<(), PluginError> {
        let kept = lock(&self.progress).confirm(spool, sequence);
        self.acknowledge(spool, sequence);
        kept
    }

    fn acknowledge(&self, spool: u64, sequence: u64) {
        if let Some(server) = &self.server {
            server.acknowledge(spool, sequence);
        }
    }
}

fn lock(progress: &Mutex<Progress>) -> MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
impl Qmt {
    /// Where the source listens.
    pub fn address(&self) -> std::net::SocketAddr {
        match &self.feed {
            Feed::Bridge(bridge) => bridge.server.as_ref().unwrap().address(),
            Feed::History(history) => history.address(),
            Feed::Client(_) => panic!("it does not listen"),
        }
    }
}
