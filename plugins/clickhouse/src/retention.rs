//! What is older than `keep_days` goes: by the server itself, or where it cannot, by whole months.

use kit::Daily;
use plugin_api::{Context, schemas::time::ExchangeTime};

use crate::{
    answer::Failure,
    ddl::{Plan, literal, ttl},
    fault::{Class, Fault},
    http::Server,
};

/// Lets every table delete what is older, if it does not yet.
///
/// # Errors
/// When a table cannot be changed, with the statement that does it.
pub fn change_ttl(server: &Server, plans: &[Plan], days: u32) -> Result<(), Fault> {
    let names: Vec<_> = plans.iter().map(|plan| literal(&plan.name)).collect();
    let question = format!(
        "SELECT name, create_table_query FROM system.tables WHERE database = {} AND name IN ({})",
        literal(&server.target().database),
        names.join(", ")
    );
    let made = server.rows(&question).map_err(|failure| Fault::of(server, failure))?;
    let has_ttl = |plan: &Plan| {
        let wanted = format!("TTL {}", ttl(days));
        let of_table = |row: &&Vec<String>| row.first() == Some(&plan.name);
        // other words follow on the same line where a server writes one
        let is_end = |rest: &str| !rest.starts_with(|c: char| c == ',' || c.is_alphanumeric());
        made.iter()
            .find(of_table)
            .and_then(|row| row.get(1))
            .is_some_and(|made| made.split_once(&wanted).is_some_and(|(_, rest)| is_end(rest)))
    };
    for plan in plans.iter().filter(|plan| !has_ttl(plan)) {
        let sql = plan.change_ttl(days);
        match server.execute(&sql) {
            Ok(()) => {}
            Err(Failure::Refused { code, text }) => {
                let text = format!(
                    "`keep_days` is {days}, but table {} keeps its rows in another way and cannot \
                     be changed: {text} (code {code}); let `user` alter it, or run {sql}",
                    plan.table
                );
                return Err(Fault::new(server, Class::Setup, &text));
            }
            Err(failure) => return Err(Fault::of(server, failure)),
        }
    }
    Ok(())
}

/// Drops months that are over for so many days, of tables whose server deletes nothing by age.
pub struct Months {
    days: u32,
    plans: Vec<Plan>,
    daily: Daily,
}

impl Months {
    /// For those tables.
    pub fn new(days: u32, plans: Vec<Plan>) -> Self {
        Self { days, plans, daily: Daily::default() }
    }

    /// Drops them at every shard, if that was not done today.
    pub fn drop_old(&mut self, servers: &[Server], context: &Context) {
        let now_us = context.now_us();
        let Some(today) = self.daily.due(now_us) else { return };
        let first_kept = today - i64::from(self.days);
        let dropped = servers.iter().map(|server| self.drop_before(server, first_kept));
        match dropped.collect::<Result<Vec<_>, _>>() {
            Ok(dropped) => {
                let dropped = dropped.concat();
                self.daily.done(today);
                if !dropped.is_empty() {
                    context.count("expired_partitions_total", dropped.len() as u64);
                    let days = self.days;
                    context.info(&format!(
                        "dropped what is older than {days} days: {}",
                        dropped.join(", ")
                    ));
                }
            }
            Err(fault) => {
                self.daily.failed(now_us);
                context.warn(&format!("months that are too old stay for now: {}", fault.text));
            }
        }
    }

    /// Drops the months whose days are all before that one, and tells which.
    fn drop_before(&self, server: &Server, first_kept: i64) -> Result<Vec<String>, Fault> {
        let failed = |failure| Fault::of(server, failure);
        let mut dropped = Vec::new();
        for plan in &self.plans {
            let question = format!(
                "SELECT DISTINCT partition FROM system.parts \
                 WHERE active AND database = {} AND table = {}",
                literal(&server.target().database),
                literal(&plan.name)
            );
            let mut months = server.rows(&question).map_err(failed)?.concat();
            months.retain(|month| day_behind(month).is_some_and(|day| day <= first_kept));
            months.sort();
            for month in months {
                server.execute(&plan.drop_month(&month)).map_err(failed)?;
                dropped.push(format!("{month} of {}", plan.table));
            }
        }
        Ok(dropped)
    }
}

/// The first day behind a month such as `202112`, since 1970; `None` for what is no month, as of a
/// table that is parted in another way.
fn day_behind(month: &str) -> Option<i64> {
    let is_month = month.len() == 6 && month.bytes().all(|byte| byte.is_ascii_digit());
    let (year, month) = is_month.then(|| month.split_at(4))?;
    let (year, month): (i32, u32) = (year.parse().ok()?, month.parse().ok()?);
    let next = if month == 12 { (year + 1, 1, 1) } else { (year, month + 1, 1) };
    let us = ExchangeTime::from_civil(next, (0, 0, 0, 0)).filter(|_| month > 0)?;
    Some(ExchangeTime::from_utc_us(us).day)
}

#[cfg(test)]
mod tests {
    use plugin_api::schemas::time::parse_exchange_time;

    use super::*;

    #[test]
    fn a_month_is_over_when_the_next_begins() {
        let day = |date: &str| ExchangeTime::from_utc_us(parse_exchange_time(date).unwrap()).day;
        for (month, behind) in [
            ("202111", Some(day("2021-12-01"))),
            ("202112", Some(day("2022-01-01"))),
            ("202402", Some(day("2024-03-01"))),
            ("197001", Some(31)),
            ("202113", None),
            ("202100", None),
            ("20211201", None),
            ("tuple()", None),
            ("", None),
        ] {
            assert_eq!(day_behind(month), behind, "{month}");
        }
    }
}
