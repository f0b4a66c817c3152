//! Requests that a guest sends: only to hosts that its component is granted.

use http::{Request, Response, Uri, uri::Scheme};
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpHooks, default_send_request,
    p2::bindings::http::types::{DnsErrorPayload, ErrorCode},
};

use super::denied::Denied;

/// Bytes of a request's body that wait at once, at most twice.
const CHUNK: usize = 16 << 10;

type Sent = Result<(Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error>;

/// Lets requests to granted hosts through.
pub(super) struct Gate {
    hosts: Vec<String>,
    denied: Denied,
}

impl Gate {
    /// `hosts` as in `grants.http`.
    pub fn new(hosts: Vec<String>, denied: Denied) -> Self {
        Self { hosts, denied }
    }
}

impl WasiHttpHooks for Gate {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        if !is_granted(&self.hosts, request.uri()) {
            let target = target(request.uri());
            let remedy = format!("add \"{target}\" to grants.http if it may call it");
            self.denied.note("http", &format!("HTTP to {target}"), &remedy);
            return Box::new(std::future::ready(Err(Error::HttpRequestDenied)));
        }
        Box::new(async move {
            let (response, io) = default_send_request(request, options).await?;
            let io: Box<dyn Future<Output = _> + Send> = Box::new(io);
            Ok((response.map(http_body_util::BodyExt::boxed_unsync), io))
        })
    }

    // what waits to be sent is memory of the host that no limit of the guest's counts
    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK
    }

    // the plugin is told; the host's log is not the place for a server that is away
    fn p2_error_from_hyper(&mut self, _: &hyper::Error) -> ErrorCode {
        ErrorCode::HttpProtocolError
    }

    fn p2_error_from_connect(&mut self, _: &std::io::Error) -> ErrorCode {
        ErrorCode::ConnectionRefused
    }

    fn p2_error_from_tls(&mut self, _: &std::io::Error) -> ErrorCode {
        ErrorCode::TlsProtocolError
    }

    fn p2_error_from_dns(&mut self, _: &rustls::pki_types::InvalidDnsNameError) -> ErrorCode {
        let rcode = Some("invalid dns name".to_owned());
        ErrorCode::DnsError(DnsErrorPayload { rcode, info_code: None })
    }
}

/// A grant without a port is one for the port of the scheme.
fn is_granted(hosts: &[String], uri: &Uri) -> bool {
    let Some(host) = uri.host().map(str::to_ascii_lowercase) else { return false };
    let usual = usual_port(uri);
    let port = uri.port_u16().unwrap_or(usual);
    // `user@host` asks for nothing that a plugin needs, and for a second look at what the host is
    let plain = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    let with_port = format!("{host}:{port}");
    plain && hosts.iter().any(|it| *it == with_port || (*it == host && port == usual))
}

fn usual_port(uri: &Uri) -> u16 {
    if uri.scheme() == Some(&Scheme::HTTP) { 80 } else { 443 }
}

/// As it would stand in `grants.http`.
fn target(uri: &Uri) -> String {
    let host = uri.host().unwrap_or("a host without a name").to_ascii_lowercase();
    match uri.port_u16() {
        Some(port) if port != usual_port(uri) => format!("{host}:{port}"),
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_let_through_to_granted_hosts_and_ports_alone() {
        let hosts = ["qt.gtimg.cn", "127.0.0.1:8080", "[::1]:9000"].map(str::to_owned);
        // url, granted
        let cases = [
            ("http://qt.gtimg.cn/q=sh600000", true),
            ("https://QT.gtimg.cn/", true),
            ("https://qt.gtimg.cn:443/", true),
            ("http://qt.gtimg.cn:443/", false),
            ("http://qt.gtimg.cn:8080/", false),
            ("http://qt.gtimg.cn.evil.example/", false),
            ("http://evil.example/qt.gtimg.cn", false),
            ("http://qt.gtimg.cn@evil.example/", false),
            ("http://evil.example@qt.gtimg.cn/", false),
            ("http://127.0.0.1:8080/", true),
            ("http://127.0.0.1/", false),
            ("http://[::1]:9000/", true),
            ("http://[::1]/", false),
        ];
        for (url, granted) in cases {
            let uri: Uri = url.parse().unwrap();
            assert_eq!(is_granted(&hosts, &uri), granted, "{url}");
            assert!(!is_granted(&[], &uri));
        }
    }

    #[test]
    fn what_is_denied_is_named_as_it_would_be_granted() {
        for (url, named) in
            [("http://A.example/x", "a.example"), ("https://a.example:80/", "a.example:80")]
        {
            assert_eq!(target(&url.parse().unwrap()), named);
        }
    }
}
