//! A pipeline whose plugins are not known yet.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use plugin_api::Role;

use super::{
    Alarms, BatchSettings, Buffer, Carrier, Catalog, Component, Faults, HostSettings, Pipeline,
    backfill, components::Unresolved, host::Host, mask, options, report::Report, sandbox,
};

/// A pipeline whose plugins are not known yet.
///
/// It may have faults; only [`resolve`](Self::resolve) makes a [`Pipeline`] of it.
pub struct ParsedConfig {
    file: PathBuf,
    base_dir: PathBuf,
    host: Host,
    alarms: Alarms,
    backfill: backfill::Raw,
    components: Vec<Unresolved>,
    report: Report,
}

impl ParsedConfig {
    pub(super) fn new(
        file: PathBuf,
        base_dir: PathBuf,
        (host, alarms, backfill, components): (Host, Alarms, backfill::Raw, Vec<Unresolved>),
        report: Report,
    ) -> Self {
        Self { file, base_dir, host, alarms, backfill, components, report }
    }

    /// The file; absolute.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// `[host]`: says among others where plugins are searched.
    pub fn host(&self) -> &HostSettings {
        &self.host.settings
    }

    /// `[alarms]`.
    pub fn alarms(&self) -> &Alarms {
        &self.alarms
    }

    /// The components as far as the file alone tells; without options.
    pub fn components(&self) -> impl Iterator<Item = &Component> {
        self.components.iter().map(|unresolved| &unresolved.component)
    }

    /// What is wrong with the file, plugins left aside.
    pub fn faults(&self) -> Faults {
        self.report.clone().finish().0
    }

    /// What looks wrong, but can be run.
    pub fn warnings(&self) -> Faults {
        self.report.clone().finish().1
    }

    /// Looks the plugins up, checks their options, and fills in what depends on them.
    ///
    /// # Errors
    /// All that is wrong with the file.
    pub fn resolve(mut self, catalog: &dyn Catalog) -> Result<Pipeline, Faults> {
        let mut components = Vec::with_capacity(self.components.len());
        let named = self.backfill.named(&self.report, &self.components);
        // without the right folders, each plugin would be reported as missing
        let known = if self.host.plugins_known { self.components } else { Vec::new() };
        let mut validators = options::Validators::default();
        let mut validators_of_asked = options::Validators::default();
        for mut unresolved in known {
            let carrier = unresolved.component.carrier;
            let found = find_role(&mut self.report, &unresolved, catalog);
            let (report, keys) = (&mut self.report, &unresolved.sandbox_keys);
            match found.as_ref().map(|(_, carrier)| *carrier).or(carrier) {
                Some(Carrier::Native) => sandbox::refuse_without_sandbox(report, keys),
                Some(Carrier::Process) => sandbox::refuse_grants_of_process(report, keys),
                Some(Carrier::Wasm) | None => {}
            }
            if let Some((mut role, carrier)) = found {
                let (report, mut validators) = (&mut self.report, &mut validators);
                let asked = named.iter().find(|it| it.is(&unresolved.component));
                if let Some(named) = asked {
                    backfill::check_role(report, named, &role);
                    backfill::ask_later(&mut role);
                    validators = &mut validators_of_asked;
                }
                resolve_component(report, validators, &mut unresolved, &role, carrier);
            }
            components.push(unresolved.component);
        }
        let backfill = self.backfill.resolve(&mut self.report, &components);
        let (faults, _) = self.report.finish();
        if !faults.is_empty() {
            return Err(faults);
        }
        let is_asked = |it: &Component| named.iter().any(|named| named.is(it));
        let (history, components) = components.into_iter().partition(is_asked);
        let Self { file, base_dir, host, alarms, .. } = self;
        Ok(Pipeline { file, base_dir, host: host.settings, alarms, backfill, history, components })
    }
}

fn find_role(
    report: &mut Report,
    unresolved: &Unresolved,
    catalog: &dyn Catalog,
) -> Option<(Role, Carrier)> {
    let (plugin, span) = unresolved.plugin.as_ref().filter(|_| unresolved.carrier_known)?;
    let component = &unresolved.component;
    match catalog.find(&plugin.value, component.kind, component.carrier) {
        Ok(found) => Some(found),
        Err(why) => {
            // a value that a variable gave is not shown
            let shown = |text: String| {
                if plugin.filled { text.replace(&plugin.value, "${…}") } else { text }
            };
            let fault = report.fault(span, shown(why.message));
            if let Some(help) = why.help {
                fault.help(shown(help));
            }
            None
        }
    }
}

fn resolve_component(
    report: &mut Report,
    validators: &mut options::Validators,
    unresolved: &mut Unresolved,
    role: &Role,
    carrier: Carrier,
) {
    unresolved.component.limits = unresolved.limits.resolve(report, carrier);
    unresolved.component.buffer = Buffer::of(role.delivery, unresolved.buffer);
    unresolved.component.batch = BatchSettings {
        max_records: unresolved.max_records.unwrap_or(u64::from(role.max_records)),
        max_wait: unresolved.max_wait.unwrap_or(role.max_wait),
    };
    if let Some(span) = unresolved.workers_span.as_ref().filter(|_| role.ordered) {
        let name = &unresolved.component.plugin;
        report
            .fault(span, format!("`{name}` keeps records in order, so it cannot have `workers`"))
            .help("write 1 or leave the key out");
    }
    unresolved.component.options =
        options::check(report, validators, unresolved, carrier, &role.options_schema);
    unresolved.component.shown_options = mask::shown(&unresolved.options);
}

impl fmt::Debug for ParsedConfig {
    /// Leaves out what may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParsedConfig")
            .field("file", &self.file)
            .field("host", &self.host.settings)
            .field("alarms", &self.alarms)
            .field("backfill", &self.backfill)
            .field("components", &self.components().collect::<Vec<_>>())
            .field("faults", &self.faults())
            .finish()
    }
}
