//! `dataserver dead-letter replay`

use std::{cell::RefCell, process::ExitCode, sync::Arc, time::Duration};

use clap::Args;
use dataserver_config::{Component, Pipeline, closest};
use dataserver_engine::{
    clock::{Clock, SystemClock},
    dead_letter::{self, Progress, State, Store, Survey},
    pause::PausedFile,
    shutdown::Shutdown,
    topology,
};
use dataserver_loader::PluginCatalog;
use plugin_api::RoleKind;

use crate::{
    cli::{
        EXIT_CONFIG, PipelineFile,
        client::Client,
        output,
        progress::{Progress as Bar, Unit},
        run::listen_to_signals,
    },
    control::{Answer, Refusal},
    lock::HostLock,
};

/// How often the host is asked how far it is.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// Arguments of `dead-letter replay`.
#[derive(Debug, Args)]
pub struct Replay {
    /// Id of the sink.
    sink: String,
    #[command(flatten)]
    file: PipelineFile,
    /// Tell what would be sent, and send nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Says once what a sink that does not get on complains of.
#[derive(Default)]
struct Complaints(RefCell<Option<String>>);

impl Complaints {
    fn hear(&self, sink: &str, error: Option<&str>) {
        let Some(error) = error.filter(|error| self.0.borrow().as_deref() != Some(error)) else {
            return;
        };
        output::note(&format!("waiting for sink {sink}: {error}"));
        *self.0.borrow_mut() = Some(error.to_owned());
    }
}

impl Replay {
    /// Sends the letters of a sink again.
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
        let sinks = || pipeline.components.iter().filter(|it| it.kind == RoleKind::Sink);
        let Some(sink) = sinks().find(|it| it.id == self.sink) else {
            return output::complain(&unknown(&self.sink, sinks().map(|it| it.id.as_str())));
        };
        let store = Store::new(dead_letter::folder(&pipeline.host.data_dir).join(&sink.id));
        let survey = match Survey::of(&store) {
            Ok(survey) => survey,
            Err(error) => {
                return output::complain(&format!("{}: {error}", store.folder().display()));
            }
        };
        if self.dry_run || survey.letters.letters == 0 {
            return tell_survey(&sink.id, &survey);
        }
        match replay(&pipeline, sink, &catalog, survey.letters.letters) {
            Ok(progress) => tell_progress(&sink.id, &progress),
            Err(code) => code,
        }
    }
}

fn unknown<'a>(name: &str, sinks: impl Iterator<Item = &'a str>) -> String {
    let sinks: Vec<_> = sinks.collect();
    let text = format!("the pipeline has no sink `{name}`");
    match closest(name, sinks.iter().copied()) {
        Some(meant) => format!("{text}; did you mean `{meant}`?"),
        None => format!("{text}; its sinks: {}", sinks.join(", ")),
    }
}

/// By the host that runs, or by the sink alone.
fn replay(
    pipeline: &Pipeline,
    sink: &Component,
    catalog: &PluginCatalog,
    letters: u64,
) -> Result<Progress, ExitCode> {
    let complain = |text: String| output::complain(&text);
    let bar = Bar::new(&sink.id, Some(letters), Unit::Of("letters"));
    if let Some(client) = Client::new(&pipeline.host)
        && let Some(progress) = by_host(&client, &sink.id, &bar).map_err(complain)?
    {
        return Ok(progress);
    }
    let _lock = HostLock::for_verb(&pipeline.host.data_dir).map_err(complain)?;
    alone(pipeline, sink, catalog, &bar)
}

/// `None` when no host listens.
fn by_host(client: &Client, sink: &str, bar: &Bar) -> Result<Option<Progress>, String> {
    let (path, complaints) = (format!("/api/dead-letter/{sink}/replay"), Complaints::default());
    let Some(mut answered) = client.post(&path)? else { return Ok(None) };
    loop {
        if answered.code != 200 {
            return Err(answered.json::<Refusal>()?.error);
        }
        let answer: Answer = answered.json()?;
        bar.at(answer.progress.done.letters);
        if answer.progress.state != State::Running {
            return Ok(Some(answer.progress));
        }
        if answer.sink != "running" {
            complaints.hear(sink, answer.sink_error.as_deref());
        }
        std::thread::sleep(ASK_EVERY);
        let gone = "the host ended; what was not delivered stays, replay again";
        answered = client.get(&path)?.ok_or(gone)?;
    }
}

fn alone(
    pipeline: &Pipeline,
    sink: &Component,
    catalog: &PluginCatalog,
    bar: &Bar,
) -> Result<Progress, ExitCode> {
    let id = &sink.id;
    if PausedFile::of(&pipeline.host.data_dir).read().is_ok_and(|paused| paused.contains(id)) {
        let text = format!("sink {id} is paused; `dataserver resume {id}`, then replay");
        return Err(output::complain(&text));
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let shutdown = Arc::new(Shutdown::default());
    if let Err(error) = listen_to_signals(Arc::clone(&shutdown), None) {
        return Err(output::complain(&format!("cannot listen to signals: {error}")));
    }
    let started = topology::start_alone(pipeline, sink, catalog, &clock, &shutdown);
    let (topology, feed) = started.map_err(|error| {
        let code = output::complain(&error.to_string());
        if error.is_config() { ExitCode::from(EXIT_CONFIG) } else { code }
    })?;
    let show = |progress: &Progress| bar.at(progress.done.letters);
    let progress = feed.replay_letters(clock.now_us(), &show);
    // the sink ends once it has delivered what else waits on disk
    drop(feed);
    topology.wait();
    Ok(progress)
}

fn tell_survey(sink: &str, survey: &Survey) -> ExitCode {
    let (letters, records) = (survey.letters.letters, survey.letters.records);
    let mut text =
        format!("{letters} letters of {sink} with {records} records can be sent again\n");
    if survey.repeated > 0 {
        let repeated = survey.repeated;
        text += &format!("{repeated} letters are of batches that have another one\n");
    }
    text += &kept_text(survey.kept, &survey.kept_letters);
    let printed = output::print(&text);
    if survey.kept == 0 { printed } else { ExitCode::FAILURE }
}

fn tell_progress(sink: &str, progress: &Progress) -> ExitCode {
    let Progress { done, refused, .. } = progress;
    let delivered = done.records.saturating_sub(refused.records);
    let mut text =
        format!("{delivered} records of {} letters were delivered to {sink}\n", done.letters);
    if refused.letters > 0 {
        let (records, letters) = (refused.records, refused.letters);
        text += &format!("{records} records were refused again; they are {letters} new letters\n");
    }
    if progress.repeated > 0 {
        text +=
            &format!("{} letters were of the same batches and are gone too\n", progress.repeated);
    }
    text += &kept_text(progress.kept, &progress.kept_letters);
    let printed = output::print(&text);
    match progress.state {
        State::Done if refused.letters == 0 && progress.kept == 0 => printed,
        State::Done => ExitCode::FAILURE,
        State::Running | State::Stopped | State::Failed => {
            let error = progress.error.as_deref().unwrap_or("the host ended");
            output::complain(&format!("{error}; what was not delivered stays"))
        }
    }
}

fn kept_text(kept: u64, named: &[String]) -> String {
    if kept == 0 {
        return String::new();
    }
    let mut text = format!("{kept} letters cannot be sent again and stay:\n");
    named.iter().for_each(|letter| text += &format!("  {letter}\n"));
    text
}
