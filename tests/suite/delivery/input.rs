//! What is played.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use harness::{DAYS, python, sample};

/// Of every so many moments of the recorded days one is played.
const EVERY: &str = "3";

/// All recorded days in one file; made once, because every start of a host compares its date.
pub fn joined() -> &'static Path {
    static JOINED: OnceLock<PathBuf> = OnceLock::new();
    JOINED.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        fs::create_dir_all(folder).unwrap();
        let joined = folder.join(format!("joined-{EVERY}.csv"));
        if !joined.exists() {
            // under another name first, for tests of another process
            let new = folder.join(format!("joined-{}", std::process::id()));
            let days = DAYS.map(|day| sample(day.file).display().to_string());
            let mut arguments = vec![new.to_str().unwrap(), EVERY];
            arguments.extend(days.iter().map(String::as_str));
            python("delivery_input.py", &arguments).finish();
            fs::rename(&new, &joined).unwrap();
        }
        joined
    })
}

/// The first line of that file, which names the columns.
pub fn header() -> String {
    fs::read_to_string(joined()).unwrap().lines().next().unwrap().to_owned()
}
