//! What a guest asked for and was not granted.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use plugin_api::{HostServices, Level};

/// Logs and counts denied uses of one instance. Clones share the counts.
#[derive(Clone)]
pub(super) struct Denied {
    host: Arc<dyn HostServices>,
    told: Arc<Mutex<HashSet<&'static str>>>,
}

impl Denied {
    pub fn new(host: Arc<dyn HostServices>) -> Self {
        Self { host, told: Arc::default() }
    }

    /// Counts a denied use; the first of its kind is named in the log, with how it is granted.
    pub fn note(&self, kind: &'static str, what: &str, remedy: &str) {
        self.host.count("sandbox_denied", 1);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.insert(kind) {
            let what = crate::rate_limit::line(what);
            self.host.log(Level::Warn, &format!("denied: {what}; {remedy}"));
        }
    }
}
