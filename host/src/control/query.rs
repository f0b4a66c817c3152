//! What follows the `?` of a request.

use axum::http::Uri;

/// The value of that name.
pub fn value<'u>(uri: &'u Uri, name: &str) -> Option<&'u str> {
    let mut pairs = uri.query()?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// The value of that name as a number.
///
/// # Errors
/// When it is none.
pub fn number(uri: &Uri, name: &str) -> Result<Option<u64>, String> {
    let parse = |text: &str| text.parse().map_err(|_| format!("`{name}` is no number from 0 on"));
    value(uri, name).map(parse).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_names() {
        let uri: Uri = "/x?after=7&limit=&check=true&after=8&y".parse().unwrap();
        assert_eq!((value(&uri, "check"), value(&uri, "y")), (Some("true"), Some("")));
        assert_eq!((value(&uri, "heck"), value(&"/x".parse().unwrap(), "check")), (None, None));
        assert_eq!((number(&uri, "after"), number(&uri, "z")), (Ok(Some(7)), Ok(None)));
        assert!(number(&uri, "limit").unwrap_err().contains("`limit`"));
        for bad in ["-1", "1.5", "x", "18446744073709551616", "%31"] {
            let uri: Uri = format!("/x?after={bad}").parse().unwrap();
            assert!(number(&uri, "after").is_err(), "{bad}");
        }
    }
}
