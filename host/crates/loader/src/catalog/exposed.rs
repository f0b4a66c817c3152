//! Whether others could put code of theirs where the host looks for plugins.

use std::{
    fs::Metadata,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

const EVERYBODY_WRITES: u32 = 0o002;
const GROUP_WRITES: u32 = 0o020;
/// In such a folder everybody may make files, but only remove or rename their own.
const STICKY: u32 = 0o1000;

/// Folders and files that others than this user and root could change, each with the reason and the
/// remedy. What is not there is left out.
pub(super) fn of(folders: &[PathBuf], files: &[&Path]) -> Vec<(PathBuf, String)> {
    let user = User::of_process();
    let mut exposed = Vec::new();
    let mut looked_at: Vec<PathBuf> = Vec::new();
    for folder in folders {
        exposed.extend(user.folder_exposed(folder).map(|why| (folder.clone(), why)));
        looked_at.extend(folder.canonicalize());
    }
    for file in files.iter().filter(|file| file.is_file()) {
        let why = user.exposed(file).or_else(|| {
            // a link leads elsewhere
            let folder = file.canonicalize().ok()?.parent()?.to_owned();
            if looked_at.contains(&folder) { None } else { user.folder_exposed(&folder) }
        });
        exposed.extend(why.map(|why| ((*file).to_owned(), why)));
    }
    exposed
}

/// Who may change plugins: this user and root; and this group and root's, whose members are trusted.
struct User {
    uid: u32,
    gid: u32,
}

impl User {
    fn of_process() -> Self {
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        Self { uid: uid.as_raw(), gid: gid.as_raw() }
    }

    fn exposed(&self, path: &Path) -> Option<String> {
        self.why(&path.metadata().ok()?, false)
    }

    /// Also by a folder above it, in which it could be replaced.
    fn folder_exposed(&self, folder: &Path) -> Option<String> {
        let folder = folder.canonicalize().ok()?;
        self.exposed(&folder).or_else(|| {
            folder.ancestors().skip(1).find_map(|above| {
                let why = self.why(&above.metadata().ok()?, true)?;
                Some(format!("lies in {}, which {why}", above.display()))
            })
        })
    }

    fn why(&self, found: &Metadata, is_above: bool) -> Option<String> {
        let (mode, uid, gid) = (found.mode() & 0o7777, found.uid(), found.gid());
        if uid != 0 && uid != self.uid {
            return Some(format!("belongs to user {uid}; chown it to root or to the host's user"));
        }
        // what belongs to others cannot be removed there, and what is looked for belongs to us
        if is_above && mode & STICKY != 0 {
            return None;
        }
        if mode & EVERYBODY_WRITES != 0 {
            return Some(format!("can be written by everybody (mode {mode:o}); chmod o-w it"));
        }
        if mode & GROUP_WRITES != 0 && gid != 0 && gid != self.gid {
            let told = format!("can be written by group {gid} (mode {mode:o}); chmod g-w it");
            return Some(told);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, symlink},
    };

    use super::*;

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_folder_or_file_that_others_can_change_is_named_and_no_other() {
        let base = tempfile::tempdir().unwrap();
        let (above, folder) = (base.path().join("above"), base.path().join("above/plugins"));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("a.so");
        fs::write(&file, "").unwrap();
        // mode of the folder above, of the folder, of the file; which is named
        let cases = [
            (0o755, 0o755, 0o644, None),
            (0o755, 0o777, 0o644, Some(&folder)),
            (0o777, 0o755, 0o644, Some(&folder)),
            (0o1777, 0o755, 0o644, None),
            (0o755, 0o1777, 0o644, Some(&folder)),
            (0o755, 0o755, 0o666, Some(&file)),
            (0o755, 0o755, 0o664, None),
            (0o700, 0o700, 0o600, None),
        ];
        for (of_above, of_folder, of_file, named) in cases {
            set(&above, of_above);
            set(&folder, of_folder);
            set(&file, of_file);
            let found = of(std::slice::from_ref(&folder), &[&file]);
            let names: Vec<_> = found.iter().map(|(path, _)| path).collect();
            assert_eq!(names, Vec::from_iter(named), "{of_above:o} {of_folder:o} {of_file:o}");
        }
    }

    #[test]
    fn a_link_is_as_open_as_what_it_leads_to() {
        let base = tempfile::tempdir().unwrap();
        let (folder, other) = (base.path().join("plugins"), base.path().join("other"));
        fs::create_dir_all(&folder).unwrap();
        fs::create_dir_all(&other).unwrap();
        fs::write(other.join("a.so"), "").unwrap();
        let link = folder.join("a.so");
        symlink(other.join("a.so"), &link).unwrap();
        assert!(of(std::slice::from_ref(&folder), &[&link]).is_empty());
        set(&other, 0o777);
        let found = of(std::slice::from_ref(&folder), &[&link]);
        assert!(found.len() == 1 && found[0].1.contains("mode 777"), "{found:?}");
    }

    #[test]
    fn what_a_stranger_or_a_foreign_group_could_change_is_told() {
        let base = tempfile::tempdir().unwrap();
        let (uid, gid) = (fs::metadata(base.path()).unwrap().uid(), u32::MAX);
        set(base.path(), 0o775);
        let found = fs::metadata(base.path()).unwrap();
        if uid != 0 {
            let stranger = User { uid: uid + 1, gid };
            assert!(stranger.why(&found, false).unwrap().contains("belongs to user"));
        }
        let of_other_group = User { uid, gid };
        let told = of_other_group.why(&found, false);
        assert_eq!(told.is_some(), found.gid() != 0, "{told:?}");
    }
}
