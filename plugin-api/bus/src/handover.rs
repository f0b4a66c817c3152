//! What one instance gives to the next when the plugin or its options change while the host runs.
//!
//! Both live in one process for a moment, so the connection itself goes over: the old instance stops
//! reading, says under which number the socket is open, and keeps it open until the new one has taken
//! a duplicate, which then goes on in the middle of the message that was coming. No message is lost,
//! none comes twice. Where that does not work, the new instance dials anew.

use std::{
    fs::File,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::fs::MetadataExt,
    },
};

use plugin_api::{
    PluginError,
    serde::{Deserialize, Serialize},
    serde_json,
};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use sp::{Frames, Framing};

use crate::{
    connection::Connection, inbox::Item, link::Link, rounds::Rounds, sequences::Sequences,
};

/// Form of the state; another one is not read.
const FORM: u32 = 1;

/// What goes over.
#[derive(Debug)]
pub struct Handover {
    /// Where the publisher is in its rounds, as far as was handed on.
    pub rounds: Rounds,
    /// Number of the next quote that has none.
    pub next_number: u64,
    /// Last numbers by source.
    pub sequences: Sequences,
    /// What came and was not handed on.
    pub items: Vec<Item>,
    /// The connection, and what was read of a message.
    pub socket: Option<(Socket, Vec<u8>)>,
}

/// An open socket of this process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "plugin_api::serde")]
pub struct Socket {
    process: i32,
    number: i32,
    /// Tells the socket from another one that got its number later.
    inode: u64,
    framing: Framing,
    /// Where it leads.
    pub peer: String,
    to_skip: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(crate = "plugin_api::serde")]
struct Head {
    form: u32,
    rounds: Rounds,
    next_number: u64,
    sequences: Sequences,
    /// What the items are; a list is its length.
    items: Vec<Kind>,
    socket: Option<(Socket, usize)>,
}

#[derive(Serialize, Deserialize)]
#[serde(crate = "plugin_api::serde", rename_all = "snake_case")]
enum Kind {
    Start,
    End,
    Cut,
    List(usize),
}

impl Handover {
    /// As bytes: the length of a JSON text, the text, the lists, the rest of a message.
    ///
    /// # Errors
    /// Never in practice: the text is made of numbers and names.
    pub fn to_bytes(&self) -> Result<Vec<u8>, PluginError> {
        let kind = |item: &Item| match item {
            Item::Start => Kind::Start,
            Item::End => Kind::End,
            Item::Cut => Kind::Cut,
            Item::List(bytes) => Kind::List(bytes.len()),
        };
        let head = Head {
            form: FORM,
            rounds: self.rounds,
            next_number: self.next_number,
            sequences: self.sequences.clone(),
            items: self.items.iter().map(kind).collect(),
            socket: self.socket.as_ref().map(|(socket, rest)| (socket.clone(), rest.len())),
        };
        let head = serde_json::to_vec(&head)
            .map_err(|error| PluginError::retry(format!("the state cannot be written: {error}")))?;
        let mut bytes = (head.len() as u64).to_le_bytes().to_vec();
        bytes.extend(head);
        for item in &self.items {
            if let Item::List(list) = item {
                bytes.extend_from_slice(list);
            }
        }
        if let Some((_, rest)) = &self.socket {
            bytes.extend_from_slice(rest);
        }
        Ok(bytes)
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// `Config` when the bytes are of another form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PluginError> {
        Self::parse(bytes).ok_or_else(|| {
            PluginError::config(
                "the state of the instance before is of another form; restart the host instead",
            )
        })
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (len, bytes) = bytes.split_first_chunk::<8>()?;
        let (head, mut bytes) =
            bytes.split_at_checked(u64::from_le_bytes(*len).try_into().ok()?)?;
        let head: Head =
            serde_json::from_slice(head).ok().filter(|head: &Head| head.form == FORM)?;
        let mut take = |len: usize| {
            let (taken, rest) = bytes.split_at_checked(len)?;
            bytes = rest;
            Some(taken.to_vec())
        };
        let items = head.items.into_iter().map(|kind| match kind {
            Kind::Start => Some(Item::Start),
            Kind::End => Some(Item::End),
            Kind::Cut => Some(Item::Cut),
            Kind::List(len) => take(len).map(Item::List),
        });
        let items: Option<Vec<_>> = items.collect();
        let socket = match head.socket {
            Some((socket, len)) => Some((socket, take(len)?)),
            None => None,
        };
        Some(Self {
            rounds: head.rounds,
            next_number: head.next_number,
            sequences: head.sequences,
            items: items?,
            socket,
        })
    }
}

impl Socket {
    /// Names the socket of a connection, with what was read of a message.
    pub fn of(connection: &Connection) -> Option<(Self, Vec<u8>)> {
        let Connection { link, frames, .. } = connection;
        if !link.can_go_over() {
            return None;
        }
        link.unmark();
        let (rest, to_skip) = frames.rest();
        let socket = Self {
            process: getpid().as_raw_nonzero().get(),
            number: link.as_fd().as_raw_fd(),
            inode: inode(link.as_fd().try_clone_to_owned().ok()?)?.0,
            framing: link.framing(),
            peer: link.peer().to_owned(),
            to_skip,
        };
        Some((socket, rest))
    }

    /// Takes a duplicate of the socket; `None` when it is not there any more, or the kernel does
    /// not give it.
    pub fn adopt(&self, rest: &[u8], largest_message: usize) -> Option<Connection> {
        if self.process != getpid().as_raw_nonzero().get() {
            return None;
        }
        let this = pidfd_open(getpid(), PidfdFlags::empty()).ok()?;
        let socket = pidfd_getfd(this, self.number, PidfdGetfdFlags::empty()).ok()?;
        let (inode, socket) = inode(socket)?;
        let mut frames = Frames::new(self.framing, largest_message);
        frames.skip(self.to_skip);
        let mut is_whole = false;
        let pushed = frames.push(rest, |_| is_whole = true);
        if inode != self.inode || pushed.is_err() || is_whole {
            return None;
        }
        let link = Link::adopt(socket, self.framing, self.peer.clone());
        link.mark_taken();
        Some(Connection::new(link, frames))
    }
}

/// What tells a socket from all others that are open.
fn inode(socket: OwnedFd) -> Option<(u64, OwnedFd)> {
    let file = File::from(socket);
    let inode = file.metadata().ok()?.ino();
    Some((inode, file.into()))
}
