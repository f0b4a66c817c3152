//! Compiled components on disk, so that a start does not compile again.
//!
//! Compiled code runs with the rights of the host, so only a file that this user wrote is taken: it
//! lies in a folder that nobody else can write to, and bears its own checksum against damage.
//! Anything else is compiled anew and replaced.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use wasmtime::{Engine, component::Component};

use crate::{hex::hex, problem::Problem};

const MAGIC: &[u8; 8] = b"DSWASM1\n";
const SUFFIX: &str = "cwasm";
/// Files that are kept; the ones written last.
const MAX_FILES: usize = 64;

/// Where compiled components are kept in a data folder.
pub(crate) fn cache_folder(data_dir: &Path) -> PathBuf {
    data_dir.join("cache/wasm")
}

/// The compiled component: from the folder when it is there, otherwise from `compile`, which gives
/// [sealed] code of an engine of the same version and settings, and put there.
pub(super) fn compiled(
    engine: &Engine,
    sha256: &str,
    folder: Option<&Path>,
    compile: impl FnOnce() -> Result<Vec<u8>, Problem>,
) -> Result<Component, Problem> {
    let file = folder.map(|folder| folder.join(file_name(engine, sha256)));
    if let Some(component) = file.as_deref().and_then(|file| read(engine, file)) {
        return Ok(component);
    }
    let made = compile()?;
    let component = unsealed(&made).and_then(|code| load(engine, code)).ok_or_else(|| {
        Problem::new(
            "was compiled to code that this host cannot use",
            "let DATASERVER_PROGRAM name the program of the same version, or try again",
        )
    })?;
    if let Some(file) = file
        && let Err(error) = write(&file, &made)
    {
        // it costs the next start some seconds, nothing else
        tracing::debug!(file = %file.display(), "compiled component not kept: {error}");
    }
    Ok(component)
}

/// Compiled code with its checksum before it.
pub(super) fn sealed(code: &[u8]) -> Vec<u8> {
    [&MAGIC[..], &Sha256::digest(code)[..], code].concat()
}

/// The code, if it is whole.
fn unsealed(bytes: &[u8]) -> Option<&[u8]> {
    let (head, rest) = bytes.split_first_chunk::<8>()?;
    let (checksum, code) = rest.split_first_chunk::<32>()?;
    let is_whole = head == MAGIC && Sha256::digest(code)[..] == checksum[..];
    is_whole.then_some(code)
}

/// Another version or setting of the engine compiles to another file.
fn file_name(engine: &Engine, sha256: &str) -> String {
    use std::hash::{Hash, Hasher};
    let mut engine_hash = Hashed(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut engine_hash);
    // only equality counts here
    let _ = engine_hash.finish();
    let engine_hash = hex(&engine_hash.0.finalize());
    format!("{sha256}-{}.{SUFFIX}", &engine_hash[..16])
}

/// SHA-256 as a hasher: the same in every process.
struct Hashed(Sha256);

impl std::hash::Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

/// `None` unless this user wrote the file and it is whole.
fn read(engine: &Engine, file: &Path) -> Option<Component> {
    load(engine, unsealed(&read_own(file)?)?)
}

#[allow(unsafe_code)]
fn load(engine: &Engine, code: &[u8]) -> Option<Component> {
    // SAFETY: the bytes are what `Engine::precompile_component` gave in this program: they come
    // from a child of this process by a folder that is this process's own, or from a file that, as
    // its folder, belongs to this user, and that nobody else can write to; the checksum is right.
    unsafe { Component::deserialize(engine, code) }.ok()
}

fn read_own(file: &Path) -> Option<Vec<u8>> {
    let folder = fs::symlink_metadata(file.parent()?).ok()?;
    // a link is not followed: it may lead to what somebody else wrote
    let flags = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).ok()?;
    let mut open = OpenOptions::new().read(true).custom_flags(flags).open(file).ok()?;
    let found = open.metadata().ok()?;
    if !found.is_file() || !is_own(&found, 0o077) || !folder.is_dir() || !is_own(&folder, 0o022) {
        return None;
    }
    let mut bytes = Vec::with_capacity(usize::try_from(found.len()).ok()?);
    open.read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Whether it belongs to this user, and grants others none of those rights.
fn is_own(found: &fs::Metadata, forbidden: u32) -> bool {
    found.uid() == rustix::process::geteuid().as_raw() && found.mode() & forbidden == 0
}

fn write(file: &Path, sealed: &[u8]) -> io::Result<()> {
    let folder = file.parent().ok_or(io::ErrorKind::NotFound)?;
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // made with rights for this user alone, and renamed when it is complete
    let mut whole = tempfile::Builder::new().prefix(".new-").tempfile_in(folder)?;
    whole.write_all(sealed)?;
    whole.as_file().sync_all()?;
    whole.persist(file).map_err(|error| error.error)?;
    remove_old(folder)
}

/// Removes all but the files that were written last.
fn remove_old(folder: &Path) -> io::Result<()> {
    let mut files: Vec<_> = fs::read_dir(folder)?
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|it| it == SUFFIX))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    files.sort();
    let surplus = files.len().saturating_sub(MAX_FILES);
    for (_, file) in &files[..surplus] {
        fs::remove_file(file)?;
    }
    // the names of those that are there are on disk before they are counted on
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn engine() -> Engine {
        super::super::engine::runtime().unwrap().engine.clone()
    }

    fn component() -> Vec<u8> {
        wat::parse_str("(component (core module (func (export \"f\") (result i32) i32.const 7)))")
            .unwrap()
    }

    fn compiled_into(folder: Option<&Path>) -> Result<Component, Problem> {
        let compile = || Ok(sealed(&engine().precompile_component(&component()).unwrap()));
        compiled(&engine(), "ab", folder, compile)
    }

    /// The cache's file after a component was compiled into it.
    fn filled(folder: &Path) -> PathBuf {
        compiled_into(Some(folder)).unwrap();
        let files: Vec<_> = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        files[0].clone()
    }

    #[test]
    fn a_compiled_component_is_found_again_and_belongs_to_the_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("cache/wasm");
        let file = filled(&cache);
        assert!(read(&engine(), &file).is_some());
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&cache).unwrap().mode() & 0o777, 0o700);
        // nothing is written when it is there
        let written = fs::metadata(&file).unwrap().modified().unwrap();
        compiled_into(Some(&cache)).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), written);
    }

    #[test]
    fn a_damaged_or_cut_file_is_compiled_anew_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("cache");
        let file = filled(&cache);
        let whole = fs::read(&file).unwrap();
        let mut damages: Vec<Vec<u8>> = [0, 7, 8, 39, 40, whole.len() / 2, whole.len() - 1]
            .map(|len| whole[..len].to_vec())
            .into();
        for at in [0, 20, 41, whole.len() / 2, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            damages.push(damaged);
        }
        for damaged in damages {
            fs::write(&file, &damaged).unwrap();
            assert!(read(&engine(), &file).is_none(), "{} bytes", damaged.len());
            compiled_into(Some(&cache)).unwrap();
            assert!(read(&engine(), &file).is_some(), "it was not replaced");
        }
    }

    #[test]
    fn a_file_that_somebody_else_could_have_written_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("cache");
        let file = filled(&cache);
        let set = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        for mode in [0o660, 0o606, 0o644] {
            set(&file, mode);
            assert!(read(&engine(), &file).is_none(), "{mode:o}");
        }
        set(&file, 0o600);
        set(&cache, 0o777);
        assert!(read(&engine(), &file).is_none());
        set(&cache, 0o700);
        assert!(read(&engine(), &file).is_some());
        let link = cache.join("link.cwasm");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(read(&engine(), &link).is_none());
    }

    #[test]
    fn a_component_is_used_without_a_folder_that_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("a file");
        fs::write(&taken, "").unwrap();
        for folder in [None, Some(taken.as_path())] {
            assert!(compiled_into(folder).is_ok());
        }
    }

    #[test]
    fn code_that_came_damaged_or_from_another_engine_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let other = Engine::new(wasmtime::Config::new().consume_fuel(true)).unwrap();
        let good = sealed(&engine().precompile_component(&component()).unwrap());
        let made = [
            Vec::new(),
            good[..good.len() - 1].to_vec(),
            sealed(b"no code"),
            sealed(&other.precompile_component(&component()).unwrap()),
        ];
        for made in made {
            let used = compiled(&engine(), "ab", Some(folder.path()), || Ok(made));
            assert!(used.err().unwrap().message.contains("cannot use"));
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "it was kept");
        }
    }

    #[test]
    fn only_the_files_that_were_written_last_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("cache");
        for at in 0..MAX_FILES + 5 {
            write(&cache.join(format!("{at}.cwasm")), &sealed(b"code")).unwrap();
        }
        assert_eq!(fs::read_dir(&cache).unwrap().count(), MAX_FILES);
        assert!(cache.join(format!("{}.cwasm", MAX_FILES + 4)).exists());
    }
}
