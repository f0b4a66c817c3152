//! Memory that both sides see, for payloads that are too large for a frame.
//!
//! Each side has one of its own, which it alone writes and begins anew with each call. The host reads
//! that of a child as a file: one that is cut short meanwhile gives an error, not a signal.

use std::{fs::File, io, os::unix::fs::FileExt, sync::Arc};

use plugin_api::PluginError;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};

use super::wire::Broken;

/// Smallest size, bytes.
const MIN_SIZE: u64 = 1 << 20;
/// Largest size, bytes: what one call hands over.
const MAX_SIZE: u64 = 4 << 30;

/// What this side writes.
#[derive(Debug, Default)]
pub(super) struct Memory {
    file: Option<Arc<File>>,
    size: u64,
    used: u64,
    /// The other side does not have it yet.
    is_new: bool,
}

impl Memory {
    /// Begins a call: what lies in it is not needed any more.
    pub fn begin(&mut self) {
        self.used = 0;
    }

    /// Makes room for so many bytes in a row, in other memory if need be.
    pub fn reserve(&mut self, len: usize) -> Result<(), PluginError> {
        let len = len as u64;
        if self.file.is_some() && self.used.saturating_add(len) <= self.size {
            return Ok(());
        }
        if len > MAX_SIZE {
            let most = plugin_api::ByteSize(MAX_SIZE);
            let text =
                format!("{len} bytes for one call, the most is {most}; send smaller batches");
            return Err(PluginError::bad_data(text));
        }
        let size = len.next_power_of_two().max(MIN_SIZE);
        self.file = Some(Arc::new(make(size).map_err(|error| no_memory(&error))?));
        (self.size, self.used, self.is_new) = (size, 0, true);
        Ok(())
    }

    /// Puts bytes where room was made; their offset.
    pub fn put(&mut self, bytes: &[u8]) -> Result<u64, PluginError> {
        let file = self.file.as_ref().ok_or_else(|| PluginError::fatal("no shared memory"))?;
        let offset = self.used;
        file.write_all_at(bytes, offset).map_err(|error| no_memory(&error))?;
        self.used += bytes.len() as u64;
        Ok(offset)
    }

    /// The memory, if the other side must be given it before the next frame.
    pub fn take_announced(&mut self) -> Option<Arc<File>> {
        let is_new = std::mem::take(&mut self.is_new);
        self.file.clone().filter(|_| is_new)
    }
}

fn make(size: u64) -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let memory = memfd_create("dataserver-batches", flags)?;
    ftruncate(&memory, size)?;
    // whoever maps it need not fear that it shrinks
    fcntl_add_seals(&memory, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(memory.into())
}

fn no_memory(error: &io::Error) -> PluginError {
    PluginError::retry(format!("no memory to share with the plugin's process: {error}"))
}

/// What the other side writes.
#[derive(Debug, Default)]
pub(super) struct TheirMemory(Option<File>);

impl TheirMemory {
    /// Takes other memory for what comes from now on.
    pub fn replace(&mut self, file: File) {
        self.0 = Some(file);
    }

    /// A copy of what lies there.
    pub fn read(&self, offset: u64, len: u32) -> Result<Vec<u8>, Broken> {
        let Some(file) = &self.0 else {
            return Err(Broken("a payload lies in memory that was not given".to_owned()));
        };
        let size = file.metadata().map(|it| it.len()).unwrap_or_default();
        if offset.checked_add(u64::from(len)).is_none_or(|end| end > size) {
            let text = format!("a payload of {len} bytes at {offset} in memory of {size} bytes");
            return Err(Broken(text));
        }
        let mut bytes = vec![0; len as usize];
        file.read_exact_at(&mut bytes, offset)
            .map_err(|error| Broken(format!("memory that cannot be read: {error}")))?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_read_at_its_offset_and_a_call_begins_anew() {
        let (mut ours, mut theirs) = (Memory::default(), TheirMemory::default());
        for round in 0..3_u8 {
            ours.begin();
            ours.reserve(2_000).unwrap();
            let (first, second) = (ours.put(&[round; 1_000]).unwrap(), ours.put(b"abc").unwrap());
            match ours.take_announced() {
                Some(file) if round == 0 => theirs.replace(file.try_clone().unwrap()),
                announced => assert!(announced.is_none()),
            }
            assert_eq!(theirs.read(first, 1_000).unwrap(), [round; 1_000]);
            assert_eq!(theirs.read(second, 3).unwrap(), b"abc");
        }
        ours.reserve(3 << 20).unwrap();
        assert!(ours.take_announced().is_some(), "more than there was room for");
    }

    #[test]
    fn what_does_not_lie_within_is_refused() {
        let mut theirs = TheirMemory::default();
        assert!(theirs.read(0, 1).is_err());
        let file = File::from(memfd_create("short", MemfdFlags::CLOEXEC).unwrap());
        file.set_len(10).unwrap();
        theirs.replace(file.try_clone().unwrap());
        assert_eq!(theirs.read(2, 8).unwrap(), [0; 8]);
        for (offset, len) in [(3, 8), (0, u32::MAX), (u64::MAX, 2)] {
            assert!(theirs.read(offset, len).is_err(), "{offset} {len}");
        }
        file.set_len(4).unwrap();
        assert!(theirs.read(2, 8).is_err(), "it was cut short");
    }
}
