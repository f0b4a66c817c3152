//! A plugin whose instances are child processes.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use dataserver_config::{Carrier, Limits};
use plugin_api::{Context, Descriptor, HostServices, Manifest, PluginError, RoleKind};
use serde_json::{Value, json};

use super::{
    declared, hello,
    instance::{Instance, MIN_OPEN_TIMEOUT, odd, text},
    launch::{Launch, PythonSettings},
    link::{Link, Reply},
    wire::Kind,
};
use crate::{
    NullHost, Opening, Plugin, SinkInstance, SourceInstance, TransformInstance, apart::Helper,
    problem::Problem, rate_limit::NameLimiter,
};

/// Longest answer to an operator's request, bytes.
const MAX_ANSWER: usize = 1 << 20;
/// A child that says what it is has so long: an interpreter may have much to import.
const HELLO_TIMEOUT: Duration = Duration::from_secs(30);

/// See the module.
pub(crate) struct ProcessPlugin {
    launch: Launch,
    manifest: Manifest,
    names_by_component: Mutex<HashMap<String, Arc<Mutex<NameLimiter>>>>,
}

impl ProcessPlugin {
    /// A plugin of a file that declares how it is run; a first child says what it is.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn load(
        file: &Path,
        bytes: &[u8],
        sha256: &str,
        python: &PythonSettings,
    ) -> Result<Self, Problem> {
        let declared = declared::read(file, bytes)?;
        let plugin = Self::greeted(
            Launch::declared(file, sha256, declared.runs, python),
            &declared.descriptor,
        )?;
        let kinds: Vec<_> = plugin.manifest.roles.iter().map(|role| role.kind).collect();
        if kinds != [declared.kind] {
            let message =
                format!("says in its file that it is a {}, and runs as {kinds:?}", declared.kind);
            return Err(Problem::new(message, "correct `kind`, or what it runs"));
        }
        Ok(plugin)
    }

    /// The plugin of a library, in processes of its own.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn of_library(
        file: &Path,
        sha256: &str,
        descriptor: &Descriptor,
        helper: &Helper,
    ) -> Result<Self, Problem> {
        let launch = Launch::library(file, sha256, helper).ok_or_else(|| {
            Problem::new(
                "cannot be run in a process of its own: this process has no program for it",
                "set DATASERVER_PROGRAM to the `dataserver` program",
            )
        })?;
        Self::greeted(launch, descriptor)
    }

    fn greeted(launch: Launch, descriptor: &Descriptor) -> Result<Self, Problem> {
        let host = Arc::new(NullHost { now_us: || 0 });
        let limits = Limits::of(Carrier::Process);
        let (_, manifest) = start(&launch, limits, HELLO_TIMEOUT, host, Arc::default()).map_err(
            |fault| match fault {
                Fault::Problem(problem) => problem,
                Fault::Error(error) => {
                    let message = format!("does not tell what it is: {error}");
                    Problem::new(
                        message,
                        "mend the plugin; `dataserver plugins probe FILE` tries it",
                    )
                }
            },
        )?;
        if manifest.version != descriptor.version() {
            let message = format!(
                "has version {} in its file, and {} when it runs",
                descriptor.version(),
                manifest.version
            );
            return Err(Problem::new(message, "give both the same version"));
        }
        Ok(Self { launch, manifest, names_by_component: Mutex::default() })
    }

    /// A child that has greeted, for a component.
    fn start(&self, opening: &Opening) -> Result<Link, PluginError> {
        self.launch.check_file()?;
        let allowed = opening.limits.deadline.max(MIN_OPEN_TIMEOUT);
        let (host, names) = (opening.context.host(), self.names(opening.context.instance()));
        let started = start(&self.launch, opening.limits, allowed, host, names);
        let (link, manifest) = started.map_err(|fault| match fault {
            Fault::Error(error) => error,
            Fault::Problem(it) => PluginError::fatal(format!("the plugin {it}")),
        })?;
        if manifest.name != self.manifest.name {
            let text = format!("the plugin runs as \"{}\"; reload", manifest.name);
            return Err(PluginError::fatal(text));
        }
        Ok(link)
    }

    /// What a component's earlier instances used counts for the next ones.
    fn names(&self, component: &str) -> Arc<Mutex<NameLimiter>> {
        let mut names = self.names_by_component.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(names.entry(component.to_owned()).or_default())
    }

    /// An instance of a role, which is open.
    fn open(&self, role: RoleKind, opening: &Opening) -> Result<Box<Instance>, PluginError> {
        let mut instance = Instance::new(self.start(opening)?, opening.limits);
        let question = question(role, &opening.options, &opening.context, None)?;
        let allowed = opening.limits.deadline.max(MIN_OPEN_TIMEOUT);
        instance.call(
            (Kind::Open, "open", allowed),
            &|body, _| text(body, &question),
            |reply, _| match reply {
                Reply::Done(0) => Ok(()),
                reply => Err(odd("open", &reply)),
            },
        )?;
        Ok(Box::new(instance))
    }

    /// Puts a question to a child that is only there for it.
    fn ask(
        &self,
        (kind, name): (Kind, &str),
        role: RoleKind,
        opening: &Opening,
        request: Option<&Value>,
    ) -> Result<Reply, PluginError> {
        let mut instance = Instance::new(self.start(opening)?, opening.limits);
        let question = question(role, &opening.options, &opening.context, request)?;
        let allowed = opening.limits.deadline.max(MIN_OPEN_TIMEOUT);
        instance.call((kind, name, allowed), &|body, _| text(body, &question), |reply, _| Ok(reply))
    }
}

/// Why a child did not come so far as to have greeted.
enum Fault {
    Problem(Problem),
    Error(PluginError),
}

fn start(
    launch: &Launch,
    limits: Limits,
    allowed: Duration,
    host: Arc<dyn HostServices>,
    names: Arc<Mutex<NameLimiter>>,
) -> Result<(Link, Manifest), Fault> {
    let started = Link::start(launch, limits, host, names);
    let mut link = started.map_err(|error| {
        let program = PathBuf::from(&launch.command[0]);
        let message = format!("{} cannot be started: {error}", program.display());
        Fault::Error(PluginError::fatal(format!("{message}; {}", launch.remedy())))
    })?;
    let reply = link.reply("start", allowed).and_then(|reply| reply).map_err(Fault::Error)?;
    let Reply::Hello(text) = reply else {
        return Err(Fault::Error(odd("start", &reply)));
    };
    let manifest = hello::read(&text).map_err(Fault::Problem)?;
    Ok((link, manifest))
}

/// What a child is asked about a component, in JSON.
fn question(
    role: RoleKind,
    options: &str,
    context: &Context,
    request: Option<&Value>,
) -> Result<String, PluginError> {
    let options: Value = serde_json::from_str(options)
        .map_err(|error| PluginError::config(format!("options: {error}")))?;
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let state_dir = Some(context.state_path()).filter(|it| !it.as_os_str().is_empty()).map(path);
    let question = json!({
        "role": role.as_str(),
        "options": options,
        "instance": context.instance(),
        "base_dir": path(context.base_dir()),
        "state_dir": state_dir,
        "request": request,
    });
    Ok(question.to_string())
}

impl Plugin for ProcessPlugin {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn check(&self, role: RoleKind, opening: Opening) -> Result<(), PluginError> {
        match self.ask((Kind::Check, "check"), role, &opening, None)? {
            Reply::Done(0) => Ok(()),
            reply => Err(odd("check", &reply)),
        }
    }

    fn command(
        &self,
        role: RoleKind,
        opening: Opening,
        request: &Value,
    ) -> Result<Value, PluginError> {
        let answer = match self.ask((Kind::Command, "command"), role, &opening, Some(request))? {
            Reply::Answer(answer) => answer,
            reply => return Err(odd("command", &reply)),
        };
        if answer.len() > MAX_ANSWER {
            let text = format!("the plugin's answer has {} bytes", answer.len());
            return Err(PluginError::fatal(text));
        }
        serde_json::from_str(&answer)
            .map_err(|error| PluginError::fatal(format!("the plugin's answer is no JSON: {error}")))
    }

    fn open_source(&self, opening: Opening) -> Result<Box<dyn SourceInstance>, PluginError> {
        Ok(self.open(RoleKind::Source, &opening)?)
    }

    fn open_transform(&self, opening: Opening) -> Result<Box<dyn TransformInstance>, PluginError> {
        Ok(self.open(RoleKind::Transform, &opening)?)
    }

    fn open_sink(&self, opening: Opening) -> Result<Box<dyn SinkInstance>, PluginError> {
        Ok(self.open(RoleKind::Sink, &opening)?)
    }
}
