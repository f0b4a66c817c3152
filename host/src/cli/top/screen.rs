//! The screen while it is open: asks the host, takes keys, draws.

use std::{
    io,
    sync::mpsc::{Receiver, TryRecvError, sync_channel},
    thread,
    time::Duration,
};

use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyEventKind},
};

use super::{
    app::{App, Next},
    snapshot::Snapshot,
    view,
};
use crate::cli::client::Client;

/// Longest wait for a key before the screen looks for news.
const WAIT: Duration = Duration::from_millis(100);

/// Shows the screen until somebody ends it.
///
/// # Errors
/// When the terminal cannot be used.
pub fn run(mut app: App, client: Client, interval: Duration) -> io::Result<()> {
    let answers = answers(client, interval)?;
    let mut terminal = ratatui::try_init()?;
    let shown = show(&mut terminal, &mut app, &answers);
    ratatui::try_restore()?;
    shown
}

fn show(
    terminal: &mut DefaultTerminal,
    app: &mut App,
    answers: &Receiver<Result<Snapshot, String>>,
) -> io::Result<()> {
    loop {
        match answers.try_recv() {
            Ok(answer) => app.take(answer),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return Ok(()),
        }
        terminal.draw(|frame| view::draw(frame, app))?;
        if event::poll(WAIT)?
            && let Event::Key(key) = event::read()?
            && key.kind != KeyEventKind::Release
            && app.key(key) == Next::Quit
        {
            return Ok(());
        }
    }
}

/// What the host says, asked again and again on a thread of its own: it may be slow to answer.
fn answers(client: Client, interval: Duration) -> io::Result<Receiver<Result<Snapshot, String>>> {
    let (tell, told) = sync_channel(1);
    thread::Builder::new().name("ask".to_owned()).spawn(move || {
        // until nobody listens
        while tell.send(super::ask(&client)).is_ok() {
            thread::sleep(interval);
        }
    })?;
    Ok(told)
}
