//! Who may ask a host with a token: who shows it as `Authorization: Bearer`, or has the cookie of a
//! login.
//!
//! A page cannot keep the token where scripts cannot read it, so it gives it away once, at
//! `POST /api/login`, and gets a cookie that no script sees. Its value stands for the login, not for
//! the token, and is known to this process alone.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Extension, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::post,
};
use dataserver_config::Secret;
use rand::RngExt;
use serde::Deserialize;

use super::{Refusal, connection::Caller};

/// Where a page logs in.
pub const LOGIN: &str = "/api/login";
/// How a token is shown.
const SCHEME: &[u8] = b"Bearer";
/// Name of the cookie.
const COOKIE: &str = "dataserver";
/// Logins that are kept; a further one ends the one that was not used for longest.
const MAX_SESSIONS: usize = 64;
/// A login that is not used for so long has ended.
const IDLE_TIMEOUT: Duration = Duration::from_secs(12 * 3600);
/// Wrong tokens are logged once in that time.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Who may ask.
#[derive(Debug)]
pub struct Access {
    /// Without one everybody may.
    token: Option<Secret>,
    sessions: Mutex<VecDeque<Session>>,
    last_logged: Mutex<Option<Instant>>,
}

/// A login.
#[derive(Debug)]
struct Session {
    value: Secret,
    used: Instant,
}

/// What a login gives away.
#[derive(Deserialize)]
struct Login {
    token: String,
}

impl Access {
    /// For who knows that token; for everybody without one.
    pub fn new(token: Option<Secret>) -> Arc<Self> {
        let (sessions, last_logged) = (Mutex::default(), Mutex::default());
        Arc::new(Self { token, sessions, last_logged })
    }

    /// Whether everybody may ask.
    pub fn is_open(&self) -> bool {
        self.token.is_none()
    }

    fn admits(&self, headers: &HeaderMap, now: Instant) -> bool {
        let Some(token) = &self.token else { return true };
        shows(headers, token) || cookies(headers).any(|value| self.knows(value, now))
    }

    /// Whether a cookie is that of a login; it goes on from now.
    fn knows(&self, value: &str, now: Instant) -> bool {
        let mut sessions = locked(&self.sessions);
        sessions.retain(|it| now.saturating_duration_since(it.used) < IDLE_TIMEOUT);
        let is_it = |it: &Session| is_same(it.value.0.as_bytes(), value.as_bytes());
        let Some(mut session) = sessions.iter().position(is_it).and_then(|at| sessions.remove(at))
        else {
            return false;
        };
        session.used = now;
        sessions.push_back(session);
        true
    }

    /// The cookie of a new login.
    fn begin(&self, now: Instant) -> String {
        let bytes: [u8; 32] = rand::rng().random();
        let value: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let cookie = format!("{COOKIE}={value}; HttpOnly; SameSite=Strict; Path=/");
        let mut sessions = locked(&self.sessions);
        if sessions.len() == MAX_SESSIONS {
            // the one that was used least lately
            sessions.pop_front();
        }
        sessions.push_back(Session { value: Secret(value), used: now });
        cookie
    }

    fn note_wrong(&self, caller: Caller, now: Instant) {
        let mut last = locked(&self.last_logged);
        if last.is_none_or(|last| now.saturating_duration_since(last) >= LOG_INTERVAL) {
            *last = Some(now);
            tracing::warn!(from = %caller, "a login with a token that is not this host's");
        }
    }
}

/// The route, which everybody reaches.
pub fn routes<S>(access: &Arc<Access>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new().route(LOGIN, post(login)).with_state(Arc::clone(access))
}

async fn login(
    State(access): State<Arc<Access>>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Response {
    let Some(token) = &access.token else { return StatusCode::NO_CONTENT.into_response() };
    let refuse =
        |code, error: &str| (code, Json(Refusal { error: error.to_owned() })).into_response();
    let Ok(login) = serde_json::from_slice::<Login>(&body) else {
        return refuse(StatusCode::BAD_REQUEST, "log in with {\"token\": \"…\"}");
    };
    let now = Instant::now();
    if !is_same(login.token.as_bytes(), token.0.as_bytes()) {
        access.note_wrong(caller, now);
        return refuse(StatusCode::UNAUTHORIZED, "this is not the `[host] token` of this host");
    }
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, access.begin(now))]).into_response()
}

/// Lets in who may ask.
pub async fn authorize(
    State(access): State<Arc<Access>>,
    request: Request,
    next: Next,
) -> Response {
    if access.admits(request.headers(), Instant::now()) {
        return next.run(request).await;
    }
    (StatusCode::UNAUTHORIZED, "this host wants `Authorization: Bearer` with its token\n")
        .into_response()
}

/// Whether a request shows the token; the name of the scheme has no case.
fn shows(headers: &HeaderMap, token: &Secret) -> bool {
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

/// The values of our cookie that a request brings along.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = all.flat_map(|cookies| cookies.split(';')).filter_map(|it| it.split_once('='));
    pairs.filter(|(name, _)| name.trim() == COOKIE).map(|(_, value)| value.trim())
}

/// Compares without telling by its duration where texts differ.
fn is_same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: header::HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&name, value.parse().unwrap());
        }
        headers
    }

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
            let headers = with(header::AUTHORIZATION, &shown);
            assert_eq!(shows(&headers, &token), expected, "{shown:?}");
        }
    }

    #[test]
    fn a_login_is_known_by_its_cookie_until_it_rests_for_half_a_day() {
        let (access, start) = (Access::new(Some(Secret("secret".to_owned()))), Instant::now());
        let cookie = access.begin(start);
        assert!(cookie.ends_with("; HttpOnly; SameSite=Strict; Path=/"), "{cookie}");
        let pair = cookie.split(';').next().unwrap();
        assert!(!pair.contains("secret") && pair.len() == "dataserver=".len() + 64, "{pair}");
        let other = format!("a=1; {pair} ; b=2");
        let value = pair.split_once('=').unwrap().1;
        for (sent, expected) in [
            (vec![pair], true),
            (vec![other.as_str()], true),
            (vec!["a=1", pair], true),
            (vec![value], false),
            (vec![&pair[..pair.len() - 1]], false),
            (vec!["dataserver="], false),
            (vec!["dataserver=secret"], false),
            (vec![], false),
        ] {
            let headers = with(header::COOKIE, &sent);
            assert_eq!(access.admits(&headers, start), expected, "{sent:?}");
        }
        let headers = with(header::COOKIE, &[pair]);
        let (almost, over) = (IDLE_TIMEOUT - Duration::from_secs(1), IDLE_TIMEOUT);
        assert!(access.admits(&headers, start + almost));
        assert!(access.admits(&headers, start + almost * 2), "it was used in between");
        assert!(!access.admits(&headers, start + almost * 2 + over));
    }

    #[test]
    fn however_many_log_in_few_logins_are_kept_and_none_is_like_another() {
        let (access, now) = (Access::new(Some(Secret("secret".to_owned()))), Instant::now());
        let mut cookies: Vec<_> = (0..1_000).map(|_| access.begin(now)).collect();
        assert_eq!(locked(&access.sessions).len(), MAX_SESSIONS);
        cookies.sort_unstable();
        cookies.dedup();
        assert_eq!(cookies.len(), 1_000);
        assert!(!format!("{access:?}").contains("secret"));
    }

    #[test]
    fn without_a_token_everybody_may_ask() {
        let access = Access::new(None);
        assert!(access.is_open() && access.admits(&HeaderMap::new(), Instant::now()));
    }
}
