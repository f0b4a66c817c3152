//! What servers complain about, told with the server, the cause and the remedy.

use std::{io, time::Duration};

use plugin_api::{ByteSize, Duration as Shown, PluginError};
use redis::ServerError;

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Host, port and database.
    server: String,
    cause: Cause,
    /// The key that the command was about.
    key: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Cause {
    /// No connection, or none any more.
    Away(String),
    /// No answer in time.
    Silent(Duration),
    /// It does not let us in.
    Password,
    /// It answers, with an error: its first word and the rest.
    Refused(String, String),
    /// It answers with more than so many bytes.
    TooLarge(usize),
    /// It answers what no Redis answers to that command.
    Strange(String),
}

impl Fault {
    /// What the connection says.
    pub fn from_line(server: &str, timeout: Duration, error: &io::Error) -> Self {
        let cause = match error.kind() {
            io::ErrorKind::TimedOut => Cause::Silent(timeout),
            _ => Cause::Away(error.to_string()),
        };
        Self { server: server.to_owned(), cause, key: None }
    }

    /// The answer to a password: refused, or nobody is served at all.
    pub fn password(server: &str, error: &ServerError) -> Self {
        match error.code() {
            "WRONGPASS" | "ERR" | "NOAUTH" => {
                Self { server: server.to_owned(), cause: Cause::Password, key: None }
            }
            _ => Self::from_server(server, error),
        }
    }

    /// The answer would take more than so many bytes of memory.
    pub fn too_large(server: &str, most: usize) -> Self {
        Self { server: server.to_owned(), cause: Cause::TooLarge(most), key: None }
    }

    /// What a server answers.
    pub fn from_server(server: &str, error: &ServerError) -> Self {
        let text = error.details().unwrap_or_default().to_owned();
        let cause = Cause::Refused(error.code().to_owned(), text);
        Self { server: server.to_owned(), cause, key: None }
    }

    /// No server of those that are known can be asked.
    pub fn away(server: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { server: server.into(), cause: Cause::Away(reason.into()), key: None }
    }

    /// The answer has another form than it should.
    pub fn strange(server: &str, what: impl Into<String>) -> Self {
        Self { server: server.to_owned(), cause: Cause::Strange(what.into()), key: None }
    }

    /// Says which key the command was about.
    pub fn about(mut self, key: &str) -> Self {
        self.key.get_or_insert_with(|| key.to_owned());
        self
    }

    /// The answer is larger than what is read.
    pub fn is_too_large(&self) -> bool {
        matches!(self.cause, Cause::TooLarge(_))
    }

    /// The group, or the stream with it, is not there.
    pub fn is_no_group(&self) -> bool {
        match &self.cause {
            Cause::Refused(code, text) => {
                code == "NOGROUP"
                    || code == "UNBLOCKED"
                    || self.is_no_key()
                    || code == "ERR" && text.contains("requires the key to exist")
            }
            _ => false,
        }
    }

    /// The key is not there.
    pub fn is_no_key(&self) -> bool {
        matches!(&self.cause, Cause::Refused(code, text)
            if code == "ERR" && text.contains("no such key"))
    }

    /// An id is not above the last one of its stream.
    pub fn is_old_id(&self) -> bool {
        matches!(&self.cause, Cause::Refused(code, text)
            if code == "ERR" && text.contains("equal or smaller"))
    }

    /// The group is there already.
    pub fn is_group_exists(&self) -> bool {
        matches!(&self.cause, Cause::Refused(code, _) if code == "BUSYGROUP")
    }

    /// Another node than the one that was asked has the key, or none has for the moment.
    fn is_moving(code: &str) -> bool {
        matches!(code, "MOVED" | "ASK" | "TRYAGAIN" | "CLUSTERDOWN" | "CROSSSLOT")
    }

    /// The fault in words: what is wrong, and what to do about it.
    fn text(&self) -> String {
        let server = &self.server;
        match &self.cause {
            Cause::Away(reason) => {
                format!("redis at {server} is away ({reason}); start it or correct `url`")
            }
            Cause::Silent(timeout) => format!(
                "redis at {server} does not answer within {}; see whether it is stopped or \
                 overloaded, or raise `timeout`",
                Shown(*timeout)
            ),
            Cause::Password => {
                format!("redis at {server} refuses the password; correct `username` and `password`")
            }
            Cause::TooLarge(most) => format!(
                "redis at {server} sends an answer of more than {}; see what writes such entries, \
                 or correct `url`",
                ByteSize(u64::try_from(*most).unwrap_or(u64::MAX))
            ),
            Cause::Strange(what) => {
                format!("redis at {server} answers what no Redis answers: {what}; correct `url`")
            }
            Cause::Refused(code, text) => self.refused(code, text),
        }
    }

    fn refused(&self, code: &str, text: &str) -> String {
        let server = &self.server;
        let key = self.key.as_deref().unwrap_or("a key");
        let answer = format!("{code} {text}");
        let answer = answer.trim_end();
        match code {
            "WRONGPASS" => {
                format!("redis at {server} refuses the password; correct `username` and `password`")
            }
            "NOAUTH" => format!("redis at {server} wants a password; set `password`"),
            "NOPERM" => format!(
                "redis at {server} does not let this user do that ({text}); grant it with \
                 ACL SETUSER or use another `username`"
            ),
            "READONLY" => format!(
                "redis at {server} is a read-only replica; name its master in `url`, or promote it"
            ),
            "WRONGTYPE" => format!(
                "{key} at redis {server} is a key of another type; delete or rename it, or use \
                 another name in the options"
            ),
            "OOM" => format!(
                "redis at {server} has used up its memory ({answer}); raise its `maxmemory`, or \
                 bound streams with `maxlen`"
            ),
            "LOADING" => format!("redis at {server} still loads its data; wait until it is done"),
            "MISCONF" => format!(
                "redis at {server} cannot save to its disk and takes nothing ({text}); free space \
                 or mend the disk there"
            ),
            "NOREPLICAS" => format!(
                "redis at {server} has fewer replicas than its min-replicas-to-write wants; start \
                 them"
            ),
            "ERR" if text.contains("unknown command") => format!(
                "redis at {server} does not know a command of streams ({text}); use Redis 5.0 or \
                 newer"
            ),
            "ERR" if text.contains("cluster support disabled") => format!(
                "redis at {server} is not part of a cluster; name one server and leave out \
                 `cluster`"
            ),
            "MOVED" | "CROSSSLOT" => format!(
                "redis at {server} does not have {key} ({answer}); set cluster = true if it is \
                 part of a cluster, or wait until its slots have settled"
            ),
            code if Self::is_moving(code) => format!(
                "redis at {server} cannot serve {key} for the moment ({answer}); see whether nodes \
                 of the cluster are down"
            ),
            _ => format!("redis at {server} answers about {key}: {answer}; see its log"),
        }
    }
}

impl From<Fault> for PluginError {
    /// A server can be mended without a change of the pipeline, so waiting is right for all.
    fn from(fault: Fault) -> Self {
        Self::retry(fault.text())
    }
}
