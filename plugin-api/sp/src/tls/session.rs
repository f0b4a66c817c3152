//! TLS over a socket.

use std::{
    io::{self, ErrorKind, IoSlice, Read, Write},
    os::fd::BorrowedFd,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use rustix::{
    event::PollFlags,
    io::Errno,
    net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown},
};
use rustls::Connection;

use super::faults;
use crate::socket::{self, receive_plain};

/// Kinds of the first record of a peer that speaks TLS: a refusal, or the handshake.
const FIRST_RECORDS: [u8; 2] = [21, 22];
/// Bytes looked at to tell who a stranger is.
const LOOK: usize = 8;
/// What a peer that was refused may still have sent, bytes.
const MAX_LEFT_OVER: usize = 64 << 10;

/// Both ends have agreed; what is said now is encrypted.
#[derive(Debug)]
pub struct Session {
    connection: Mutex<Connection>,
    /// Held by who writes, from the first byte of what it writes to the last.
    sending: Mutex<Vec<u8>>,
}

impl Session {
    /// Agrees with the peer. `wait` is called when the socket must be readable or writable to go on,
    /// and may give up.
    ///
    /// # Errors
    /// Those of `wait`, or a text that says what the peer did instead, for after its name.
    pub fn begin<E: From<String>>(
        socket: BorrowedFd<'_>,
        mut connection: Connection,
        wait: &mut impl FnMut(PollFlags) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut is_first = true;
        while connection.is_handshaking() || connection.wants_write() {
            if connection.wants_write() {
                match connection.write_tls(&mut Now(socket)) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => wait(PollFlags::OUT)?,
                    Err(error) => return Err(left(&error).into()),
                }
                continue;
            }
            if is_first {
                look(socket, &connection, wait)?;
                is_first = false;
            }
            match connection.read_tls(&mut Now(socket)) {
                Ok(0) => return Err("left within the TLS handshake".to_owned().into()),
                Ok(_) => {
                    if let Err(error) = connection.process_new_packets() {
                        part(socket, &mut connection);
                        return Err(faults::of_handshake(&error, is_client(&connection)).into());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => wait(PollFlags::IN)?,
                Err(error) => return Err(left(&error).into()),
            }
        }
        Ok(Self { connection: Mutex::new(connection), sending: Mutex::default() })
    }

    /// Reads what is there; 0 when the connection has ended, `WouldBlock` when nothing is there.
    pub fn receive(&self, socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
        let mut connection = self.connection();
        loop {
            match connection.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // messages have lengths, so nobody takes a part for the whole
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                settled => return settled,
            }
            connection.read_tls(&mut Now(socket))?;
            if let Err(error) = connection.process_new_packets() {
                let fault = faults::of_handshake(&error, is_client(&connection));
                return Err(io::Error::new(ErrorKind::InvalidData, fault));
            }
        }
    }

    /// Whether something was received and decrypted that nobody has read.
    pub fn holds_bytes(&self) -> bool {
        self.connection().reader().into_first_chunk().is_ok_and(|chunk| !chunk.is_empty())
    }

    /// Writes all the slices in order, by the moment if there is one; see [`socket::send_by`].
    pub fn send(
        &self,
        socket: BorrowedFd<'_>,
        mut slices: &mut [IoSlice<'_>],
        moment: Option<Instant>,
    ) -> io::Result<()> {
        let mut encrypted = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        while !slices.is_empty() {
            encrypted.clear();
            let mut connection = self.connection();
            let taken = connection.writer().write_vectored(slices)?;
            while connection.wants_write() {
                connection.write_tls(&mut *encrypted)?;
            }
            drop(connection); // who reads goes on while this waits for the peer
            IoSlice::advance_slices(&mut slices, taken);
            let mut whole = [IoSlice::new(&encrypted)];
            match moment {
                None => socket::send_all(socket, &mut whole)?,
                Some(moment) => socket::send_by(socket, &mut whole, moment)?,
            }
        }
        Ok(())
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_client(connection: &Connection) -> bool {
    matches!(connection, Connection::Client(_))
}

/// Tells a peer that speaks no TLS from one that does, by its first bytes, which stay.
fn look<E: From<String>>(
    socket: BorrowedFd<'_>,
    connection: &Connection,
    wait: &mut impl FnMut(PollFlags) -> Result<(), E>,
) -> Result<(), E> {
    let mut first = [0; LOOK];
    let count = loop {
        match receive_plain(socket, &mut first, RecvFlags::DONTWAIT | RecvFlags::PEEK) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => wait(PollFlags::IN)?,
            Err(error) => return Err(left(&error).into()),
            Ok(count) => break count,
        }
    };
    let first = &first[..count];
    match first.first() {
        None => Err("left before the TLS handshake".to_owned().into()),
        Some(kind) if FIRST_RECORDS.contains(kind) => Ok(()),
        Some(_) => {
            let remedy = if is_client(connection) {
                "dial tcp:// there, or have it listen at tls+tcp://"
            } else {
                "have it dial tls+tcp://"
            };
            let began = first.escape_ascii();
            Err(format!("speaks no TLS: it began with \"{began}\"; {remedy}").into())
        }
    }
}

/// Tells the peer why, and has it arrive: a socket that is closed with something unread takes back
/// what was written.
fn part(socket: BorrowedFd<'_>, connection: &mut Connection) {
    // a peer that takes no word is refused without one
    while connection.wants_write() && connection.write_tls(&mut Now(socket)).is_ok() {}
    let _ = shutdown(socket, Shutdown::Write);
    let mut scrap = [0; 4_096];
    let mut left_over = 0;
    while left_over < MAX_LEFT_OVER {
        match recv(socket, &mut scrap, RecvFlags::DONTWAIT) {
            Ok((_, count)) if count > 0 => left_over += count,
            _ => break,
        }
    }
}

fn left(error: &io::Error) -> String {
    format!("left within the TLS handshake: {error}")
}

/// A socket that is read and written without waiting.
struct Now<'a>(BorrowedFd<'a>);

impl Read for Now<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        receive_plain(self.0, buffer, RecvFlags::DONTWAIT)
    }
}

impl Write for Now<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            return match send(self.0, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Err(Errno::INTR) => continue,
                sent => Ok(sent?),
            };
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
