//! What a request shows to be let in: the token as `Authorization: Bearer`, or the cookie of a login.

use axum::http::{HeaderMap, header};
use dataserver_config::Secret;
use rand::RngExt;

use super::caller::HTTP_PORT;

/// How a token is shown.
const SCHEME: &[u8] = b"Bearer";
/// Beginning of the cookie's name; the port follows, as several hosts may share a machine.
const COOKIE: &str = "dataserver-";

/// Whether a request shows the token; the name of the scheme has no case.
pub fn shows(headers: &HeaderMap, token: &Secret) -> bool {
    let mut shown = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(shown), None) = (shown.next(), shown.next()) else { return false };
    let Some((scheme, rest)) = shown.as_bytes().split_at_checked(SCHEME.len()) else {
        return false;
    };
    let shown = rest.trim_ascii_start();
    scheme.eq_ignore_ascii_case(SCHEME)
        && shown.len() < rest.len()
        && is_same(shown, token.0.as_bytes())
}

/// The cookie that a page of that address gets.
pub fn cookie(headers: &HeaderMap, value: &str, more: &str) -> String {
    format!("{}={value}; HttpOnly; SameSite=Strict; Path=/{more}", name(headers))
}

/// Name of the cookie at the address that was asked.
fn name(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let port = host.rsplit_once(':').map(|(_, port)| port);
    let is_port = |port: &&str| !port.is_empty() && port.bytes().all(|it| it.is_ascii_digit());
    format!("{COOKIE}{}", port.filter(is_port).unwrap_or(HTTP_PORT))
}

/// The values of our cookie that a request brings along.
pub fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let ours = name(headers);
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = all.flat_map(|cookies| cookies.split(';')).filter_map(|it| it.split_once('='));
    pairs.filter(move |(name, _)| name.trim() == ours).map(|(_, value)| value.trim())
}

/// 256 bits that nobody guesses.
pub fn random() -> String {
    let bytes: [u8; 32] = rand::rng().random();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Compares without telling by its duration where texts differ.
pub fn is_same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_shown_as_bearer_in_any_case_and_in_no_other_way() {
        let token = Secret("secret".to_owned());
        for (shown, expected) in [
            (vec!["Bearer secret"], true),
            (vec!["bearer secret"], true),
            (vec!["BEARER   secret"], true),
            (vec![], false),
            (vec!["secret"], false),
            (vec!["Bearersecret"], false),
            (vec!["Bearer"], false),
            (vec!["Bearer "], false),
            (vec!["Bearer Secret"], false),
            (vec!["Bearer secret "], false),
            (vec!["Bearer secrets"], false),
            (vec!["Basic secret"], false),
            (vec!["Bearer secret", "Bearer secret"], false),
        ] {
            let headers = {
                let mut headers = HeaderMap::new();
                for value in shown.iter() {
                    headers.append(header::AUTHORIZATION, value.parse().unwrap());
                }
                headers
            };
            assert_eq!(shows(&headers, &token), expected, "{shown:?}");
        }
    }
}
