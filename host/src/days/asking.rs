//! Asking a plugin for records of the past, beside the pipeline that runs.
//!
//! A component whose plugin can be a source with the option `ask` is a [`History`]: also a sink, whose
//! plugin then reads what it has written. Each question opens an instance of its own, with the
//! component's options as far as a source has them, and gives the batches of the [`Answer`].

mod patience;
#[cfg(test)]
pub(super) mod tests;

use std::{path::PathBuf, sync::Arc, time::Duration};

use dataserver_config::{Component, Pipeline};
use dataserver_loader::{Opening, Plugin, PluginCatalog, SourceInstance};
use plugin_api::{Ask, Batch, Context, ErrorKind, HostServices, PluginError, Polled, RoleKind};
use serde_json::{Map, Value};

use self::patience::{Patience, Tell};

/// The option by which a source is asked.
const ASK: &str = "ask";
/// Longest wait within one call, so that an end that is asked for is noticed.
const WAIT: Duration = Duration::from_millis(100);

/// Why there is no answer, or no more of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// Nobody can ask that component; says what to do.
    #[error("{0}")]
    Unable(String),
    /// The plugin gave up; what came before is not all.
    #[error("{component}: {error}")]
    Failed {
        /// Who was asked.
        component: String,
        /// What it said.
        error: PluginError,
    },
    /// The end was asked for meanwhile.
    #[error("{component} was not read to its end, as this was told to end")]
    Stopped {
        /// Who was asked.
        component: String,
    },
}

impl AskError {
    /// Whether the pipeline file has to be changed for it to work.
    pub fn is_config(&self) -> bool {
        matches!(self, Self::Failed { error, .. } if error.kind == ErrorKind::Config)
    }
}

/// A component that can be asked for records of the past.
pub struct History {
    component: Component,
    plugin: Arc<dyn Plugin>,
    /// What a source of that plugin takes of the component's options.
    options: Map<String, Value>,
    base_dir: PathBuf,
    state_dir: PathBuf,
    host: Arc<dyn HostServices>,
}

impl History {
    /// The component of that id, which may be a source or a sink; its plugin is lent `host`, whose
    /// [`is_stopping`](HostServices::is_stopping) ends every question.
    ///
    /// # Errors
    /// [`AskError::Unable`] when there is no such component, or its plugin cannot be asked.
    pub fn of(
        id: &str,
        pipeline: &Pipeline,
        catalog: &PluginCatalog,
        host: Arc<dyn HostServices>,
    ) -> Result<Self, AskError> {
        let is_askable = |it: &&Component| it.kind != RoleKind::Transform;
        let askable = || pipeline.history.iter().chain(&pipeline.components).filter(is_askable);
        let Some(component) = askable().find(|it| it.id == id) else {
            let others: Vec<_> = askable().map(|it| it.id.as_str()).collect();
            let text = format!("no source and no sink \"{id}\"; there are {}", others.join(", "));
            return Err(AskError::Unable(text));
        };
        let Component { kind, plugin: name, carrier, .. } = component;
        let unable = || {
            AskError::Unable(format!(
                "{kind} \"{id}\" cannot be asked for records of the past: its plugin \"{name}\" has \
                 no source with the option `{ASK}`; name another component, or use a version of the \
                 plugin that has it (`dataserver plugins show {name}` lists the options)"
            ))
        };
        // whatever is wrong with the file itself was told when the pipeline was read
        let installed = catalog.plugin(name, RoleKind::Source, *carrier);
        let plugin = installed.map_err(|_| unable())?.plugin;
        Self::with(component, plugin, pipeline, host).ok_or_else(unable)
    }

    /// `None` when that plugin cannot be asked.
    fn with(
        component: &Component,
        plugin: Arc<dyn Plugin>,
        pipeline: &Pipeline,
        host: Arc<dyn HostServices>,
    ) -> Option<Self> {
        let schema = &plugin.manifest().role(RoleKind::Source)?.options_schema;
        let known = schema["properties"].as_object().filter(|known| known.contains_key(ASK))?;
        let taken = |(key, _): &(&String, &Value)| *key != ASK && known.contains_key(*key);
        let options = component.options.iter().filter(taken);
        let options = options.map(|(key, value)| (key.clone(), value.clone())).collect();
        // beside that of the component, which is written by that alone; no id has a dot
        let state_dir = pipeline.host.data_dir.join("state");
        let state_dir = state_dir.join(format!("{}.history", component.id));
        let (component, base_dir) = (component.clone(), pipeline.base_dir.clone());
        Some(Self { component, plugin, options, base_dir, state_dir, host })
    }

    /// Id of the component.
    pub fn id(&self) -> &str {
        &self.component.id
    }

    /// Asks. Blocks until an instance is open; a fault that passes is waited out for some seconds.
    ///
    /// # Errors
    /// [`AskError::Failed`] when the question or the options cannot work, or nothing can be opened.
    pub fn ask(&self, ask: &Ask) -> Result<Answer<'static>, AskError> {
        self.ask_telling(ask, &tell_nobody)
    }

    /// Asks as [`ask`](Self::ask) does; `tell` gets who is waited for while a fault is waited out.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub fn ask_telling<'t>(&self, ask: &Ask, tell: Tell<'t>) -> Result<Answer<'t>, AskError> {
        let failed = |error| AskError::Failed { component: self.id().to_owned(), error };
        ask.read().map_err(failed)?;
        let mut patience = Patience::new(&self.host, tell);
        loop {
            match self.plugin.open_source(self.opening(ask).map_err(failed)?) {
                Ok(instance) => {
                    patience.end_wait();
                    let component = self.id().to_owned();
                    let instance = Some(instance);
                    return Ok(Answer { instance, component, patience, refused: None });
                }
                Err(error) => patience.wait_out(self.id(), error)?,
            }
        }
    }

    fn opening(&self, ask: &Ask) -> Result<Opening, PluginError> {
        let mut options = self.options.clone();
        let ask = serde_json::to_value(ask).map_err(|it| PluginError::config(it.to_string()))?;
        options.insert(ASK.to_owned(), ask);
        let Component { limits, grants, .. } = &self.component;
        let host = Arc::clone(&self.host);
        let context = Context::new(self.id(), &self.base_dir, &self.state_dir, host);
        let options = Value::Object(options).to_string();
        Ok(Opening { options, context, limits: *limits, grants: grants.clone() })
    }
}

fn tell_nobody(_: Option<String>) {}

/// What a plugin gives when it is asked; ended when dropped.
pub struct Answer<'t> {
    /// There until it has come to its end.
    instance: Option<Box<dyn SourceInstance>>,
    component: String,
    patience: Patience<'t>,
    /// The first record or file of which it said that it cannot be read.
    refused: Option<String>,
}

impl Answer<'_> {
    /// The next batch; `None` at the end. Blocks until there is one.
    ///
    /// # Errors
    /// When the plugin gives up, says at its end that it could not give all, or the end is asked for:
    /// what came is not all then.
    pub fn next_batch(&mut self) -> Result<Option<Batch>, AskError> {
        loop {
            self.patience.check(&self.component)?;
            let Some(instance) = &mut self.instance else { return Ok(None) };
            match instance.next(WAIT) {
                Ok(Polled::Batch(batch)) => {
                    self.patience.reset();
                    return Ok(Some(batch));
                }
                Ok(Polled::Idle) => {}
                Ok(Polled::End) => {
                    let closed = instance.close();
                    self.instance = None;
                    let component = self.component.clone();
                    closed.map_err(|error| AskError::Failed { component, error })?;
                }
                // it was set aside, and the others come
                Err(error) if error.kind == ErrorKind::BadData => {
                    self.refused.get_or_insert(error.message);
                }
                Err(error) => self.patience.wait_out(&self.component, error)?,
            }
        }
    }

    /// What could not be read so far: the first fault that was told of it.
    pub fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }
}

impl Drop for Answer<'_> {
    fn drop(&mut self) {
        if let Some(instance) = &mut self.instance
            && let Err(error) = instance.close()
        {
            tracing::debug!(component = self.component, "{error}");
        }
    }
}
