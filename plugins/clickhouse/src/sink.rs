//! The sink: one insert into each table for the batches of a call.
//!
//! A call that fails is repeated with the same batches. What was inserted already is recognised by
//! its token, or, where the server knows none or the records were split in another way, replaced by
//! the same rows of its key.

use plugin_api::{Ack, Batch, Context, Delivery, PluginError, RecordKind, Sink};

use std::time::Duration;

use crate::{
    body::Body,
    cluster::Shards,
    fault::{Class, Fault},
    http::Server,
    options::{Options, Settings},
    prepare::{Ready, look, prepare},
    retention::Months,
    shard_key::ShardKey,
    table::Table,
    token,
};

/// A connection to a server and what its tables take next.
pub struct ClickHouse {
    context: Context,
    settings: Settings,
    /// None after one was away: another replica may be there meanwhile, and be of its shard.
    shards: Option<Shards>,
    tables: Tables,
    /// Drops old months where the server deletes nothing by age.
    months: Option<Months>,
    body: Body,
}

struct Tables {
    /// By the number of the kind.
    by_kind: Vec<Table>,
    has_tokens: bool,
    has_async_inserts: bool,
}

impl Sink for ClickHouse {
    type Options = Options;

    const DELIVERY: Delivery = Delivery::Store;
    const ORDERED: bool = false;
    /// A few rows cost the server as much as thousands.
    const MAX_RECORDS: u32 = 100_000;
    const MAX_WAIT: Duration = Duration::from_millis(200);

    fn check(options: &Options, context: &Context) -> Result<(), PluginError> {
        let settings = options.check(context)?;
        let shards = Shards::find(&settings.target).map_err(Fault::opening)?;
        let looked = shards.servers.iter().try_for_each(|it| look(it, &settings).map(drop));
        looked.map_err(Fault::opening)
    }

    fn open(options: Options, context: Context) -> Result<Self, PluginError> {
        let settings = options.check(&context)?;
        let shards = Shards::find(&settings.target).map_err(Fault::opening)?;
        let ready = prepare_all(&shards, &settings).map_err(Fault::opening)?;
        let names: Vec<_> = ready.plans.iter().map(|plan| &plan.table[..]).collect();
        let urls: Vec<_> = shards.servers.iter().map(Server::url).collect();
        context.info(&format!(
            "inserts into {} of clickhouse {} at {}",
            names.join(" and "),
            ready.features.version,
            urls.join(" and ")
        ));
        let tables = Tables::new(&ready);
        let days = settings.keep_days.filter(|_| !ready.features.has_micros);
        let months = days.map(|days| Months::new(days, ready.plans));
        let body = Body::new(settings.target.compress);
        let mut sink = Self { context, settings, shards: Some(shards), tables, months, body };
        sink.drop_old_months();
        Ok(sink)
    }

    fn write(&mut self, batches: &[Batch]) -> Result<Ack, PluginError> {
        let mut result = self.insert_all(batches);
        if let Err(fault) = &result
            && matches!(fault.class, Class::Setup | Class::Data)
        {
            // before records are blamed: a table may have been changed, or dropped
            let shards = connected(&mut self.shards, &self.settings);
            let prepared = shards.and_then(|shards| prepare_all(shards, &self.settings));
            self.tables = Tables::new(&prepared.map_err(Fault::running)?);
            result = self.insert_all(batches);
        }
        self.drop_old_months();
        result.map(|()| Ack::Delivered).map_err(Fault::running)
    }

    fn tick(&mut self) -> Result<Ack, PluginError> {
        self.drop_old_months();
        Ok(Ack::Delivered)
    }
}

impl ClickHouse {
    /// Once a day; what cannot be dropped is tried again later, and holds no record up.
    fn drop_old_months(&mut self) {
        if let (Some(months), Some(shards)) = (&mut self.months, &self.shards) {
            months.drop_old(&shards.servers, &self.context);
        }
    }

    fn insert_all(&mut self, batches: &[Batch]) -> Result<(), Fault> {
        for kind in RecordKind::ALL {
            let of_kind = |batch: &&Batch| batch.kind() == kind && batch.records() > 0;
            let batches: Vec<_> = batches.iter().filter(of_kind).collect();
            if !batches.is_empty() {
                self.insert(kind, &batches)?;
            }
        }
        Ok(())
    }

    fn insert(&mut self, kind: RecordKind, batches: &[&Batch]) -> Result<(), Fault> {
        connected(&mut self.shards, &self.settings)?;
        let Some(shards) = self.shards.take() else { return Ok(()) };
        let servers = shards.servers.iter().enumerate();
        let inserted = servers.map(|(shard, server)| {
            let of_shard = shards.key.as_ref().map(|key| (key, shard));
            self.insert_of(of_shard, server, kind, batches)
        });
        let inserted = inserted.collect::<Result<Vec<()>, _>>();
        let is_away = inserted.as_ref().is_err_and(|fault| fault.class == Class::Passing);
        if !(is_away && self.settings.target.cluster.is_some()) {
            self.shards = Some(shards);
        }
        inserted.map(drop)
    }

    /// Inserts the records of a shard, or all. Each shard remembers tokens by itself.
    fn insert_of(
        &mut self,
        shard: Option<(&ShardKey, usize)>,
        server: &Server,
        kind: RecordKind,
        batches: &[&Batch],
    ) -> Result<(), Fault> {
        let Tables { by_kind, has_tokens, has_async_inserts } = &mut self.tables;
        let (table, body) = (&mut by_kind[usize::from(kind.number())], &mut self.body);
        body.clear();
        batches.iter().for_each(|batch| table.push(shard, batch, body));
        table.finish(body);
        if body.bytes().is_empty() {
            return Ok(());
        }
        let token = token::of(self.context.instance(), &table.name, batches);
        let mut settings = Vec::new();
        if let (Some(token), true) = (&token, *has_tokens) {
            settings.push(("insert_deduplication_token", token.as_str()));
        }
        if *has_async_inserts {
            // it would answer before the rows are safe, and not know their token
            settings.push(("async_insert", "0"));
        }
        if server.target().compress {
            settings.push(("decompress", "1"));
        }
        let inserted = server.insert(&table.insert, &settings, self.body.bytes());
        inserted.map_err(|failure| Fault::of(server, failure))
    }
}

/// The servers; found anew after one was away.
fn connected<'a>(shards: &'a mut Option<Shards>, settings: &Settings) -> Result<&'a Shards, Fault> {
    match shards {
        Some(shards) => Ok(shards),
        none => Ok(none.insert(Shards::find(&settings.target)?)),
    }
}

/// Prepares every shard; gives what the first has, as all have the same.
fn prepare_all(shards: &Shards, settings: &Settings) -> Result<Ready, Fault> {
    let mut prepared = shards.servers.iter().map(|server| prepare(server, settings));
    let first = prepared.next();
    prepared.try_for_each(|ready| ready.map(drop))?;
    first.unwrap_or_else(|| {
        Err(Fault { class: Class::Setup, text: "no server is named; set `url`".to_owned() })
    })
}

impl Tables {
    fn new(ready: &Ready) -> Self {
        Self {
            by_kind: ready.plans.iter().map(Table::new).collect(),
            has_tokens: ready.features.has_tokens,
            has_async_inserts: ready.features.has_async_inserts,
        }
    }
}
