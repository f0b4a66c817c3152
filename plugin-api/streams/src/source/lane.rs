//! One stream as a consumer of a group reads it.

use plugin_api::PluginError;
use redis::cmd;

use super::{
    options::{Settings, Start},
    state::State,
};
use crate::{
    groups::pending,
    server::{EntryId, Servers},
};

/// A stream.
pub struct Lane {
    /// Its key.
    pub stream: String,
    /// Where its epoch is kept.
    pub key: String,
    /// Which counting its ids belong to.
    pub epoch: u64,
    /// Largest id that was made a batch of since the epoch began or the source was opened.
    pub last: EntryId,
    /// Entries that can be acknowledged.
    pub acks: Vec<EntryId>,
    /// Entries that the server counts as still to be given and that are lost.
    pub never_given: u64,
    /// Entries that the server counted as still to be given before the last reading.
    pub lag: Option<u64>,
}

impl Lane {
    /// A stream that was not read yet.
    pub fn new(stream: &str, settings: &Settings) -> Self {
        let key = format!("{}/{stream}/{}", settings.target.name(), settings.group);
        Self {
            stream: stream.to_owned(),
            key,
            epoch: 0,
            last: EntryId::default(),
            acks: Vec::new(),
            never_given: 0,
            lag: None,
        }
    }

    /// Makes sure that the group is there, and knows which counting its ids belong to.
    ///
    /// A group that has to be made belongs to other data than the one before.
    pub fn prepare(
        &mut self,
        servers: &mut Servers,
        settings: &Settings,
        state: &mut State,
    ) -> Result<(), PluginError> {
        let known = state.epoch(&self.key);
        let (group, consumer) = (settings.group.as_bytes(), settings.consumer.as_bytes());
        match pending(servers.of(&self.stream)?, &self.stream, group, consumer, None, 1) {
            Ok(_) if self.epoch > 0 => Ok(()),
            Ok(_) => {
                self.epoch = known.map_or_else(|| state.renew(&self.key), Ok)?;
                self.never_given = state.never_given(&self.key);
                Ok(())
            }
            Err(fault) if fault.is_no_group() && settings.start == Start::Existing => {
                let (stream, group) = (&self.stream, &settings.group);
                Err(PluginError::config(format!(
                    "no group {group} reads the stream {stream}; correct the names, or make it: XGROUP \
                     CREATE {stream} {group} 0 MKSTREAM, which begins with what is in the stream, or with $ \
                     instead of 0 with what comes"
                )))
            }
            Err(fault) if fault.is_no_group() => {
                // before the group: a kill in between must not leave old numbers for new data
                self.epoch = state.renew(&self.key)?;
                self.last = EntryId::default();
                self.acks.clear();
                self.never_given = 0;
                let is_first = known.is_none() && settings.start == Start::New;
                self.make_group(servers, settings, if is_first { "$" } else { "0" })
            }
            Err(fault) => Err(fault.about(&self.stream).into()),
        }
    }

    fn make_group(
        &self,
        servers: &mut Servers,
        settings: &Settings,
        from: &str,
    ) -> Result<(), PluginError> {
        let mut create = cmd("XGROUP");
        create.arg("CREATE").arg(&self.stream).arg(&settings.group).arg(from).arg("MKSTREAM");
        match servers.of(&self.stream)?.ask(&create) {
            Err(fault) if !fault.is_group_exists() => Err(fault.about(&self.stream).into()),
            _ => Ok(()),
        }
    }
}
