//! Readers: who is given what a component delivers, or reads beside it, and what can be done with
//! one of them.
//!
//! A plugin tells what it counts anyway. Rates, trends and states are made of that by the host,
//! which asks while somebody looks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Duration, PluginError};

/// How a reader reads.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum ReaderKind {
    /// It is sent everything that comes.
    Subscriber,
    /// It asks and is answered.
    #[default]
    Client,
    /// It takes what its group is given, and acknowledges that.
    Consumer,
    /// It watches the flow within the host.
    Watcher,
}

impl ReaderKind {
    /// `subscriber`, `client`, `consumer` or `watcher`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Subscriber => "subscriber",
            Self::Client => "client",
            Self::Consumer => "consumer",
            Self::Watcher => "watcher",
        }
    }
}

/// Somebody who reads, as its component knows it; `None` stands for what is not known.
///
/// All times are microseconds since 1970 UTC.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reader {
    /// Its name among the readers of the component, the same as long as it is there.
    pub id: String,
    /// How it reads.
    pub kind: ReaderKind,
    /// What it calls itself; empty when it does not say.
    pub name: String,
    /// Where it is, or what it reads.
    pub address: String,
    /// The group that it belongs to.
    pub group: Option<String>,
    /// When it came.
    pub since_us: Option<i64>,
    /// Records that it was given; of a client, answers.
    pub records: Option<u64>,
    /// Records that are there for it and that it was not given yet.
    pub lag_records: Option<u64>,
    /// Up to which time of receipt it was given everything.
    pub reached_us: Option<i64>,
    /// Time of receipt of the newest record that is there for it.
    pub newest_us: Option<i64>,
    /// Records that it was given and has not acknowledged.
    pub pending: Option<u64>,
    /// Records that it acknowledged.
    pub acknowledged: Option<u64>,
    /// Records that it was to get and never will.
    pub lost: u64,
    /// What it did wrong, or was refused, so often.
    pub errors: u64,
    /// Securities whose records it was given.
    pub securities: Option<u64>,
    /// Time of receipt of the last record that it was given; of a client, time of the last answer.
    pub last_record_us: Option<i64>,
    /// How long nothing was heard of it, microseconds.
    pub silent_us: Option<u64>,
    /// What last went wrong with it.
    pub last_error: Option<String>,
    /// What can be done with it (`None`), and what cannot, with the reason.
    pub actions: BTreeMap<ActionKind, Option<String>>,
}

impl Reader {
    /// A reader of which nothing else is known.
    pub fn new(kind: ReaderKind, id: impl Into<String>) -> Self {
        Self { kind, id: id.into(), ..Self::default() }
    }

    /// The same, with an action that can be carried out.
    #[must_use]
    pub fn can(mut self, action: ActionKind) -> Self {
        self.actions.insert(action, None);
        self
    }

    /// The same, with an action that cannot be carried out, and why.
    #[must_use]
    pub fn cannot(mut self, action: ActionKind, why: impl Into<String>) -> Self {
        self.actions.insert(action, Some(why.into()));
        self
    }
}

/// What can be done with readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// See [`Action::Disconnect`].
    Disconnect,
    /// See [`Action::Claim`].
    Claim,
    /// See [`Action::Ack`].
    Ack,
    /// See [`Action::SetPosition`].
    SetPosition,
    /// See [`Action::Remove`].
    Remove,
}

impl ActionKind {
    /// Its name, as `set_position`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disconnect => "disconnect",
            Self::Claim => "claim",
            Self::Ack => "ack",
            Self::SetPosition => "set_position",
            Self::Remove => "remove",
        }
    }
}

/// What is to be done with a reader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// End its connection; it may come back.
    Disconnect,
    /// Give what it has not acknowledged to another one.
    Claim {
        /// Who gets it; whom the plugin chooses unless given.
        to: Option<String>,
        /// Only what it was given so long ago.
        min_idle: Option<Duration>,
    },
    /// Count as acknowledged what it has not acknowledged.
    Ack {
        /// What is meant, by the names that the plugin gives.
        entries: Vec<String>,
    },
    /// Go on elsewhere, with all others of its group.
    SetPosition {
        /// Where, in the words of what is read.
        to: String,
    },
    /// Forget it.
    Remove,
}

impl Action {
    /// Which one it is.
    pub fn kind(&self) -> ActionKind {
        match self {
            Self::Disconnect => ActionKind::Disconnect,
            Self::Claim { .. } => ActionKind::Claim,
            Self::Ack { .. } => ActionKind::Ack,
            Self::SetPosition { .. } => ActionKind::SetPosition,
            Self::Remove => ActionKind::Remove,
        }
    }
}

/// What an action changes: two objects with the same keys.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// How it was.
    pub before: Value,
    /// How it is, or would be.
    pub after: Value,
}

/// What is to be done with a reader, as it crosses the boundary.
#[doc(hidden)]
#[derive(Debug, Serialize, Deserialize)]
pub struct ActRequest {
    /// Who is meant.
    pub reader: String,
    /// What is to be done.
    pub action: Action,
    /// Nothing is changed.
    pub preview: bool,
}

/// The answer about a reader that is not there, or no more.
pub fn no_such_reader(reader: &str) -> PluginError {
    PluginError::config(format!("there is no reader \"{reader}\"; list them again"))
}

/// The answer to an action that no such reader takes.
pub fn no_such_action(action: &Action, why: &str) -> PluginError {
    PluginError::bad_data(format!("{} cannot be done: {why}", action.kind().as_str()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reader_is_read_back_and_one_of_another_version_too() {
        let reader = Reader {
            lag_records: Some(3),
            last_error: Some("slow".to_owned()),
            ..Reader::new(ReaderKind::Subscriber, "1")
        };
        let reader = reader.can(ActionKind::Disconnect).cannot(ActionKind::SetPosition, "no group");
        let written = serde_json::to_value(&reader).unwrap();
        assert_eq!(written["actions"], json!({ "disconnect": null, "set_position": "no group" }));
        assert_eq!(serde_json::from_value::<Reader>(written).unwrap(), reader);
        let other = json!({ "id": "7", "kind": "consumer", "weight": 1 });
        let expected = Reader::new(ReaderKind::Consumer, "7");
        assert_eq!(serde_json::from_value::<Reader>(other).unwrap(), expected);
    }

    #[test]
    fn actions_are_written_by_their_names() {
        let minute = Some(Duration(std::time::Duration::from_secs(60)));
        for (action, written) in [
            (Action::Disconnect, json!({ "action": "disconnect" })),
            (
                Action::Claim { to: None, min_idle: minute },
                json!({ "action": "claim", "to": null, "min_idle": "1m" }),
            ),
            (
                Action::Ack { entries: vec!["1-0".to_owned()] },
                json!({ "action": "ack", "entries": ["1-0"] }),
            ),
            (
                Action::SetPosition { to: "0".to_owned() },
                json!({ "action": "set_position", "to": "0" }),
            ),
            (Action::Remove, json!({ "action": "remove" })),
        ] {
            assert_eq!(written["action"], action.kind().as_str());
            assert_eq!(serde_json::to_value(&action).unwrap(), written);
            assert_eq!(serde_json::from_value::<Action>(written).unwrap(), action);
        }
    }
}
