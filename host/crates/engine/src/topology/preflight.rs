//! What a change looks up first: the plugins, and which components have ended.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use dataserver_config::{Component, Pipeline};
use dataserver_loader::{Plugin, PluginCatalog};

use super::{error::ChangeError, node::Node, plan::differences};

/// Whether the node has a runner that has not ended.
pub(super) fn is_running(node: &Node) -> bool {
    node.runner().is_some_and(|runner| !runner.has_ended())
}

/// The plugin of every component, by its id.
///
/// # Errors
/// When one is gone that was there when the pipeline was checked.
pub(super) fn find_plugins(
    pipeline: &Pipeline,
    catalog: &PluginCatalog,
) -> Result<HashMap<String, Arc<dyn Plugin>>, ChangeError> {
    let find = |component: &Component| {
        let plugin = catalog.plugin(&component.plugin, component.kind, component.carrier);
        let id = component.id.clone();
        match plugin {
            Ok(installed) => Ok((id, installed.plugin)),
            Err(missing) => Err(ChangeError::Plugin(id, missing.message)),
        }
    };
    pipeline.components.iter().map(find).collect()
}

/// Transforms and sinks that ended with their inputs and get inputs again.
pub(super) fn restarts(
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
