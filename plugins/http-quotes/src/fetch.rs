//! One request, driven a little further each time the host asks.

use std::time::{Duration, Instant};

use plugin_api::PluginError;
use wasip2::{
    clocks::monotonic_clock,
    http::{
        outgoing_handler,
        types::{
            ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingResponse,
            OutgoingRequest, Scheme,
        },
    },
    io::{
        poll::{self, Pollable},
        streams::{InputStream, StreamError},
    },
};

use crate::url::Url;

/// Bytes that one read asks for.
const CHUNK: u64 = 64 << 10;

/// A request under way. The fields are dropped in this order: children before their parents.
pub struct Fetch {
    stream: Option<InputStream>,
    body: Option<IncomingBody>,
    response: Option<IncomingResponse>,
    answer: FutureIncomingResponse,
    url: Url,
    bytes: Vec<u8>,
    most_bytes: u64,
    deadline: Instant,
}

impl Fetch {
    /// Sends a request, without waiting for its answer.
    pub fn start(url: &Url, timeout: Duration, most_bytes: u64) -> Result<Self, PluginError> {
        let request = OutgoingRequest::new(Fields::new());
        let scheme = if url.is_https { Scheme::Https } else { Scheme::Http };
        request
            .set_scheme(Some(&scheme))
            .and_then(|()| request.set_authority(Some(&url.authority)))
            .and_then(|()| request.set_path_with_query(Some(&url.path)))
            .map_err(|()| {
                PluginError::config(format!(
                    "no request can be made of {} and {}; correct url",
                    url.authority,
                    url.shown_path()
                ))
            })?;
        let answer = outgoing_handler::handle(request, None).map_err(|code| failed(url, &code))?;
        Ok(Self {
            stream: None,
            body: None,
            response: None,
            answer,
            url: url.clone(),
            bytes: Vec::new(),
            most_bytes,
            deadline: Instant::now() + timeout,
        })
    }

    /// Waits for the whole answer, at most until then; `None` when it is not there yet.
    pub fn advance(&mut self, until: Instant) -> Result<Option<Vec<u8>>, PluginError> {
        loop {
            let ready = match &self.stream {
                Some(stream) => stream.subscribe(),
                None => self.answer.subscribe(),
            };
            if !is_ready(&ready, until.min(self.deadline)) {
                return if Instant::now() < self.deadline {
                    Ok(None)
                } else {
                    Err(PluginError::retry(format!(
                        "{} gave no whole answer in time; raise timeout if it is slow",
                        self.url.authority
                    )))
                };
            }
            drop(ready);
            let Some(stream) = &self.stream else {
                self.take_response()?;
                continue;
            };
            match stream.read(CHUNK) {
                Ok(chunk) => self.bytes.extend(chunk),
                Err(StreamError::Closed) => return Ok(Some(std::mem::take(&mut self.bytes))),
                Err(StreamError::LastOperationFailed(error)) => {
                    return Err(PluginError::retry(format!(
                        "the answer of {} broke off: {}; it is asked again",
                        self.url.authority,
                        error.to_debug_string()
                    )));
                }
            }
            if self.bytes.len() as u64 > self.most_bytes {
                return Err(PluginError::retry(format!(
                    "the answer of {} is longer than max_bytes = {} bytes; raise it if that is right",
                    self.url.authority, self.most_bytes
                )));
            }
        }
    }

    fn take_response(&mut self) -> Result<(), PluginError> {
        let taken_before = || PluginError::fatal("the answer was taken before");
        // it was ready, and nobody else takes it
        let answer = self.answer.get().ok_or_else(taken_before)?;
        let response =
            answer.map_err(|()| taken_before())?.map_err(|code| failed(&self.url, &code))?;
        if response.status() != 200 {
            return Err(PluginError::retry(format!(
                "{}{} answered with status {} instead of 200; check url",
                self.url.authority,
                self.url.shown_path(),
                response.status()
            )));
        }
        let body = response.consume().map_err(|()| taken_before())?;
        self.stream = Some(body.stream().map_err(|()| taken_before())?);
        (self.body, self.response) = (Some(body), Some(response));
        Ok(())
    }
}

/// Waits until then at most.
fn is_ready(pollable: &Pollable, until: Instant) -> bool {
    let left = until.saturating_duration_since(Instant::now());
    let timer =
        monotonic_clock::subscribe_duration(u64::try_from(left.as_nanos()).unwrap_or(u64::MAX));
    poll::poll(&[pollable, &timer]).contains(&0)
}

fn failed(url: &Url, code: &ErrorCode) -> PluginError {
    if matches!(code, ErrorCode::HttpRequestDenied) {
        return PluginError::config(format!(
            "the pipeline does not let this component reach {0}; add \"{0}\" to `grants.http`",
            url.authority
        ));
    }
    PluginError::retry(format!(
        "{} cannot be reached: {code:?}; check url and the network",
        url.authority
    ))
}
