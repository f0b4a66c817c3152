//! Reads a component's file before any of it is compiled.

use plugin_api::{ApiVersion, DESCRIPTOR_SECTION, Descriptor};
use wasmparser::{Encoding, Parser, Payload};

use crate::{descriptor::check_descriptor, problem::Problem};

/// What the names of all interfaces of the contract begin with.
const CONTRACT: &str = "dataserver:plugin/";
/// The version of the contract that this host offers; schemas/wit/v1.
const CONTRACT_VERSION: (u64, u64) = (1, 0);
/// A larger file is not looked at: compiling takes about as many megabytes again, and seconds.
const MAX_BYTES: usize = 16 << 20;

/// Checks a component's bytes and reads what plugin it says it is.
pub fn inspect(bytes: &[u8]) -> Result<Descriptor, Problem> {
    if !bytes.starts_with(b"\0asm") {
        return Err(Problem::new(
            "is no WebAssembly",
            "build the plugin with --target wasm32-wasip2, or remove the file",
        ));
    }
    if bytes.len() > MAX_BYTES {
        return Err(Problem::new(
            format!("has {} bytes, the most is {MAX_BYTES}", bytes.len()),
            "build the plugin with --release, and without debug information",
        ));
    }
    let seen = look_through(bytes).map_err(|error| damaged(bytes.len(), &error))?;
    if !seen.is_component {
        return Err(Problem::new(
            "is a WebAssembly module, not a component",
            "build the plugin with --target wasm32-wasip2",
        ));
    }
    let descriptor = match seen.descriptors[..] {
        [one] => check_descriptor(one)?,
        [] => {
            return Err(Problem::new(
                "is a WebAssembly component but no plugin: it has no plugin descriptor",
                "call `export_plugin!` in the plugin's crate, or move the file out of the folder",
            ));
        }
        _ => {
            return Err(Problem::new(
                "holds more than one plugin descriptor",
                "call `export_plugin!` in one crate alone of those that the component is built of",
            ));
        }
    };
    check_contract(&seen, &descriptor)?;
    Ok(descriptor)
}

/// What matters of a file.
#[derive(Default)]
struct Seen {
    is_component: bool,
    descriptors: Vec<Descriptor>,
    /// Interfaces of the contract that it asks for or offers, with their versions.
    contract: Vec<String>,
    offers_plugin: bool,
}

fn look_through(bytes: &[u8]) -> Result<Seen, wasmparser::BinaryReaderError> {
    let (mut seen, mut depth) = (Seen::default(), 0_usize);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::Version { encoding, .. } => {
                seen.is_component |= depth == 0 && encoding == Encoding::Component;
                depth += 1;
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) if section.name() == DESCRIPTOR_SECTION => {
                // several in one section, where the linker joined them
                let (whole, rest) = section.data().as_chunks::<{ Descriptor::LEN }>();
                let read = whole.iter().filter_map(|bytes| Descriptor::read(bytes));
                seen.descriptors.extend(read.take(2));
                if !rest.is_empty() {
                    seen.descriptors.clear();
                }
            }
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    seen.note(import?.name.name);
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    let name = export?.name.name;
                    let interface = name.strip_prefix(CONTRACT).unwrap_or_default();
                    seen.offers_plugin |= interface.split('@').next() == Some("plugin");
                    seen.note(name);
                }
            }
            _ => {}
        }
    }
    Ok(seen)
}

impl Seen {
    fn note(&mut self, name: &str) {
        if name.starts_with(CONTRACT) {
            self.contract.push(name.to_owned());
        }
    }
}

fn check_contract(seen: &Seen, descriptor: &Descriptor) -> Result<(), Problem> {
    let (major, minor) = CONTRACT_VERSION;
    let fits = |name: &&String| {
        let version = name.rsplit_once('@').map(|(_, version)| version).unwrap_or_default();
        let mut parts = version.split('.').map(|part| part.parse::<u64>().ok());
        let (theirs, minors) = (parts.next().flatten(), parts.next().flatten());
        theirs == Some(major) && minors.is_some_and(|theirs| theirs <= minor)
    };
    let about = |message: String, help: &str| Problem::new(message, help).of(descriptor.name());
    if let Some(name) = seen.contract.iter().find(|name| !fits(name)) {
        let message = format!(
            "plugin \"{}\" was built for {name}, this host has version {major}.{minor} of it",
            descriptor.name()
        );
        let help = "rebuild the plugin against this host's plugin-api, or update the host";
        return Err(about(message, help));
    }
    if seen.offers_plugin {
        return Ok(());
    }
    let message = format!("plugin \"{}\" does not export {CONTRACT}plugin", descriptor.name());
    let help = "build it with `export_plugin!`, or export what schemas/wit/v1/plugin.wit asks for";
    Err(about(format!("{message} (plugin API {})", ApiVersion::CURRENT), help))
}

fn damaged(len: usize, error: &wasmparser::BinaryReaderError) -> Problem {
    Problem::new(
        format!("is damaged or cut short ({len} bytes): {}", error.message()),
        "copy or build the file again; write to a temporary name and rename when it is complete",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component with a descriptor of that name and a contract of that version.
    fn component(descriptor: &[u8], interface: &str) -> Vec<u8> {
        let text: String = descriptor.iter().map(|byte| format!("\\{byte:02x}")).collect();
        wat::parse_str(format!(
            "(component
               (core module (@custom \"dataserver-plugin\" \"{text}\"))
               (component $empty)
               (instance $it (instantiate $empty))
               (export \"{interface}\" (instance $it)))"
        ))
        .unwrap()
    }

    fn descriptor(name: &str) -> Vec<u8> {
        let mut bytes = b"DSPLUGIN\x01\0\0\0".to_vec();
        bytes.extend(name.as_bytes());
        bytes.resize(Descriptor::LEN - 32, 0);
        bytes.extend(b"1.2.3");
        bytes.resize(Descriptor::LEN, 0);
        bytes
    }

    const CURRENT: &str = "dataserver:plugin/plugin@1.0.0";

    #[test]
    fn a_component_says_what_it_is_without_being_compiled() {
        let found = inspect(&component(&descriptor("filter"), CURRENT)).unwrap();
        assert_eq!((found.name(), found.version()), ("filter".to_owned(), "1.2.3".to_owned()));
    }

    #[test]
    fn a_component_for_another_contract_is_refused_with_both_versions() {
        for version in ["2.0.0", "1.1.0", "0.9.0"] {
            let bytes =
                component(&descriptor("filter"), &format!("dataserver:plugin/plugin@{version}"));
            let problem = inspect(&bytes).unwrap_err();
            assert!(problem.message.contains(version), "{problem}");
            assert!(problem.message.contains("this host has version 1.0"), "{problem}");
            assert_eq!(problem.plugin.as_deref(), Some("filter"));
        }
        let patched = component(&descriptor("filter"), "dataserver:plugin/plugin@1.0.7");
        assert!(inspect(&patched).is_ok());
    }

    #[test]
    fn what_is_no_plugin_is_told_apart() {
        let module = wat::parse_str("(module)").unwrap();
        let strange = wat::parse_str("(component)").unwrap();
        let two = [descriptor("a"), descriptor("b")].concat();
        let mut newer = descriptor("filter");
        newer[8] = 9;
        // bytes, what is said
        let cases: [(Vec<u8>, &str); 8] = [
            (b"MZ".to_vec(), "no WebAssembly"),
            (module, "not a component"),
            (strange, "no plugin descriptor"),
            (component(&two, CURRENT), "more than one"),
            (component(&descriptor("Bad Name"), CURRENT), "no id"),
            (component(&newer, CURRENT), "plugin API 9.0"),
            (component(&descriptor("filter"), "x:y/z@1.0.0"), "does not export"),
            (component(&descriptor("filter")[..50], CURRENT), "no plugin descriptor"),
        ];
        for (bytes, said) in cases {
            let problem = inspect(&bytes).unwrap_err();
            assert!(problem.message.contains(said), "{said}: {problem}");
        }
    }

    #[test]
    fn no_cut_or_damaged_component_is_taken_for_a_sound_one_or_panics() {
        let whole = component(&descriptor("filter"), CURRENT);
        // without the names at its end it is still whole
        let taken = (0..whole.len()).filter(|len| inspect(&whole[..*len]).is_ok()).count();
        assert!(taken <= 1, "{taken} of {} cuts", whole.len());
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x55;
            // whatever it is taken for, it is told in words
            let _ = inspect(&damaged);
        }
    }
}
