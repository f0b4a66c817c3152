//! Answers that go on until their clients leave: how many there are, and how they are told from
//! others.

use std::sync::Arc;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Most streams of events.
pub const MAX_EVENT_STREAMS: usize = 200;
/// Most watchers of components.
pub const MAX_TAPS: usize = 32;
/// Most connections of streams, those among them whose end is being sent.
pub const MAX_STREAMS: usize = MAX_EVENT_STREAMS + MAX_TAPS + 64;

/// Marks an answer that goes on.
#[derive(Debug, Clone, Copy)]
struct GoesOn;

/// The places of one kind of stream.
#[derive(Debug, Clone)]
pub struct Places {
    free: Arc<Semaphore>,
    most: usize,
}

impl Places {
    /// So many places.
    pub fn new(most: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(most)), most }
    }

    /// A place, free again when it is dropped.
    ///
    /// # Errors
    /// When there is none.
    pub fn take(&self) -> Result<OwnedSemaphorePermit, (StatusCode, String)> {
        Arc::clone(&self.free).try_acquire_owned().map_err(|_| {
            let most = self.most;
            let error = format!("{most} others watch already, which is as many as may; close some");
            (StatusCode::SERVICE_UNAVAILABLE, error)
        })
    }
}

/// An answer that goes on, marked as one; its connection is closed behind it.
pub fn going_on(answer: impl IntoResponse) -> Response {
    let mut answer = answer.into_response();
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    answer.extensions_mut().insert(GoesOn);
    answer
}

/// Whether an answer goes on.
pub fn goes_on(answer: &Response) -> bool {
    answer.extensions().get::<GoesOn>().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_stream_has_ended() {
        let places = Places::new(2);
        let (first, _second) = (places.take().unwrap(), places.take().unwrap());
        assert_eq!(places.take().unwrap_err().0, StatusCode::SERVICE_UNAVAILABLE);
        drop(first);
        assert!(places.take().is_ok());
    }

    #[test]
    fn an_answer_that_goes_on_is_told_from_others() {
        let answer = going_on("first");
        assert!(goes_on(&answer) && !goes_on(&"all".into_response()));
        assert_eq!(answer.headers()[header::CONNECTION], "close");
    }
}
