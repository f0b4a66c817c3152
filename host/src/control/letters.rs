//! `GET /api/dead-letter/ID`: what a component set aside, page by page.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use dataserver_engine::{
    dead_letter::{Letter, MAX_LETTERS},
    topology::Topology,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{parameters::Parameters, refusal::refuse};
use crate::record_json;

/// Letters of a page, unless asked otherwise.
const LIMIT: u64 = 50;
/// Longest part of a payload that is no batch, letters.
const MAX_PAYLOAD: usize = 1_000;

/// The route.
pub fn routes<S>(topology: &Arc<Topology>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new().route("/api/dead-letter/{sink}", get(page)).with_state(Arc::clone(topology))
}

async fn page(
    State(topology): State<Arc<Topology>>,
    Path(id): Path<String>,
    parameters: Parameters,
) -> Response {
    let (after, limit) = match (parameters.number("after"), parameters.number("limit")) {
        (Ok(after), Ok(limit)) => (after, limit.unwrap_or(LIMIT)),
        (Err(error), _) | (_, Err(error)) => return refuse(StatusCode::BAD_REQUEST, error),
    };
    let Some(letters) = topology.dead_letters(&id) else {
        let text = format!("the pipeline that runs has no component `{id}`");
        return refuse(StatusCode::NOT_FOUND, text);
    };
    let limit = usize::try_from(limit).unwrap_or(MAX_LETTERS);
    // it reads files
    let work = tokio::task::spawn_blocking(move || {
        let page = letters.store().page(after, limit)?;
        let shown: Vec<_> = page.letters.iter().map(|(at, letter)| shown(*at, letter)).collect();
        Ok::<_, std::io::Error>(
            json!({ "letters": shown, "next": page.next, "total": letters.count() }),
        )
    });
    match work.await {
        Ok(Ok(page)) => Json(page).into_response(),
        Ok(Err(error)) => refuse(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// A letter with the first record of its batch, or what else it holds.
fn shown(at: u64, letter: &Result<Letter, String>) -> Value {
    let letter = match letter {
        Ok(letter) => letter,
        Err(error) => return json!({ "at": at, "reason": error, "record": null }),
    };
    let time = letter.head.time.parse::<Timestamp>().ok();
    let about = letter.head.batch.as_ref();
    let record = match letter.batch() {
        Ok(batch) => record_json::objects(&batch, 1).pop().unwrap_or(Value::Null),
        Err(_) if about.is_none() => {
            let payload: String = letter.payload.chars().take(MAX_PAYLOAD).collect();
            json!({ "encoding": letter.encoding, "payload": payload })
        }
        Err(error) => json!({ "error": error }),
    };
    json!({
        "at": at,
        "time_us": time.map(Timestamp::as_microsecond),
        "reason": letter.head.reason,
        "kind": about.map(|it| it.kind.as_str()),
        "records": about.map_or(0, |it| it.records),
        "symbol": record["symbol"],
        "record": record,
    })
}

#[cfg(test)]
mod tests {
    use dataserver_engine::dead_letter::{BatchHead, Head};
    use plugin_api::{Round, testing::spot_batch};

    use super::*;

    #[test]
    fn a_letter_is_shown_with_its_reason_and_what_it_holds() {
        let batch = spot_batch(3, Round::WHOLE);
        let head = Head {
            time: "1970-01-01T00:00:01Z".to_owned(),
            component: "lake".to_owned(),
            reason: "bad price".to_owned(),
            batch: Some(BatchHead::of(&batch)),
        };
        let letter = shown(7, &Ok(Letter::new(head.clone(), batch.payload())));
        assert_eq!((&letter["at"], &letter["time_us"]), (&json!(7), &json!(1_000_000)));
        assert_eq!((&letter["kind"], &letter["records"]), (&json!("spot"), &json!(3)));
        assert!(letter["symbol"].is_string() && letter["symbol"] == letter["record"]["symbol"]);
        let row = Letter::new(Head { batch: None, ..head }, "价".repeat(5_000).as_bytes());
        let row = shown(8, &Ok(row));
        assert_eq!((&row["kind"], &row["symbol"]), (&Value::Null, &Value::Null));
        assert_eq!(row["record"]["payload"].as_str().unwrap().chars().count(), MAX_PAYLOAD);
        let none = shown(9, &Err("not a letter".to_owned()));
        assert_eq!((&none["at"], &none["reason"]), (&json!(9), &json!("not a letter")));
    }
}
