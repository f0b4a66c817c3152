//! What is asked for: behind the `?` of an address, decoded, or as JSON in a body, which has no end
//! as an address has.

use std::convert::Infallible;

use axum::{
    body::to_bytes,
    extract::{FromRequestParts, Request},
    http::{Method, StatusCode, request::Parts},
    middleware::Next,
    response::Response,
};
use dataserver_config::closest;
use serde_json::{Map, Value};

use super::{caller::MAX_BODY, refusal::refuse};
use crate::backfill::request::PARAMETERS as BACKFILL;

/// What addresses take that are known here; one that ends in `/` stands for all below it. A `POST` to
/// any other takes nothing.
const TAKEN: [(&str, &[&str]); 4] = [
    ("/api/backfill", &BACKFILL),
    ("/api/quotes", &["symbols", "q", "day"]),
    ("/api/reload", &["check"]),
    ("/api/tap/", &["symbols", "kind", "fields", "limit", "inputs"]),
];
const NOTHING: &[&str] = &[];
/// Letters of a name that are told on.
const MAX_SHOWN: usize = 100;
/// Below it bodies say what is to be done, and are read there.
const READERS: &str = "/api/readers/";

/// Names and values, in order.
#[derive(Debug, Clone, Default)]
pub struct Parameters(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// Reads what a request asks for, once for all who answer. A name that is not known is refused: who
/// misspells `check` must not act.
pub async fn read(request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    // it is there already, and bounded
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return refuse(StatusCode::BAD_REQUEST, "the body cannot be read");
    };
    let read = Parameters::parse(parts.uri.query().unwrap_or_default());
    let path = parts.uri.path();
    let read = if path.starts_with(READERS) { Ok(read) } else { read.and(&body) };
    let checked = read.and_then(|read| match taken(path, &parts.method) {
        Some(names) => read.check(names).map(|()| read),
        None => Ok(read),
    });
    match checked {
        Ok(parameters) => {
            parts.extensions.insert(parameters);
            next.run(Request::from_parts(parts, body.into())).await
        }
        Err(error) => refuse(StatusCode::BAD_REQUEST, error),
    }
}

/// The names that an address takes; `None` where others do no harm.
fn taken(path: &str, method: &Method) -> Option<&'static [&'static str]> {
    let is_it = |known: &str| path == known || known.ends_with('/') && path.starts_with(known);
    let known = TAKEN.iter().find(|(known, _)| is_it(known)).map(|(_, names)| *names);
    known.or((*method == Method::POST).then_some(NOTHING))
}

impl Parameters {
    fn parse(query: &str) -> Self {
        let pairs = form_urlencoded::parse(query.as_bytes());
        Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// Those of a body besides; what is no text there is read as if it stood in an address.
    fn and(mut self, body: &[u8]) -> Result<Self, String> {
        if body.is_empty() {
            return Ok(self);
        }
        let object: Map<String, Value> = serde_json::from_slice(body).map_err(|error| {
            format!("the body is to be JSON like {{\"symbols\":[\"000001.SZ\"]}}: {error}")
        })?;
        for (name, value) in object {
            let values = match value {
                Value::Null => Vec::new(),
                Value::Array(values) => values,
                one => vec![one],
            };
            for value in values {
                let text = match value {
                    Value::String(text) => text,
                    Value::Bool(_) | Value::Number(_) => value.to_string(),
                    Value::Null | Value::Array(_) | Value::Object(_) => {
                        return Err(format!(
                            "`{name}` is to be a text, a number, true, false or a list of them"
                        ));
                    }
                };
                self.0.push((name.clone(), text));
            }
        }
        Ok(self)
    }

    fn check(&self, names: &[&str]) -> Result<(), String> {
        let mut given = self.0.iter().map(|(name, _)| name.as_str());
        let Some(unknown) = given.find(|name| !names.contains(name)) else { return Ok(()) };
        let help = match closest(unknown, names.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if names.is_empty() => "it takes nothing, so leave that out".to_owned(),
            None => format!("it takes {}", names.join(", ")),
        };
        let unknown: String = unknown.chars().take(MAX_SHOWN).collect();
        Err(format!("this address takes no `{unknown}`; {help}"))
    }

    /// The first value of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The parts of all values of that name, which commas separate.
    pub fn list(&self, name: &str) -> Vec<&str> {
        let parts = self.all(name).flat_map(|value| value.split(','));
        parts.map(str::trim).filter(|part| !part.is_empty()).collect()
    }

    /// Whether the value is `true`.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    /// The value as a number from 0 on.
    ///
    /// # Errors
    /// When it is none.
    pub fn number(&self, name: &str) -> Result<Option<u64>, String> {
        let parse =
            |value: &str| value.parse().map_err(|_| format!("`{name}` is no number from 0 on"));
        self.get(name).map(parse).transpose()
    }

    /// The value as a number from 1 on.
    ///
    /// # Errors
    /// When it is none.
    pub fn count(&self, name: &str) -> Result<Option<u64>, String> {
        let parse = |value: &str| value.parse::<u64>().ok().filter(|count| *count > 0);
        let fault = || format!("`{name}` is no number from 1 on");
        self.get(name).map(|value| parse(value).ok_or_else(fault)).transpose()
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |pair| pair.0 == name).map(|pair| pair.1.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_names() {
        let asked =
            Parameters::parse("q=%E5%B9%B3%E5%AE%89&symbols=a,%20b,,&symbols=c&inputs=true");
        assert_eq!((asked.get("q"), asked.get("x")), (Some("平安"), None));
        assert_eq!(asked.list("symbols"), ["a", "b", "c"]);
        assert!(asked.flag("inputs") && !asked.flag("q") && asked.list("x").is_empty());
    }

    #[test]
    fn a_body_says_the_same_as_an_address() {
        let body = br#"{"symbols":["a","b,c"],"limit":7,"inputs":true,"kind":"bar","day":null}"#;
        let asked = Parameters::parse("symbols=x").and(body).unwrap();
        assert_eq!(asked.list("symbols"), ["x", "a", "b", "c"]);
        assert_eq!((asked.count("limit"), asked.flag("inputs")), (Ok(Some(7)), true));
        assert_eq!((asked.get("kind"), asked.get("day")), (Some("bar"), None));
        for (body, said) in [
            ("{", "is to be JSON"),
            ("[]", "is to be JSON"),
            (r#"{"q":{}}"#, "`q` is to be a text"),
        ] {
            let error = Parameters::default().and(body.as_bytes()).unwrap_err();
            assert!(error.contains(said), "{body}: {error}");
        }
    }

    #[test]
    fn what_is_misspelt_is_named_with_what_was_meant() {
        for (method, path, query, said) in [
            ("POST", "/api/reload", "chekc=true", Some("`chekc`; did you mean `check`?")),
            (
                "POST",
                "/api/components/lake/pause",
                "check=true",
                Some("takes no `check`; it takes nothing"),
            ),
            ("POST", "/api/backfill/cancel", "from=2026-01-05", Some("it takes nothing")),
            ("POST", "/api/backfill", "symbol=600000.SH", Some("did you mean `symbols`?")),
            ("POST", "/api/backfill", "from=2026-01-05&kind=bar", None),
            ("POST", "/api/readers/bus%2F1", "preview=true", Some("takes no `preview`")),
            ("GET", "/api/quotes", "symbol=600000.SH", Some("did you mean `symbols`?")),
            ("GET", "/api/tap/qq", "symbols=x&limit=1", None),
            ("GET", "/api/tap/qq", "zzz=1", Some("it takes symbols, kind, fields, limit, inputs")),
            ("GET", "/metrics", "zzz=1", None),
        ] {
            let names = taken(path, &method.parse().unwrap());
            let checked = names.map(|names| Parameters::parse(query).check(names));
            let error = checked.and_then(Result::err);
            assert_eq!(error.is_some(), said.is_some(), "{method} {path}?{query}: {error:?}");
            let error = error.unwrap_or_default();
            assert!(error.contains(said.unwrap_or_default()), "{error}");
        }
    }

    #[test]
    fn a_count_is_a_number_from_one_on_and_a_number_one_from_zero_on() {
        let count = |query: &str| Parameters::parse(query).count("limit");
        assert_eq!((count("limit=5"), count("")), (Ok(Some(5)), Ok(None)));
        for bad in ["", "0", "-1", "1.5", "x", "18446744073709551616"] {
            assert!(count(&format!("limit={bad}")).is_err(), "{bad}");
        }
        let number = |query: &str| Parameters::parse(query).number("after");
        assert_eq!((number("after=0"), number("")), (Ok(Some(0)), Ok(None)));
        for bad in ["", "-1", "1.5", "x", "18446744073709551616"] {
            assert!(number(&format!("after={bad}")).unwrap_err().contains("`after`"), "{bad}");
        }
    }
}
