//! What is shown, and what keys do with it.

use std::collections::HashMap;

use glob::Pattern;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{
    columns::{Column, Totals},
    snapshot::{Component, Snapshot},
};

/// Longest filter, letters.
const MAX_FILTER: usize = 40;

/// The state of the screen.
#[derive(Debug, Default)]
pub struct App {
    /// What the host last said.
    pub snapshot: Option<Snapshot>,
    /// Why it says nothing now.
    pub problem: Option<String>,
    /// The column that is sorted; none keeps the order of the file.
    pub sort: Option<Column>,
    /// From the last to the first.
    pub reverse: bool,
    /// Only components with that text in their ids.
    pub filter: String,
    /// The filter is being typed.
    pub is_typing: bool,
    /// The keys are explained.
    pub shows_help: bool,
    /// Id of the component whose last error is shown.
    pub selected: Option<String>,
    only: Option<Pattern>,
    /// Totals when somebody asked to count from then on.
    baseline: Option<HashMap<String, Totals>>,
}

/// What follows a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    GoOn,
    Quit,
}

impl App {
    /// Shows components whose ids fit.
    pub fn new(only: Option<Pattern>) -> Self {
        Self { only, ..Self::default() }
    }

    /// Takes what the host says, or why it does not.
    pub fn take(&mut self, answer: Result<Snapshot, String>) {
        match answer {
            Ok(snapshot) => (self.snapshot, self.problem) = (Some(snapshot), None),
            Err(problem) => self.problem = Some(problem),
        }
    }

    /// Whether totals count from a moment that somebody chose.
    pub fn counts_from_now(&self) -> bool {
        self.baseline.is_some()
    }

    /// The components that are shown, in their order, with their totals.
    pub fn rows(&self) -> Vec<(&Component, Totals)> {
        let components = self.snapshot.iter().flat_map(|snapshot| &snapshot.components);
        let fits = |component: &&Component| {
            let id = component.id.as_str();
            self.only.as_ref().is_none_or(|only| only.matches(id)) && id.contains(&self.filter)
        };
        let mut rows: Vec<_> = components.filter(fits).map(|it| (it, self.totals(it))).collect();
        if let Some(column) = self.sort {
            rows.sort_by(|left, right| column.order(*left, *right));
        }
        if self.reverse {
            rows.reverse();
        }
        rows
    }

    /// The component that is selected, if it is shown.
    pub fn selected_row(&self) -> Option<usize> {
        let selected = self.selected.as_deref()?;
        self.rows().iter().position(|(component, _)| component.id == selected)
    }

    /// Does what a key stands for.
    pub fn key(&mut self, key: KeyEvent) -> Next {
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if is_control => return Next::Quit,
            code if self.is_typing => self.type_filter(code),
            // whatever it is, it was read
            _ if self.shows_help => self.shows_help = false,
            KeyCode::Char('q') | KeyCode::Esc => return Next::Quit,
            KeyCode::Up | KeyCode::Char('k') => self.select(false),
            KeyCode::Down | KeyCode::Char('j') => self.select(true),
            KeyCode::Char('s') => self.sort = next_column(self.sort),
            KeyCode::Char('r') => self.reverse = !self.reverse,
            KeyCode::Char('f' | '/') => self.is_typing = true,
            KeyCode::Char('d') => self.toggle_baseline(),
            KeyCode::Char('?' | 'h') => self.shows_help = true,
            _ => {}
        }
        Next::GoOn
    }

    fn type_filter(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => self.is_typing = false,
            KeyCode::Esc => {
                self.is_typing = false;
                self.filter.clear();
            }
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Char(letter) if self.filter.len() < MAX_FILTER => self.filter.push(letter),
            _ => {}
        }
    }

    fn select(&mut self, down: bool) {
        let ids: Vec<_> = self.rows().iter().map(|(component, _)| component.id.clone()).collect();
        let next = match self.selected_row() {
            None => 0,
            Some(at) if down => (at + 1).min(ids.len().saturating_sub(1)),
            Some(at) => at.saturating_sub(1),
        };
        self.selected = ids.into_iter().nth(next);
    }

    fn toggle_baseline(&mut self) {
        self.baseline = match &self.baseline {
            Some(_) => None,
            None => {
                let components = self.snapshot.iter().flat_map(|snapshot| &snapshot.components);
                Some(components.map(|it| (it.id.clone(), Totals::of(it))).collect())
            }
        };
    }

    fn totals(&self, component: &Component) -> Totals {
        let totals = Totals::of(component);
        let before = self.baseline.as_ref().and_then(|baseline| baseline.get(&component.id));
        before.map_or(totals, |before| totals.since(*before))
    }
}

/// The columns one after the other, then the order of the file.
fn next_column(column: Option<Column>) -> Option<Column> {
    let Some(column) = column else { return Column::ALL.first().copied() };
    let at = Column::ALL.iter().position(|it| *it == column)?;
    Column::ALL.get(at + 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app() -> App {
        let mut app = App::new(None);
        app.take(Ok(Snapshot::example()));
        app
    }

    fn press(app: &mut App, keys: &str) {
        for key in keys.chars() {
            let code = match key {
                '\n' => KeyCode::Enter,
                '\u{8}' => KeyCode::Backspace,
                '\u{1b}' => KeyCode::Esc,
                '^' => KeyCode::Up,
                'v' => KeyCode::Down,
                key => KeyCode::Char(key),
            };
            assert_eq!(app.key(KeyEvent::from(code)), Next::GoOn, "{key}");
        }
    }

    fn ids(app: &App) -> Vec<&str> {
        app.rows().iter().map(|(component, _)| component.id.as_str()).collect()
    }

    #[test]
    fn keys_sort_reverse_and_filter() {
        let mut app = app();
        assert_eq!(ids(&app), ["qq", "lake", "feed"], "as in the file");
        press(&mut app, "s");
        assert_eq!(ids(&app), ["feed", "lake", "qq"], "by id");
        press(&mut app, "r");
        assert_eq!(ids(&app), ["qq", "lake", "feed"]);
        press(&mut app, "rsss");
        assert_eq!((app.sort, ids(&app)[0]), (Some(Column::In), "feed"), "the most first");
        press(&mut app, "f");
        press(&mut app, "qz\u{8}");
        assert_eq!(ids(&app), ["qq"], "also while it is typed");
        press(&mut app, "\nr");
        assert!(!app.is_typing && app.filter == "q" && app.reverse);
        press(&mut app, "f\u{1b}");
        assert_eq!((app.filter.as_str(), ids(&app).len()), ("", 3));
        for _ in 0..10 {
            press(&mut app, "s");
        }
        assert_eq!(app.sort, None, "after the last column the order of the file");
    }

    #[test]
    fn the_selection_follows_its_component() {
        let mut app = app();
        assert_eq!(app.selected_row(), None);
        press(&mut app, "v");
        press(&mut app, "v");
        assert_eq!((app.selected.as_deref(), app.selected_row()), (Some("lake"), Some(1)));
        press(&mut app, "r^^^^");
        assert_eq!(app.selected.as_deref(), Some("feed"));
        press(&mut app, "vvvvvv");
        assert_eq!((app.selected.as_deref(), app.selected_row()), (Some("qq"), Some(2)));
    }

    #[test]
    fn totals_count_from_now_on_when_asked_to() {
        let mut app = app();
        press(&mut app, "d");
        assert!(app.counts_from_now() && app.rows().iter().all(|(_, it)| *it == Totals::default()));
        let mut later = Snapshot::example();
        later.components[1].errors += 3;
        app.take(Ok(later));
        assert_eq!(app.rows()[1].1, Totals { dropped: 0, errors: 3 });
        press(&mut app, "d");
        assert_eq!(app.rows()[1].1, Totals { dropped: 0, errors: 15 });
    }

    #[test]
    fn what_was_last_known_stays_when_the_host_is_gone_and_q_ends_it() {
        let mut app = app();
        app.take(Err("nobody listens".to_owned()));
        assert_eq!((ids(&app).len(), app.problem.as_deref()), (3, Some("nobody listens")));
        app.take(Ok(Snapshot::example()));
        assert_eq!(app.problem, None);
        press(&mut app, "?x");
        assert!(!app.shows_help, "any key ends the help");
        assert_eq!(app.key(KeyEvent::from(KeyCode::Char('q'))), Next::Quit);
        let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        press(&mut app, "f");
        assert_eq!(app.key(control_c), Next::Quit, "also while a filter is typed");
    }

    #[test]
    fn only_components_that_fit_the_pattern_are_shown() {
        let mut app = App::new(Some(Pattern::new("*e*").unwrap()));
        app.take(Ok(Snapshot::example()));
        assert_eq!(ids(&app), ["lake", "feed"]);
    }
}
