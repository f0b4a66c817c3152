//! Sink that appends records to a file as JSON lines, in base units.
//!
//! An example of a store: what was written is *held* until the file is synced, and only then
//! *delivered*, so that the host offers again what a crash took away. It runs in both carriers; in
//! the sandbox the folder of the file must be granted: `grants.dirs = { "out" = "write" }`.
//!
//! Delivery is at least once: after a crash the lines of the last moments may be there twice. A
//! line that was cut off is removed when the file is opened. Each line carries the number under
//! which the host offered its batch (`delivery`), by which repeats can be told.

mod file;
mod lines;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use plugin_api::{Ack, Batch, Context, Delivery, PluginError, Sink, export_plugin, options};

use file::JsonFile;

options! {
    /// Options of the `files-json` sink.
    pub struct Options {
        /// File that records are appended to; made when it is not there. A relative path counts
        /// from the folder of pipeline.toml. No default; its folder must be there.
        pub path: PathBuf,
    }
}

struct FilesJson {
    file: JsonFile,
    /// Lines of one `write`, kept for its memory.
    lines: Vec<u8>,
    /// Something was written since the file was synced.
    is_ahead: bool,
}

impl FilesJson {
    fn sync(&mut self) -> Result<(), PluginError> {
        if self.is_ahead {
            self.file.sync()?;
            self.is_ahead = false;
        }
        Ok(())
    }
}

impl Sink for FilesJson {
    type Options = Options;

    const DELIVERY: Delivery = Delivery::Store;

    fn check(options: &Options, context: &Context) -> Result<(), PluginError> {
        file::check(&context.resolve(&options.path))
    }

    fn open(options: Options, context: Context) -> Result<Self, PluginError> {
        let path = context.resolve(&options.path);
        let (file, cut) = JsonFile::open(path)?;
        if cut > 0 {
            context.warn(&format!("removed {cut} bytes of a line that was cut off"));
        }
        Ok(Self { file, lines: Vec::new(), is_ahead: false })
    }

    fn write(&mut self, batches: &[Batch]) -> Result<Ack, PluginError> {
        self.lines.clear();
        for batch in batches {
            lines::append(batch, &mut self.lines);
        }
        self.file.append(&self.lines)?;
        self.is_ahead |= !self.lines.is_empty();
        Ok(if self.is_ahead { Ack::Held } else { Ack::Delivered })
    }

    fn tick(&mut self) -> Result<Ack, PluginError> {
        self.sync()?;
        Ok(Ack::Delivered)
    }

    fn flush(&mut self) -> Result<(), PluginError> {
        self.sync()
    }

    fn close(&mut self) -> Result<(), PluginError> {
        self.sync()
    }
}

export_plugin! {
    name: "files-json",
    description: "Appends records to a file as JSON lines",
    author: "dataserver developers",
    sink: FilesJson,
}
