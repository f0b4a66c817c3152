//! Finds out what a server can do and whether its tables fit, and makes what is missing.

use std::collections::HashMap;

use plugin_api::RecordKind;

use crate::{
    access::Target,
    answer::Failure,
    ddl::{self, Plan, literal},
    fault::{Class, Fault},
    http::Server,
    options::Settings,
    retention,
    schema::{Column, Precision},
};

/// What a server can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Features {
    /// As it calls itself, e.g. `18.16.1`.
    pub version: String,
    /// Times to the microsecond; servers with them convert between types and delete by age too.
    pub has_micros: bool,
    /// A repeated insert is recognised by its token.
    pub has_tokens: bool,
    /// Inserts may be answered before they are carried out in full.
    pub has_async_inserts: bool,
}

/// What is there for a sink.
#[derive(Debug, Clone)]
pub struct Ready {
    pub features: Features,
    /// A table of each kind, by its number.
    pub plans: Vec<Plan>,
}

/// Columns and their types.
pub type Found = Vec<(String, String)>;

/// Asks the server, makes what is missing when the options say so, and compares. Tables of earlier
/// builds get the columns that came later, or do without them.
///
/// # Errors
/// What the server refuses, lacks or has in another way.
pub fn prepare(server: &Server, settings: &Settings) -> Result<Ready, Fault> {
    let features = features(server, settings)?;
    let mut found = columns_by_table(server)?;
    if settings.create_tables {
        if add_columns(server, &features, &found)? {
            found = columns_by_table(server)?;
        }
        let missing = missing(server, settings, &features, &found)?;
        for statement in &missing {
            server.make(statement).map_err(|failure| Fault::of(server, failure))?;
        }
        if !missing.is_empty() {
            found = columns_by_table(server)?;
        }
    }
    let ready = compared(server, features, &found, false)?;
    if let Some(days) = settings.keep_days.filter(|_| ready.features.has_micros) {
        retention::change_ttl(server, &ready.plans, days)?;
    }
    Ok(ready)
}

/// As [`prepare`], without changing anything: what would be made counts as being there.
///
/// # Errors
/// As [`prepare`].
pub fn look(server: &Server, settings: &Settings) -> Result<Ready, Fault> {
    let features = features(server, settings)?;
    let found = columns_by_table(server)?;
    compared(server, features, &found, settings.create_tables)
}

fn features(server: &Server, settings: &Settings) -> Result<Features, Fault> {
    let rows = |question: &str| server.rows(question).map_err(|it| Fault::of(server, it));
    let version = rows("SELECT version()")?.concat().concat();
    let known = rows(
        "SELECT name FROM system.settings \
         WHERE name IN ('insert_deduplication_token', 'async_insert') \
         UNION ALL SELECT name FROM system.data_type_families WHERE name = 'DateTime64'",
    )?
    .concat();
    let has = |name: &str| known.iter().any(|it| it == name);
    let features = Features {
        version,
        has_micros: has("DateTime64"),
        has_tokens: has("insert_deduplication_token"),
        has_async_inserts: has("async_insert"),
    };
    let days = settings.ttl_days;
    if days > 0 && !features.has_micros {
        let version = &features.version;
        let text = format!(
            "`ttl_days` is {days}, but version {version} deletes nothing by age; upgrade it, or \
             set `keep_days` instead, which drops old months"
        );
        return Err(Fault::new(server, Class::Setup, &text));
    }
    Ok(features)
}

/// Columns of the tables and the view, as far as they are there.
///
/// # Errors
/// What the server refuses.
pub fn columns_by_table(server: &Server) -> Result<HashMap<String, Found>, Fault> {
    let target = server.target();
    let tables =
        RecordKind::ALL.into_iter().flat_map(|kind| [target.table(kind), target.inserted(kind)]);
    let names = tables.chain([ddl::view_name(target)]).map(|name| literal(&name));
    let question = format!(
        "SELECT table, name, type FROM system.columns WHERE database = {} AND table IN ({})",
        literal(&target.database),
        names.collect::<Vec<_>>().join(", ")
    );
    let mut by_table: HashMap<String, Found> = HashMap::new();
    for row in server.rows(&question).map_err(|failure| Fault::of(server, failure))? {
        if let Ok([table, name, kind]) = <[String; 3]>::try_from(row) {
            by_table.entry(table).or_default().push((name, kind));
        }
    }
    Ok(by_table)
}

/// Statements that make what is not there.
fn missing(
    server: &Server,
    settings: &Settings,
    features: &Features,
    found: &HashMap<String, Found>,
) -> Result<Vec<String>, Fault> {
    let target = server.target();
    let plans = plans(target, features, found);
    let ttl_days = if features.has_micros { settings.new_table_days() } else { 0 };
    let mut statements = Vec::new();
    // who may create tables in a database may not be allowed to create databases
    if found.is_empty() && !has_database(server)? {
        statements.push(ddl::create_database(target));
    }
    for plan in &plans {
        if !found.contains_key(&plan.name) {
            statements.push(plan.create(ttl_days, features.has_tokens));
        }
        if !found.contains_key(&target.table(plan.kind)) {
            statements.extend(plan.create_distributed(target));
        }
    }
    let bars = plans.iter().find(|plan| plan.kind == RecordKind::Bar);
    if !found.contains_key(&ddl::view_name(target)) {
        statements.extend(bars.map(|bars| ddl::create_view(target, bars)));
    }
    Ok(statements)
}

/// Adds the columns that came later to tables that fit otherwise; returns whether there were any to
/// add. A server that refuses it has its tables used without them.
fn add_columns(
    server: &Server,
    features: &Features,
    found: &HashMap<String, Found>,
) -> Result<bool, Fault> {
    let mut is_tried = false;
    for plan in plans(server.target(), features, found) {
        let Some(columns) = found.get(&plan.name) else { continue };
        let is_there = |column: &Column| columns.iter().any(|(name, _)| *name == column.name);
        let missing: Vec<_> =
            plan.left_out.iter().filter(|column| !is_there(column)).cloned().collect();
        if missing.is_empty() || difference(&plan, columns, features.has_micros).is_some() {
            continue;
        }
        is_tried = true;
        match server.make(&plan.alter(&missing, &[])) {
            // another sink may have added them at the same time
            Ok(()) | Err(Failure::Refused { .. }) => {}
            Err(failure) => return Err(Fault::of(server, failure)),
        }
    }
    Ok(is_tried)
}

fn has_database(server: &Server) -> Result<bool, Fault> {
    let name = literal(&server.target().database);
    let question = format!("SELECT name FROM system.databases WHERE name = {name}");
    let rows = server.rows(&question).map_err(|failure| Fault::of(server, failure))?;
    Ok(!rows.is_empty())
}

/// All tables, each as precise as it was made or as the server can make it.
fn plans(target: &Target, features: &Features, found: &HashMap<String, Found>) -> Vec<Plan> {
    let precision = |table: &str| {
        let columns = found.get(table).into_iter().flatten();
        let is_old = columns.into_iter().any(|(name, kind)| {
            name == "time" && (kind == "DateTime" || kind.starts_with("DateTime("))
        });
        let is_precise = features.has_micros && !is_old;
        if is_precise { Precision::Micros } else { Precision::Seconds }
    };
    let plan = |kind| {
        let mut plan = Plan::of(kind, target, precision(&target.inserted(kind)));
        if let Some(columns) = found.get(&plan.name) {
            plan.leave_out(|column| {
                let fits = |kind: &str| column.kind.fits(kind, features.has_micros);
                columns.iter().any(|(name, kind)| *name == column.name && fits(kind))
            });
        }
        plan
    };
    RecordKind::ALL.into_iter().map(plan).collect()
}

fn compared(
    server: &Server,
    features: Features,
    found: &HashMap<String, Found>,
    may_lack_tables: bool,
) -> Result<Ready, Fault> {
    let plans = plans(server.target(), &features, found);
    let mut faults = Vec::new();
    for plan in &plans {
        match found.get(&plan.name) {
            Some(columns) => faults.extend(difference(plan, columns, features.has_micros)),
            None if may_lack_tables => {}
            None => faults.push(format!(
                "there is no table {}; create it, or set `create_tables`",
                plan.table
            )),
        }
    }
    if faults.is_empty() {
        return Ok(Ready { features, plans });
    }
    Err(Fault::new(server, Class::Setup, &faults.join("; ")))
}

/// How a table differs from what is needed, with the statement that heals it; `None` when it fits.
/// What it has besides does not matter.
fn difference(plan: &Plan, found: &Found, converts: bool) -> Option<String> {
    let (mut missing, mut other, mut told): (Vec<Column>, Vec<Column>, Vec<String>) =
        Default::default();
    for column in plan.inserted() {
        let (name, needed) = (&column.name, column.kind.name());
        match found.iter().find(|(found, _)| found == name) {
            None => {
                told.push(format!("column {name} is missing, needs {needed}"));
                missing.push(column.clone());
            }
            Some((_, kind)) if !column.kind.fits(kind, converts) => {
                told.push(format!("column {name} is {kind}, needs {needed}"));
                other.push(column.clone());
            }
            Some(_) => {}
        }
    }
    if told.is_empty() {
        return None;
    }
    let (table, heal) = (&plan.table, plan.alter(&missing, &other));
    Some(format!("table {table} does not fit: {}; run {heal}", told.join(", ")))
}
