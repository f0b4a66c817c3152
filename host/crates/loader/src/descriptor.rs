//! Whether this host can take the plugin that a file says it holds.

use plugin_api::native::Descriptor;

use crate::problem::Problem;

/// Checks what a descriptor says, whatever it was found in.
pub(crate) fn check_descriptor(descriptor: Descriptor) -> Result<Descriptor, Problem> {
    let is_id = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if descriptor.name().is_empty() || !descriptor.name().chars().all(is_id) {
        return Err(Problem::new(
            format!("names itself {:?}, which is no id", descriptor.name()),
            "give the plugin a name of a-z, 0-9 and - in `export_plugin!`, and build it again",
        ));
    }
    let host = plugin_api::ApiVersion::CURRENT;
    if host.can_load(descriptor.api()) {
        return Ok(descriptor);
    }
    Err(Problem::new(
        format!(
            "plugin \"{}\" {} was built for plugin API {}, this host has {host}",
            descriptor.name(),
            descriptor.version(),
            descriptor.api(),
        ),
        "rebuild the plugin against this host's plugin-api, or update the host",
    )
    .of(descriptor.name()))
}
