//! What a change looks up first: the plugins, and which components have ended.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use dataserver_config::{Component, Pipeline};
use dataserver_loader::{Installed, PluginCatalog};

use super::{
    Topology,
    error::ChangeError,
    node::Node,
    plan::{Plan, differences},
};

/// Whether the node has a runner that has not ended.
pub(super) fn is_running(node: &Node) -> bool {
    node.runner().is_some_and(|runner| !runner.has_ended())
}

/// The plugin of every component with its file, by its id.
///
/// # Errors
/// When one is gone that was there when the pipeline was checked.
pub(super) fn find_plugins(
    pipeline: &Pipeline,
    catalog: &PluginCatalog,
) -> Result<HashMap<String, Installed>, ChangeError> {
    let find = |component: &Component| {
        let plugin = catalog.plugin(&component.plugin, component.kind, component.carrier);
        let id = component.id.clone();
        match plugin {
            Ok(installed) => Ok((id, installed)),
            Err(missing) => Err(ChangeError::Plugin(id, missing.message)),
        }
    };
    pipeline.components.iter().map(find).collect()
}

impl Topology {
    /// What a change to that pipeline would do; nothing is changed.
    ///
    /// # Errors
    /// Why it could not be done, as far as that can be told before.
    pub fn plan(&self, pipeline: &Pipeline, catalog: &PluginCatalog) -> Result<Plan, ChangeError> {
        let plugins = find_plugins(pipeline, catalog)?;
        plan(&self.nodes(), &self.pipeline(), pipeline, &plugins)
    }
}

/// What becomes of each component.
///
/// # Errors
/// What cannot change while the host runs.
pub(super) fn plan(
    old: &[Node],
    before: &Pipeline,
    after: &Pipeline,
    plugins: &HashMap<String, Installed>,
) -> Result<Plan, ChangeError> {
    let has_other_plugin = |id: &str| {
        let node = old.iter().find(|node| node.component.id == id);
        node.is_some_and(|it| !Arc::ptr_eq(&it.plugin, &plugins[id].plugin))
    };
    let restarts = restarts(old, after, has_other_plugin);
    let further = |id: &str| {
        let other = has_other_plugin(id).then_some("plugin file");
        other.or_else(|| restarts.contains(id).then_some("had ended"))
    };
    Plan::new(before, after, further).map_err(ChangeError::RestartRequired)
}

/// Transforms and sinks that ended with their inputs and get inputs again.
fn restarts(
    old: &[Node],
    pipeline: &Pipeline,
    has_other_plugin: impl Fn(&str) -> bool,
) -> HashSet<String> {
    let before = |id: &str| old.iter().find(|node| node.component.id == id);
    let has_ended = |id: &str| before(id).is_some_and(|node| !is_running(node));
    // changed components are restarted, and feed others
    let changes = |after: &Component| {
        let differs = |it: &Node| !differences(&it.component, after).is_empty();
        has_other_plugin(&after.id) || before(&after.id).is_some_and(differs)
    };
    let starts: HashSet<_> =
        pipeline.components.iter().filter(|it| changes(it)).map(|it| it.id.as_str()).collect();
    let mut restarts = HashSet::new();
    loop {
        let count = restarts.len();
        for component in pipeline.components.iter().filter(|it| has_ended(&it.id)) {
            let is_fed = |input: &String| {
                !has_ended(input) || starts.contains(input.as_str()) || restarts.contains(input)
            };
            if component.inputs.iter().any(is_fed) {
                restarts.insert(component.id.clone());
            }
        }
        if restarts.len() == count {
            return restarts;
        }
    }
}
