//! The parts of a URL that a request is made of.

use plugin_api::shown_address;

/// An `http` or `https` URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Encrypted or not.
    pub is_https: bool,
    /// Host and port, e.g. `quotes.example.com:8080`.
    pub authority: String,
    /// Path and query, e.g. `/v1/quotes?market=sh`.
    pub path: String,
}

impl Url {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// What a URL looks like, for the person who wrote another.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parsed = Self::split(text);
        parsed.ok_or_else(|| {
            let shown = shown_address(text);
            format!("url \"{shown}\" is no URL; write e.g. \"https://quotes.example.com/all\"")
        })
    }

    /// The path without its query, which may hold a key.
    pub fn shown_path(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    fn split(text: &str) -> Option<Self> {
        let is_https = text.starts_with("https://");
        let rest = text.strip_prefix(if is_https { "https://" } else { "http://" })?;
        // what follows `#` is for readers of pages
        let rest = rest.split('#').next().unwrap_or_default();
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(at);
        // a password in a URL would end up in logs
        if authority.is_empty() || authority.contains('@') || rest.contains(char::is_whitespace) {
            return None;
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Some(Self { is_https, authority: authority.to_owned(), path })
    }
}
