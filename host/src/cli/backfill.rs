//! `dataserver backfill`

use std::{process::ExitCode, sync::Arc, time::Duration};

use clap::Args;
use dataserver_backfill::{End, Folder, Halt, Job, Outcome, Progress, State, Tally, unfinished};
use dataserver_config::Pipeline;
use dataserver_engine::{
    clock::{Clock, SystemClock},
    pause::PausedFile,
    shutdown::Shutdown,
    topology,
};
use dataserver_loader::PluginCatalog;
use serde_json::Value;

use super::{
    EXIT_CONFIG, Format, PipelineFile,
    client::Client,
    output,
    progress::{Progress as Bar, Unit},
    run::listen_to_signals,
};
use crate::{
    backfill::{
        request::Request,
        running::{self, Listeners},
        stop::Stop,
    },
    control::{Backfilling, Refusal},
    lock::{self, HostLock},
};

/// How often the host is asked how far it is.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// Faults of sources that are printed.
const MAX_FAULTS: usize = 5;

/// Arguments of `backfill`.
#[derive(Debug, Args)]
pub struct Backfill {
    #[command(flatten)]
    file: PipelineFile,
    /// First day, e.g. 2026-01-05. Default: `[backfill] within` before the last one.
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// Last day. Default: today.
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
    /// Securities, e.g. 600000.SH,000001.SZ. Default: all of which something is missing.
    #[arg(long, value_delimiter = ',', value_name = "SYMBOLS")]
    symbols: Vec<String>,
    /// What is filled.
    #[arg(long, value_parser = ["bar", "spot"], value_name = "KIND")]
    kind: Option<String>,
    /// Period of bars. Default: 1m.
    #[arg(long, value_name = "PERIOD")]
    period: Option<String>,
    /// Id of the source, or of the store, that is asked. Default: those of `[backfill] from`.
    #[arg(long, value_name = "ID")]
    source: Option<String>,
    /// Ask for whole days of bars: those of history take the place of those that are there. Default:
    /// as `[backfill] prefer` says.
    #[arg(long)]
    replace: bool,
    /// Tell what would be asked for, and ask for nothing.
    #[arg(long, conflicts_with = "cancel")]
    dry_run: bool,
    /// End the backfill that has not ended; what is in the stores stays there.
    #[arg(long)]
    cancel: bool,
    /// How the end is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

impl Backfill {
    /// Fills gaps, through the host that runs or without one.
    pub fn run(self) -> ExitCode {
        let parsed = match self.file.load() {
            Ok(parsed) => parsed,
            Err(faults) => return output::show_faults(&faults),
        };
        let catalog = PluginCatalog::of(parsed.host());
        let pipeline = match parsed.resolve(&catalog) {
            Ok(pipeline) => pipeline,
            Err(faults) => return output::show_faults(&faults),
        };
        match self.carry_out(&pipeline, catalog) {
            Ok(outcome) => self.tell(&outcome),
            Err(code) => code,
        }
    }

    fn carry_out(&self, pipeline: &Pipeline, catalog: PluginCatalog) -> Result<Outcome, ExitCode> {
        let complain = |text: String| output::complain(&text);
        let request = self.request().map_err(complain)?;
        if self.dry_run {
            let job = request.job(pipeline, SystemClock.now_us()).map_err(complain)?;
            return Err(self.tell_plan(&job));
        }
        if let Some(client) = Client::new(&pipeline.host)
            && let Some(outcome) = self.by_host(&client, &request).map_err(complain)?
        {
            return Ok(outcome);
        }
        let root = running::root(pipeline);
        let alone = HostLock::take_for_backfill(&root)
            .map_err(|error| complain(lock::unusable(&root, &error)))?;
        let Some(_alone) = alone else {
            return Err(complain(format!(
                "another `dataserver backfill` runs without a host on {}; wait for its end, or end \
                 that process: the next one goes on with it",
                pipeline.host.data_dir.display()
            )));
        };
        let _lock = HostLock::for_verb(&pipeline.host.data_dir).map_err(complain)?;
        self.alone(pipeline, catalog, &request)
    }

    fn request(&self) -> Result<Request, String> {
        let one = |name: &str| match name {
            "from" => self.from.as_deref(),
            "to" => self.to.as_deref(),
            "kind" => self.kind.as_deref(),
            "period" => self.period.as_deref(),
            "source" => self.source.as_deref(),
            "replace" => self.replace.then_some("true"),
            _ => None,
        };
        Request::of(one, self.symbols.iter().map(String::as_str).collect())
    }

    /// `None` when no host listens.
    fn by_host(&self, client: &Client, request: &Request) -> Result<Option<Outcome>, String> {
        let answered = if self.cancel {
            client.post("/api/backfill/cancel")
        } else {
            let wanted = request.pairs().into_iter();
            let wanted = wanted.map(|(name, value)| (name.to_owned(), value.into())).collect();
            client.send("/api/backfill", &Value::Object(wanted))
        };
        let Some(mut answered) = answered? else { return Ok(None) };
        let (mut bar, mut waits_for, mut begun) = (None, None, None);
        loop {
            if answered.code != 200 {
                return Err(answered.json::<Refusal>()?.error);
            }
            let Backfilling { name, status } = answered.json()?;
            begun = begun.or(name);
            match (&status.current, status.last) {
                (Some(current), _) if Some(&current.name) == begun.as_ref() => {
                    let progress = &current.progress;
                    bar.get_or_insert_with(|| new_bar(&current.name, progress.asked))
                        .at(progress.settled);
                    let told = current.error.clone().or_else(|| current.waits_for.clone());
                    hear(&mut waits_for, told, current.state);
                }
                (_, Some(last)) if Some(&last.name) == begun.as_ref() => return Ok(Some(last)),
                _ => return Err("the host knows nothing of it any more; ask again".to_owned()),
            }
            std::thread::sleep(ASK_EVERY);
            let gone = "the host ended; its next start goes on with the backfill";
            answered = client.get("/api/backfill")?.ok_or(gone)?;
        }
    }

    /// With the stores alone; goes on with what was begun before.
    fn alone(
        &self,
        pipeline: &Pipeline,
        catalog: PluginCatalog,
        request: &Request,
    ) -> Result<Outcome, ExitCode> {
        let complain = |text: String| output::complain(&text);
        let root = running::root(pipeline);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let begun = unfinished(&root).map_err(|error| complain(error.to_string()))?;
        let (folder, job) = match begun {
            Some((folder, job)) => {
                output::note(&format!("goes on with backfill {}", job.name));
                (folder, job)
            }
            None if self.cancel => return Err(complain("no backfill runs".to_owned())),
            None => {
                let job = request.job(pipeline, clock.now_us()).map_err(complain)?;
                if job.pieces.is_empty() {
                    return Ok(running::outcome(&job, Tally::default(), clock.now_us()));
                }
                let folder = Folder::create(&root, &job);
                (folder.map_err(|error| complain(error.to_string()))?, job)
            }
        };
        let paused = PausedFile::of(&pipeline.host.data_dir).read().unwrap_or_default();
        if let Some(id) = job.stores.iter().find(|id| paused.contains(*id)) {
            let text = format!("sink {id} is paused; `dataserver resume {id}`, then ask again");
            return Err(complain(text));
        }
        let shutdown = Arc::new(Shutdown::default());
        if let Err(error) = listen_to_signals(Arc::clone(&shutdown), None) {
            return Err(complain(format!("cannot listen to signals: {error}")));
        }
        let started = topology::start_sinks(pipeline, &job.stores, &catalog, &clock, &shutdown);
        let (topology, feeds) = started.map_err(|error| {
            let code = output::complain(&error.to_string());
            if error.is_config() { ExitCode::from(EXIT_CONFIG) } else { code }
        })?;
        let stop = Stop::new(&shutdown);
        if self.cancel {
            stop.cancel();
        }
        let bar = new_bar(&job.name, job.asked);
        let waits_for = std::cell::RefCell::new(None);
        let listeners = Listeners {
            tell: &|progress: &Progress| bar.at(progress.settled),
            waits_for: &|whom| hear(&mut waits_for.borrow_mut(), whom, State::Running),
        };
        let ended = running::run((&folder, &job), &topology, Arc::new(catalog), &stop, &listeners);
        // the sinks end once they have delivered what else waits on disk
        drop(feeds);
        topology.wait();
        drop(bar);
        ended.map_err(|end| match end {
            End::Halt(Halt::Stopping) => complain(
                "told to end; `dataserver backfill` or the next start of the host goes on"
                    .to_owned(),
            ),
            end => complain(end.to_string()),
        })
    }

    fn tell_plan(&self, job: &Job) -> ExitCode {
        let securities: std::collections::BTreeSet<_> =
            job.pieces.iter().flat_map(|piece| &piece.symbols).collect();
        let (questions, asked) = (job.pieces.len(), job.asked);
        let (from, to) = &job.days;
        if self.format == Format::Json {
            return output::print_json(&serde_json::json!({
                "from": from, "to": to, "kind": job.series.kind, "period": job.series.period,
                "sources": job.sources, "stores": job.stores, "securities": securities.len(),
                "questions": questions, "asked": asked, "out_of_reach": job.out_of_reach,
            }));
        }
        if job.out_of_reach > 0 {
            output::note(&running::out_of_reach(job.out_of_reach));
        }
        output::print(&format!(
            "{asked} records of {} securities are missing from {from} to {to}; {} would be asked in \
             {questions} questions, for {}\n",
            securities.len(),
            job.sources.join(", "),
            job.stores.join(", "),
        ))
    }

    fn tell(&self, outcome: &Outcome) -> ExitCode {
        let printed = match self.format {
            Format::Json => output::print_json(&serde_json::json!(outcome)),
            Format::Text => {
                for fault in outcome.tally.faults.iter().take(MAX_FAULTS) {
                    output::note(fault);
                }
                output::print(&format!("{}\n", running::line(outcome)))
            }
        };
        let is_whole = outcome.still_missing == 0 && !outcome.cancelled;
        if is_whole || self.cancel { printed } else { ExitCode::FAILURE }
    }
}

fn new_bar(name: &str, asked: u64) -> Bar {
    Bar::new(name, Some(asked), Unit::Of("records"))
}

/// Says once whom it waits for, or why it does not go on.
fn hear(told: &mut Option<String>, now: Option<String>, state: State) {
    if now.is_some() && now != *told {
        let text = now.as_deref().unwrap_or_default();
        match state {
            State::Stopped => output::note(&format!("it does not go on for now: {text}")),
            _ => output::note(&format!("waits for {text}")),
        }
    }
    *told = now.or(told.take());
}
