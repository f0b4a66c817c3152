//! What a changed pipeline file asks for, component by component.

use std::fmt::{self, Write};

use dataserver_config::{Buffer, Component, HostSettings, Pipeline};
use plugin_api::RoleKind;
use serde::{Deserialize, Serialize};

/// How a running pipeline differs from the one it becomes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Components that are new.
    pub added: Vec<String>,
    /// Components that get a new instance, with what is different.
    pub changed: Vec<Changed>,
    /// Components that read from others than before, and are otherwise the same.
    pub rerouted: Vec<String>,
    /// Components that stay as they are.
    pub kept: Vec<String>,
    /// Components that end.
    pub removed: Vec<String>,
    /// What changed beside components: `alarms`, `backfill`, keys of `[host]` such as `host.report`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<String>,
}

/// A component that gets a new instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Its id.
    pub id: String,
    /// What is different: keys of the host, options of the plugin, `plugin file`; `had ended` for
    /// one that gets inputs again.
    pub what: Vec<String>,
}

/// A change that needs a restart of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestartRequired {
    /// The component; none for `[host]`.
    pub component: Option<String>,
    /// What cannot be done, and what can be done instead.
    pub message: String,
}

impl fmt::Display for RestartRequired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.component {
            Some(component) => write!(f, "{component}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl Plan {
    /// Compares two pipelines; `further` returns another reason for a new instance of a component
    /// with unchanged settings.
    ///
    /// # Errors
    /// All that cannot be changed while the host runs.
    pub fn new(
        old: &Pipeline,
        new: &Pipeline,
        further: impl Fn(&str) -> Option<&'static str>,
    ) -> Result<Self, Vec<RestartRequired>> {
        let mut restart_required = fixed_host_keys(&old.host, &new.host);
        let mut plan = Self { settings: settings(old, new), ..Self::default() };
        for after in &new.components {
            let id = after.id.clone();
            let Some(before) = old.components.iter().find(|it| it.id == id) else {
                plan.added.push(id);
                continue;
            };
            restart_required.extend(fixed_keys(before, after));
            let mut what = differences(before, after);
            let is_other = before.plugin != after.plugin || before.carrier != after.carrier;
            what.extend(further(&id).filter(|_| !is_other).map(str::to_owned));
            if !what.is_empty() {
                plan.changed.push(Changed { id, what });
            } else if before.inputs == after.inputs {
                plan.kept.push(id);
            } else {
                plan.rerouted.push(id);
            }
        }
        let is_gone = |id: &String| !new.components.iter().any(|it| it.id == *id);
        plan.removed = old.components.iter().map(|it| it.id.clone()).filter(is_gone).collect();
        if restart_required.is_empty() { Ok(plan) } else { Err(restart_required) }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty()
            && self.changed.is_empty()
            && self.rerouted.is_empty()
            && self.removed.is_empty()
            && self.settings.is_empty()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changed: Vec<_> =
            self.changed.iter().map(|it| format!("{} ({})", it.id, it.what.join(", "))).collect();
        let parts = [
            ("added", &self.added),
            ("changed", &changed),
            ("rerouted", &self.rerouted),
            ("kept", &self.kept),
            ("removed", &self.removed),
            ("settings", &self.settings),
        ];
        let mut text = String::new();
        for (name, ids) in parts.iter().filter(|(_, ids)| !ids.is_empty()) {
            let gap = if text.is_empty() { "" } else { "; " };
            write!(text, "{gap}{name} {}", ids.join(", "))?;
        }
        f.write_str(if text.is_empty() { "nothing" } else { &text })
    }
}

fn fixed_host_keys(before: &HostSettings, after: &HostSettings) -> Vec<RestartRequired> {
    // without `..`: a new key does not compile until it is fixed here or read from the new pipeline
    let HostSettings {
        data_dir,
        http,
        token,
        // a reload searches for plugins with these; see `settings`
        plugins: _,
        pins: _,
        compile: _,
        python: _,
        // read from the running pipeline at each use; see `settings`
        watch: _,
        allowed_hosts: _,
        read_only: _,
        drain_timeout: _,
        stuck_after: _,
        report: _,
    } = after;
    let same = [
        ("data_dir", before.data_dir == *data_dir),
        ("http", before.http == *http),
        ("token", before.token == *token),
    ];
    let differing = same.into_iter().filter(|(_, same)| !same);
    differing
        .map(|(key, _)| RestartRequired {
            component: None,
            message: format!("`[host] {key}` cannot change while the host runs; restart it"),
        })
        .collect()
}

/// What changed beside components, and holds from now on.
fn settings(before: &Pipeline, after: &Pipeline) -> Vec<String> {
    // without `..`: a new table does not compile until it is compared here or says why it is not
    let Pipeline { host, alarms, backfill, history, components: _, file: _, base_dir: _ } = after;
    let same = [
        ("alarms", before.alarms == *alarms),
        ("backfill", before.backfill == *backfill && before.history == *history),
        ("host.plugins", before.host.plugins == host.plugins),
        ("host.pins", before.host.pins == host.pins),
        ("host.compile", before.host.compile == host.compile),
        ("host.python", before.host.python == host.python),
        ("host.watch", before.host.watch == host.watch),
        ("host.allowed_hosts", before.host.allowed_hosts == host.allowed_hosts),
        ("host.read_only", before.host.read_only == host.read_only),
        ("host.drain_timeout", before.host.drain_timeout == host.drain_timeout),
        ("host.stuck_after", before.host.stuck_after == host.stuck_after),
        ("host.report", before.host.report == host.report),
    ];
    same.into_iter().filter(|(_, same)| !same).map(|(key, _)| key.to_owned()).collect()
}

fn fixed_keys(before: &Component, after: &Component) -> Option<RestartRequired> {
    // without `..`: the queue outlives the instance, so a new key is fixed or goes through
    // `Queue::configure`, as these two do
    let Buffer { kind: buffer_kind, max_bytes: _, when_full: _ } = after.buffer;
    let message = if before.kind != after.kind {
        format!(
            "it was a {} and cannot become a {} while the host runs; use another id, or restart",
            before.kind, after.kind
        )
    } else if before.kind != RoleKind::Source && before.buffer.kind != buffer_kind {
        "`buffer.type` cannot change while the host runs; use another id, or restart".to_owned()
    } else {
        return None;
    };
    Some(RestartRequired { component: Some(after.id.clone()), message })
}

/// What is different but for the inputs. A table of keys counts as one key.
pub(super) fn differences(before: &Component, after: &Component) -> Vec<String> {
    // without `..`: a new key does not compile until it asks for a new instance or is named below
    let Component {
        // the same: by it the two were found
        id: _,
        // fixed: see `fixed_keys`
        kind: _,
        // another route is no new instance
        inputs: _,
        plugin,
        carrier,
        limits,
        grants,
        workers,
        buffer,
        batch,
        retry,
        on_failure,
        options,
        // made of the options
        shown_options: _,
    } = after;
    let same = [
        ("plugin", before.plugin == *plugin),
        ("carrier", before.carrier == *carrier),
        ("limits", before.limits == *limits),
        ("grants", before.grants == *grants),
        ("workers", before.workers == *workers),
        ("buffer", before.buffer == *buffer),
        ("batch", before.batch == *batch),
        ("retry", before.retry == *retry),
        ("on_failure", before.on_failure == *on_failure),
    ];
    let of_host = same.into_iter().filter(|(_, same)| !same).map(|(key, _)| key.to_owned());
    let mut names: Vec<_> = before.options.keys().chain(options.keys()).collect();
    names.sort();
    names.dedup();
    let differs = |name: &&String| before.options.get(*name) != options.get(*name);
    of_host.chain(names.into_iter().filter(differs).cloned()).collect()
}

#[cfg(test)]
mod tests {
    use dataserver_config::{self as config, Carrier, Catalog, NotFound, ProcessEnvironment};

    use super::*;

    /// Every plugin is there and takes any option.
    struct Anything;

    impl Catalog for Anything {
        fn find(
            &self,
            _: &str,
            kind: RoleKind,
            _: Option<Carrier>,
        ) -> Result<(plugin_api::Role, Carrier), NotFound> {
            let role = plugin_api::Role {
                kind,
                options_schema: serde_json::json!({ "type": "object" }),
                delivery: None,
                ordered: true,
                max_records: 1,
                max_wait: std::time::Duration::ZERO,
            };
            Ok((role, Carrier::Native))
        }
    }

    fn pipeline(text: &str) -> Pipeline {
        let file = std::path::Path::new("pipeline.toml");
        config::load_text(text, file, &ProcessEnvironment).unwrap().resolve(&Anything).unwrap()
    }

    const BEFORE: &str = r#"
        sources.day   = { plugin = "a", speed = 1 }
        transforms.t  = { plugin = "b", inputs = ["day"] }
        sinks.feed    = { plugin = "c", inputs = ["t"] }
        sinks.lake    = { plugin = "d", inputs = ["t"], path = "x" }
        sinks.gone    = { plugin = "d", inputs = ["t"] }
    "#;

    #[test]
    fn a_plan_names_what_is_added_changed_rerouted_kept_and_removed() {
        let after = r#"
            sources.day   = { plugin = "a", speed = 2 }
            transforms.t  = { plugin = "b", inputs = ["day"] }
            sinks.feed    = { plugin = "c", inputs = ["day"] }
            sinks.lake    = { plugin = "d", inputs = ["t"], path = "y", retry = { max_attempts = 3 } }
            sinks.new     = { plugin = "d", inputs = ["t"] }
        "#;
        let plan = Plan::new(&pipeline(BEFORE), &pipeline(after), |id| {
            (id == "t").then_some("plugin file")
        })
        .unwrap();
        assert_eq!(
            plan.to_string(),
            "added new; changed day (speed), t (plugin file), lake (retry, path); rerouted feed; \
             removed gone"
        );
        assert!(!plan.is_empty());
    }

    #[test]
    fn the_same_pipeline_asks_for_nothing() {
        let plan = Plan::new(&pipeline(BEFORE), &pipeline(BEFORE), |_| None).unwrap();
        assert!(plan.is_empty());
        assert_eq!(plan.kept, ["day", "t", "feed", "lake", "gone"]);
    }

    #[test]
    fn what_changes_beside_components_is_a_change() {
        let alarms = "to = [{ kind = \"json\", url = \"http://127.0.0.1/x\" }]";
        let after =
            format!("{BEFORE}\n[host]\nreport = \"1m\"\nread_only = true\n[alarms]\n{alarms}\n");
        let plan = Plan::new(&pipeline(BEFORE), &pipeline(&after), |_| None).unwrap();
        assert_eq!(
            plan.to_string(),
            "kept day, t, feed, lake, gone; settings alarms, host.read_only, host.report"
        );
        assert!(!plan.is_empty());
    }

    #[test]
    fn what_needs_a_restart_is_told_all_at_once() {
        let after = r#"
            [host]
            data_dir = "elsewhere"
            [sources]
            day = { plugin = "a", speed = 1 }
            t   = { plugin = "b" }
            [sinks]
            lake = { plugin = "d", inputs = ["day"], path = "x", buffer = { type = "disk" } }
        "#;
        let restart_required =
            Plan::new(&pipeline(BEFORE), &pipeline(after), |_| None).unwrap_err();
        let told: Vec<_> = restart_required.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[0].contains("data_dir") && told[1].starts_with("t: it was a transform"));
        assert!(told[2].contains("buffer.type"));
    }
}
