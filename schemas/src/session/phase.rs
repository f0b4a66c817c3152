//! A stretch of every trading day, as `9:00-12:00`.

use std::{fmt, str::FromStr};

use crate::time::{DAY_US, SECOND_US, parse_time_of_day};

/// From a time of day up to, not including, another one, on the exchange's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Phase {
    start_us: i64,
    end_us: i64,
}

/// A text that is no phase.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PhaseError {
    /// Not two times of day.
    #[error("\"{0}\" is no phase; write e.g. 9:00-12:00 or 09:15:00-11:30:00")]
    Form(String),
    /// It ends before it starts.
    #[error(
        "phase \"{0}\" does not end after it starts; write one that goes over midnight as two, \
         e.g. 21:00-24:00 and 0:00-2:30"
    )]
    Order(String),
}

impl Phase {
    /// Where it starts, microseconds since midnight.
    pub fn start_us(self) -> i64 {
        self.start_us
    }

    /// Where it ends, microseconds since midnight; at most that of the next one.
    pub fn end_us(self) -> i64 {
        self.end_us
    }
}

impl FromStr for Phase {
    type Err = PhaseError;

    fn from_str(text: &str) -> Result<Self, PhaseError> {
        let no_form = || PhaseError::Form(text.to_owned());
        let (start, end) = text.split_once('-').ok_or_else(no_form)?;
        let start_us = of_day_us(start).ok_or_else(no_form)?;
        let end_us = of_day_us(end).ok_or_else(no_form)?;
        if start_us >= end_us {
            return Err(PhaseError::Order(text.to_owned()));
        }
        Ok(Self { start_us, end_us })
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, of_day_us) in [self.start_us, self.end_us].into_iter().enumerate() {
            let seconds = of_day_us / SECOND_US;
            let dash = if index == 0 { "" } else { "-" };
            write!(f, "{dash}{:02}:{:02}", seconds / 3_600, seconds / 60 % 60)?;
            if seconds % 60 != 0 {
                write!(f, ":{:02}", seconds % 60)?;
            }
        }
        Ok(())
    }
}

/// Microseconds since midnight of `9:00`, `09:00:30` or `24:00`.
fn of_day_us(text: &str) -> Option<i64> {
    let text = text.trim();
    if matches!(text, "24:00" | "24:00:00") {
        return Some(DAY_US);
    }
    if !text.contains(':') {
        return None;
    }
    let (hour, minute, second, micros) = parse_time_of_day(text)?;
    let is_time = hour < 24 && minute < 60 && second < 60;
    let seconds = i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second);
    is_time.then_some(seconds * SECOND_US + i64::from(micros))
}

/// In order, with those that touch or overlap as one.
pub(super) fn joined(phases: &[Phase]) -> Vec<Phase> {
    let mut ordered = phases.to_vec();
    ordered.sort_unstable();
    let mut joined: Vec<Phase> = Vec::with_capacity(ordered.len());
    for phase in ordered {
        match joined.last_mut() {
            Some(last) if phase.start_us <= last.end_us => {
                last.end_us = last.end_us.max(phase.end_us);
            }
            _ => joined.push(phase),
        }
    }
    joined
}
