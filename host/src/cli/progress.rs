//! How far long work is: a bar on stderr, if that is a terminal.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};
use plugin_api::terminal;

/// The bar that is drawn, if one is: other lines go above it.
static DRAWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// A bar, until it is dropped. One is drawn at a time.
pub struct Progress {
    bar: ProgressBar,
    unit: Unit,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Letters, records: as it is called.
    Of(&'static str),
}

impl Progress {
    /// Of work of that name, and of that size where it is known.
    pub fn new(name: &str, total: Option<u64>, unit: Unit) -> Self {
        let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
        bar.set_style(style(total.is_some(), unit));
        bar.set_prefix(terminal::on_one_line(name).into_owned());
        *DRAWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
        Self { bar, unit }
    }

    /// So much is done.
    pub fn at(&self, done: u64) {
        self.bar.set_position(done);
    }

    /// It turned out how much there is.
    pub fn of(&self, total: u64) {
        if self.bar.length() == Some(total) {
            return;
        }
        self.bar.set_style(style(true, self.unit));
        self.bar.set_length(total);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        *DRAWN.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.bar.finish_and_clear();
    }
}

/// Writes something without spoiling the bar, which is drawn again below it.
pub fn beside<T>(write: impl FnOnce() -> T) -> T {
    let bar = DRAWN.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match bar {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

fn style(is_known: bool, unit: Unit) -> ProgressStyle {
    let template = match (is_known, unit) {
        (true, Unit::Bytes) => {
            "{prefix} {wide_bar} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, \
             {eta} left"
        }
        (true, Unit::Of(_)) => {
            "{prefix} {wide_bar} {human_pos} of {human_len} {unit}, {rate}, {eta} left"
        }
        (false, Unit::Bytes) => "{prefix} {binary_bytes}, {binary_bytes_per_sec}, {elapsed}",
        (false, Unit::Of(_)) => "{prefix} {human_pos} {unit}, {rate}, {elapsed}",
    };
    let name = if let Unit::Of(name) = unit { name } else { "bytes" };
    // the templates above have no fault
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style
        .with_key("unit", move |_: &ProgressState, out: &mut dyn fmt::Write| {
            // nobody is left to see it when that fails
            let _ = out.write_str(name);
        })
        .with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a rate to look at
            let rate = state.per_sec() as u64;
            let _ = write!(out, "{}/s", HumanCount(rate));
        })
}

#[cfg(test)]
mod tests {
    use indicatif::ProgressDrawTarget;

    use super::*;

    #[test]
    fn a_bar_of_each_kind_has_a_template_without_a_fault() {
        for (is_known, unit) in [
            (true, Unit::Bytes),
            (false, Unit::Bytes),
            (true, Unit::Of("records")),
            (false, Unit::Of("records")),
        ] {
            let bar = ProgressBar::with_draw_target(Some(10), ProgressDrawTarget::hidden());
            bar.set_style(style(is_known, unit));
            bar.set_position(5);
            bar.finish();
        }
    }

    #[test]
    fn what_is_written_beside_a_bar_is_written_with_and_without_one() {
        assert_eq!(beside(|| 1), 1);
        let progress = Progress::new("lake", None, Unit::Of("records"));
        progress.of(100);
        progress.at(50);
        assert_eq!((beside(|| 2), progress.bar.length()), (2, Some(100)));
        drop(progress);
        assert!(DRAWN.lock().unwrap().is_none());
        assert_eq!(beside(|| 3), 3);
    }
}
