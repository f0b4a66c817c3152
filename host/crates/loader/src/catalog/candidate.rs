//! Files in plugin folders: what each says it is, without running any of it.

use std::{
    fs::OpenOptions,
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use dataserver_config::{Carrier, Pins};
use plugin_api::native::{Descriptor, Linked};
use sha2::{Digest, Sha256};

use crate::{
    build_id, descriptor::check_descriptor, elf, hex::hex, problem::Problem, process::declared,
    wasm,
};

/// Most bytes that a plugin's file has.
const MAX_BYTES: u64 = 512 << 20;
/// A pipe is not waited for.
const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();

/// A file in a plugin folder, a folder that cannot be read, or a plugin that is linked in.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The file; [`BUILT_IN`] for a plugin that has none.
    pub path: PathBuf,
    /// Its SHA-256 in hexadecimal; empty when it cannot be read, or there is none.
    pub sha256: String,
    /// How it is packed.
    pub carrier: Carrier,
    /// What it says it is.
    pub identity: Result<Descriptor, Problem>,
    /// The plugin itself, if it is part of the program.
    pub(super) linked: Option<Linked>,
}

/// Stands for the file of a plugin that is part of the program.
pub const BUILT_IN: &str = "built in";

impl Candidate {
    /// A plugin that is part of the program. A pin names a file, so it leaves this one out.
    pub(super) fn built_in(linked: Linked, pins: &Pins) -> Self {
        let identity = check_descriptor(linked.descriptor()).and_then(|identity| {
            let name = identity.name();
            if pins.of(&name).is_none() {
                return Ok(identity);
            }
            let message = format!("plugin \"{name}\" is left out, because it is pinned to files");
            let help = "install the pinned file, or remove the pin from [host.pins]";
            Err(Problem::new(message, help).of(name))
        });
        Self {
            path: BUILT_IN.into(),
            sha256: String::new(),
            carrier: Carrier::Native,
            identity,
            linked: Some(linked),
        }
    }

    /// Id of the plugin that can be loaded from it.
    pub fn name(&self) -> Option<String> {
        self.identity.as_ref().ok().map(Descriptor::name)
    }

    /// The same library, to be run in a process of its own.
    pub(super) fn apart(&self) -> Self {
        Self { carrier: Carrier::Process, ..self.clone() }
    }

    /// Reads the file anew: what runs must be what was inspected, also when the file was replaced
    /// meanwhile.
    pub(super) fn read_again(&self) -> Result<Vec<u8>, Problem> {
        let bytes = read_file(&self.path).map_err(|error| unreadable(&error))?;
        if hex(&Sha256::digest(&bytes)) == self.sha256 {
            return Ok(bytes);
        }
        Err(Problem::new(
            "was replaced after it was inspected",
            "start or reload again, which looks at the new file",
        ))
    }
}

/// Every plugin file of a folder, by name. One whose content is not the pinned one is not usable.
pub(super) fn scan_folder(folder: &Path, pins: &Pins) -> Vec<Candidate> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            let problem = Problem::new(
                format!("cannot be read: {error}"),
                "make the folder, or correct [host] plugins",
            );
            return vec![Candidate {
                path: folder.to_owned(),
                sha256: String::new(),
                carrier: Carrier::Native,
                identity: Err(problem),
                linked: None,
            }];
        }
    };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().filter_map(|path| inspect(path, pins)).collect()
}

/// Whether a file of that name may hold a plugin.
pub fn may_be_plugin(path: &Path) -> bool {
    let extension = path.extension().and_then(std::ffi::OsStr::to_str);
    matches!(extension, Some("so" | "wasm")) || declared::is_named_so(path)
}

/// `None` for a file that does not look like a plugin at all.
pub(super) fn inspect(path: &Path, pins: &Pins) -> Option<Candidate> {
    let carrier = match path.extension()?.to_str()? {
        "so" => Carrier::Native,
        "wasm" => Carrier::Wasm,
        _ if declared::is_named_so(path) => Carrier::Process,
        _ => return None,
    };
    let (sha256, identity) = match read_file(path) {
        Ok(bytes) if carrier == Carrier::Process && !declared::is_one(path, &bytes) => return None,
        Ok(bytes) => {
            let sha256 = hex(&Sha256::digest(&bytes));
            let identity =
                identify(path, &bytes, carrier).and_then(|it| check_pin(it, &sha256, pins));
            // a file that is pinned is the one that is meant, whatever was done to it
            let identity = identity.and_then(|it| match pins.of(&it.name()) {
                None if carrier == Carrier::Native => {
                    let name = it.name();
                    build_id::check(&bytes, &sha256).map(|()| it).map_err(|why| why.of(name))
                }
                _ => Ok(it),
            });
            (sha256, identity)
        }
        Err(error) => (String::new(), Err(unreadable(&error))),
    };
    Some(Candidate { path: path.to_owned(), sha256, carrier, identity, linked: None })
}

fn identify(path: &Path, bytes: &[u8], carrier: Carrier) -> Result<Descriptor, Problem> {
    match carrier {
        Carrier::Native => elf::inspect(bytes),
        Carrier::Wasm => wasm::inspect(bytes),
        Carrier::Process => declared::read(path, bytes).map(|it| it.descriptor),
    }
}

fn check_pin(identity: Descriptor, sha256: &str, pins: &Pins) -> Result<Descriptor, Problem> {
    let name = identity.name();
    match pins.of(&name) {
        Some(pinned) if !pinned.iter().any(|it| it == sha256) => {
            let pinned = if pinned.is_empty() { "none".to_owned() } else { pinned.join(" or ") };
            Err(Problem::new(
                format!("has SHA-256 {sha256}, but plugin \"{name}\" is pinned to {pinned}"),
                "install the pinned file, or add the new SHA-256 to [host.pins] if it is to be trusted",
            )
            .of(name))
        }
        _ => Ok(identity),
    }
}

fn unreadable(error: &io::Error) -> Problem {
    Problem::new(format!("cannot be read: {error}"), "check its permissions")
}

/// Not a pipe or a device, which would be waited for, and not more than a plugin can have.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(NONBLOCK).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    if found.len() > MAX_BYTES {
        let most = plugin_api::ByteSize(MAX_BYTES);
        return Err(io::Error::other(format!("it has {} bytes, the most is {most}", found.len())));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}
