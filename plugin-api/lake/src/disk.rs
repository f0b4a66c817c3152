//! What is asked of the disk, and folders that survive a loss of power.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt as _,
    path::Path,
};

use crate::fault::Fault;

/// The calls that fail when a disk is full; another implementation stages one.
pub trait Disk: Send {
    /// Writes all bytes at that place.
    fn write_at(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()>;
    /// Returns when file or folder would survive a loss of power.
    fn sync(&self, file: &File) -> io::Result<()>;
}

/// The disk of this machine.
pub struct LocalDisk;

impl Disk for LocalDisk {
    fn write_at(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        file.write_all_at(bytes, at)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }
}

/// Makes a folder, with those above it, such that it survives a loss of power.
pub fn make_folder(disk: &dyn Disk, folder: &Path) -> Result<(), Fault> {
    let missing: Vec<_> = folder.ancestors().take_while(|above| !above.is_dir()).collect();
    fs::create_dir_all(folder).map_err(Fault::disk("make", folder))?;
    for parent in missing.into_iter().filter_map(Path::parent) {
        // the parent of a relative path's first folder has no name
        let named = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        sync_folder(disk, named)?;
    }
    Ok(())
}

/// Makes sure that the names in a folder survive a loss of power.
pub fn sync_folder(disk: &dyn Disk, folder: &Path) -> Result<(), Fault> {
    let result = File::open(folder).and_then(|opened| disk.sync(&opened));
    result.map_err(Fault::disk("write", folder))
}
