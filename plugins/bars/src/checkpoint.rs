//! The file that lets a restarted host go on in the middle of a bar.
//!
//! It is written beside the old one and then takes its place, so that there is always a whole one.
//! One that is damaged all the same is reported and left alone: bars begin anew then, and the first
//! of each security takes what was traded before.

use std::{fs, io, path::PathBuf};

use plugin_api::Context;

const FILE: &str = "bars.state";

/// Where the checkpoint of a component is.
#[derive(Debug)]
pub struct Checkpoint {
    context: Context,
    /// The log knows that it cannot be written.
    told: bool,
    /// When it was written last, microseconds since 1970 UTC.
    pub written_us: i64,
}

impl Checkpoint {
    /// The checkpoint of that component.
    pub fn new(context: Context) -> Self {
        let written_us = context.now_us();
        Self { context, told: false, written_us }
    }

    /// What was written last; `None` when nothing was, or it cannot be read.
    pub fn read(&self) -> Option<Vec<u8>> {
        let path = self.context.state_path().join(FILE);
        match fs::read(&path) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                self.context.warn(&format!(
                    "checkpoint {} cannot be read: {error}; bars begin anew",
                    path.display()
                ));
                None
            }
        }
    }

    /// Tells that what was read is of no use.
    pub fn is_damaged(&self) {
        self.context.warn(&format!(
            "checkpoint {} is damaged; bars begin anew, and the first of each security has \
             what was traded before",
            self.context.state_path().join(FILE).display()
        ));
    }

    /// Replaces it. A failure is told once: bars do not depend on it while the host runs.
    pub fn write(&mut self, bytes: &[u8]) {
        self.written_us = self.context.now_us();
        match self.replace(bytes) {
            Ok(_) => self.told = false,
            Err(error) if !self.told => {
                self.told = true;
                self.context.warn(&format!(
                    "the checkpoint cannot be written: {error}; after a restart bars would begin \
                     anew: free space, or mend the disk of data_dir"
                ));
            }
            Err(_) => {}
        }
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<PathBuf> {
        let path = self.context.state_dir()?.join(FILE);
        let new = path.with_extension("new");
        fs::write(&new, bytes)?;
        fs::rename(&new, &path)?;
        Ok(path)
    }
}
