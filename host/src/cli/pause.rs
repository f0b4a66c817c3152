//! `dataserver pause` and `dataserver resume`

use std::process::ExitCode;

use clap::Args;
use dataserver_config::{HostSettings, ParsedConfig, closest};
use dataserver_engine::pause::PausedFile;

use super::{PipelineFile, client::Client, output};
use crate::{
    control::{Audit, Refusal},
    lock::HostLock,
};

/// Arguments of `pause` and `resume`.
#[derive(Debug, Args)]
pub struct Pause {
    /// Id of the component.
    component: String,
    #[command(flatten)]
    file: PipelineFile,
}

impl Pause {
    /// Pauses the component, or lets it go on.
    pub fn run(&self, pauses: bool) -> ExitCode {
        let parsed = match self.file.load() {
            Ok(parsed) => parsed,
            Err(faults) => return output::show_faults(&faults),
        };
        match self.carry_out(&parsed, pauses) {
            Ok(text) => output::print(&text),
            Err(error) => output::complain(&error),
        }
    }

    fn carry_out(&self, parsed: &ParsedConfig, pauses: bool) -> Result<String, String> {
        let id = self.component.as_str();
        let is_there = parsed.components().any(|component| component.id == id);
        // one that is gone may still be paused
        if !is_there && (pauses || !may_be_id(id)) {
            return Err(unknown(parsed, id));
        }
        let host = parsed.host();
        if let Some(client) = Client::new(host)
            && let Some(text) = by_host(&client, id, pauses)?
        {
            return Ok(text);
        }
        let changes = alone(host, id, pauses)?;
        Ok(match (pauses, changes) {
            (true, true) => format!("{id} is paused: the next start of the host begins with that"),
            (false, true) => format!("{id} is not paused any more"),
            (true, false) => format!("{id} is paused already"),
            (false, false) if is_there => format!("{id} is not paused"),
            (false, false) => return Err(unknown(parsed, id)),
        })
    }
}

/// `None` when no host listens.
fn by_host(client: &Client, id: &str, pauses: bool) -> Result<Option<String>, String> {
    match client.post(&format!("/api/components/{id}/{}", verb(pauses)))? {
        None => Ok(None),
        Some(answer) if answer.code == 200 => {
            let does = if pauses { "is paused until `dataserver resume`" } else { "goes on" };
            Ok(Some(format!("{id} {does}")))
        }
        Some(answer) => Err(answer.json::<Refusal>()?.error),
    }
}

/// Whether that changed the file that the next start of the host reads.
fn alone(host: &HostSettings, id: &str, pauses: bool) -> Result<bool, String> {
    let _lock = HostLock::for_verb(&host.data_dir)?;
    let file = PausedFile::of(&host.data_dir);
    let mut paused = file.load();
    let changes = if pauses { paused.insert(id.to_owned()) } else { paused.remove(id) };
    if changes {
        file.write(paused)
            .map_err(|error| format!("{}: {error}; mend the folder", file.path().display()))?;
        Audit::new(&host.data_dir).note_alone(verb(pauses), id);
    }
    Ok(changes)
}

fn verb(pauses: bool) -> &'static str {
    if pauses { "pause" } else { "resume" }
}

fn may_be_id(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    !text.is_empty() && text.chars().all(allowed)
}

fn unknown(parsed: &ParsedConfig, id: &str) -> String {
    let ids: Vec<_> = parsed.components().map(|component| component.id.as_str()).collect();
    let text = format!("the pipeline has no component `{id}`");
    match closest(id, ids.iter().copied()) {
        Some(meant) => format!("{text}; did you mean `{meant}`?"),
        None => format!("{text}; its components: {}", ids.join(", ")),
    }
}
