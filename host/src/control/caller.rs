//! Which requests may come in at all: none that a web page of somebody else made.
//!
//! A browser on this machine sends whatever a page tells it to, also to addresses that only this
//! machine reaches. It cannot be kept from sending, but it says where a request comes from: in
//! `Origin` and `Sec-Fetch-Site`, and, for a page whose name was pointed at this machine (DNS
//! rebinding), in `Host`. Programs that are no browsers send neither of the first two.

use std::{fmt, net::Ipv4Addr, net::Ipv6Addr};

use axum::{
    Json,
    body::{Body, Bytes},
    extract::Request,
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header,
        request::Parts,
    },
    response::{IntoResponse, Response},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};

use super::{Refusal, browser};

/// Bytes of the largest body: as many securities as may be asked for at once, with room.
pub const MAX_BODY: usize = 256 << 10;
/// Port of an address with the scheme `http` and none of its own.
pub const HTTP_PORT: &str = "80";

/// A request that is not let in.
#[derive(Debug, PartialEq, Eq)]
pub struct Rejection {
    code: StatusCode,
    text: String,
}

impl Rejection {
    /// Too much is being done already.
    pub fn busy() -> Self {
        let text = "too many requests are being worked on; ask again in a moment";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, text)
    }

    fn new(code: StatusCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

impl From<Rejection> for Response {
    fn from(Rejection { code, text }: Rejection) -> Self {
        // what follows on the connection is not read
        let close = [(header::CONNECTION, HeaderValue::from_static("close"))];
        (code, close, Json(Refusal { error: text })).into_response()
    }
}

/// The request with all of its body, if it may come in.
///
/// # Errors
/// Why it may not.
pub async fn whole(
    request: Request<Incoming>,
    allowed_hosts: &[String],
) -> Result<Request<Body>, Rejection> {
    let (parts, body) = request.into_parts();
    let checked = check(&parts, !body.is_end_stream(), allowed_hosts);
    // also of a request that is refused: an answer may not arrive where bytes were left unread
    let bytes = read(body).await;
    checked?;
    Ok(Request::from_parts(parts, Body::from(bytes?)))
}

fn check(parts: &Parts, has_body: bool, allowed_hosts: &[String]) -> Result<(), Rejection> {
    check_host(parts, allowed_hosts)?;
    if !browser::opens_page(parts) {
        check_origin(&parts.headers)?;
    }
    check_address(&parts.uri)?;
    check_kind(parts, has_body)
}

async fn read(body: Incoming) -> Result<Bytes, Rejection> {
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let text = format!("a body may have {MAX_BODY} bytes at most");
            Err(Rejection::new(StatusCode::PAYLOAD_TOO_LARGE, text))
        }
        Err(error) => Err(Rejection::new(
            StatusCode::BAD_REQUEST,
            format!("the body cannot be read: {error}"),
        )),
    }
}

/// Host and port, as `Host` and `Origin` name them.
#[derive(Debug, PartialEq, Eq)]
struct Authority<'a> {
    host: Host,
    port: &'a str,
}

#[derive(Debug, PartialEq, Eq)]
enum Host {
    V4(Ipv4Addr),
    V6(Ipv6Addr),
    /// In lower case, without a final dot.
    Name(String),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl<'a> Authority<'a> {
    /// `None` for what names no host, or names a user too.
    fn parse(text: &'a str) -> Option<Self> {
        let (host, rest) = if let Some(rest) = text.strip_prefix('[') {
            let (address, rest) = rest.split_once(']')?;
            (Host::V6(address.parse().ok()?), rest)
        } else {
            let (name, _) = text.split_once(':').unwrap_or((text, ""));
            (Self::plain(name)?, &text[name.len()..])
        };
        let port = match rest.strip_prefix(':') {
            Some("") => HTTP_PORT,
            Some(port) => port,
            None if rest.is_empty() => HTTP_PORT,
            None => return None,
        };
        let is_port = port.bytes().all(|it| it.is_ascii_digit()) && port.parse::<u16>().is_ok();
        is_port.then_some(Self { host, port })
    }

    fn plain(name: &str) -> Option<Host> {
        if let Ok(address) = name.parse() {
            return Some(Host::V4(address));
        }
        let name = name.strip_suffix('.').unwrap_or(name);
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let is_name = !name.is_empty() && name.chars().all(allowed);
        is_name.then(|| Host::Name(name.to_ascii_lowercase()))
    }

    /// Whether no page of somebody else can have that host: it is an address, this machine's own
    /// name for itself, or was allowed.
    fn is_allowed(&self, allowed_hosts: &[String]) -> bool {
        match &self.host {
            Host::V4(_) | Host::V6(_) => true,
            Host::Name(name) => name == "localhost" || allowed_hosts.contains(name),
        }
    }
}

/// Whether a request with that method changes nothing.
pub fn reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// The only value of a header; `None` when there is none.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Rejection> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let bad = |what| Rejection::new(StatusCode::BAD_REQUEST, format!("`{name}` {what}"));
    if values.next().is_some() {
        return Err(bad("stands there more than once"));
    }
    value.to_str().map(Some).map_err(|_| bad("is no text"))
}

fn check_host(parts: &Parts, allowed_hosts: &[String]) -> Result<(), Rejection> {
    let bad = |text: &str| Rejection::new(StatusCode::BAD_REQUEST, text);
    let host = match only(&parts.headers, &header::HOST)? {
        Some(host) => host,
        // as monitors ask that are older than the header; no browser does
        None if is_old(parts) && reads(&parts.method) => return Ok(()),
        None => return Err(bad("there is no `Host`; say which host is asked")),
    };
    let authority = Authority::parse(host);
    let authority = authority.ok_or_else(|| bad("`Host` is no name or address with a port"))?;
    if let Some(target) = parts.uri.authority()
        && Authority::parse(target.as_str()).as_ref() != Some(&authority)
    {
        return Err(bad("the target of the request is another host than `Host`"));
    }
    if authority.is_allowed(allowed_hosts) {
        return Ok(());
    }
    let text = format!(
        "this host is not reached as `{0}`: use its address or localhost, or add \"{0}\" to \
         `[host] allowed_hosts`",
        authority.host
    );
    Err(Rejection::new(StatusCode::FORBIDDEN, text))
}

fn is_old(parts: &Parts) -> bool {
    parts.version == Version::HTTP_10 && parts.uri.authority().is_none()
}

fn check_origin(headers: &HeaderMap) -> Result<(), Rejection> {
    let foreign = || {
        let text = "the request comes from a page of another site, which may not ask this host";
        Rejection::new(StatusCode::FORBIDDEN, text)
    };
    let sites = headers.get_all("sec-fetch-site").iter();
    if !sites.map(HeaderValue::as_bytes).all(|site| matches!(site, b"same-origin" | b"none")) {
        return Err(foreign());
    }
    let Some(origin) = only(headers, &header::ORIGIN)? else { return Ok(()) };
    let own = only(headers, &header::HOST)?.and_then(Authority::parse);
    let is_http = origin.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"));
    let origin = origin.get(7..).filter(|_| is_http).and_then(Authority::parse);
    if origin.is_some() && origin == own { Ok(()) } else { Err(foreign()) }
}

fn check_address(address: &Uri) -> Result<(), Rejection> {
    if !browser::shows_token(address) {
        return Ok(());
    }
    let text = "a token has no place in an address, which is kept in histories and logs: type it \
                into the page, or send it as `Authorization: Bearer`";
    Err(Rejection::new(StatusCode::BAD_REQUEST, text))
}

/// A form of another page can send what it likes, but not as JSON.
fn check_kind(parts: &Parts, has_body: bool) -> Result<(), Rejection> {
    let kind = match only(&parts.headers, &header::CONTENT_TYPE)? {
        Some(_) if reads(&parts.method) && !has_body => return Ok(()),
        None if !has_body => return Ok(()),
        kind => kind.unwrap_or_default(),
    };
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let text = "a body is taken as `Content-Type: application/json` alone; none is needed";
    Err(Rejection::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn code(checked: Result<(), Rejection>) -> u16 {
        checked.map_or_else(|refused| refused.code.as_u16(), |()| 200)
    }

    #[test]
    fn a_host_is_an_address_localhost_or_a_name_that_was_allowed() {
        let allowed = ["quotes.lan".to_owned()];
        for (host, expected) in [
            ("127.0.0.1", 200),
            ("127.0.0.1:9280", 200),
            ("127.0.0.1:", 200),
            ("192.168.1.7:80", 200),
            ("[::1]", 200),
            ("[::1]:9280", 200),
            ("[2001:DB8::1]:9280", 200),
            ("localhost", 200),
            ("LocalHost.:9280", 200),
            ("quotes.lan", 200),
            ("QUOTES.LAN.:1", 200),
            ("test", 403),
            ("evil.example", 403),
            ("localhost.evil.example", 403),
            ("127.0.0.1.evil.example", 403),
            ("evil.example.localhost", 403),
            ("quotes.lan.evil.example", 403),
            ("xquotes.lan", 403),
            ("lan", 403),
            ("127.1", 403),
            ("2130706433", 403),
            ("0x7f.0.0.1", 403),
            ("127.0.0.1.", 403),
            ("localhost..", 403),
            ("", 400),
            (":9280", 400),
            (".", 400),
            ("::1", 400),
            ("[::1", 400),
            ("[::1]evil.example", 400),
            ("[::1%25lo]", 400),
            ("[127.0.0.1]", 400),
            ("user@127.0.0.1", 400),
            ("evil.example@127.0.0.1", 400),
            ("evil.example:80@127.0.0.1", 400),
            ("127.0.0.1:9280:1", 400),
            ("127.0.0.1:99999", 400),
            ("127.0.0.1:+80", 400),
            ("127.0.0.1/evil.example", 400),
            ("127.0.0.1 evil.example", 400),
            ("127.0.0.1,evil.example", 400),
            ("localhost\\evil.example", 400),
        ] {
            let checked = check_host(&parts("GET", "/health", &[("host", host)]), &allowed);
            assert_eq!(code(checked), expected, "{host:?}");
        }
    }

    #[test]
    fn one_host_is_named_and_a_target_with_another_one_is_refused() {
        let local = ("host", "127.0.0.1:1");
        for (target, headers, expected) in [
            ("/health", vec![], 400),
            ("/health", vec![local, local], 400),
            ("/health", vec![local, ("host", "evil.example")], 400),
            ("http://127.0.0.1:1/health", vec![local], 200),
            ("http://evil.example/health", vec![local], 400),
            ("http://127.0.0.1:1/health", vec![("host", "evil.example")], 400),
            ("http://evil.example/health", vec![("host", "evil.example")], 403),
            ("http://user@127.0.0.1:1/health", vec![local], 400),
            ("http://127.0.0.1:1/health", vec![], 400),
        ] {
            let checked = check_host(&parts("GET", target, &headers), &[]);
            assert_eq!(code(checked), expected, "{target} {headers:?}");
        }
    }

    #[test]
    fn a_monitor_that_is_older_than_the_header_need_not_name_the_host() {
        let of = |method, version, headers: &[(&str, &str)]| {
            let mut parts = parts(method, "/health", headers);
            parts.version = version;
            code(check_host(&parts, &[]).and_then(|()| check_origin(&parts.headers)))
        };
        assert_eq!(of("GET", Version::HTTP_10, &[]), 200);
        assert_eq!(of("HEAD", Version::HTTP_10, &[]), 200);
        assert_eq!(of("GET", Version::HTTP_11, &[]), 400);
        assert_eq!(of("POST", Version::HTTP_10, &[]), 400, "nothing acts so");
        assert_eq!(of("GET", Version::HTTP_10, &[("host", "evil.example")]), 403);
        assert_eq!(of("GET", Version::HTTP_10, &[("origin", "http://evil.example")]), 403);
    }

    #[test]
    fn only_a_page_of_this_host_may_ask() {
        for (host, origin, expected) in [
            ("127.0.0.1:9280", "http://127.0.0.1:9280", 200),
            ("LOCALHOST:9280", "HTTP://localhost:9280", 200),
            ("localhost", "http://localhost", 200),
            ("localhost:80", "http://localhost", 200),
            ("[::1]:9280", "http://[::1]:9280", 200),
            ("127.0.0.1:9280", "null", 403),
            ("127.0.0.1:9280", "", 403),
            ("127.0.0.1:9280", "http://evil.example", 403),
            ("127.0.0.1:9280", "http://evil.example:9280", 403),
            ("127.0.0.1:9280", "http://127.0.0.1", 403),
            ("127.0.0.1:9280", "http://127.0.0.1:9281", 403),
            ("127.0.0.1:9280", "https://127.0.0.1:9280", 403),
            ("127.0.0.1:9280", "http://localhost:9280", 403),
            ("127.0.0.1:9280", "127.0.0.1:9280", 403),
            ("127.0.0.1:9280", "http://127.0.0.1:9280/", 403),
            ("127.0.0.1:9280", "http://127.0.0.1:9280.evil.example", 403),
            ("127.0.0.1:9280", "file://", 403),
            ("127.0.0.1:9280", "chrome-extension://abc", 403),
        ] {
            let parts = parts("POST", "/api/reload", &[("host", host), ("origin", origin)]);
            assert_eq!(code(check_origin(&parts.headers)), expected, "{host} {origin:?}");
        }
        let own = "http://127.0.0.1:9280";
        for (headers, expected) in [
            (vec![], 200),
            (vec![("sec-fetch-site", "same-origin")], 200),
            (vec![("sec-fetch-site", "none")], 200),
            (vec![("sec-fetch-site", "same-site")], 403),
            (vec![("sec-fetch-site", "cross-site")], 403),
            (vec![("sec-fetch-site", "anything")], 403),
            (vec![("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")], 403),
            (vec![("origin", own), ("sec-fetch-site", "cross-site")], 403),
            (vec![("origin", own), ("origin", "http://evil.example")], 400),
        ] {
            let mut headers = headers;
            headers.push(("host", "127.0.0.1:9280"));
            let parts = parts("POST", "/api/reload", &headers);
            assert_eq!(code(check_origin(&parts.headers)), expected, "{headers:?}");
        }
    }

    #[test]
    fn a_body_is_json() {
        for (method, kind, has_body, expected) in [
            ("POST", None, false, 200),
            ("POST", None, true, 415),
            ("POST", Some("application/json"), true, 200),
            ("POST", Some("Application/JSON; charset=utf-8"), true, 200),
            ("POST", Some("application/json ;charset=utf-8"), false, 200),
            ("POST", Some("text/plain"), true, 415),
            ("POST", Some("text/plain"), false, 415),
            ("POST", Some("application/x-www-form-urlencoded"), false, 415),
            ("POST", Some("text/plain; application/json"), true, 415),
            ("POST", Some("application/jsonp"), true, 415),
            ("POST", Some("application/json, text/plain"), true, 415),
            ("GET", Some("text/plain"), false, 200),
            ("GET", Some("text/plain"), true, 415),
        ] {
            let headers: Vec<_> = kind.map(|kind| ("content-type", kind)).into_iter().collect();
            let checked = check_kind(&parts(method, "/api/reload", &headers), has_body);
            assert_eq!(code(checked), expected, "{method} {kind:?} {has_body}");
        }
        let twice = [("content-type", "application/json"), ("content-type", "text/plain")];
        assert_eq!(code(check_kind(&parts("POST", "/", &twice), true)), 400);
    }
}
