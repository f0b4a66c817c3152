//! A private folder with a child's file and its answer.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tempfile::TempDir;

/// Bytes of a child's output that are shown.
const MAX_OUTPUT: usize = 300;

/// A folder with a private copy of a file; removed when dropped.
pub(crate) struct Workspace {
    folder: TempDir,
    file: PathBuf,
}

impl Workspace {
    /// Copies the bytes to a file of that name.
    pub fn new(name: &str, bytes: &[u8]) -> io::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("dataserver-plugin-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir()?;
        let file = folder.path().join(name);
        fs::write(&file, bytes)?;
        let workspace = Self { folder, file };
        // created with owner-only permissions before anything is written
        for path in [workspace.answer(), workspace.printed()] {
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        }
        Ok(workspace)
    }

    /// The copy.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Whether the copy still has those bytes.
    pub fn holds(&self, bytes: &[u8]) -> bool {
        fs::read(&self.file).is_ok_and(|found| found == bytes)
    }

    /// Where the child writes what it found.
    pub fn answer(&self) -> PathBuf {
        self.folder.path().join("answer")
    }

    fn printed(&self) -> PathBuf {
        self.folder.path().join("printed")
    }

    /// File of the child's output.
    pub fn output_file(&self) -> io::Result<File> {
        OpenOptions::new().append(true).open(self.printed())
    }

    /// The end of the child's output, as one line without control characters.
    pub fn output(&self) -> String {
        let printed = fs::read(self.printed()).unwrap_or_default();
        let end = &printed[printed.len().saturating_sub(MAX_OUTPUT)..];
        let text = String::from_utf8_lossy(end);
        let text = text.replace(&self.file.display().to_string(), "the file");
        let lines = text.lines().map(|line| line.replace(char::is_control, " "));
        let lines: Vec<_> = lines.map(|line| line.trim().to_owned()).collect();
        lines.into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" / ")
    }
}
