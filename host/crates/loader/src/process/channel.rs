//! Frames over a socket, and the memory that goes with them.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::Arc,
};

use plugin_api::PluginError;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use super::{
    memory::{Memory, TheirMemory},
    wire::{Broken, Frame, HEADER, Kind, MAX_BODY},
};

/// So much is received at once, bytes: a frame of quotes and its header.
const CHUNK: usize = 128 << 10;
/// Descriptors that may come before the frames that tell of them.
const MAX_DESCRIPTORS: usize = 4;

/// What became of an attempt to receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Received {
    /// Something came.
    Some,
    /// Nothing for now.
    Nothing,
    /// The other side is gone.
    End,
}

/// One end of the socket.
pub(super) struct Channel {
    socket: UnixStream,
    /// What came and is not read yet, from `read` on.
    inbox: Vec<u8>,
    read: usize,
    descriptors: VecDeque<OwnedFd>,
    outbox: VecDeque<Outgoing>,
    /// What this side writes.
    pub memory: Memory,
    /// What the other side writes.
    pub theirs: TheirMemory,
}

/// Bytes that are sent from `sent` on, a descriptor with the first of them.
struct Outgoing {
    bytes: Vec<u8>,
    sent: usize,
    file: Option<Arc<File>>,
}

impl Channel {
    pub fn new(socket: UnixStream) -> Self {
        Self {
            socket,
            inbox: Vec::new(),
            read: 0,
            descriptors: VecDeque::new(),
            outbox: VecDeque::new(),
            memory: Memory::default(),
            theirs: TheirMemory::default(),
        }
    }

    /// The socket, to wait for.
    pub fn socket(&self) -> &UnixStream {
        &self.socket
    }

    /// Whether something is left to send.
    pub fn has_outgoing(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Puts a frame behind those to be sent, with what `fill` writes into its body.
    pub fn put(
        &mut self,
        kind: Kind,
        fill: impl FnOnce(&mut Vec<u8>, &mut Memory) -> Result<(), PluginError>,
    ) -> Result<(), PluginError> {
        let mut bytes = vec![0; HEADER];
        fill(&mut bytes, &mut self.memory)?;
        let len = bytes.len() - HEADER;
        if len > MAX_BODY {
            let text =
                format!("a call with {len} bytes beside its records, the most is {MAX_BODY}");
            return Err(PluginError::bad_data(text));
        }
        if let Some(file) = self.memory.take_announced() {
            let mut bytes = vec![0; HEADER];
            set_header(&mut bytes, Kind::Memory);
            self.outbox.push_back(Outgoing { bytes, sent: 0, file: Some(file) });
        }
        set_header(&mut bytes, kind);
        self.outbox.push_back(Outgoing { bytes, sent: 0, file: None });
        Ok(())
    }

    /// Sends what can be sent without waiting, or all of it on a socket that waits.
    pub fn send(&mut self) -> io::Result<()> {
        while let Some(next) = self.outbox.front_mut() {
            let bytes = &next.bytes[next.sent..];
            let file = next.file.as_ref().map(|file| [file.as_fd()]);
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if let Some(file) = &file {
                control.push(SendAncillaryMessage::ScmRights(file));
            }
            let sent =
                sendmsg(&self.socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL);
            match sent {
                Ok(sent) => {
                    next.file = None;
                    next.sent += sent;
                }
                Err(rustix::io::Errno::INTR) => continue,
                Err(rustix::io::Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
            if next.sent == next.bytes.len() {
                self.outbox.pop_front();
            }
        }
        Ok(())
    }

    /// Receives what is there, waiting for it if the socket does.
    pub fn receive(&mut self) -> io::Result<Received> {
        self.inbox.drain(..std::mem::take(&mut self.read));
        let len = self.inbox.len();
        self.inbox.resize(len + CHUNK, 0);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(
            &self.socket,
            &mut [IoSliceMut::new(&mut self.inbox[len..])],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        );
        self.inbox.truncate(len + received.as_ref().map_or(0, |it| it.bytes));
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.descriptors.extend(descriptors);
            }
        }
        // what nobody tells of is closed
        self.descriptors.truncate(MAX_DESCRIPTORS);
        match received {
            Ok(message) if message.bytes == 0 => Ok(Received::End),
            Ok(_) => Ok(Received::Some),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(Received::Nothing),
            Err(rustix::io::Errno::CONNRESET) => Ok(Received::End),
            Err(error) => Err(error.into()),
        }
    }

    /// The next whole frame of what came; one that gives memory is dealt with here.
    pub fn next(&mut self) -> Result<Option<Frame>, Broken> {
        loop {
            let Some(frame) = self.parse()? else { return Ok(None) };
            if frame.kind != Kind::Memory {
                return Ok(Some(frame));
            }
            let Some(memory) = self.descriptors.pop_front() else {
                return Err(Broken("a frame tells of memory that did not come".to_owned()));
            };
            self.theirs.replace(memory.into());
        }
    }

    fn parse(&mut self) -> Result<Option<Frame>, Broken> {
        let came = &self.inbox[self.read..];
        let Some(header) = came.first_chunk::<HEADER>() else { return Ok(None) };
        let [a, b, c, d, kind, zeros @ ..] = *header;
        let len = u32::from_le_bytes([a, b, c, d]) as usize;
        let kind = Kind::numbered(kind).filter(|_| zeros == [0; 3] && len <= MAX_BODY);
        let Some(kind) = kind else {
            return Err(Broken(format!("what came is no frame: it begins with {header:02x?}")));
        };
        let Some(body) = came[HEADER..].get(..len) else { return Ok(None) };
        let body = body.to_vec();
        self.read += HEADER + len;
        Ok(Some(Frame { kind, body }))
    }
}

fn set_header(bytes: &mut [u8], kind: Kind) {
    let len = u32::try_from(bytes.len() - HEADER).unwrap_or(u32::MAX);
    bytes[..4].copy_from_slice(&len.to_le_bytes());
    bytes[4] = kind as u8;
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn pair() -> (Channel, Channel) {
        let (a, b) = UnixStream::pair().unwrap();
        a.set_nonblocking(true).unwrap();
        b.set_nonblocking(true).unwrap();
        (Channel::new(a), Channel::new(b))
    }

    #[test]
    fn frames_come_whole_however_the_socket_cuts_them_and_memory_before_its_frame() {
        let (mut ours, mut theirs) = pair();
        let long = vec![7; 1 << 20];
        let fill = |bytes: &[u8]| {
            let bytes = bytes.to_vec();
            move |body: &mut Vec<u8>, _: &mut Memory| -> Result<(), PluginError> {
                body.extend(bytes);
                Ok(())
            }
        };
        ours.put(Kind::Tick, fill(&[])).unwrap();
        ours.put(Kind::Open, fill(&long)).unwrap();
        let mut offset = 0;
        ours.put(Kind::Apply, |_, memory| {
            memory.reserve(5)?;
            offset = memory.put(b"hello")?;
            Ok(())
        })
        .unwrap();
        let mut came = Vec::new();
        while came.len() < 3 {
            ours.send().unwrap();
            assert_ne!(theirs.receive().unwrap(), Received::End);
            while let Some(frame) = theirs.next().unwrap() {
                came.push((frame.kind, frame.body.len()));
            }
        }
        assert_eq!(came, [(Kind::Tick, 0), (Kind::Open, 1 << 20), (Kind::Apply, 0)]);
        assert!(!ours.has_outgoing());
        assert_eq!(theirs.theirs.read(offset, 5).unwrap(), b"hello");
        drop(ours);
        assert_eq!(theirs.receive().unwrap(), Received::End);
    }

    #[test]
    fn what_is_no_frame_is_told_at_once() {
        // bytes, what is told
        let cases: [(&[u8], &str); 4] = [
            (b"Hello, world", "is no frame"),
            (&[0xff, 0xff, 0xff, 0xff, 0x40, 0, 0, 0], "is no frame"),
            (&[0, 0, 0, 0, 0x40, 0, 0, 1], "is no frame"),
            (&[0, 0, 0, 0, 0x01, 0, 0, 0], "did not come"),
        ];
        for (bytes, told) in cases {
            let (ours, mut theirs) = pair();
            ours.socket().write_all(bytes).unwrap();
            theirs.receive().unwrap();
            let broken = theirs.next().unwrap_err();
            assert!(broken.0.contains(told), "{bytes:?}: {broken}");
        }
        let (ours, mut theirs) = pair();
        ours.socket().write_all(&[9, 0, 0, 0, 0x40, 0, 0, 0, 1]).unwrap();
        theirs.receive().unwrap();
        assert!(theirs.next().unwrap().is_none(), "cut in the middle");
    }
}
