//! `dataserver spool acknowledge`

use std::{path::Path, process::ExitCode};

use dataserver_config::HostSettings;
use dataserver_engine::topology::spool_folder;
use dataserver_spool::{self as spool, Unacknowledged};

use super::{chosen, folders};
use crate::{
    cli::{client::Client, output},
    control::Refusal,
    lock::{self, HostLock},
};

/// Acknowledges the damage of one buffer, or of all.
pub fn run(host: &HostSettings, component: Option<&str>) -> ExitCode {
    match acknowledge(host, component) {
        Ok(text) => output::print(&text),
        Err(error) => output::complain(&error),
    }
}

fn acknowledge(host: &HostSettings, component: Option<&str>) -> Result<String, String> {
    let folder = spool_folder(&host.data_dir);
    let damaged = |(id, path): (String, _)| {
        let damage = spool::unacknowledged(Path::new(&path));
        (damage.places > 0 || component.is_some()).then_some((id, path))
    };
    let chosen = chosen(folders(&folder)?, component, &folder)?;
    let chosen: Vec<_> = chosen.into_iter().filter_map(damaged).collect();
    if chosen.is_empty() {
        return Ok(format!("no damage is to be acknowledged in {}", folder.display()));
    }
    let client = Client::new(host);
    let mut lines = Vec::new();
    for (id, path) in chosen {
        let by_host = match &client {
            Some(client) => by_host(client, &id)?,
            None => None,
        };
        let damage = match by_host {
            Some(damage) => damage,
            None => alone(host, &path)?,
        };
        let Unacknowledged { places, records, is_about } = damage;
        let about = if is_about { "about " } else { "" };
        lines.push(format!(
            "{id}: {places} damaged places acknowledged, with {about}{records} records lost"
        ));
    }
    lines.push(format!(
        "what was damaged stays in {}/ID/*.acknowledged until you remove it",
        folder.display()
    ));
    Ok(lines.join("\n"))
}

/// `None` when no host listens, or it has no such buffer.
fn by_host(client: &Client, id: &str) -> Result<Option<Unacknowledged>, String> {
    match client.post(&format!("/api/spool/{id}/acknowledge"))? {
        None => Ok(None),
        Some(answer) if answer.code == 200 => answer.json().map(Some),
        Some(answer) if answer.code == 404 => Ok(None),
        Some(answer) => Err(answer.json::<Refusal>()?.error),
    }
}

fn alone(host: &HostSettings, folder: &Path) -> Result<Unacknowledged, String> {
    let data_dir = host.data_dir.as_path();
    // what no sink of a running host reads is nobody's
    let _lock = match host.http {
        Some(_) => HostLock::take(data_dir).map_err(|error| lock::unusable(data_dir, &error))?,
        None => Some(HostLock::for_verb(data_dir)?),
    };
    spool::acknowledge(folder).map_err(|error| format!("{}: {error}", folder.display()))
}
