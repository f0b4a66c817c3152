//! Draws what is shown: on a terminal, or as plain text.

use std::time::Duration;

use plugin_api::terminal;
use ratatui::{
    Frame,
    layout::Rect,
    style::{Color, Modifier, Style},
    text::Line,
    widgets::Paragraph,
};

use super::{app::App, snapshot::Snapshot, table::Table};

/// What the keys do.
const KEYS: &str = "q quit  ↑↓ select  s sort  r reverse  f filter  d totals from now  ? help";
/// The same, one a line, and what the columns say.
const HELP: [&str; 12] = [
    "q, Esc   quit",
    "↑ ↓      select a component; its last error is shown below the table",
    "s        sort by the next column, after the last one as in the pipeline file",
    "r        reverse the order",
    "f        filter: type a part of the ids, Enter keeps it, Esc removes it",
    "d        count what is dropped and fails from now on, or since the start",
    "?        this help",
    "",
    "in/s, out/s   records a second, over 10 s",
    "queue %       of its bound; blocked by: the component that holds this one up",
    "CPU %         of one core, over 10 s",
    "p50, p99      time from receipt to delivery, of the last minute",
];
/// Lines around the rows: two above, two below.
const FRAME: u16 = 4;

/// Draws the screen.
pub fn draw(frame: &mut Frame, app: &App) {
    let area = frame.area();
    let width = usize::from(area.width);
    let mut lines = vec![Line::styled(cut(&head(app), width), bold())];
    if app.shows_help {
        lines.extend(HELP.iter().map(|line| Line::raw(cut(line, width))));
    } else {
        lines.extend(rows(app, width, usize::from(area.height.saturating_sub(FRAME))));
    }
    let height = area.height.saturating_sub(2);
    frame.render_widget(Paragraph::new(lines), Rect { height, ..area });
    let foot = [foot(app, width), Line::raw(cut(&keys(app), width))];
    let below = Rect { y: area.y + height, height: area.height - height, ..area };
    frame.render_widget(Paragraph::new(Vec::from(foot)), below);
}

/// The same as plain text, for a terminal so wide.
pub fn plain(app: &App, width: usize) -> String {
    let table = Table::new(&app.rows(), None, width);
    let lines = [cut(&head(app), width), table.header].into_iter().chain(table.rows);
    lines.map(|line| line + "\n").collect()
}

/// Titles and rows, so many that the selected one is among them.
fn rows(app: &App, width: usize, room: usize) -> Vec<Line<'static>> {
    let sorted = app.sort.map(|column| (column, app.reverse));
    let shown = app.rows();
    let table = Table::new(&shown, sorted, width);
    let selected = app.selected_row();
    let first = selected.map_or(0, |selected| (selected + 1).saturating_sub(room));
    let mut lines = vec![Line::styled(table.header, bold())];
    let rows = table.rows.into_iter().zip(&shown).enumerate().skip(first).take(room);
    lines.extend(rows.map(|(at, (row, (component, _)))| {
        let style = style_of(&component.state);
        let is_selected = selected == Some(at);
        let style = if is_selected { style.add_modifier(Modifier::REVERSED) } else { style };
        Line::styled(format!("{row:<width$}"), style)
    }));
    lines
}

/// `dataserver 0.1.0 · healthy · up 1h2m · pipeline.toml`
fn head(app: &App) -> String {
    let Some(snapshot) = &app.snapshot else { return "dataserver".to_owned() };
    let Snapshot { version, status, file, now_us, started_us, .. } = snapshot;
    let up = u64::try_from(now_us - started_us).unwrap_or(0);
    let file = terminal::on_one_line(file.rsplit('/').next().unwrap_or(file));
    let since = if app.counts_from_now() { " · totals from now" } else { "" };
    let up = time(Duration::from_micros(up));
    format!("dataserver {version} · {status} · up {up} · {file}{since}")
}

/// Why nothing comes, or the last error of the selected component.
fn foot(app: &App, width: usize) -> Line<'static> {
    if let Some(problem) = &app.problem {
        let text = format!("{}; asking again", terminal::on_one_line(problem));
        return Line::styled(cut(&text, width), Style::new().fg(Color::Red));
    }
    let shown = app.rows();
    let selected = app.selected_row().and_then(|at| shown.get(at));
    let error = selected.and_then(|(component, _)| {
        let error = component.last_error.as_deref()?;
        Some(format!("{}: {}", component.id, terminal::on_one_line(error)))
    });
    Line::styled(cut(&error.unwrap_or_default(), width), Style::new().fg(Color::Yellow))
}

fn keys(app: &App) -> String {
    if app.is_typing {
        return format!("filter: {}_  (Enter keeps it, Esc removes it)", app.filter);
    }
    let filter = if app.filter.is_empty() { String::new() } else { format!("[{}]  ", app.filter) };
    format!("{filter}{KEYS}")
}

fn style_of(state: &str) -> Style {
    match state {
        "running" | "ended" => Style::new(),
        "starting" | "paused" => Style::new().fg(Color::Yellow),
        _ => Style::new().fg(Color::Red),
    }
}

fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

/// `45s`, `12m`, `1h2m`, `3d4h`
fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h{}m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{}d{}h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

fn cut(text: &str, width: usize) -> String {
    text.chars().take(width).collect()
}

#[cfg(test)]
mod tests {
    use ratatui::{Terminal, backend::TestBackend, crossterm::event::KeyCode};

    use super::*;

    fn app() -> App {
        let mut app = App::new(None);
        app.take(Ok(Snapshot::example()));
        app
    }

    /// The lines of a screen of that size.
    fn screen(app: &App, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, app)).unwrap();
        let shown = terminal.backend().to_string();
        shown.lines().map(|line| line.trim_matches('"').trim_end().to_owned()).collect()
    }

    fn press(app: &mut App, code: KeyCode) {
        app.key(code.into());
    }

    #[test]
    fn a_screen_of_80_columns_shows_head_table_and_keys() {
        let shown = screen(&app(), 80, 10);
        assert_eq!(shown[0], "dataserver 0.1.0 · failing · up 1h2m · pipeline.toml");
        assert!(shown[1].starts_with("component  state") && shown[1].contains("blocked by"));
        assert!(shown[2].starts_with("qq ") && shown[2].contains("lake"), "{shown:#?}");
        assert!(shown[4].starts_with("feed") && shown[4].ends_with("1.2s"), "{shown:#?}");
        assert_eq!(shown[9], KEYS);
        assert!(KEYS.chars().count() <= 80 && HELP.iter().all(|line| line.chars().count() <= 80));
    }

    #[test]
    fn the_last_error_of_the_selected_component_stands_below_and_a_problem_before_it() {
        let mut app = app();
        press(&mut app, KeyCode::Down);
        press(&mut app, KeyCode::Down);
        assert_eq!(screen(&app, 80, 10)[8], "lake: the server is away");
        app.take(Err("the host\nis gone".to_owned()));
        let foot = &screen(&app, 80, 10)[8];
        assert!(foot.contains("the host") && foot.ends_with("; asking again"), "{foot}");
    }

    #[test]
    fn a_filter_is_shown_while_it_is_typed_and_while_it_holds() {
        let mut app = app();
        for key in ['f', 'l', 'a'] {
            press(&mut app, KeyCode::Char(key));
        }
        let shown = screen(&app, 80, 10);
        assert!(shown[9].starts_with("filter: la_") && shown[3].is_empty(), "{shown:#?}");
        press(&mut app, KeyCode::Enter);
        assert!(screen(&app, 80, 10)[9].starts_with("[la]  q quit"));
        press(&mut app, KeyCode::Char('?'));
        assert!(screen(&app, 80, 14)[1].starts_with("q, Esc"));
    }

    #[test]
    fn a_low_screen_keeps_the_selected_row_and_a_tiny_one_does_not_fail() {
        let mut app = app();
        for _ in 0..3 {
            press(&mut app, KeyCode::Down);
        }
        let shown = screen(&app, 80, 5);
        assert!(shown[2].starts_with("feed"), "{shown:#?}");
        for (width, height) in [(1, 1), (2, 3), (80, 2), (5, 40)] {
            screen(&app, width, height);
        }
        screen(&App::new(None), 80, 10);
    }

    #[test]
    fn plain_text_fits_and_has_no_keys() {
        let text = plain(&app(), 80);
        assert_eq!(text.lines().count(), 5);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("lake") && !text.contains("quit"), "{text}");
    }
}
