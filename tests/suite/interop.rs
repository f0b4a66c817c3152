//! The table of who understands whom: other people's sockets against ours, in every role and over
//! every transport that they have.
//!
//! | peer | over |
//! |---|---|
//! | NNG 1.4, crate `nng` | ipc, tcp |
//! | NNG 1.11, crate `anng` | ipc, tcp |
//! | pynng | ipc, tcp, TLS with certificates on both sides |

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, sync_channel},
    thread,
    time::Duration,
};

use harness::{Bench, Host, build_dir, free_port, repository};
use nng::options::{Options, RecvTimeout, SendTimeout, protocol::pubsub::Subscribe};
use sp::testing::Authority;

const PATIENCE: Duration = Duration::from_secs(60);
const TOPIC: &[u8] = b":spot:";
const END: &[u8] = b":spot:[end spot]";
/// Three rounds of two quotes.
const DAY: &str = "code,time,close\n\
    600000.SH,2026-11-20 09:30:00,8.5\n600001.SH,2026-11-20 09:30:00,9.5\n\
    600000.SH,2026-11-20 09:30:03,8.6\n600001.SH,2026-11-20 09:30:03,9.6\n\
    600000.SH,2026-11-20 09:30:06,8.7\n600001.SH,2026-11-20 09:30:06,9.7\n";
const ROUNDS: usize = 3;

/// Whose socket the peer's is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Maker {
    Nng14,
    Nng111,
    Pynng,
}

/// Every row of the table.
const ROWS: [(Maker, &str); 7] = [
    (Maker::Nng14, "ipc"),
    (Maker::Nng14, "tcp"),
    (Maker::Nng111, "ipc"),
    (Maker::Nng111, "tcp"),
    (Maker::Pynng, "ipc"),
    (Maker::Pynng, "tcp"),
    (Maker::Pynng, "tls+tcp"),
];

/// A running peer: lines in, lines out, each a message in hexadecimal digits.
struct Peer {
    process: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Peer {
    fn start(maker: Maker, arguments: &[&str], files: &[String]) -> Self {
        let mut command = match maker {
            Maker::Nng111 => {
                let program = build_dir().join("nng-peer");
                assert!(program.exists(), "{}: `make test` builds it", program.display());
                Command::new(program)
            }
            Maker::Pynng => {
                let mut command = Command::new(repository().join("target/venv/bin/python"));
                command.arg(repository().join("tests/python/nng_peer.py"));
                command
            }
            Maker::Nng14 => panic!("it lives in this process"),
        };
        command.args(arguments);
        if arguments[1].starts_with("tls") {
            command.args(files);
        }
        let mut process =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = sync_channel(1_000);
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                // nobody listens any more at a test's end
                let _ = sender.send(line);
            }
        });
        let stdin = process.stdin.take();
        Self { process, stdin, lines }
    }

    fn say(&mut self, message: &[u8]) {
        let stdin = self.stdin.as_mut().unwrap();
        writeln!(stdin, "{}", hex(message)).unwrap();
        stdin.flush().unwrap();
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("the peer says something")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut digits = String::new();
    bytes.iter().for_each(|byte| write!(digits, "{byte:02x}").unwrap());
    digits
}

fn bytes(digits: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

fn nng14(protocol: nng::Protocol) -> nng::Socket {
    let socket = nng::Socket::new(protocol).unwrap();
    socket.set_opt::<RecvTimeout>(Some(PATIENCE)).unwrap();
    socket.set_opt::<SendTimeout>(Some(PATIENCE)).unwrap();
    socket
}

/// Certificates for both sides, as options of ours and as arguments of a peer's.
struct Certificates {
    authority: Authority,
    of_peer: Vec<String>,
}

impl Certificates {
    fn new(bench: &Bench) -> Self {
        let authority = Authority::new(&bench.path("certificates"));
        let (cert, key) = authority.make("peer", &["127.0.0.1"]);
        let of_peer = [authority.ca(), cert, key].map(|path| path.display().to_string());
        Self { authority, of_peer: of_peer.into() }
    }

    /// `tls = { … }` of a component that listens, or dials.
    fn option(&self, ca: &str) -> String {
        let (cert, key) = self.authority.make("ours", &["127.0.0.1"]);
        let [ca_file, cert, key] =
            [self.authority.ca(), cert, key].map(|path| path.display().to_string());
        format!("tls = {{ {ca} = \"{ca_file}\", cert = \"{cert}\", key = \"{key}\" }}\n")
    }
}

fn address(bench: &Bench, transport: &str) -> String {
    match transport {
        "ipc" => format!("ipc://{}", bench.path("bus.ipc").display()),
        _ => format!("{transport}://127.0.0.1:{}", free_port()),
    }
}

#[test]
fn every_peer_reads_what_we_publish_over_every_transport_at_once() {
    let bench = Bench::with_links(&["replay", "nng-pub"]);
    bench.write("day.csv", DAY);
    let certificates = Certificates::new(&bench);
    let [ipc, tcp, tls] = ["ipc", "tcp", "tls+tcp"].map(|transport| address(&bench, transport));
    bench.pipeline(&format!(
        "[sources.day]\nplugin = \"replay\"\npath = \"day.csv\"\nspeed = 0.0\n\
         columns = {{ code = \"code\", time = \"time\", close = \"close\" }}\n\
         [sinks.bus]\nplugin = \"nng-pub\"\ninputs = [\"day\"]\nwait_subscribers = {}\n\
         listen = [\"{ipc}\", \"{tcp}\", \"{tls}\"]\n{}",
        ROWS.len(),
        certificates.option("client_ca"),
    ));
    let host = bench.start();
    host.wait_for("listening at tls+tcp://");
    let at = |transport: &str| match transport {
        "ipc" => ipc.as_str(),
        "tcp" => tcp.as_str(),
        _ => tls.as_str(),
    };
    let rounds = ROUNDS.to_string();
    let mut heard = Vec::new();
    for (maker, transport) in ROWS {
        let address = at(transport).to_owned();
        heard.push(match maker {
            Maker::Nng14 => {
                let socket = nng14(nng::Protocol::Sub0);
                socket.set_opt::<Subscribe>(TOPIC.to_vec()).unwrap();
                socket.dial(&address).unwrap();
                thread::spawn(move || {
                    let (mut ends, mut lines) = (0, Vec::new());
                    while ends < ROUNDS {
                        let message = socket.recv().unwrap();
                        ends += usize::from(message.as_slice() == END);
                        lines.push(hex(&message));
                    }
                    lines
                })
            }
            _ => {
                let peer = Peer::start(maker, &["sub", &address, &rounds], &certificates.of_peer);
                thread::spawn(move || {
                    let (mut ends, mut lines) = (0, Vec::new());
                    while ends < ROUNDS {
                        let line = peer.line();
                        ends += usize::from(line == hex(END));
                        lines.push(line);
                    }
                    lines
                })
            }
        });
    }
    let heard: Vec<_> = heard.into_iter().map(|it| it.join().unwrap()).collect();
    host.wait().assert(0, &[]);
    for ((maker, transport), lines) in ROWS.into_iter().zip(&heard) {
        assert_eq!(lines.len(), 3 * ROUNDS, "{maker:?} over {transport}");
        assert!(*lines == heard[0], "{maker:?} over {transport} heard something else");
        assert_eq!(lines[0], hex(b":spot:[start spot]"));
        assert!(bytes(&lines[1]).windows(6).any(|it| it == b"600000"));
    }
}

/// Waits until the source has given records, while `say` publishes.
fn until_read(host: &Host, http: u16, records: f64, mut say: impl FnMut()) {
    let read = || host.metric(http, "dataserver_records_in_total", "component=\"bus\"");
    let deadline = std::time::Instant::now() + PATIENCE;
    while read() < records {
        assert!(std::time::Instant::now() < deadline, "{}", host.log());
        say();
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn we_read_what_every_peer_publishes_over_every_transport() {
    let mut encoder = plugin_api::SpotListEncoder::new(1);
    let quote = plugin_api::SpotRecord {
        market: "SH",
        code: "600000",
        time_us: 1_763_602_200_000_000,
        close: 8.5,
        ..Default::default()
    };
    encoder.push(&quote).unwrap();
    let list = [TOPIC, &encoder.finish()].concat();
    let round: [&[u8]; 3] = [b":spot:[start spot]", &list, END];
    for (maker, transport) in ROWS {
        let bench = Bench::with_links(&["nng-sub", "null"]);
        let (http, address) = (free_port(), address(&bench, transport));
        let certificates = Certificates::new(&bench);
        let tls = match transport {
            "tls+tcp" => certificates.option("ca"),
            _ => String::new(),
        };
        bench.pipeline(&format!(
            "[host]\nhttp = \"127.0.0.1:{http}\"\n[sources.bus]\nplugin = \"nng-sub\"\n\
             dial = \"{address}\"\n{tls}[sinks.none]\nplugin = \"null\"\ninputs = [\"bus\"]\n"
        ));
        let host = bench.start();
        host.wait_for("no publisher answers");
        if maker == Maker::Nng14 {
            let socket = nng14(nng::Protocol::Pub0);
            socket.listen(&address).unwrap();
            until_read(&host, http, 3.0, || {
                round.iter().for_each(|message| socket.send(*message).unwrap());
            });
        } else {
            let mut peer = Peer::start(maker, &["pub", &address], &certificates.of_peer);
            until_read(&host, http, 3.0, || round.iter().for_each(|message| peer.say(message)));
        }
        host.signal("TERM");
        let run = host.wait();
        run.assert(0, &[]);
        assert_eq!(run.summary("bus", "dropped"), 0, "{maker:?} over {transport}");
    }
}

#[test]
fn we_answer_every_peer_over_every_transport() {
    let bench = Bench::with_links(&["nng-sub", "hikyuu-server"]);
    let certificates = Certificates::new(&bench);
    let [ipc, tcp, tls] = ["ipc", "tcp", "tls+tcp"].map(|transport| address(&bench, transport));
    bench.pipeline(&format!(
        "[sources.bus]\nplugin = \"nng-sub\"\ndial = \"ipc://{}\"\n\
         [sinks.server]\nplugin = \"hikyuu-server\"\ninputs = [\"bus\"]\n\
         listen = [\"{ipc}\", \"{tcp}\", \"{tls}\"]\n{}",
        bench.path("nobody.ipc").display(),
        certificates.option("client_ca"),
    ));
    let host = bench.start();
    host.wait_for("listening at tls+tcp://");
    let (ping, unknown) = (b"\x81\xa3cmd\xa4ping", b"\x81\xa3cmd\xa4what");
    for (maker, transport) in ROWS {
        let address = match transport {
            "ipc" => &ipc,
            "tcp" => &tcp,
            _ => &tls,
        };
        let answers: Vec<Vec<u8>> = if maker == Maker::Nng14 {
            let socket = nng14(nng::Protocol::Req0);
            socket.dial(address).unwrap();
            let ask = |question: &[u8]| {
                socket.send(question).map_err(|(_, error)| error).unwrap();
                socket.recv().unwrap().to_vec()
            };
            vec![ask(ping), ask(unknown)]
        } else {
            let mut peer = Peer::start(maker, &["req", address], &certificates.of_peer);
            peer.say(ping);
            let pong = bytes(&peer.line());
            peer.say(unknown);
            vec![pong, bytes(&peer.line())]
        };
        for (answer, ret) in answers.iter().zip([0, 4]) {
            let answer = rmpv::decode::read_value(&mut answer.as_slice()).unwrap();
            assert_eq!(answer["ret"].as_u64(), Some(ret), "{maker:?} over {transport}: {answer}");
        }
    }
    host.signal("TERM");
    host.wait().assert(0, &[]);
}
