//! What may be asked to be done with a reader.

use plugin_api::{Action, ActionKind, Duration};
use serde::Deserialize;

/// The body of a request. Unknown keys are refused: a misspelt `preview` must not act.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    action: ActionKind,
    to: Option<String>,
    min_idle: Option<Duration>,
    entries: Option<Vec<String>>,
    /// Nothing is changed.
    #[serde(default)]
    pub preview: bool,
}

impl Request {
    /// Reads a body.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(body: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(body).map_err(|error| {
            format!("the body is to be JSON like {{\"action\":\"disconnect\",\"preview\":true}}: {error}")
        })
    }

    /// The action, with all that it takes and nothing else.
    ///
    /// # Errors
    /// What is missing or too much.
    pub fn action(self) -> Result<Action, String> {
        let Self { action: kind, to, min_idle, entries, .. } = self;
        let name = kind.as_str();
        let lacks = |key: &str| format!("{name} needs `{key}`");
        let (has_to, has_idle, has_entries) = (to.is_some(), min_idle.is_some(), entries.is_some());
        let (action, takes_to, takes_idle, takes_entries) = match kind {
            ActionKind::Disconnect => (Action::Disconnect, false, false, false),
            ActionKind::Remove => (Action::Remove, false, false, false),
            ActionKind::Claim => (Action::Claim { to, min_idle }, true, true, false),
            ActionKind::SetPosition => {
                let to = to.ok_or_else(|| lacks("to"))?;
                (Action::SetPosition { to }, true, false, false)
            }
            ActionKind::Ack => {
                let entries = entries.filter(|it| !it.is_empty());
                let entries = entries.ok_or_else(|| lacks("entries"))?;
                (Action::Ack { entries }, false, false, true)
            }
        };
        let keys = [
            ("to", has_to, takes_to),
            ("min_idle", has_idle, takes_idle),
            ("entries", has_entries, takes_entries),
        ];
        match keys.iter().find(|(_, has, takes)| *has && !takes) {
            Some((key, ..)) => Err(format!("{name} takes no `{key}`; leave it out")),
            None => Ok(action),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<(Action, bool), String> {
        let request = Request::read(body.as_bytes())?;
        let preview = request.preview;
        Ok((request.action()?, preview))
    }

    #[test]
    fn an_action_is_read_with_what_it_takes() {
        let minute = Some(Duration(std::time::Duration::from_secs(60)));
        for (body, action, preview) in [
            (r#"{"action":"disconnect"}"#, Action::Disconnect, false),
            (r#"{"action":"remove","preview":true}"#, Action::Remove, true),
            (
                r#"{"action":"claim","to":"b","min_idle":"1m"}"#,
                Action::Claim { to: Some("b".to_owned()), min_idle: minute },
                false,
            ),
            (r#"{"action":"claim"}"#, Action::Claim { to: None, min_idle: None }, false),
            (
                r#"{"action":"ack","entries":["1-0"]}"#,
                Action::Ack { entries: vec!["1-0".to_owned()] },
                false,
            ),
            (
                r#"{"action":"set_position","to":"$"}"#,
                Action::SetPosition { to: "$".to_owned() },
                false,
            ),
        ] {
            assert_eq!(read(body), Ok((action, preview)), "{body}");
        }
    }

    #[test]
    fn what_is_misspelt_missing_or_too_much_is_refused_by_name() {
        for (body, said) in [
            ("", "is to be JSON"),
            (r#"{"action":"explode"}"#, "unknown variant"),
            (r#"{"action":"remove","preveiw":true}"#, "unknown field `preveiw`"),
            (r#"{"action":"set_position"}"#, "set_position needs `to`"),
            (r#"{"action":"ack","entries":[]}"#, "ack needs `entries`"),
            (r#"{"action":"disconnect","to":"b"}"#, "disconnect takes no `to`"),
            (r#"{"action":"claim","min_idle":60}"#, "expected"),
        ] {
            let error = read(body).unwrap_err();
            assert!(error.contains(said), "{body}: {error}");
        }
    }
}
