//! What browsers do and programs do not: follow links, and keep the addresses that they are given.

use axum::http::{HeaderMap, Method, Uri, request::Parts};

/// Names under which people put a token into an address.
const TOKENS: [&str; 2] = ["token", "access_token"];

/// Whether a browser goes to the page, perhaps from a link in a message or on a dashboard. It gets what
/// everybody gets, and cannot show it within a page of somebody else.
pub fn opens_page(parts: &Parts) -> bool {
    let goes = says(&parts.headers, "sec-fetch-mode", "navigate")
        && says(&parts.headers, "sec-fetch-dest", "document");
    goes && parts.method == Method::GET && parts.uri.path() == "/"
}

/// Whether an address holds a token, which would then stand in histories, bookmarks and the logs of
/// proxies.
pub fn shows_token(address: &Uri) -> bool {
    let query = address.query().unwrap_or_default().as_bytes();
    let mut names = form_urlencoded::parse(query).map(|(name, _)| name);
    names.any(|name| TOKENS.iter().any(|token| name.eq_ignore_ascii_case(token)))
}

fn says(headers: &HeaderMap, name: &str, expected: &str) -> bool {
    let mut values = headers.get_all(name).iter();
    values.next().is_some_and(|value| value == expected) && values.next().is_none()
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    #[test]
    fn a_browser_opens_the_page_and_nothing_else_by_a_link() {
        let go = ("sec-fetch-mode", "navigate");
        let to = |dest| ("sec-fetch-dest", dest);
        for (method, target, headers, expected) in [
            ("GET", "/", vec![go, to("document")], true),
            ("GET", "/?x=1", vec![go, to("document")], true),
            ("GET", "/", vec![go, to("iframe")], false),
            ("GET", "/", vec![go, to("document"), to("iframe")], false),
            ("GET", "/", vec![to("document")], false),
            ("GET", "/", vec![("sec-fetch-mode", "cors"), to("empty")], false),
            ("GET", "/", vec![], false),
            ("POST", "/", vec![go, to("document")], false),
            ("GET", "/api/pipeline", vec![go, to("document")], false),
            ("GET", "/page/main.js", vec![go, to("document")], false),
        ] {
            let mut request = Request::builder().method(method).uri(target);
            for (name, value) in &headers {
                request = request.header(*name, *value);
            }
            let parts = request.body(()).unwrap().into_parts().0;
            assert_eq!(opens_page(&parts), expected, "{method} {target} {headers:?}");
        }
    }

    #[test]
    fn a_token_in_an_address_is_seen() {
        for (target, expected) in [
            ("/", false),
            ("/token", false),
            ("/api/quotes?symbols=000001.SZ", false),
            ("/api/quotes?q=token", false),
            ("/?token=secret", true),
            ("/?token", true),
            ("/api/pipeline?x=1&TOKEN=secret", true),
            ("/api/events?access_token=secret", true),
            ("/api/pipeline?%74oken=secret", true),
        ] {
            assert_eq!(shows_token(&target.parse().unwrap()), expected, "{target}");
        }
    }
}
