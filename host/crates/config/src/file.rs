//! Reads small files that somebody names, whatever lies under the name.
//!
//! Reading a named pipe waits for a writer, a device may never end, and a folder on a network that
//! is gone does not answer at all. Whoever reloads must not wait for any of them.

use std::{
    fs::{File, FileType, OpenOptions},
    io::{self, Read},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::sync_channel,
    },
    thread,
    time::Duration,
};

/// Largest file that is read: far more than any pipeline or secret has.
const MAX_BYTES: u64 = 4 << 20;
/// Longest wait for a disk or network to give a file.
const MAX_WAIT: Duration = Duration::from_secs(10);
/// Reads that were given up and have not come back, before no further one is begun.
const MAX_HUNG: usize = 4;

static HUNG: AtomicUsize = AtomicUsize::new(0);

/// Reads a regular file of up to 4 MiB, or gives up within 10 s.
///
/// # Errors
/// Why it cannot be read; the text says what lies there when that is no regular file.
pub fn read(path: &Path) -> Result<Vec<u8>, String> {
    let path = path.to_owned();
    within(MAX_WAIT, &HUNG, move || read_now(&path))
}

/// What `work` gives, on a thread of its own that is left behind when it takes too long; `hung`
/// counts those.
fn within<T: Send + 'static>(
    limit: Duration,
    hung: &'static AtomicUsize,
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    if hung.load(Ordering::Acquire) >= MAX_HUNG {
        return Err("earlier reads still wait for their disk; look at it, and its network".into());
    }
    let (tell, told) = sync_channel(1);
    // set by whoever is first: the thread that is done, or the one that waits no longer
    let decided = Arc::<AtomicBool>::default();
    let is_late = Arc::clone(&decided);
    let read = move || {
        let _ = tell.send(work());
        if is_late.swap(true, Ordering::AcqRel) {
            hung.fetch_sub(1, Ordering::AcqRel);
        }
    };
    let thread = thread::Builder::new().name("read".to_owned()).spawn(read);
    thread.map_err(|error| format!("the system gives no thread to read it: {error}"))?;
    if let Ok(read) = told.recv_timeout(limit) {
        return read;
    }
    hung.fetch_add(1, Ordering::AcqRel);
    if decided.swap(true, Ordering::AcqRel) {
        hung.fetch_sub(1, Ordering::AcqRel);
    }
    let seconds = limit.as_secs();
    Err(format!("its disk does not give it within {seconds} s; look at it, and its network"))
}

fn read_now(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = open(path)?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("it is larger than {} MiB; name another file", MAX_BYTES >> 20));
    }
    Ok(bytes)
}

/// Opens a file without waiting for anybody at its other end.
fn open(path: &Path) -> Result<File, String> {
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let text = |error: io::Error| match std::fs::symlink_metadata(path) {
        // a socket cannot even be opened
        Ok(found) if found.file_type().is_socket() => not_regular(found.file_type()),
        _ => error.to_string(),
    };
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(text)?;
    let kind = file.metadata().map_err(|error| error.to_string())?.file_type();
    if kind.is_file() { Ok(file) } else { Err(not_regular(kind)) }
}

fn not_regular(kind: FileType) -> String {
    let what = if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    format!("it is {what}, not a regular file")
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn what_is_no_regular_file_is_named_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        let since = Instant::now();
        for (path, what) in [
            (pipe.as_path(), "a named pipe"),
            (&link, "a named pipe"),
            (folder.path(), "a folder"),
            (&socket, "a socket"),
            (Path::new("/dev/zero"), "a device"),
            (Path::new("/dev/tty0"), ""),
            (&folder.path().join("nothing"), "No such file"),
        ] {
            let error = read(path).unwrap_err();
            assert!(error.contains(what), "{}: {error}", path.display());
        }
        assert!(since.elapsed() < MAX_WAIT);
    }

    #[test]
    fn a_file_is_read_up_to_4_mib_also_one_that_says_it_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let (fits, large) = (folder.path().join("fits"), folder.path().join("large"));
        std::fs::write(&fits, vec![b'#'; 4 << 20]).unwrap();
        File::create(&large).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(read(&fits).unwrap().len(), 4 << 20);
        assert!(read(&large).unwrap_err().contains("larger than 4 MiB"));
        assert!(!read(Path::new("/proc/self/status")).unwrap().is_empty());
    }

    #[test]
    fn a_disk_that_does_not_answer_is_given_up_and_asked_no_more_than_a_few_times() {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let (gate, wait) = sync_channel::<()>(0);
        let wait = Arc::new(std::sync::Mutex::new(wait));
        let hang = || {
            let wait = Arc::clone(&wait);
            within(Duration::from_millis(10), &COUNT, move || {
                let _ = wait.lock().unwrap().recv();
                Ok(())
            })
        };
        let said: Vec<_> = (0..=MAX_HUNG).map(|_| hang().unwrap_err()).collect();
        assert!(said[0].contains("does not give it"), "{said:?}");
        assert!(said.last().unwrap().contains("earlier reads"), "{said:?}");
        drop(gate);
        while COUNT.load(Ordering::Acquire) > 0 {
            thread::yield_now();
        }
    }
}
