//! What the host reads from a plugin's file before any code of it runs.

use crate::ApiVersion;

/// Name of the custom section that holds the descriptor of a component.
///
/// It lies in the core module within the component, or in the component itself.
pub const DESCRIPTOR_SECTION: &str = "dataserver-plugin";

const MAGIC: [u8; 8] = *b"DSPLUGIN";
const NAME_LEN: usize = 64;
const VERSION_LEN: usize = 32;

/// Identity of a plugin, in plain bytes without pointers, so that it can be read off the file.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptor {
    magic: [u8; 8],
    api_major: [u8; 2],
    api_minor: [u8; 2],
    name: [u8; NAME_LEN],
    version: [u8; VERSION_LEN],
}

impl Descriptor {
    /// Size of a descriptor in bytes.
    pub const LEN: usize = size_of::<Self>();

    /// The descriptor of a plugin built against this crate. Longer texts are cut.
    pub const fn new(name: &str, version: &str) -> Self {
        Self::for_api(ApiVersion::CURRENT, name, version)
    }

    /// The descriptor of a plugin that was written for that interface. Longer texts are cut.
    pub const fn for_api(api: ApiVersion, name: &str, version: &str) -> Self {
        Self {
            magic: MAGIC,
            api_major: api.major.to_le_bytes(),
            api_minor: api.minor.to_le_bytes(),
            name: filled(name),
            version: filled(version),
        }
    }

    /// Reads a descriptor; `None` when the bytes are none.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk()?;
        let (api_major, rest) = rest.split_first_chunk()?;
        let (api_minor, rest) = rest.split_first_chunk()?;
        let (name, rest) = rest.split_first_chunk()?;
        let (version, _) = rest.split_first_chunk()?;
        (*magic == MAGIC).then_some(Self {
            magic: *magic,
            api_major: *api_major,
            api_minor: *api_minor,
            name: *name,
            version: *version,
        })
    }

    /// Interface that the plugin was built for.
    pub fn api(&self) -> ApiVersion {
        ApiVersion {
            major: u16::from_le_bytes(self.api_major),
            minor: u16::from_le_bytes(self.api_minor),
        }
    }

    /// Id of the plugin.
    pub fn name(&self) -> String {
        text(&self.name)
    }

    /// Version of the plugin.
    pub fn version(&self) -> String {
        text(&self.version)
    }
}

const fn filled<const N: usize>(text: &str) -> [u8; N] {
    let (bytes, mut filled, mut at) = (text.as_bytes(), [0; N], 0);
    while at < bytes.len() && at < N {
        filled[at] = bytes[at];
        at += 1;
    }
    filled
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_is_read_back_from_its_bytes() {
        let written = Descriptor::new("nng-pub", "0.1.0");
        let mut bytes = Vec::new();
        bytes.extend(written.magic);
        bytes.extend(written.api_major);
        bytes.extend(written.api_minor);
        bytes.extend(written.name);
        bytes.extend(written.version);
        assert_eq!(bytes.len(), Descriptor::LEN);
        let read = Descriptor::read(&bytes).unwrap();
        assert_eq!(
            (read.name(), read.version(), read.api()),
            ("nng-pub".into(), "0.1.0".into(), ApiVersion::CURRENT)
        );
        assert_eq!(Descriptor::read(&bytes[..100]), None);
        bytes[0] = 0;
        assert_eq!(Descriptor::read(&bytes), None);
    }
}
