//! Tells the component of one host from all other writers of a lake, over restarts.
//!
//! The number is drawn once and kept in the component's folder, beside what the host keeps of its
//! deliveries: whoever removes one removes the other.

use std::{
    fmt, fs,
    fs::File,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    io,
    path::Path,
};

use plugin_api::Context;

use crate::{
    disk::{Disk, sync_folder},
    fault::Fault,
};

const FILE: &str = "writer.id";

/// A writer that comes back; written as 16 digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner(u64);

impl Owner {
    /// The number of this component, drawn at its first start.
    pub fn of(disk: &dyn Disk, context: &Context) -> Result<Self, Fault> {
        let made = context.state_dir().map_err(Fault::disk("make", context.state_path()));
        let path = made?.join(FILE);
        match fs::read_to_string(&path) {
            Ok(text) => {
                if let Some(owner) = Self::parse(text.trim_end()) {
                    return Ok(owner);
                }
                let text =
                    format!("{}: not the number of a writer: drawing another", path.display());
                context.warn(&text);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Fault::disk("read", &path)(error)),
        }
        let drawn = Self(RandomState::new().build_hasher().finish());
        drawn.keep(disk, &path)?;
        Ok(drawn)
    }

    /// Reads what was written of one.
    pub fn parse(text: &str) -> Option<Self> {
        let is_whole = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_whole.then(|| u64::from_str_radix(text, 16).ok().map(Self)).flatten()
    }

    fn keep(self, disk: &dyn Disk, path: &Path) -> Result<(), Fault> {
        let new = path.with_extension("new");
        let file = File::create(&new).map_err(Fault::disk("make", &new))?;
        disk.write_at(&file, format!("{self}\n").as_bytes(), 0)
            .and_then(|()| disk.sync(&file))
            .and_then(|()| fs::rename(&new, path))
            .map_err(Fault::disk("write", &new))?;
        path.parent().map_or(Ok(()), |folder| sync_folder(disk, folder))
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}
