//! The handshake with a new connection, before anything that it sends is trusted.

use std::{
    io::{self, IoSlice},
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::net::sockopt::{self, Timeout};
use sp::{Accepted, Wire};

use super::{
    Role, Shared,
    link::{Link, refusal},
    lock,
};
use crate::{
    auth::{self, Answer},
    frame::{Fault, Frame, FrameReader, Kind, MOST_BEFORE_AUTH, MOST_BODY, read_timeout},
};

/// How long a peer may take to prove that it knows the token.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for room to write; everything that the host writes is short.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// What a bridge is told about that sends quotes to an address that asks for history.
const UNFIT: &str = "a bridge came that sends quotes and answers no question; update qmt_bridge.py to \
                     the one of this release, and name this port as its history_port";

/// Why a connection was refused; `None` when that is not worth a line of the log.
type Rejection = Option<String>;

/// Exchanges proofs, and makes the peer the connected bridge.
pub fn run(shared: &Shared, accepted: Accepted) -> Result<(Arc<Link>, FrameReader), Rejection> {
    let Accepted { wire, peer, .. } = accepted;
    let deadline = Instant::now() + HANDSHAKE_TIMEOUT;
    prepare(&wire).map_err(|error| Some(format!("the connection failed at once: {error}")))?;
    agree_on_tls(shared, &wire, deadline)?;
    let (challenge, version) = (auth::nonce(), shared.role.version());
    send(&wire, &Frame::new(Kind::Hello, auth::greeting(&challenge, version)))?;
    let mut reader = FrameReader::new(MOST_BEFORE_AUTH);
    let frame = first_frame(shared, &wire, &mut reader, deadline)?;
    let Some(answer) = Answer::parse(&frame.body).filter(|_| frame.kind == Kind::Auth) else {
        return Err(Some("it is no qmt bridge: it did not answer the challenge".to_owned()));
    };
    if !answer.is_proven(&shared.token, &challenge) {
        refuse(&wire, 1, "the token is wrong; give the bridge the `token` of the host");
        return Err(Some(
            "a bridge with a wrong token was refused; give it the `token` of this source"
                .to_owned(),
        ));
    }
    if shared.role == Role::History && answer.version == auth::VERSION {
        refuse(
            &wire,
            2,
            "this address asks for history: name its port as history_port, not as port",
        );
        *lock(&shared.unfit) = Some(UNFIT.to_owned());
        return Err(Some(UNFIT.to_owned()));
    }
    if answer.version != version || answer.spool == 0 {
        let text = format!("the host speaks version {version} alone");
        refuse(&wire, 2, &text);
        return Err(Some(format!(
            "a bridge chose version {}; {text}; take the bridge of this release",
            answer.version
        )));
    }
    let link = Arc::new(Link::new(wire, peer, answer.spool, answer.name.clone()));
    // frames of the older one are ignored from here on
    let older = lock(&shared.current).replace(Arc::clone(&link));
    if let Some(older) = older {
        older.refuse(3, &format!("replaced by another bridge at {}", link.peer()));
        shared.warn(format!(
            "the bridge at {} is replaced by one at {}; run only one of them",
            older.peer(),
            link.peer()
        ));
    }
    let place = lock(&shared.progress).of(answer.spool);
    let heartbeat_s = u16::try_from(shared.heartbeat.as_secs()).unwrap_or(u16::MAX);
    let told = (place.confirmed, place.taken);
    let welcome = auth::welcome(&shared.token, &answer, &challenge, told, heartbeat_s);
    link.send(&Frame::new(Kind::Welcome, welcome));
    reader.allow(MOST_BODY);
    Ok((link, reader))
}

fn prepare(wire: &Wire) -> io::Result<()> {
    sockopt::set_socket_timeout(wire, Timeout::Recv, Some(read_timeout()))?;
    sockopt::set_socket_timeout(wire, Timeout::Send, Some(WRITE_TIMEOUT))?;
    Ok(())
}

/// Agrees on TLS, where it is spoken.
fn agree_on_tls(shared: &Shared, wire: &Wire, deadline: Instant) -> Result<(), Rejection> {
    let agreed = wire.welcome(|flags| {
        loop {
            let step = deadline.min(Instant::now() + read_timeout());
            match wire.wait(flags, step) {
                Ok(true) => return Ok(()),
                Ok(false) if shared.is_closing() => return Err(None),
                Ok(false) if Instant::now() >= deadline => {
                    return Err(Some(format!(
                        "did not agree on TLS within {} s; set tls = yes and `ca` in the bridge's \
                         options",
                        HANDSHAKE_TIMEOUT.as_secs()
                    )));
                }
                Ok(false) => {}
                Err(error) => return Err(Some(error.to_string())),
            }
        }
    });
    agreed.map_err(|fault: Rejection| fault.map(|fault| format!("it {fault}")))
}

/// The answer, before the deadline over all, however slowly its bytes come.
fn first_frame(
    shared: &Shared,
    mut wire: &Wire,
    reader: &mut FrameReader,
    deadline: Instant,
) -> Result<Frame, Rejection> {
    // each read gives one chunk at most, so that drops of bytes do not hold the deadline up
    loop {
        match reader.read_once(&mut wire) {
            Ok(Some(frame)) => return Ok(frame),
            // a port scan
            Err(Fault::Closed { within: 0 }) => return Err(None),
            Err(fault) => return Err(Some(fault.to_string())),
            Ok(None) if shared.is_closing() => return Err(None),
            Ok(None) if Instant::now() > deadline => {
                let seconds = HANDSHAKE_TIMEOUT.as_secs();
                return Err(Some(format!("it did not answer the challenge within {seconds} s")));
            }
            Ok(None) => {}
        }
    }
}

fn send(wire: &Wire, frame: &Frame) -> Result<(), Rejection> {
    wire.send_all(&mut [IoSlice::new(&frame.encode())]).map_err(|_| None)
}

fn refuse(wire: &Wire, code: u8, text: &str) {
    // a peer that does not read it finds the connection closed
    let _ = wire.send_all(&mut [IoSlice::new(&refusal(code, text).encode())]);
}
