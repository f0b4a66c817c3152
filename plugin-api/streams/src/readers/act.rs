//! What an operator does with a client or a group, or looks at before.

use std::{borrow::Cow, time::Duration};

use plugin_api::{
    Action, Outcome, PluginError, no_such_action, no_such_reader,
    serde_json::{Value, json},
};
use redis::cmd;

use super::name::Name;
use crate::{
    extent::Extent,
    groups::{self, Claim, Info, claimed_name, clients, each_page, move_all, pending},
    server::{EntryId, Servers, int},
};

/// Most entries that are acknowledged at once.
const MOST_ENTRIES: usize = 1_000;

/// How entries are claimed where the operator does not say.
#[derive(Debug, Clone)]
pub struct Claims {
    /// The source's own client, which gets them; without one the operator must name somebody.
    pub own: Option<String>,
    /// Only what was given out so long ago.
    pub min_idle: Duration,
}

/// A reader that something is done with.
pub struct Act<'a> {
    pub servers: &'a mut Servers,
    pub name: &'a Name,
    pub claims: &'a Claims,
    pub preview: bool,
}

impl Act<'_> {
    /// Does it, or says what it would do.
    pub fn carry_out(&mut self, action: &Action) -> Result<Outcome, PluginError> {
        let Name { client, .. } = self.name;
        match (action, client) {
            (Action::SetPosition { to }, _) => self.set_position(to),
            (Action::Remove, Some(client)) => self.remove_client(client),
            (Action::Remove, None) => self.remove_group(),
            (Action::Claim { to, min_idle }, Some(client)) => {
                let min_idle = min_idle.map_or(self.claims.min_idle, |given| *given);
                self.claim(client, to.as_deref(), min_idle)
            }
            (Action::Ack { entries }, Some(client)) => self.acknowledge(client, entries),
            (Action::Disconnect, _) => {
                let why = "Redis does not say which connection it has; stop its program";
                Err(no_such_action(action, why))
            }
            (_, None) => Err(no_such_action(action, "the group has no client")),
        }
    }

    fn claim(
        &mut self,
        from: &[u8],
        to: Option<&str>,
        min_idle: Duration,
    ) -> Result<Outcome, PluginError> {
        let to = self.heir(to)?;
        let before = (self.held(from)?, self.held_or_nothing(to.as_bytes())?);
        let claim = Claim {
            stream: &self.name.stream,
            group: &self.name.group,
            from,
            to: to.as_bytes(),
            min_idle_ms: u64::try_from(min_idle.as_millis()).unwrap_or(u64::MAX),
            is_another_try: false,
        };
        let after = if self.preview {
            let mut moves = 0;
            each_page(self.servers, &claim, |_, page| {
                moves += page.len() as u64;
                Ok(())
            })?;
            (before.0.saturating_sub(moves), before.1 + moves)
        } else {
            if move_all(self.servers, &claim)? == (0, 0) {
                let text = format!(
                    "nothing was moved: {} holds no entry that was given out {min_idle:?} ago or \
                     before; give a shorter `min_idle`",
                    shown(from)
                );
                return Err(PluginError::bad_data(text));
            }
            (self.held(from)?, self.held_or_nothing(to.as_bytes())?)
        };
        let told =
            |(left, held): (u64, u64)| json!({ "pending": left, "to": to, "to_pending": held });
        Ok(Outcome { before: told(before), after: told(after) })
    }

    /// Who gets what is claimed. A source of ours reads it under a second name of its own.
    fn heir(&self, to: Option<&str>) -> Result<String, PluginError> {
        match (to, &self.claims.own) {
            (Some(to), None) => Ok(to.to_owned()),
            (None, None) => Err(PluginError::config(
                "claim needs `to`: the client that gets the entries; for a source of a dataserver \
                 that is its name with `:claimed` behind it",
            )),
            (to, Some(own)) => {
                let to = to.unwrap_or(own);
                let is_second = to.ends_with(&claimed_name(""));
                Ok(if is_second { to.to_owned() } else { claimed_name(to) })
            }
        }
    }

    fn acknowledge(&mut self, client: &[u8], entries: &[String]) -> Result<Outcome, PluginError> {
        if entries.len() > MOST_ENTRIES {
            let text = format!("{} entries at once; the most is {MOST_ENTRIES}", entries.len());
            return Err(PluginError::config(text));
        }
        let Name { stream, group, .. } = self.name;
        let before = self.held(client)?;
        let mut held = Vec::new();
        for entry in entries {
            let id: EntryId = entry.parse().map_err(|()| {
                PluginError::config(format!(
                    "{entry:?} is no id of an entry; write 1700000000000-0"
                ))
            })?;
            let node = self.servers.of(stream)?;
            let listed = pending(node, stream, group, client, Some(id), 1)?;
            held.extend(listed.first().filter(|it| it.id == id).map(|it| it.id));
        }
        held.sort_unstable();
        held.dedup();
        if held.is_empty() {
            let text = format!("{} holds none of these entries", shown(client));
            return Err(PluginError::bad_data(text));
        }
        let after = if self.preview {
            before.saturating_sub(held.len() as u64)
        } else {
            let mut command = cmd("XACK");
            command.arg(stream).arg(group);
            for id in &held {
                command.arg(id.to_string());
            }
            let done = self.servers.of(stream)?.ask(&command);
            if int(&done.map_err(|fault| fault.about(stream))?) == Some(0) {
                let text = "nothing was done: they were acknowledged meanwhile";
                return Err(PluginError::bad_data(text));
            }
            self.held(client)?
        };
        Ok(Outcome { before: json!({ "pending": before }), after: json!({ "pending": after }) })
    }

    fn set_position(&mut self, to: &str) -> Result<Outcome, PluginError> {
        let Name { stream, group, .. } = self.name;
        let first = EntryId::default();
        let id = match to {
            "$" => None,
            "0" => Some(first),
            id => Some(id.parse().map_err(|()| {
                let text = "is no position; write 0 for all, $ for what comes, or an id as 1700000000000-0";
                PluginError::config(format!("{to:?} {text}"))
            })?),
        };
        let before = self.position()?;
        let after = if self.preview {
            let extent = Extent::of(self.servers.of(stream)?, stream)?;
            let id = id.unwrap_or(extent.last);
            // how many lie between two ids is known of the ends alone
            let lag = match id {
                id if id >= extent.last => Some(0),
                id if extent.first.is_none_or(|first| id < first) => extent.length,
                _ => None,
            };
            json!({ "last_delivered": id.to_string(), "lag": lag })
        } else {
            let mut command = cmd("XGROUP");
            command.arg("SETID").arg(stream).arg(group);
            command.arg(id.map_or_else(|| "$".to_owned(), |id| id.to_string()));
            self.servers.of(stream)?.ask(&command).map_err(|fault| fault.about(stream))?;
            self.position()?
        };
        Ok(Outcome { before, after })
    }

    fn position(&mut self) -> Result<Value, PluginError> {
        let group = self.group()?;
        let last = group.text("last-delivered-id");
        Ok(json!({ "last_delivered": last, "lag": group.number("lag") }))
    }

    fn remove_client(&mut self, client: &[u8]) -> Result<Outcome, PluginError> {
        let Name { stream, group, .. } = self.name;
        let held = self.held(client)?;
        if held > 0 {
            return Err(PluginError::bad_data(format!(
                "{} holds {held} entries of {stream} that are not acknowledged; claim them for \
                 another client first",
                shown(client)
            )));
        }
        if !self.preview {
            groups::remove_client(self.servers, stream, group, client)?;
        }
        Ok(removed())
    }

    fn remove_group(&mut self) -> Result<Outcome, PluginError> {
        let Name { stream, group, .. } = self.name;
        self.group()?;
        if !clients(self.servers, stream, group)?.is_empty() {
            let text = format!("{} has clients by now; list the readers again", shown(group));
            return Err(PluginError::bad_data(text));
        }
        if !self.preview {
            groups::remove_group(self.servers, stream, group)?;
        }
        Ok(removed())
    }

    /// What a client holds; an error when it is not there.
    fn held(&mut self, client: &[u8]) -> Result<u64, PluginError> {
        self.find(client)?.ok_or_else(|| no_such_reader(&self.name.text()))
    }

    fn held_or_nothing(&mut self, client: &[u8]) -> Result<u64, PluginError> {
        Ok(self.find(client)?.unwrap_or_default())
    }

    fn find(&mut self, client: &[u8]) -> Result<Option<u64>, PluginError> {
        let clients = clients(self.servers, &self.name.stream, &self.name.group)?;
        let found = clients.iter().find(|it| it.bytes("name") == client);
        Ok(found.map(|it| it.number("pending").unwrap_or_default()))
    }

    fn group(&mut self) -> Result<Info, PluginError> {
        let groups = groups::groups(self.servers, &self.name.stream)?;
        let found = groups.into_iter().find(|it| it.bytes("name") == self.name.group);
        found.ok_or_else(|| no_such_reader(&self.name.text()))
    }
}

/// A name for people.
fn shown(name: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(name)
}

fn removed() -> Outcome {
    Outcome { before: json!({ "exists": true }), after: json!({ "exists": false }) }
}
