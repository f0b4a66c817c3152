//! The sink: one insert into each table for the batches of a call.
//!
//! A call that fails is repeated with the same batches. What was inserted already is recognised by
//! its token, or, where the server knows none or the records were split in another way, replaced by
//! the same rows of its key.

use plugin_api::{Ack, Batch, Context, Delivery, PluginError, RecordKind, Sink};

use std::time::Duration;

use crate::{
    body::Body,
    fault::{Class, Fault},
    http::Server,
    options::Options,
    prepare::{Ready, look, prepare},
    table::Table,
    token,
};

/// A connection to a server and what its tables take next.
pub struct ClickHouse {
    context: Context,
    server: Server,
    tables: Tables,
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

    fn check(options: &Options, _: &Context) -> Result<(), PluginError> {
        let settings = options.check()?;
        look(&Server::new(&settings)).map(drop).map_err(Fault::opening)
    }

    fn open(options: Options, context: Context) -> Result<Self, PluginError> {
        let settings = options.check()?;
        let server = Server::new(&settings);
        let ready = prepare(&server).map_err(Fault::opening)?;
        let names: Vec<_> = ready.plans.iter().map(|plan| &plan.table[..]).collect();
        context.info(&format!(
            "inserts into {} of clickhouse {} at {}",
            names.join(" and "),
            ready.features.version,
            settings.url
        ));
        for plan in ready.plans.iter().filter(|plan| !plan.left_out.is_empty()) {
            let names: Vec<_> = plan.left_out.iter().map(|it| format!("`{}`", it.name)).collect();
            context.warn(&format!(
                "table {} is of an earlier build and has no column {} of text, which is left out; to \
                 have it, rename what may have that name and run {}",
                plan.table,
                names.join(", "),
                plan.alter(&plan.left_out, &[])
            ));
        }
        let tables = Tables::new(&ready);
        Ok(Self { context, server, tables, body: Body::new(settings.compress) })
    }

    fn write(&mut self, batches: &[Batch]) -> Result<Ack, PluginError> {
        let mut result = self.insert_all(batches);
        if let Err(fault) = &result
            && matches!(fault.class, Class::Setup | Class::Data)
        {
            // before records are blamed: a table may have been changed, or dropped
            let ready = prepare(&self.server).map_err(Fault::running)?;
            self.tables = Tables::new(&ready);
            result = self.insert_all(batches);
        }
        result.map(|()| Ack::Delivered).map_err(Fault::running)
    }
}

impl ClickHouse {
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
        let Tables { by_kind, has_tokens, has_async_inserts } = &mut self.tables;
        let (table, body) = (&mut by_kind[usize::from(kind.number())], &mut self.body);
        body.clear();
        batches.iter().for_each(|batch| table.push(batch, body));
        table.finish(body);
        let token = token::of(self.context.instance(), &table.name, batches);
        let mut settings = Vec::new();
        if let (Some(token), true) = (&token, *has_tokens) {
            settings.push(("insert_deduplication_token", token.as_str()));
        }
        if *has_async_inserts {
            // it would answer before the rows are safe, and not know their token
            settings.push(("async_insert", "0"));
        }
        if self.server.settings().compress {
            settings.push(("decompress", "1"));
        }
        let inserted = self.server.insert(&table.insert, &settings, self.body.bytes());
        inserted.map_err(|failure| Fault::of(&self.server, failure))
    }
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
