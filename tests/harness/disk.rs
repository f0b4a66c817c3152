//! A disk that gets full.

use std::{fs, path::PathBuf, process::Command};

/// A file system of its own that holds very little; unmounted when dropped.
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts a tmpfs of that size, e.g. `300k`, at that path; nothing, which is noted, where only
    /// root may do so.
    pub fn mount(path: PathBuf, size: &str) -> Option<Self> {
        fs::create_dir_all(&path).unwrap();
        let options = format!("size={size}");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "none"]).arg(&path).status();
        if !mounted.is_ok_and(|status| status.success()) {
            fixtures::skip(fixtures::Need::Root, "no small disk could be mounted");
            return None;
        }
        Some(Self { path })
    }

    /// Takes all but so many bytes of what is free.
    pub fn fill(&self, leave: u64) {
        let output =
            Command::new("df").args(["--output=avail", "-B1"]).arg(&self.path).output().unwrap();
        let free = String::from_utf8_lossy(&output.stdout);
        let free: u64 = free.lines().nth(1).unwrap().trim().parse().unwrap();
        let size = usize::try_from(free.saturating_sub(leave)).unwrap();
        // what does not fit because somebody else writes too is left out
        let _ = fs::write(self.path.join("ballast"), vec![0; size]);
    }

    /// Whether so many bytes can be written there.
    pub fn has_room(&self, bytes: usize) -> bool {
        let probe = self.path.join("probe");
        let written = fs::write(&probe, vec![0; bytes]);
        let _ = fs::remove_file(probe);
        written.is_ok()
    }

    /// Gives back what `fill` took.
    pub fn free(&self) {
        let _ = fs::remove_file(self.path.join("ballast"));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}
