//! A stand-in for the Tencent quote service: real HTTP over loopback, recorded lines under other
//! symbols, and the faults of a bad day, the same again for the same seed.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::Random;

/// How an answer goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QuoteFault {
    /// Status 503 with a page.
    Status,
    /// The connection is reset instead of an answer.
    Reset,
    /// The connection ends in the middle of the body.
    Cut,
    /// The length is right and the body ends within a line.
    Truncated,
    /// The length is less than the body, which ends within a line for the reader.
    ShortLength,
    /// A byte now and then, for ever.
    SlowLoris,
    /// The text is UTF-8; nothing is missing.
    Charset,
    /// Status 200 with a page of somebody else.
    Page,
}

impl QuoteFault {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Status,
        Self::Reset,
        Self::Cut,
        Self::Truncated,
        Self::ShortLength,
        Self::SlowLoris,
        Self::Charset,
        Self::Page,
    ];

    /// Whether the request has to be made again.
    pub fn is_failure(self) -> bool {
        self != Self::Charset
    }
}

/// What the server does.
#[derive(Debug, Clone)]
pub struct QuoteDay {
    /// Which faults come when, and how long answers take.
    pub seed: u64,
    /// Least and most time of an answer.
    pub latency: (Duration, Duration),
    /// Of a thousand answers, how many go wrong.
    pub faults_per_mille: u64,
    /// Which faults there are.
    pub faults: Vec<QuoteFault>,
}

/// An answer that was given.
#[derive(Debug, Clone)]
pub struct Served {
    /// What was asked for.
    pub symbols: Vec<String>,
    /// What went wrong.
    pub fault: Option<QuoteFault>,
    /// Lines that the reader can take: known symbols of a whole answer, whole lines of a part.
    pub lines: usize,
    /// When the request was there.
    pub asked: Instant,
    /// When the last byte had left.
    pub done: Instant,
}

/// The running server.
pub struct QuoteServer {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    day: QuoteDay,
    lines_by_symbol: HashMap<String, Vec<u8>>,
    /// How often each question was asked.
    asked: Mutex<HashMap<String, u64>>,
    served: Mutex<Vec<Served>>,
    ended: AtomicBool,
}

impl QuoteServer {
    /// Serves those lines, each under its symbol.
    pub fn start(lines_by_symbol: HashMap<String, Vec<u8>>, day: QuoteDay) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            day,
            lines_by_symbol,
            asked: Mutex::default(),
            served: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let server = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if server.ended.load(Ordering::Relaxed) {
                    return;
                }
                let server = Arc::clone(&server);
                thread::spawn(move || stream.map(|stream| server.serve(stream)));
            }
        });
        Self { port, shared }
    }

    /// What `url` of the source is.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/q=", self.port)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// All answers so far.
    pub fn served(&self) -> Vec<Served> {
        self.shared.served.lock().unwrap().clone()
    }
}

impl Drop for QuoteServer {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Shared {
    /// Answers one connection until either side closes it.
    fn serve(&self, mut stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        while let Some(symbols) = question(&mut stream) {
            if self.ended.load(Ordering::Relaxed) {
                return;
            }
            let asked = Instant::now();
            let (fault, latency) = self.fate(&symbols);
            thread::park_timeout(latency);
            let symbols: Vec<_> = symbols.split(',').map(str::to_owned).collect();
            let (body, ends) = self.body(&symbols);
            let middle = ends.get(ends.len() / 2).map_or(0, |end| end.saturating_sub(40));
            let whole_lines = ends.iter().filter(|end| **end <= middle).count();
            let lines = match fault {
                None | Some(QuoteFault::Charset) => ends.len(),
                Some(QuoteFault::Truncated | QuoteFault::ShortLength) => whole_lines,
                Some(_) => 0,
            };
            let mut served = Served { symbols, fault, lines, asked, done: asked };
            // known before the reader can act on it
            let index = {
                let mut all = self.served.lock().unwrap();
                all.push(served.clone());
                all.len() - 1
            };
            let goes_on = answer(&mut stream, fault, &body, middle);
            served.done = Instant::now();
            self.served.lock().unwrap()[index] = served;
            if !goes_on {
                return;
            }
        }
    }

    /// What becomes of a question that is asked for the nth time.
    fn fate(&self, symbols: &str) -> (Option<QuoteFault>, Duration) {
        let time = {
            let mut asked = self.asked.lock().unwrap();
            let time = asked.entry(symbols.to_owned()).or_default();
            *time += 1;
            *time
        };
        let mut hasher = DefaultHasher::new();
        (self.day.seed, symbols, time).hash(&mut hasher);
        let mut random = Random::new(hasher.finish());
        let (least, most) = self.day.latency;
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap();
        let latency = Duration::from_micros(random.between(micros(least), micros(most)));
        let goes_wrong = random.between(1, 1_000) <= self.day.faults_per_mille;
        (goes_wrong.then(|| random.pick(&self.day.faults)), latency)
    }

    /// The lines of those symbols, and where each of them ends.
    fn body(&self, symbols: &[String]) -> (Vec<u8>, Vec<usize>) {
        let (mut body, mut ends, mut unknown) = (Vec::new(), Vec::new(), false);
        for symbol in symbols {
            match self.lines_by_symbol.get(symbol) {
                Some(line) => {
                    body.extend_from_slice(line);
                    body.extend_from_slice(b";\n");
                    ends.push(body.len());
                }
                None => unknown = true,
            }
        }
        if unknown {
            body.extend_from_slice(b"v_pv_none_match=\"1\";\n");
        }
        (body, ends)
    }
}

/// Reads a request; `None` when there is none any more.
fn question(stream: &mut TcpStream) -> Option<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    // all but the last byte, so that a connection that is closed now is reset
    while !head.ends_with(b"\r\n\r") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split_whitespace().nth(1)?;
    Some(path.split_once("q=")?.1.to_owned())
}

/// Sends an answer; whether the connection can go on.
fn answer(stream: &mut TcpStream, fault: Option<QuoteFault>, body: &[u8], middle: usize) -> bool {
    if fault == Some(QuoteFault::Reset) {
        return false;
    }
    if stream.read_exact(&mut [0]).is_err() {
        return false;
    }
    let head = |status: &str, length: usize| {
        format!("HTTP/1.1 {status}\r\nContent-Type: text/html; charset=GBK\r\nContent-Length: {length}\r\n\r\n")
            .into_bytes()
    };
    let send = |stream: &mut TcpStream, head: Vec<u8>, body: &[u8]| {
        stream.write_all(&[&head[..], body].concat()).is_ok()
    };
    let page = b"<html><body>busy; come back later</body></html>\n";
    match fault {
        None => send(stream, head("200 OK", body.len()), body),
        Some(QuoteFault::Charset) => {
            let text = text_of(body);
            send(stream, head("200 OK", text.len()), text.as_bytes())
        }
        Some(QuoteFault::Status) => send(stream, head("503 Busy", page.len()), page),
        Some(QuoteFault::Page) => send(stream, head("200 OK", page.len()), page),
        Some(QuoteFault::Truncated) => send(stream, head("200 OK", middle), &body[..middle]),
        Some(QuoteFault::ShortLength) => {
            send(stream, head("200 OK", middle), body);
            false
        }
        Some(QuoteFault::Cut) => {
            send(stream, head("200 OK", body.len()), &body[..middle]);
            false
        }
        Some(QuoteFault::SlowLoris) => {
            let mut sent = send(stream, head("200 OK", body.len()), b"");
            for byte in body {
                if !sent {
                    break;
                }
                thread::park_timeout(Duration::from_millis(20));
                sent = stream.write_all(&[*byte]).is_ok();
            }
            false
        }
        Some(QuoteFault::Reset) => false,
    }
}

/// The text of an answer.
fn text_of(body: &[u8]) -> String {
    encoding_rs::GBK.decode_without_bom_handling(body).0.into_owned()
}
