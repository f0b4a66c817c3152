//! What an operator asks about the groups of a source's streams, and changes there.
//!
//! A request is `{"command": "consumers", "action": …}`; the answer is a list of rows.

use plugin_api::{
    Duration, PluginError,
    serde::Deserialize,
    serde_json::{self, Value, json},
};
use redis::cmd;

use super::options::Settings;
use crate::{
    groups::{
        Claim, Info, claimed_name, clients, groups, move_all, pending, remove_client, remove_group,
    },
    server::{Servers, int},
};

/// Rows of `pending` unless more are asked for.
const FEW: usize = 100;

/// A request.
#[derive(Debug, Deserialize)]
#[serde(crate = "plugin_api::serde", deny_unknown_fields)]
struct Request {
    command: String,
    action: Action,
    /// Group instead of the source's own.
    group: Option<String>,
    /// Client that the action is about.
    consumer: Option<String>,
    /// Client that gets what `consumer` has.
    to: Option<String>,
    /// Only entries that were idle for so long.
    min_idle: Option<Duration>,
    /// Most rows.
    limit: Option<usize>,
    /// Also when entries are lost to the group by it.
    #[serde(default)]
    force: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(crate = "plugin_api::serde", rename_all = "snake_case")]
enum Action {
    /// Clients of all groups.
    List,
    /// How far groups are behind.
    Lag,
    /// Entries that were given out and not acknowledged.
    Pending,
    /// Gives entries of a client to another one.
    Claim,
    /// Removes a client, or a whole group.
    Remove,
}

/// Answers a request about the streams of a source.
pub fn answer(settings: &Settings, request: &Value) -> Result<Value, PluginError> {
    if request["command"] != "consumers" {
        let text = format!("this plugin has no command {}", request["command"]);
        return Err(PluginError::config(text));
    }
    let request: Request = serde_json::from_value(request.clone())
        .map_err(|error| PluginError::config(format!("{}: {error}", request["command"])))?;
    let mut run = CommandRun { servers: Servers::connect(&settings.target)?, settings, request };
    run.answer()
}

/// An operator's request at work.
struct CommandRun<'a> {
    servers: Servers,
    settings: &'a Settings,
    request: Request,
}

impl CommandRun<'_> {
    fn answer(&mut self) -> Result<Value, PluginError> {
        debug_assert_eq!(self.request.command, "consumers");
        let mut rows = Vec::new();
        for stream in &self.settings.streams {
            let of_stream = match self.request.action {
                Action::List => self.list(stream)?,
                Action::Lag => self.lag(stream)?,
                Action::Pending => self.pending(stream)?,
                Action::Claim => self.claim(stream)?,
                Action::Remove => self.remove(stream)?,
            };
            rows.extend(of_stream);
        }
        if self.request.action == Action::Pending {
            rows.truncate(self.request.limit.unwrap_or(FEW));
        }
        Ok(Value::Array(rows))
    }

    fn list(&mut self, stream: &str) -> Result<Vec<Value>, PluginError> {
        let mut rows = Vec::new();
        for group in groups(&mut self.servers, stream)? {
            for client in clients(&mut self.servers, stream, &group.bytes("name"))? {
                rows.push(json!({
                    "stream": stream, "group": group.text("name"), "consumer": client.text("name"),
                    "pending": client.number("pending"), "idle_ms": client.number("idle"),
                }));
            }
        }
        Ok(rows)
    }

    fn lag(&mut self, stream: &str) -> Result<Vec<Value>, PluginError> {
        let groups = groups(&mut self.servers, stream)?;
        let length = self.servers.of(stream)?.ask(cmd("XLEN").arg(stream))?;
        let rows = groups.into_iter().map(|group| {
            json!({
                "stream": stream, "group": group.text("name"), "entries": int(&length),
                "lag": group.number("lag"), "pending": group.number("pending"),
                "consumers": group.number("consumers"),
                "last_delivered": group.text("last-delivered-id"),
            })
        });
        Ok(rows.collect())
    }

    fn pending(&mut self, stream: &str) -> Result<Vec<Value>, PluginError> {
        let limit = self.request.limit.unwrap_or(FEW);
        let group = self.group();
        let least = self.min_idle_ms(0);
        let mut rows = Vec::new();
        for client in clients(&mut self.servers, stream, group.as_bytes())? {
            let name = client.bytes("name");
            if self.request.consumer.as_ref().is_some_and(|wanted| wanted.as_bytes() != name) {
                continue;
            }
            let node = self.servers.of(stream)?;
            for entry in pending(node, stream, group.as_bytes(), &name, None, limit)? {
                if entry.idle_ms >= least {
                    rows.push(json!({
                        "stream": stream, "group": group, "consumer": client.text("name"),
                        "entry": entry.id.to_string(), "idle_ms": entry.idle_ms,
                        "tries": entry.tries,
                    }));
                }
            }
        }
        Ok(rows)
    }

    /// Under the name for what was taken over: the new owner reads it at its next start, and does
    /// not take old ids for a part of its own count.
    fn claim(&mut self, stream: &str) -> Result<Vec<Value>, PluginError> {
        let (group, from) = (self.group(), self.consumer()?);
        let to = self.request.to.clone().unwrap_or_else(|| self.settings.consumer.clone());
        let to = if to.ends_with(&claimed_name("")) { to } else { claimed_name(&to) };
        let usual = self.settings.claim_after.unwrap_or_default();
        let least = self.min_idle_ms(u64::try_from(usual.as_millis()).unwrap_or(u64::MAX));
        let claim = Claim {
            stream,
            group: group.as_bytes(),
            from: from.as_bytes(),
            to: to.as_bytes(),
            min_idle_ms: least,
            is_another_try: false,
        };
        let (moved, gone) = move_all(&mut self.servers, &claim)?;
        Ok(vec![json!({
            "stream": stream, "group": group, "from": from, "to": to, "claimed": moved,
            "trimmed": gone,
        })])
    }

    fn remove(&mut self, stream: &str) -> Result<Vec<Value>, PluginError> {
        let group = self.group();
        let Some(name) = self.request.consumer.clone() else {
            return self.remove_group(stream, &group);
        };
        let clients = clients(&mut self.servers, stream, group.as_bytes())?;
        let is_it = |client: &&Info| client.bytes("name") == name.as_bytes();
        let Some(client) = clients.iter().find(is_it) else {
            return Ok(Vec::new());
        };
        let pending = client.number("pending").unwrap_or_default();
        if pending > 0 && !self.request.force {
            return Err(PluginError::bad_data(format!(
                "{name} still has {pending} entries of {stream}; claim them for another client, \
                 or use --force to give them up"
            )));
        }
        remove_client(&mut self.servers, stream, group.as_bytes(), name.as_bytes())?;
        Ok(vec![json!({
            "stream": stream, "group": group, "consumer": name, "given_up": pending,
        })])
    }

    fn remove_group(&mut self, stream: &str, group: &str) -> Result<Vec<Value>, PluginError> {
        if self.request.group.is_none() {
            return Err(PluginError::bad_data(
                "name the client to remove with --consumer, or a whole group with --group",
            ));
        }
        let groups = groups(&mut self.servers, stream)?;
        let is_it = |known: &&Info| known.bytes("name") == group.as_bytes();
        let Some(known) = groups.iter().find(is_it) else {
            return Ok(Vec::new());
        };
        let pending = known.number("pending").unwrap_or_default();
        let clients = known.number("consumers").unwrap_or_default();
        if pending > 0 && !self.request.force {
            return Err(PluginError::bad_data(format!(
                "clients of {group} still have {pending} entries of {stream}; wait until they are \
                 acknowledged, or use --force to give them up"
            )));
        }
        remove_group(&mut self.servers, stream, group.as_bytes())?;
        Ok(vec![json!({
            "stream": stream, "group": group, "consumers": clients, "given_up": pending,
        })])
    }

    fn group(&self) -> String {
        self.request.group.clone().unwrap_or_else(|| self.settings.group.clone())
    }

    fn consumer(&self) -> Result<String, PluginError> {
        self.request.consumer.clone().ok_or_else(|| {
            PluginError::bad_data("name the client whose entries are to be claimed with --consumer")
        })
    }

    fn min_idle_ms(&self, usual: u64) -> u64 {
        let given = self.request.min_idle;
        given.map_or(usual, |idle| u64::try_from(idle.as_millis()).unwrap_or(u64::MAX))
    }
}
