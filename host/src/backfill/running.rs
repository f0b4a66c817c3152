//! Runs a job to its end, with what it came to.

use std::{cell::RefCell, path::PathBuf, sync::Arc};

use dataserver_backfill::{End, Folder, Halt, Job, Outcome, Progress, Run, Tally};
use dataserver_config::Pipeline;
use dataserver_engine::topology::Topology;
use dataserver_loader::PluginCatalog;

use super::{missing, past::Past, stop::Stop, targets::Targets};

const FOLDER: &str = "backfill";

/// Where jobs are kept.
pub fn root(pipeline: &Pipeline) -> PathBuf {
    pipeline.host.data_dir.join(FOLDER)
}

/// Who hears how a job goes.
pub struct Listeners<'a> {
    /// Gets the progress.
    pub tell: &'a dyn Fn(&Progress),
    /// Gets whom it waits for.
    pub waits_for: &'a dyn Fn(Option<String>),
}

/// Runs a job on its folder until it has ended, also one that was broken off, and notes what came
/// of it.
///
/// # Errors
/// Why it does not go on; what is on disk is as the next run needs it.
pub fn run(
    (folder, job): (&Folder, &Job),
    topology: &Topology,
    catalog: Arc<PluginCatalog>,
    stop: &Arc<Stop>,
    listeners: &Listeners<'_>,
) -> Result<Outcome, End> {
    let pipeline = topology.pipeline();
    let stopped = Arc::clone(stop);
    let mut past = Past::new(Arc::clone(&pipeline), catalog, stopped, listeners.waits_for);
    let rate = pipeline.backfill.rate;
    let targets = Targets::new(topology, &job.stores, stop, rate, listeners.waits_for);
    let settled = RefCell::new(Tally::default());
    let tell = |progress: &Progress| {
        settled.borrow_mut().clone_from(&progress.tally);
        (listeners.tell)(progress);
    };
    let run = Run { job, folder, sources: &mut past, stores: &targets, tell: &tell };
    let ended = run.run();
    let (tally, cancelled) = match ended {
        Ok(tally) => (tally, false),
        Err(End::Halt(Halt::Cancelled)) => (settled.take(), true),
        Err(end) => return Err(end),
    };
    let mut outcome = outcome(job, tally, topology.now_us());
    outcome.cancelled = cancelled;
    let counted = missing::still_missing(&pipeline, job, &outcome.tally);
    outcome.still_missing = counted.unwrap_or_else(|error| {
        outcome.tally.fault(&format!("what is missing still is not known: {error}"));
        (job.asked.saturating_sub(outcome.tally.written) + job.out_of_reach).max(1)
    });
    folder.finish(&outcome).map_err(|error| Halt::Failed(error.to_string()))?;
    if let Err(error) = missing::note(&pipeline, &outcome) {
        tracing::warn!(backfill = outcome.name, "it is not noted in the ledger: {error}");
    }
    Ok(outcome)
}

/// What a job has come to at that time; what is missing still is as if it had given all that it asked
/// for.
pub fn outcome(job: &Job, mut tally: Tally, now_us: i64) -> Outcome {
    if job.out_of_reach > 0 {
        tally.fault(&out_of_reach(job.out_of_reach));
    }
    Outcome {
        name: job.name.clone(),
        from: job.days.0.clone(),
        to: job.days.1.clone(),
        kind: job.series.kind.clone(),
        period: job.series.period.clone(),
        sources: job.sources.clone(),
        stores: job.stores.clone(),
        begun_us: i64::try_from(job.epoch).unwrap_or(i64::MAX),
        ended_us: now_us,
        asked: job.asked,
        still_missing: job.out_of_reach,
        cancelled: false,
        tally,
    }
}

/// What is told of records that nobody can be asked for.
pub fn out_of_reach(records: u64) -> String {
    format!(
        "about {records} records are of rounds that were lost within minutes of which other quotes \
         came; nobody is asked for these, as what came live is kept"
    )
}

/// The line that a job ends with.
pub fn line(outcome: &Outcome) -> String {
    let Outcome { from, to, asked, still_missing, tally, .. } = outcome;
    let what = match &outcome.period {
        Some(period) => format!("{period} bars"),
        None => "quotes".to_owned(),
    };
    let ended = if outcome.cancelled { "cancelled" } else { "done" };
    format!(
        "{ended}: {what} of {from} to {to}: {asked} asked, {} received, {} written, {still_missing} \
         still missing, {} refused as padding",
        tally.received, tally.written, tally.refused_as_padding
    )
}
