//! Why there is no page.

use std::time::Duration;

/// Why a host gave no page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// For people.
    pub text: String,
    /// The service asks not to be asked again before.
    pub retry_after: Option<Duration>,
    /// The service has answered this very question: asking the same host again gives the same.
    pub is_answer: bool,
}

impl Fault {
    /// One that may pass.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), retry_after: None, is_answer: false }
    }

    /// One that the host gives again.
    pub fn answered(text: impl Into<String>) -> Self {
        Self { is_answer: true, ..Self::new(text) }
    }
}
