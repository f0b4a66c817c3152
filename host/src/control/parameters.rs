//! What is asked behind the `?` of an address, decoded.

use std::convert::Infallible;

use axum::{extract::FromRequestParts, http::request::Parts};

/// Names and values, in order.
#[derive(Debug, Default)]
pub struct Parameters(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

impl Parameters {
    fn parse(query: &str) -> Self {
        let pairs = form_urlencoded::parse(query.as_bytes());
        Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
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
