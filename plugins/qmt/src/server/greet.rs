//! The first words with a visitor, before anything that it sends is believed.

use std::{
    io::Write,
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::net::sockopt;

use super::{Shared, link::Link, lock};
use crate::{
    auth::{self, Answer},
    frame::{Fault, Frame, FrameReader, Kind, MOST_BEFORE_AUTH, MOST_BODY, read_timeout},
};

/// How long a visitor may take to prove that it knows the token.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest wait for room to write; everything that the host writes is short.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a visitor was sent away; `None` when the log need not know.
type Turned = Option<String>;

/// Exchanges proofs, and makes the visitor the connected bridge.
pub fn greet(
    shared: &Shared,
    mut stream: TcpStream,
    peer: SocketAddr,
) -> Result<(Arc<Link>, FrameReader), Turned> {
    prepare(&stream).map_err(|error| Some(format!("the connection failed at once: {error}")))?;
    let challenge = auth::nonce();
    send(&mut stream, &Frame::new(Kind::Hello, auth::greeting(&challenge)))?;
    let mut reader = FrameReader::new(MOST_BEFORE_AUTH);
    let frame = first_frame(shared, &mut stream, &mut reader)?;
    let Some(answer) = Answer::parse(&frame.body).filter(|_| frame.kind == Kind::Auth) else {
        return Err(Some("it is no qmt bridge: it did not answer the challenge".to_owned()));
    };
    if !answer.is_proven(&shared.token, &challenge) {
        refuse(&mut stream, 1, "the token is wrong; give the bridge the `token` of the host");
        return Err(Some(
            "a bridge with a wrong token was refused; give it the `token` of this source"
                .to_owned(),
        ));
    }
    if answer.version != auth::VERSION || answer.spool == 0 {
        let text = format!("the host speaks version {} alone", auth::VERSION);
        refuse(&mut stream, 2, &text);
        return Err(Some(format!(
            "a bridge chose version {}; {text}; take the bridge of this release",
            answer.version
        )));
    }
    let copy = stream.try_clone().map_err(|error| Some(error.to_string()))?;
    let link = Arc::new(Link::new(copy, peer, answer.spool, answer.name.clone()));
    // from here on frames of the older one are not taken any more
    let older = lock(&shared.current).replace(Arc::clone(&link));
    if let Some(older) = older {
        older.refuse(3, &format!("replaced by another bridge at {}", peer.ip()));
        shared.context.warn(&format!(
            "the bridge at {} is replaced by one at {peer}; run only one of them",
            older.peer()
        ));
    }
    let place = lock(&shared.progress).of(answer.spool);
    let heartbeat_s = u16::try_from(shared.heartbeat.as_secs()).unwrap_or(u16::MAX);
    let told = (place.confirmed, place.taken);
    let welcome = auth::welcome(&shared.token, &answer, &challenge, told, heartbeat_s);
    send(&mut stream, &Frame::new(Kind::Welcome, welcome))?;
    reader.allow(MOST_BODY);
    Ok((link, reader))
}

fn prepare(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(read_timeout()))?;
    stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
    stream.set_nodelay(true)?;
    // notices a machine that vanished; a socket without it works all the same
    let _ = sockopt::set_socket_keepalive(stream, true);
    Ok(())
}

/// The answer, within the patience over all, however slowly its bytes come.
fn first_frame(
    shared: &Shared,
    stream: &mut TcpStream,
    reader: &mut FrameReader,
) -> Result<Frame, Turned> {
    let deadline = Instant::now() + PATIENCE;
    // each read gives one chunk at most, so that drops of bytes do not hold the deadline up
    loop {
        match reader.read_once(stream) {
            Ok(Some(frame)) => return Ok(frame),
            // somebody looked whether the port is open
            Err(Fault::Closed { within: 0 }) => return Err(None),
            Err(fault) => return Err(Some(fault.to_string())),
            Ok(None) if shared.is_closing() => return Err(None),
            Ok(None) if Instant::now() > deadline => {
                let seconds = PATIENCE.as_secs();
                return Err(Some(format!("it did not answer the challenge within {seconds} s")));
            }
            Ok(None) => {}
        }
    }
}

fn send(stream: &mut TcpStream, frame: &Frame) -> Result<(), Turned> {
    stream.write_all(&frame.encode()).map_err(|_| None)
}

fn refuse(stream: &mut TcpStream, code: u8, text: &str) {
    // whoever does not read it finds the connection closed
    let _ = stream.write_all(&refusal(code, text).encode());
}

/// The host's reason to close: 1 wrong token, 2 version, 3 replaced, 4 the host ends, 5 a fault.
pub fn refusal(code: u8, text: &str) -> Frame {
    Frame::new(Kind::Refused, [&[code], text.as_bytes()].concat())
}
