//! Sends messages to one target.

use std::{io, time::Duration};

use dataserver_config::{AlarmTarget, Secrets};
use plugin_api::terminal;
use serde_json::json;
use ureq::Agent;

use super::{
    message::Message,
    vendor::{self, Verdict},
};

/// Longest time of one message with its answer, and of making the connection.
const TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of the longest answer and of the longest head of one.
const MAX_ANSWER: u64 = 64 << 10;
const MAX_HEAD: usize = 16 << 10;

/// A target with a connection to it.
pub struct Robot {
    target: AlarmTarget,
    agent: Agent,
    secrets: Secrets,
}

impl Robot {
    /// A robot of that target; nothing is asked yet. A proxy that the environment names is used.
    pub fn new(target: &AlarmTarget) -> Self {
        let builder = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_response_header_size(MAX_HEAD)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(TIMEOUT))
            .user_agent(concat!("dataserver/", env!("CARGO_PKG_VERSION")));
        // what is on this machine is never behind a proxy
        let own = ["127.", "localhost", "[::1]"];
        let is_own = own.iter().any(|own| host(&target.url.0).starts_with(own));
        let config = if is_own { builder.proxy(None) } else { builder }.build();
        Self { target: target.clone(), agent: config.new_agent(), secrets: secrets(target) }
    }

    /// Kind and host, e.g. `feishu open.feishu.cn`: what may be shown of it.
    pub fn name(&self) -> String {
        format!("{} {}", self.target.kind.as_str(), host(&self.target.url.0))
    }

    /// Sends a message; blocks for ten seconds at most.
    pub fn send(&self, message: &Message, now_us: i64) -> Verdict {
        let request = vendor::request(&self.target, message, now_us);
        let body = request.body.to_string();
        let sent = self
            .agent
            .post(self.target.url.0.as_str())
            .query_pairs(request.query.iter().map(|(name, value)| (*name, value.as_str())))
            .content_type("application/json; charset=utf-8")
            .send(body.as_str());
        let answered = sent.and_then(|mut answer| {
            let status = answer.status().as_u16();
            let body = answer.body_mut().with_config().limit(MAX_ANSWER).lossy_utf8(true);
            Ok((status, body.read_to_string()?))
        });
        let verdict = match answered {
            Ok((status, body)) => vendor::verdict(self.target.kind, status, &body),
            Err(error) => failure(&error),
        };
        self.covered(verdict)
    }

    /// An answer may repeat what it was asked with.
    fn covered(&self, verdict: Verdict) -> Verdict {
        let cover = |text: String| terminal::on_one_line(&self.secrets.cover(&text)).into_owned();
        match verdict {
            Verdict::Delivered(text) => Verdict::Delivered(cover(text)),
            Verdict::Later(text, pause) => Verdict::Later(cover(text), pause),
            Verdict::Refused(text) => Verdict::Refused(cover(text)),
        }
    }
}

/// The address as a whole, its parts that let somebody write there, and the secret.
fn secrets(target: &AlarmTarget) -> Secrets {
    let url = target.url.0.as_str();
    let rest = url.find("://").map_or(url, |at| &url[at + 3..]);
    let user = rest.split(['/', '?', '#']).next().and_then(|place| place.rsplit_once('@'));
    let way = rest.find(['/', '?', '#']).map_or("", |at| &rest[at..]);
    let values = way.split(['?', '&']).filter_map(|pair| pair.split_once('='));
    let last = way.split(['?', '#']).next().and_then(|path| path.rsplit('/').next());
    let mut tokens: Vec<&str> = vec![url, way];
    tokens.extend(values.map(|(_, value)| value));
    // `send` is the end of every address of DingTalk and WeCom
    tokens.extend(last.filter(|last| last.len() > 8));
    let password = user.map(|(user, _)| user.split_once(':').map_or(user, |(_, it)| it));
    tokens.extend(password.filter(|it| !it.is_empty()));
    tokens.extend(target.secret.as_ref().map(|secret| secret.0.as_str()));
    let options = json!({ "token": tokens });
    options.as_object().map(Secrets::of).unwrap_or_default()
}

/// The host of an address, with its port if it names one.
fn host(url: &str) -> &str {
    let rest = url.find("://").map_or(url, |at| &url[at + 3..]);
    let place = rest.split(['/', '?', '#']).next().unwrap_or_default();
    place.rfind('@').map_or(place, |at| &place[at + 1..])
}

/// Why nothing was answered. Texts of the library may hold the address, so few are repeated.
fn failure(error: &ureq::Error) -> Verdict {
    let later = |text: &str| Verdict::Later(text.to_owned(), None);
    match error {
        ureq::Error::Timeout(ureq::Timeout::Connect) => {
            later("it takes no connection; look at the network and the proxy")
        }
        ureq::Error::Timeout(_) => later("no answer within 10s; look at the network"),
        ureq::Error::HostNotFound => later("its name has no address; mend the network or `url`"),
        ureq::Error::Io(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused => later("nothing listens there; correct `url`"),
            io::ErrorKind::InvalidData => Verdict::Later(
                format!("no safe connection: {error}; look at the proxy, or correct `url`"),
                None,
            ),
            _ => Verdict::Later(format!("{error}; look at the network"), None),
        },
        ureq::Error::ConnectProxyFailed(_) | ureq::Error::InvalidProxyUrl => {
            later("the proxy does not connect; correct HTTPS_PROXY")
        }
        ureq::Error::BodyExceedsLimit(_) | ureq::Error::LargeResponseHeader(..) => {
            Verdict::Refused("an answer without an end; correct `url`".to_owned())
        }
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            Verdict::Refused("`url` cannot be posted to; copy the robot's whole address".to_owned())
        }
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) | ureq::Error::TlsRequired => {
            later("no safe connection; look at the proxy, or correct `url`")
        }
        ureq::Error::Protocol(_) => later("no answer that HTTP has; look at the proxy"),
        _ => later("it cannot be reached; look at the network"),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        thread,
    };

    use dataserver_config::{AlarmKind, Secret};

    use super::*;
    use crate::alarms::message;

    fn robot(kind: AlarmKind, url: &str) -> Robot {
        Robot::new(&AlarmTarget { kind, url: Secret(url.to_owned()), secret: None })
    }

    /// A server that answers one request with that text; its address.
    fn answers(answer: String) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            // the body ends with the object that it is
            while !request.ends_with(b"}") {
                let mut bytes = [0; 1024];
                let read = stream.read(&mut bytes).unwrap();
                request.extend_from_slice(&bytes[..read]);
            }
            let _ = stream.write_all(answer.as_bytes());
        });
        format!("http://{address}")
    }

    #[test]
    fn what_is_shown_of_a_target_lets_nobody_write_there() {
        for (url, shown) in [
            ("https://open.feishu.cn/open-apis/bot/v2/hook/x", "wecom open.feishu.cn"),
            ("https://oapi.dingtalk.com/robot/send?access_token=x", "wecom oapi.dingtalk.com"),
            ("http://fred:swordfish@127.0.0.1:80?key=x", "wecom 127.0.0.1:80"),
        ] {
            assert_eq!(robot(AlarmKind::WeCom, url).name(), shown);
        }
    }

    #[test]
    fn an_answer_that_repeats_the_address_is_shown_without_it() {
        let said = r#"{"errcode":7,"errmsg":"no robot hunter2xyz at /robot/send?key=hunter2xyz"}"#;
        let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
        let url = answers(format!("{head}{said}"));
        let robot = robot(AlarmKind::WeCom, &format!("{url}/robot/send?key=hunter2xyz"));
        let Verdict::Refused(text) = robot.send(&message::test("m"), 0) else { panic!() };
        assert!(text.starts_with("code 7 no robot *** at"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn an_answer_without_an_end_is_not_read_to_its_end() {
        let url = answers(format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(1 << 20)));
        let verdict = robot(AlarmKind::Json, &url).send(&message::test("m"), 0);
        assert!(
            matches!(&verdict, Verdict::Refused(text) if text.contains("without an end")),
            "{verdict:?}"
        );
        let url = answers("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\n\r\n".to_owned());
        let verdict = robot(AlarmKind::Json, &url).send(&message::test("m"), 0);
        assert!(
            matches!(&verdict, Verdict::Refused(text) if text.contains("elsewhere")),
            "{verdict:?}"
        );
    }

    #[test]
    fn a_target_that_is_away_is_tried_again() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let robot = robot(AlarmKind::Feishu, &format!("http://127.0.0.1:{port}/hook/hunter2xyz"));
        let Verdict::Later(text, None) = robot.send(&message::test("m"), 0) else { panic!() };
        assert!(text.contains("nothing listens") && !text.contains("hunter2"), "{text}");
    }
}
