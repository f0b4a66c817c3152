//! Addresses in texts for people.

/// An address as it may be shown: without user, password, query and fragment.
///
/// What stands before the last `@` counts as user and password whatever it holds, since whoever
/// wrote it may have forgotten to escape it.
pub fn shown_address(address: &str) -> String {
    let (scheme, rest) = match address.find("://") {
        Some(at) => address.split_at(at + 3),
        None => ("", address),
    };
    let place = rest.rfind('@').map_or(rest, |at| &rest[at + 1..]);
    let place = place.split(['?', '#']).next().unwrap_or_default();
    format!("{scheme}{place}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_what_lets_somebody_in() {
        let cases = [
            ("http://127.0.0.1:8123", "http://127.0.0.1:8123"),
            ("http://fred:swordfish@h:1/p", "http://h:1/p"),
            ("http://h:1/p?user=fred&password=swordfish#x", "http://h:1/p"),
            ("redis://:sword/fi?sh@h", "redis://h"),
            ("redis://:sword@fish@h:6379/0", "redis://h:6379/0"),
            ("fred:swordfish@h:1", "h:1"),
            ("h:1", "h:1"),
            ("", ""),
        ];
        for (address, shown) in cases {
            assert_eq!(shown_address(address), shown, "{address}");
        }
    }
}
