//! The securities of a book, and the days that their quotes are of.

use std::ops::{Deref, DerefMut};

use crate::{
    options::{Rules, Settings},
    security::{Quote, Security},
};

/// The securities, by their place.
#[derive(Debug, Default)]
pub struct Securities(Vec<Security>);

impl Securities {
    /// The security at a place, and what its bars are made by.
    pub fn of<'a>(&mut self, index: usize, settings: &'a Settings) -> (&mut Security, Rules<'a>) {
        let security = &mut self.0[index];
        let rules = settings.rules(&security.market, &security.code);
        (security, rules)
    }
}

impl Deref for Securities {
    type Target = Vec<Security>;

    fn deref(&self) -> &Vec<Security> {
        &self.0
    }
}

impl DerefMut for Securities {
    fn deref_mut(&mut self) -> &mut Vec<Security> {
        &mut self.0
    }
}

/// The last two days that quotes came of.
#[derive(Debug, Clone, Copy)]
pub struct Days {
    /// The newer one, counted from 1970-01-01, and the time of its newest quote.
    day: i64,
    newest_us: i64,
    /// Time of the newest quote of the day before it.
    pub before_us: i64,
}

impl Default for Days {
    fn default() -> Self {
        Self { day: i64::MIN, newest_us: i64::MIN, before_us: i64::MIN }
    }
}

impl Days {
    /// Takes note of a quote.
    pub fn note(&mut self, quote: &Quote) {
        if quote.moment.day > self.day {
            (self.day, self.before_us) = (quote.moment.day, self.newest_us);
            self.newest_us = quote.time_us;
        } else if quote.moment.day == self.day {
            self.newest_us = self.newest_us.max(quote.time_us);
        }
    }
}
