//! Whether these options have worked before.
//!
//! A password that never worked is a slip of the pen, and the start should end with it. One that
//! worked yesterday was changed at the server: the host has to start, and keep what comes until the
//! server is healed.

use std::{fs, path::PathBuf};

use plugin_api::Context;

use crate::options::Settings;

/// Whether a sink of this component has opened with these options before.
pub fn has_worked(context: &Context, settings: &Settings) -> bool {
    fs::read_to_string(path(context)).is_ok_and(|known| known == described(settings))
}

/// Remembers that a sink has opened. Without a folder for it, the next start is as a first one.
pub fn note(context: &Context, settings: &Settings) {
    if has_worked(context, settings) {
        return;
    }
    let noted = context.state_dir().and_then(|_| fs::write(path(context), described(settings)));
    if let Err(error) = noted {
        context.debug(&format!("cannot remember that the server was there: {error}"));
    }
}

fn path(context: &Context) -> PathBuf {
    context.state_path().join("worked")
}

fn described(settings: &Settings) -> String {
    let Settings { url, database, user, spot_table, bar_table, .. } = settings;
    [url, database, user, spot_table, bar_table].map(|part| format!("{part}\n")).concat()
}
