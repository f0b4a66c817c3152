//! Who may ask a host with a token: who shows it as `Authorization: Bearer`, or has the cookie of a
//! login.
//!
//! A page cannot keep the token where scripts cannot read it, so it gives it away once, at
//! `POST /api/login`, and gets a cookie that no script sees. Its value stands for the login, not for
//! the token, and is known to this process alone.
//!
//! A browser sends a cookie to every port of a machine, so another server there may come to see it.
//! What acts therefore also shows the key of its login, which the page keeps where pages of other
//! ports cannot read it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Extension, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::post,
};
use dataserver_config::Secret;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, watch};

use super::{
    asker::Caller,
    caller::reads,
    credentials::{cookie, cookies, is_same, random, shows},
    refusal::refuse,
    streams,
};

/// Where a page logs in, and out.
const LOGIN: &str = "/api/login";
const LOGOUT: &str = "/api/logout";
/// Header with the key of a login.
const KEY: &str = "x-dataserver-key";
/// Logins that are kept; a further one ends the one that was not used for longest.
const MAX_SESSIONS: usize = 64;
/// A login that is not used for so long has ended.
const IDLE_TIMEOUT: Duration = Duration::from_secs(12 * 3600);
/// No login goes on for longer.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);
/// Wrong tokens are logged once in that time.
const LOG_INTERVAL: Duration = Duration::from_secs(10);
/// How long the answer to a wrong token waits, so that guessing takes long.
const WRONG_DELAY: Duration = Duration::from_millis(500);
/// Requests that wait so at once.
const MOST_WAITING: usize = 8;

/// Who may ask.
#[derive(Debug)]
pub struct Access {
    /// Without one everybody may.
    token: Option<Secret>,
    sessions: Mutex<VecDeque<Session>>,
    /// Places to wait in after a wrong token.
    waiting: Semaphore,
    last_logged: Mutex<Option<Instant>>,
}

/// A login.
#[derive(Debug)]
struct Session {
    /// Value of its cookie.
    value: Secret,
    key: Secret,
    begun: Instant,
    used: Instant,
    /// Dropped with it: its streams end then.
    streams: watch::Sender<()>,
}

/// How a request was let in.
#[derive(Debug)]
enum Entry {
    /// It needs no login, or shows the token.
    Free,
    /// By a login, with which its answer ends when that goes on.
    Login(watch::Receiver<()>, Instant),
}

/// What a login gives away.
#[derive(Deserialize)]
struct Login {
    token: String,
}

/// What it gets besides its cookie.
#[derive(Serialize)]
struct LoggedIn {
    key: String,
}

impl Access {
    /// For who knows that token; for everybody without one.
    pub fn new(token: Option<Secret>) -> Arc<Self> {
        let (sessions, last_logged) = (Mutex::default(), Mutex::default());
        Arc::new(Self { token, sessions, waiting: Semaphore::new(MOST_WAITING), last_logged })
    }

    /// Whether everybody may ask.
    pub fn is_open(&self) -> bool {
        self.token.is_none()
    }

    /// How a request may come in, if it may; one that acts shows more than a cookie.
    fn admit(&self, headers: &HeaderMap, acts: bool, now: Instant) -> Option<Entry> {
        let Some(token) = &self.token else { return Some(Entry::Free) };
        if shows(headers, token) {
            return Some(Entry::Free);
        }
        let key = headers.get(KEY).map(HeaderValue::as_bytes);
        cookies(headers).find_map(|value| self.find(value, key, acts, now))
    }

    /// The login of a cookie, with its key if it acts; it goes on from now.
    fn find(&self, value: &str, key: Option<&[u8]>, acts: bool, now: Instant) -> Option<Entry> {
        let mut sessions = locked(&self.sessions);
        let age = |since: Instant| now.saturating_duration_since(since);
        // whoever follows a stream uses it
        let is_used = |it: &Session| it.streams.receiver_count() > 0 || age(it.used) < IDLE_TIMEOUT;
        sessions.retain(|it| is_used(it) && age(it.begun) < LONGEST);
        let is_it = |it: &Session| {
            is_same(it.value.0.as_bytes(), value.as_bytes())
                && (!acts || key.is_some_and(|key| is_same(it.key.0.as_bytes(), key)))
        };
        let mut session = sessions.iter().position(is_it).and_then(|at| sessions.remove(at))?;
        session.used = now;
        let entry = Entry::Login(session.streams.subscribe(), session.begun + LONGEST);
        sessions.push_back(session);
        Some(entry)
    }

    /// A new login: its cookie for a page of that address, and its key.
    fn begin(&self, headers: &HeaderMap, now: Instant) -> (String, String) {
        let (value, key) = (random(), random());
        let cookie = cookie(headers, &value, "");
        let mut sessions = locked(&self.sessions);
        if sessions.len() == MAX_SESSIONS {
            // the one that was used least lately
            sessions.pop_front();
        }
        let (value, streams) = (Secret(value), watch::Sender::new(()));
        let session = Session { value, key: Secret(key.clone()), begun: now, used: now, streams };
        sessions.push_back(session);
        (cookie, key)
    }

    /// Ends the login of a cookie.
    fn end(&self, headers: &HeaderMap) {
        let is_it = |it: &Session| {
            cookies(headers).any(|value| is_same(it.value.0.as_bytes(), value.as_bytes()))
        };
        locked(&self.sessions).retain(|it| !is_it(it));
    }

    /// Logs that somebody showed a wrong token, and lets them wait.
    async fn answer_wrong(&self, caller: Caller) {
        self.note_wrong(caller, Instant::now());
        // whoever sends many at once takes few of the places in which requests are worked on
        if let Ok(_place) = self.waiting.try_acquire() {
            tokio::time::sleep(WRONG_DELAY).await;
        }
    }

    fn note_wrong(&self, caller: Caller, now: Instant) {
        let mut last = locked(&self.last_logged);
        if last.is_none_or(|last| now.saturating_duration_since(last) >= LOG_INTERVAL) {
            *last = Some(now);
            tracing::warn!(from = %caller, "somebody showed a token that is not this host's");
        }
    }
}

/// The route, which everybody reaches.
pub fn routes<S>(access: &Arc<Access>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new()
        .route(LOGIN, post(login))
        .route(LOGOUT, post(logout))
        .with_state(Arc::clone(access))
}

async fn login(
    State(access): State<Arc<Access>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(token) = &access.token else { return StatusCode::NO_CONTENT.into_response() };
    let Ok(login) = serde_json::from_slice::<Login>(&body) else {
        return refuse(StatusCode::BAD_REQUEST, "log in with {\"token\": \"…\"}");
    };
    if !is_same(login.token.as_bytes(), token.0.as_bytes()) {
        access.answer_wrong(caller).await;
        return refuse(StatusCode::UNAUTHORIZED, "this is not the `[host] token` of this host");
    }
    let (cookie, key) = access.begin(&headers, Instant::now());
    ([(header::SET_COOKIE, cookie)], Json(LoggedIn { key })).into_response()
}

async fn logout(State(access): State<Arc<Access>>, headers: HeaderMap) -> Response {
    if access.admit(&headers, true, Instant::now()).is_none() {
        return not_let_in();
    }
    access.end(&headers);
    let cookie = cookie(&headers, "", "; Max-Age=0");
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response()
}

/// Lets in who may ask, and act if that is what the method is for.
pub async fn authorize(
    State(access): State<Arc<Access>>,
    caller: Extension<Caller>,
    request: Request,
    next: Next,
) -> Response {
    let acts = acts(request.method());
    access.let_in(acts, caller.0, request, next).await
}

/// Lets in who may ask where nothing acts, whatever the method.
pub async fn authorize_to_read(
    State(access): State<Arc<Access>>,
    caller: Extension<Caller>,
    request: Request,
    next: Next,
) -> Response {
    access.let_in(false, caller.0, request, next).await
}

impl Access {
    async fn let_in(&self, acts: bool, caller: Caller, request: Request, next: Next) -> Response {
        match self.admit(request.headers(), acts, Instant::now()) {
            Some(Entry::Free) => next.run(request).await,
            Some(Entry::Login(login, until)) => {
                let answer = next.run(request).await;
                if streams::goes_on(&answer) { ending_with(login, until, answer) } else { answer }
            }
            None => {
                if request.headers().contains_key(header::AUTHORIZATION) {
                    self.answer_wrong(caller).await;
                }
                not_let_in()
            }
        }
    }
}

/// An answer that goes on, and no longer than the login that asked for it.
fn ending_with(mut login: watch::Receiver<()>, until: Instant, answer: Response) -> Response {
    let has_ended = async move {
        // nothing is ever sent: it is over when the sender is gone
        let _ = tokio::time::timeout_at(until.into(), login.changed()).await;
    };
    answer.map(|body| Body::from_stream(body.into_data_stream().take_until(Box::pin(has_ended))))
}

fn not_let_in() -> Response {
    refuse(
        StatusCode::UNAUTHORIZED,
        "this host wants `Authorization: Bearer` with its token, or a login, and of what acts also the \
         key of that login in `X-Dataserver-Key`",
    )
}

/// Whether a request with that method may change something.
pub fn acts(method: &Method) -> bool {
    !reads(method)
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

    fn access() -> Arc<Access> {
        Access::new(Some(Secret("secret".to_owned())))
    }

    /// Headers of a page of that port.
    fn page(port: &str, cookies: &[&str]) -> HeaderMap {
        let mut headers = with(header::COOKIE, cookies);
        headers.insert(header::HOST, format!("127.0.0.1{port}").parse().unwrap());
        headers
    }

    fn admits(access: &Access, headers: &HeaderMap, acts: bool, now: Instant) -> bool {
        access.admit(headers, acts, now).is_some()
    }

    #[test]
    fn a_login_is_known_by_its_cookie_until_it_rests_for_half_a_day() {
        let (access, start) = (access(), Instant::now());
        let (cookie, _) = access.begin(&page(":9280", &[]), start);
        assert!(cookie.ends_with("; HttpOnly; SameSite=Strict; Path=/"), "{cookie}");
        let pair = cookie.split(';').next().unwrap();
        assert!(!pair.contains("secret") && pair.len() == "dataserver-9280=".len() + 64, "{pair}");
        let other = format!("a=1; {pair} ; b=2");
        let value = pair.split_once('=').unwrap().1;
        for (sent, expected) in [
            (vec![pair], true),
            (vec![other.as_str()], true),
            (vec!["a=1", pair], true),
            (vec![value], false),
            (vec![&pair[..pair.len() - 1]], false),
            (vec!["dataserver-9280="], false),
            (vec!["dataserver-9280=secret"], false),
            (vec![], false),
        ] {
            assert_eq!(admits(&access, &page(":9280", &sent), false, start), expected, "{sent:?}");
        }
        assert!(!admits(&access, &page(":9281", &[pair]), false, start), "of another host here");
        let headers = page(":9280", &[pair]);
        let (almost, over) = (IDLE_TIMEOUT - Duration::from_secs(1), IDLE_TIMEOUT);
        assert!(admits(&access, &headers, false, start + almost));
        assert!(admits(&access, &headers, false, start + almost * 2), "it was used in between");
        assert!(!admits(&access, &headers, false, start + almost * 2 + over));
    }

    #[test]
    fn a_login_that_is_used_all_the_time_ends_after_a_week() {
        let (access, start) = (access(), Instant::now());
        let (cookie, _) = access.begin(&page("", &[]), start);
        let headers = page("", &[cookie.split(';').next().unwrap()]);
        let hours = |hours: u64| start + Duration::from_secs(hours * 3600);
        assert!((1..168).all(|hour| admits(&access, &headers, false, hours(hour))));
        assert!(!admits(&access, &headers, false, hours(168)));
    }

    #[test]
    fn what_acts_shows_the_key_of_its_login_besides_the_cookie() {
        let (access, now) = (access(), Instant::now());
        let (cookie, key) = access.begin(&page("", &[]), now);
        let (_, key_of_another) = access.begin(&page("", &[]), now);
        let mut headers = page("", &[cookie.split(';').next().unwrap()]);
        assert!(cookie.starts_with("dataserver-80=") && !cookie.contains(&key));
        assert!(!admits(&access, &headers, true, now), "a cookie comes to every port");
        for (shown, expected) in [(&key_of_another, false), (&key, true)] {
            headers.insert(KEY, shown.parse().unwrap());
            assert_eq!(admits(&access, &headers, true, now), expected);
        }
        headers.remove(header::COOKIE);
        assert!(!admits(&access, &headers, true, now), "nor is the key enough");
    }

    #[test]
    fn who_logs_out_is_out() {
        let (access, now) = (access(), Instant::now());
        let (cookie, _) = access.begin(&page("", &[]), now);
        let (other, _) = access.begin(&page("", &[]), now);
        let pages = [&cookie, &other].map(|it| page("", &[it.split(';').next().unwrap()]));
        access.end(&pages[0]);
        assert_eq!(pages.map(|it| admits(&access, &it, false, now)), [false, true]);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_stream_ends_with_its_login_which_goes_on_as_long_as_somebody_follows() {
        let (access, now) = (access(), Instant::now());
        let (cookie, _) = access.begin(&page("", &[]), now);
        let headers = page("", &[cookie.split(';').next().unwrap()]);
        let follow = |now| match access.admit(&headers, false, now) {
            Some(Entry::Login(login, until)) => {
                let endless = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
                ending_with(login, until, Body::from_stream(endless).into_response())
            }
            entry => panic!("{entry:?}"),
        };
        let (first, second) = (follow(now), follow(now + 2 * IDLE_TIMEOUT));
        access.end(&headers);
        for answer in [first, second] {
            let rest = axum::body::to_bytes(answer.into_body(), 1).await.unwrap();
            assert!(rest.is_empty());
        }
        assert!(!admits(&access, &headers, false, now));
    }

    #[test]
    fn however_many_log_in_few_logins_are_kept_and_none_is_like_another() {
        let (access, now) = (access(), Instant::now());
        let mut cookies: Vec<_> =
            (0..1_000).map(|_| access.begin(&HeaderMap::new(), now).0).collect();
        assert_eq!(locked(&access.sessions).len(), MAX_SESSIONS);
        cookies.sort_unstable();
        cookies.dedup();
        assert_eq!(cookies.len(), 1_000);
        assert!(!format!("{access:?}").contains("secret"));
    }

    #[test]
    fn without_a_token_everybody_may_ask() {
        let access = Access::new(None);
        assert!(access.is_open() && admits(&access, &HeaderMap::new(), true, Instant::now()));
    }
}
