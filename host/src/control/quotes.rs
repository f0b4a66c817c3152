//! `/api/quotes`, by GET or POST: the newest quotes, a search for securities, and the day of one.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use dataserver_engine::{
    clock::{Clock, SystemClock},
    observer::{Key, NamedQuote, Observer, Side},
    topology::Topology,
};
use serde::Serialize;
use serde_json::json;

use super::{parameters::Parameters, refusal::refuse};
use crate::search::{Search, shipped_name};

/// Most securities of one question.
pub const MAX_SYMBOLS: usize = 10_000;
/// Most securities that a search finds.
const MAX_FOUND: usize = 20;
/// Whose quote is given when none is asked for.
const DEFAULT: &str = "000001.SZ";

/// What answers.
struct Asked {
    topology: Arc<Topology>,
    search: Search,
}

/// The route.
pub fn routes<S>(topology: &Arc<Topology>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let asked = Asked { topology: Arc::clone(topology), search: Search::default() };
    Router::new().route("/api/quotes", get(quotes).post(quotes)).with_state(Arc::new(asked))
}

/// A quote as it is told: base units, null where something is not known.
#[derive(Debug, Serialize)]
pub struct Shown {
    symbol: String,
    name: String,
    source: String,
    time_us: Option<i64>,
    recv_time_us: Option<i64>,
    age_ms: Option<i64>,
    prev_close: Option<f64>,
    open: Option<f64>,
    high: Option<f64>,
    low: Option<f64>,
    price: Option<f64>,
    volume: u64,
    amount: f64,
    bid: Vec<(f64, u64)>,
    ask: Vec<(f64, u64)>,
}

#[derive(Debug, Serialize)]
struct Newest {
    now_us: i64,
    quotes: Vec<Shown>,
    unknown: Vec<String>,
}

impl Shown {
    /// A quote at that time, microseconds since 1970 UTC.
    pub fn new(named: &NamedQuote, now_us: i64) -> Self {
        let NamedQuote { key, name, source, quote } = named;
        let time = |time_us: i64| (time_us > 0).then_some(time_us);
        let price = |price: f64| (price.is_finite() && price > 0.0).then_some(price);
        let recv_time_us = time(quote.recv_time_us);
        let name = if name.is_empty() { shipped_name(key).unwrap_or_default() } else { name };
        Self {
            symbol: key.to_string(),
            name: name.to_owned(),
            source: source.to_string(),
            time_us: time(quote.time_us),
            recv_time_us,
            age_ms: recv_time_us.map(|received_us| (now_us - received_us).max(0) / 1_000),
            prev_close: price(quote.prev_close),
            open: price(quote.open),
            high: price(quote.high),
            low: price(quote.low),
            price: price(quote.price),
            volume: quote.volume,
            amount: quote.amount,
            bid: levels(&quote.bid),
            ask: levels(&quote.ask),
        }
    }
}

/// The levels that there are.
fn levels(side: &Side) -> Vec<(f64, u64)> {
    side.iter().copied().filter(|(price, _)| price.is_finite() && *price > 0.0).collect()
}

async fn quotes(State(asked): State<Arc<Asked>>, parameters: Parameters) -> Response {
    let Some(observer) = asked.topology.observer() else { return no_observer() };
    if let Some(question) = parameters.get("q") {
        let found = asked.search.find(observer, question, MAX_FOUND).into_iter();
        let matches: Vec<_> =
            found.map(|(key, name)| json!({ "symbol": key.as_str(), "name": name })).collect();
        return Json(json!({ "now_us": SystemClock.now_us(), "matches": matches })).into_response();
    }
    match parameters.get("day") {
        Some(symbol) => day(observer, symbol),
        None => newest(observer, &parameters),
    }
}

/// Why nothing can be seen.
pub fn no_observer() -> Response {
    let error = "this host does not look at its quotes; it does where `[host] http` is set";
    refuse(StatusCode::SERVICE_UNAVAILABLE, error)
}

fn newest(observer: &Observer, parameters: &Parameters) -> Response {
    let mut symbols = parameters.list("symbols");
    if symbols.len() > MAX_SYMBOLS {
        let error = format!("{} symbols; ask for {MAX_SYMBOLS} at a time", symbols.len());
        return refuse(StatusCode::BAD_REQUEST, error);
    }
    if symbols.is_empty() {
        symbols.push(DEFAULT);
    }
    let (mut known, mut keys, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    for symbol in symbols {
        match Key::parse(symbol) {
            Some(key) => {
                known.push(symbol);
                keys.push(key);
            }
            None => unknown.push(symbol.to_owned()),
        }
    }
    let now_us = SystemClock.now_us();
    let mut quotes = Vec::with_capacity(keys.len());
    for (symbol, quote) in known.into_iter().zip(observer.quotes(&keys)) {
        match quote {
            Some(quote) => quotes.push(Shown::new(&quote, now_us)),
            None => unknown.push(symbol.to_owned()),
        }
    }
    Json(Newest { now_us, quotes, unknown }).into_response()
}

fn day(observer: &Observer, symbol: &str) -> Response {
    let seen = Key::parse(symbol).and_then(|key| Some((key, observer.day(&key)?)));
    let Some((key, day)) = seen else {
        let nothing: [(); 0] = [];
        return Json(json!({
            "symbol": symbol, "date": null, "prev_close": null, "points": nothing,
        }))
        .into_response();
    };
    let points = day.minutes.iter().map(|it| (it.minute, it.price, it.volume, it.amount));
    let points: Vec<_> = points.collect();
    let (year, month, of_month) = day.date;
    let prev_close = (day.prev_close > 0.0).then_some(day.prev_close);
    Json(json!({
        "symbol": key.as_str(),
        "date": format!("{year:04}-{month:02}-{of_month:02}"),
        "prev_close": prev_close,
        "points": points,
    }))
    .into_response()
}

#[cfg(test)]
mod tests {
    use dataserver_engine::observer::Quote;

    use super::*;

    fn quote(price: f64) -> NamedQuote {
        let mut quote = Quote { recv_time_us: 1_000_000, price, ..Quote::default() };
        quote.bid[0] = (price, 300);
        NamedQuote {
            key: Key::parse("000001.SZ").unwrap(),
            name: "".into(),
            source: "qq".into(),
            quote,
        }
    }

    #[test]
    fn what_is_not_known_is_null_and_every_number_is_finite() {
        let shown = serde_json::to_value(Shown::new(&quote(9.1), 3_500_000)).unwrap();
        assert_eq!(shown["name"], "平安银行", "from the shipped list");
        assert_eq!((&shown["price"], &shown["age_ms"]), (&json!(9.1), &json!(2_500)));
        assert_eq!((&shown["bid"], &shown["ask"]), (&json!([[9.1, 300]]), &json!([])));
        for unknown in ["time_us", "prev_close", "open", "high", "low"] {
            assert!(shown[unknown].is_null(), "{unknown}");
        }
        for price in [f64::NAN, f64::INFINITY, -1.0, 0.0] {
            let shown = serde_json::to_value(Shown::new(&quote(price), 0)).unwrap();
            assert!(shown["price"].is_null() && shown["bid"] == json!([]), "{shown}");
            assert_eq!(shown["age_ms"], 0, "a clock that was put back makes nothing negative");
        }
    }
}
