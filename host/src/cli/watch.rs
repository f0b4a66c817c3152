//! Shows a listing again and again, until it is interrupted or nobody reads it any more.

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
    thread,
    time::Duration,
};

/// Pause between two looks.
const INTERVAL: Duration = Duration::from_secs(1);
/// Puts the cursor into the upper left corner of an empty screen.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Looks and shows, again and again. A look that fails after the first one has told why, and is
/// repeated: a host that is restarted comes back. Texts are safe for a terminal.
pub fn watch(mut look: impl FnMut() -> Result<String, ExitCode>) -> ExitCode {
    let mut has_shown = false;
    loop {
        match look() {
            Ok(text) if !show(&text) => return ExitCode::SUCCESS,
            Ok(_) => has_shown = true,
            Err(code) if !has_shown => return code,
            Err(_) => {}
        }
        thread::sleep(INTERVAL);
    }
}

/// False when nobody reads any more.
fn show(text: &str) -> bool {
    let mut stdout = io::stdout().lock();
    let clear = if stdout.is_terminal() { CLEAR } else { "" };
    let shown = writeln!(stdout, "{clear}{}", text.trim_end()).and_then(|()| stdout.flush());
    shown.is_ok()
}
