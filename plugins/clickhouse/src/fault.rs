//! What can go wrong with a server, told to the host and to people.

use plugin_api::PluginError;

use crate::{answer::Failure, http::Server};

/// Who has to do something about a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Nobody: it passes.
    Passing,
    /// Somebody at the server or at the options.
    Setup,
    /// Nobody can: the server does not take these records.
    Data,
}

/// A step that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub class: Class,
    /// What happened where, with the remedy.
    pub text: String,
}

impl Fault {
    /// A fault of that server.
    pub fn new(server: &Server, class: Class, text: &str) -> Self {
        Self { class, text: format!("clickhouse at {}: {text}", server.url()) }
    }

    /// What a failed request means.
    pub fn of(server: &Server, failure: Failure) -> Self {
        match failure {
            Failure::Refused { code, text } => {
                let (class, remedy) = meaning(code, &text);
                Self::new(server, class, &format!("{text} (code {code}); {remedy}"))
            }
            Failure::Away(text) | Failure::Cut(text) => Self::new(server, Class::Passing, &text),
            Failure::Strange(text) => {
                let text = format!("it does not answer as ClickHouse does: {text}; correct `url`");
                Self::new(server, Class::Passing, &text)
            }
        }
    }

    /// As a running sink tells it: whatever can be healed is waited for, so that nothing is lost.
    pub fn running(self) -> PluginError {
        match self.class {
            Class::Data => PluginError::bad_data(self.text),
            _ => PluginError::retry(self.text),
        }
    }

    /// As a sink that opens tells it: whatever a server answers may change without the options, so
    /// it is asked again while records wait.
    pub fn opening(self) -> PluginError {
        PluginError::retry(self.text)
    }
}

/// What ClickHouse's number of an error means, and what to do about it.
fn meaning(code: u32, text: &str) -> (Class, &'static str) {
    use Class::{Data, Passing, Setup};
    match code {
        // one block of records that lie in too many months: fewer of them do not
        252 if text.contains("partitions") => (Data, "send records of fewer months at once"),
        252 => (Passing, "it merges what it has; larger batches (`batch.max_records`) help"),
        241 | 173 => (Passing, "it lacks memory; give it more, or send smaller batches"),
        243 => (Passing, "it lacks disk space; free some there"),
        201 | 202 | 439 => (Passing, "it has too much to do; raise its limits if this stays"),
        159 | 160 | 209 | 210 | 319 => (Passing, "it is slow or cut off; look at its load"),
        225 | 242 | 285 | 286 | 999 => (Passing, "it cannot write now; look at its replication"),
        192..=195 | 516 => (Setup, "correct `user` and `password`, or the user on the server"),
        164 | 291 | 497 => (Setup, "let `user` insert and, with `create_tables`, create there"),
        60 | 81 => (Setup, "create it, or set `create_tables`"),
        // a column that is gone or has become another one
        8 | 10 | 16 | 20 | 44 | 47 | 50 | 80 | 115 | 171 | 368 => {
            (Setup, "bring the table to what the sink needs")
        }
        // values that a column, a constraint or a view of the table does not take
        6 | 26 | 27 | 38 | 41 | 42 | 43 | 53 | 69 | 70 | 72 | 117 | 130 | 131 | 153 | 321 | 349
        | 395 | 407 | 469 | 691 => (Data, "look at the records and at what the table demands"),
        _ => (Passing, "look at the server's log if this stays"),
    }
}

#[cfg(test)]
mod tests {
    use plugin_api::ErrorKind::{BadData, Retry};

    use super::*;

    #[test]
    fn every_number_leads_to_what_the_host_does_next() {
        // code, words, while running
        let table = [
            (252, "Too many parts (300)", Retry),
            (252, "Too many partitions for single INSERT block", BadData),
            (241, "Memory limit (total) exceeded", Retry),
            (242, "Table is in readonly mode", Retry),
            (159, "Timeout exceeded", Retry),
            (210, "Connection reset by peer", Retry),
            (516, "Authentication failed", Retry),
            (193, "Wrong password for user x", Retry),
            (192, "Unknown user x", Retry),
            (164, "Cannot insert in readonly mode", Retry),
            (60, "Table d.t doesn't exist", Retry),
            (81, "Database d doesn't exist", Retry),
            (16, "No such column c in table t", Retry),
            (368, "Bad cast from type A to B", Retry),
            (6, "Cannot parse string 'x' as UInt32", BadData),
            (27, "Cannot parse input", BadData),
            (349, "Cannot insert NULL value", BadData),
            (469, "Constraint is violated", BadData),
            (4_321, "something new", Retry),
        ];
        for (code, text, running) in table {
            let (class, remedy) = meaning(code, text);
            let fault = || Fault { class, text: text.to_owned() };
            let kinds = [fault().running(), fault().opening()].map(|it| it.kind);
            assert_eq!(kinds, [running, Retry], "{code} {text}");
            assert!(!remedy.is_empty());
        }
    }
}
