//! How the interface says no: always as `{"error": "…"}`.

use axum::{
    Json,
    body::to_bytes,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

/// Bytes of the largest head of a request, the address among them; a larger one is refused.
pub const MAX_HEAD: usize = 64 << 10;
/// Bytes of the longest text that is told on.
const MAX_TEXT: usize = 4 << 10;

/// Why there is no answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Refusal {
    /// The reason.
    pub error: String,
}

/// An answer that says no.
pub fn refuse(code: StatusCode, error: impl Into<String>) -> Response {
    (code, Json(Refusal { error: error.into() })).into_response()
}

/// The same for what the router refuses by itself, which is text or nothing.
pub async fn told(response: Response) -> Response {
    let code = response.status();
    let is_text = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !(code.is_client_error() || code.is_server_error()) || !is_text {
        return response;
    }
    let (parts, body) = response.into_parts();
    let allowed = parts.headers.get(header::ALLOW).cloned();
    let body = to_bytes(body, MAX_TEXT).await.unwrap_or_default();
    let mut answer = refuse(code, reason(code, &body, allowed.as_ref()));
    if let Some(allowed) = allowed {
        answer.headers_mut().insert(header::ALLOW, allowed);
    }
    answer
}

/// An answer with words in the place of one without, as it is given to what cannot be read as a
/// request, and ends its connection. `None` for anything else.
pub fn in_words(answer: &[u8]) -> Option<Vec<u8>> {
    let code = answer.strip_prefix(b"HTTP/1.1 4")?.get(..2)?;
    let is_whole = answer.ends_with(b"\r\n\r\n");
    let code = std::str::from_utf8(code).ok()?.parse::<u16>().ok().filter(|_| is_whole)?;
    let code = StatusCode::from_u16(400 + code).ok()?;
    let error = match code {
        StatusCode::URI_TOO_LONG | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => format!(
            "an address with its headers may have {MAX_HEAD} bytes at most; a long list goes into the body \
             of a POST to the same path, as {{\"symbols\":[\"000001.SZ\"]}} with `Content-Type: \
             application/json`"
        ),
        _ => "this cannot be read as a request of HTTP/1.1; docs/OPERATIONS.md has examples"
            .to_owned(),
    };
    let body = serde_json::to_string(&Refusal { error }).ok()?;
    let head = format!(
        "HTTP/1.1 {code}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        body.len()
    );
    Some((head + &body).into_bytes())
}

fn reason(code: StatusCode, body: &[u8], allowed: Option<&HeaderValue>) -> String {
    let text = String::from_utf8_lossy(body).trim().to_owned();
    let allowed = allowed.and_then(|allowed| allowed.to_str().ok()).unwrap_or_default();
    match code {
        _ if !text.is_empty() => text,
        StatusCode::NOT_FOUND => {
            "nothing is at this address; docs/OPERATIONS.md lists all of them".to_owned()
        }
        StatusCode::METHOD_NOT_ALLOWED => format!("this address takes {allowed} alone"),
        _ => code.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    async fn body(response: Response) -> String {
        String::from_utf8(to_bytes(response.into_body(), MAX_TEXT).await.unwrap().into()).unwrap()
    }

    #[tokio::test(flavor = "current_thread")]
    async fn every_refusal_is_an_object_with_an_error() {
        for (given, expected) in [
            ((StatusCode::BAD_REQUEST, "no\n").into_response(), "{\"error\":\"no\"}"),
            (StatusCode::NOT_FOUND.into_response(), "{\"error\":\"nothing is at this address; "),
            (
                (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET")]).into_response(),
                "{\"error\":\"this address takes GET alone\"}",
            ),
            (refuse(StatusCode::CONFLICT, "busy"), "{\"error\":\"busy\"}"),
        ] {
            let code = given.status();
            let told = told(given).await;
            assert_eq!(told.status(), code);
            let text = body(told).await;
            assert!(text.starts_with(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_in_words() {
        let told = |code: &str| {
            let answer = format!("HTTP/1.1 {code}\r\nconnection: close\r\n\r\n");
            in_words(answer.as_bytes()).map(|told| String::from_utf8(told).unwrap())
        };
        let told_414 = told("414 URI Too Long").unwrap();
        let (head, body) = told_414.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 414 URI Too Long\r\n"), "{head}");
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
        let refusal: Refusal = serde_json::from_str(body).unwrap();
        assert!(refusal.error.contains("body of a POST"), "{}", refusal.error);
        assert!(told("431 Request Header Fields Too Large").unwrap().contains("body of a POST"));
        assert!(told("400 Bad Request").unwrap().contains("cannot be read"));
        assert_eq!(told("200 OK").or(told("100 Continue")), None);
        assert_eq!(in_words(b"HTTP/1.1 400 Bad Request\r\n"), None, "it is not all of it");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_is_no_refusal_stays_as_it_is() {
        assert_eq!(body(told(Body::from("fine").into_response()).await).await, "fine");
        let page = (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "text/html")], "<p>");
        assert_eq!(body(told(page.into_response()).await).await, "<p>");
    }
}
