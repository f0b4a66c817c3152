//! The source: entries of streams as a consumer of a group, acknowledged when every store has them.
//!
//! A batch is numbered by the id of its last entry, so that a spool recognises what it has when it
//! comes again after a restart. What the run before was given and did not acknowledge comes first,
//! entry by entry, because nobody knows how it was cut into batches. What was taken over from other
//! clients has ids below those that were handed on already and is numbered by the host; its records
//! keep their own source and number.

mod batches;
mod command;
mod dead;
mod heartbeat;
mod lane;
mod options;
mod read;
mod recovery;
mod state;
mod takeover;
mod trimmed;

use std::{
    collections::{HashSet, VecDeque},
    time::{Duration, Instant},
};

use plugin_api::{
    Action, Context, Outcome, PluginError, Polled, Reader, Source, serde_json::Value,
};
use redis::cmd;

use crate::{
    readers::{Claims, Readers},
    server::{Entry, EntryId, Servers},
};
pub use batches::payload;
use batches::{Maker, Numbers, Ready};
use heartbeat::Heartbeat;
use lane::Lane;
pub use options::{Options, Settings};
use read::ReadLimit;
use recovery::{Pages, Recovery};
use state::State;

/// Ids in one XACK.
const ACKS_AT_ONCE: usize = 500;

/// Streams of one or more servers, read as one consumer.
pub struct RedisSource {
    settings: Settings,
    context: Context,
    state: State,
    /// Connections; none after a fault.
    servers: Option<Servers>,
    lanes: Vec<Lane>,
    maker: Maker,
    read_limit: ReadLimit,
    /// What is left to read again after connecting; `None` when everything was.
    recovery: Option<Recovery>,
    pages: Pages,
    /// The servers say how far groups are.
    tells_levels: bool,
    /// What the run before had in hand is not read completely yet.
    is_catching_up: bool,
    /// That run was not ended in order, which an entry of it may be to blame for.
    is_another_try: bool,
    /// Batches that were read and not handed on.
    ready: VecDeque<Ready>,
    /// Entries of batches that were handed on and not confirmed, oldest first, with their lane.
    handed_on: VecDeque<(usize, Vec<EntryId>)>,
    confirmed: u64,
    heartbeat: Option<Heartbeat>,
    next_takeover: Instant,
    /// All clients of the group.
    readers: Readers,
}

impl Source for RedisSource {
    type Options = Options;

    fn check(options: &Options, context: &Context) -> Result<(), PluginError> {
        let settings = options.check(context)?;
        let mut servers = Servers::connect(&settings.target)?;
        for stream in &settings.streams {
            let asked = servers.of(stream)?.ask(cmd("XLEN").arg(stream));
            asked.map_err(|fault| fault.about(stream))?;
        }
        Ok(())
    }

    fn open(options: Options, context: Context) -> Result<Self, PluginError> {
        let settings = options.check(&context)?;
        let state = State::open(&context)?;
        let mut source = Self {
            lanes: settings.streams.iter().map(|stream| Lane::new(stream, &settings)).collect(),
            maker: Maker::new(settings.batch_records),
            read_limit: ReadLimit::new(settings.batch_records),
            recovery: None,
            pages: Pages::default(),
            tells_levels: true,
            is_catching_up: true,
            is_another_try: !state.was_closed,
            ready: VecDeque::new(),
            handed_on: VecDeque::new(),
            confirmed: 0,
            heartbeat: None,
            next_takeover: Instant::now(),
            readers: readers(&settings),
            servers: None,
            state,
            context,
            settings,
        };
        source.servers = Some(source.connect()?);
        // not before: a server that is away at the start is no crash
        source.state.begin()?;
        source.heartbeat = Heartbeat::start(&source.settings);
        Ok(source)
    }

    fn next(&mut self, wait: Duration) -> Result<Polled, PluginError> {
        if self.ready.is_empty() {
            let mut servers = match self.servers.take() {
                Some(servers) => servers,
                None => self.connect()?,
            };
            self.read(&mut servers, wait)?;
            // after a fault they are gone: an answer may be outstanding
            self.servers = Some(servers);
        }
        let Some(Ready { batch, lane, entries }) = self.ready.pop_front() else {
            return Ok(Polled::Idle);
        };
        self.handed_on.push_back((lane, entries));
        Ok(Polled::Batch(batch))
    }

    fn confirm(&mut self, batches: u64) -> Result<(), PluginError> {
        while self.confirmed < batches {
            let Some((lane, entries)) = self.handed_on.pop_front() else { break };
            self.lanes[lane].acks.extend(entries);
            self.confirmed += 1;
        }
        // without a connection they wait for the next
        if let Some(mut servers) = self.servers.take() {
            self.acknowledge(&mut servers)?;
            self.servers = Some(servers);
        }
        Ok(())
    }

    fn readers(&mut self) -> Result<Option<Vec<Reader>>, PluginError> {
        self.readers.tell().map(Some)
    }

    fn act(
        &mut self,
        reader: &str,
        action: &Action,
        preview: bool,
    ) -> Result<Outcome, PluginError> {
        self.readers.act(reader, action, preview)
    }

    fn close(&mut self) -> Result<(), PluginError> {
        self.heartbeat = None;
        let acknowledged = match self.servers.take() {
            Some(mut servers) => self.acknowledge(&mut servers),
            None => Ok(()),
        };
        self.state.close().and(acknowledged)
    }

    fn command(
        options: &Options,
        context: &Context,
        request: &Value,
    ) -> Result<Value, PluginError> {
        command::answer(&options.check(context)?, request)
    }
}

/// The clients of the source's own group.
fn readers(settings: &Settings) -> Readers {
    let Settings { target, streams, group, consumer, claim_after, .. } = settings;
    let claims = Claims { own: Some(consumer.clone()), min_idle: claim_after.unwrap_or_default() };
    Readers::new(target, streams.clone(), Some(group.clone()), claims)
}

impl RedisSource {
    /// Connects, and plans to read again what the connection before may have lost.
    fn connect(&mut self) -> Result<Servers, PluginError> {
        let mut servers = Servers::connect(&self.settings.target)?;
        for lane in &mut self.lanes {
            lane.prepare(&mut servers, &self.settings, &mut self.state)?;
        }
        self.recovery = Some(Recovery::new(self.in_hand()));
        self.tells_levels = true;
        Ok(servers)
    }

    /// Entries that were given to this run and not acknowledged, with their lanes.
    fn in_hand(&self) -> HashSet<(usize, EntryId)> {
        let ready = self.ready.iter().map(|ready| (ready.lane, &ready.entries));
        let handed_on = self.handed_on.iter().map(|(lane, entries)| (*lane, entries));
        let acks = self.lanes.iter().enumerate().map(|(lane, it)| (lane, &it.acks));
        let all = ready.chain(handed_on).chain(acks);
        all.flat_map(|(lane, ids)| ids.iter().map(move |id| (lane, *id))).collect()
    }

    /// Reads until there is a batch, or `wait` is over.
    fn read(&mut self, servers: &mut Servers, wait: Duration) -> Result<(), PluginError> {
        self.acknowledge(servers)?;
        while let Some(recovery) = self.recovery.take() {
            self.recovery = self.recover(servers, recovery)?;
            if self.recovery.is_none() {
                (self.is_catching_up, self.is_another_try) = (false, false);
            }
            if !self.ready.is_empty() {
                return Ok(());
            }
        }
        self.take_over(servers)?;
        if self.ready.is_empty() { self.read_new(servers, wait) } else { Ok(()) }
    }

    /// Makes batches of entries that were read; what is no record, or was tried too often, is set
    /// aside.
    fn keep(
        &mut self,
        servers: &mut Servers,
        place: usize,
        entries: Vec<Entry>,
        numbers: Numbers,
    ) -> Result<(), PluginError> {
        let lane = &mut self.lanes[place];
        let made = self.maker.make(place, lane, entries, numbers)?;
        lane.acks.extend(made.empty);
        self.ready.extend(made.ready);
        for bad in made.bad {
            self.set_aside(servers, place, &bad.entry, &bad.reason)?;
        }
        Ok(())
    }

    /// Tells the servers of everything that every store has.
    fn acknowledge(&mut self, servers: &mut Servers) -> Result<(), PluginError> {
        for lane in self.lanes.iter_mut().filter(|lane| !lane.acks.is_empty()) {
            let commands: Vec<_> = lane
                .acks
                .chunks(ACKS_AT_ONCE)
                .map(|ids| {
                    let mut command = cmd("XACK");
                    command.arg(&lane.stream).arg(&self.settings.group);
                    for id in ids {
                        command.arg(id.to_string());
                    }
                    command
                })
                .collect();
            let node = servers.of(&lane.stream)?;
            for answer in node.ask_all(&commands)? {
                node.accepted(answer).map_err(|fault| fault.about(&lane.stream))?;
            }
            lane.acks.clear();
        }
        Ok(())
    }
}
