//! When a market trades, and where the bars of its sessions end.

use plugin_api::schemas::time::{DAY_US, SECOND_US, parse_time_of_day};

use crate::shape::{AfterHours, Auction, EmptyMinutes, Shape};

/// How long after the end of a session its last quotes still come, as Hikyuu has it.
pub const GRACE_US: i64 = 30 * SECOND_US;

/// How long before the first session the result of the opening auction is known.
const AUCTION_US: i64 = 5 * MINUTE_US;
/// When fixed-price trading after the close begins and ends, microseconds since local midnight.
const LATE_US: (i64, i64) = ((15 * 60 + 5) * MINUTE_US, (15 * 60 + 30) * MINUTE_US);
/// A minute.
pub const MINUTE_US: i64 = 60 * SECOND_US;

/// The part of a day in which a quote counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The opening auction has ended, and the first session not begun.
    Auction,
    /// A session, or the moments after it.
    Session,
    /// Fixed-price trading after the close.
    AfterHours,
}

/// The sessions of a market, microseconds since local midnight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    /// In order, without overlap; none: open all day.
    sessions: Vec<(i64, i64)>,
    /// Quotes between the opening auction and the first session count.
    looks_at_auction: bool,
    after_hours: AfterHours,
}

impl Hours {
    /// A market that never closes.
    pub fn always() -> Self {
        Self::of_sessions(Vec::new())
    }

    fn of_sessions(sessions: Vec<(i64, i64)>) -> Self {
        Self { sessions, looks_at_auction: false, after_hours: AfterHours::Drop }
    }

    /// The same sessions of securities that are drawn so, and trade after hours or do not.
    pub fn drawn(&self, shape: Shape, trades_after_hours: bool) -> Self {
        let ends_early = self.sessions.last().is_some_and(|(_, close)| *close <= LATE_US.0);
        let is_late = trades_after_hours && ends_early;
        Self {
            sessions: self.sessions.clone(),
            looks_at_auction: shape.auction != Auction::FirstBar
                || shape.empty_minutes == EmptyMinutes::Previous,
            after_hours: if is_late { shape.after_hours } else { AfterHours::Drop },
        }
    }

    /// Reads sessions such as `09:30-11:30`.
    ///
    /// # Errors
    /// A text that names the session and the remedy.
    pub fn parse(texts: &[String]) -> Result<Self, String> {
        let mut sessions: Vec<(i64, i64)> = Vec::new();
        for text in texts {
            let session = text.split_once('-').and_then(|(open, close)| {
                Some((of_day_us(open)?, of_day_us(close)?)).filter(|(open, close)| open < close)
            });
            let Some((open, close)) = session else {
                return Err(format!("\"{text}\" is no session; write e.g. 09:30-11:30"));
            };
            if sessions.last().is_some_and(|(_, last)| open <= *last) {
                return Err(format!(
                    "session \"{text}\" begins before the one before it has ended; put them in order"
                ));
            }
            sessions.push((open, close));
        }
        Ok(Self::of_sessions(sessions))
    }

    /// Whether quotes of that moment count, microseconds since midnight.
    pub fn counts(&self, of_day_us: i64) -> bool {
        let within = |(open, close): &(i64, i64)| (*open..=close + GRACE_US).contains(&of_day_us);
        self.sessions.is_empty() || self.sessions.iter().any(within)
    }

    /// The part of the day in which a quote of that moment counts; `None` when it does not.
    pub fn part(&self, of_day_us: i64) -> Option<Part> {
        if self.counts(of_day_us) {
            return Some(Part::Session);
        }
        let before_open = |open| (open - AUCTION_US..open).contains(&of_day_us);
        if self.looks_at_auction && self.open_of_day().is_some_and(before_open) {
            return Some(Part::Auction);
        }
        let is_late = (LATE_US.0..=LATE_US.1 + GRACE_US).contains(&of_day_us);
        (is_late && self.after_hours != AfterHours::Drop).then_some(Part::AfterHours)
    }

    /// End of the bar of that length in which a moment lies that counts.
    pub fn bar_end(&self, of_day_us: i64, gap_us: i64) -> i64 {
        let end_us = of_day_us - of_day_us % gap_us + gap_us;
        match (self.part(of_day_us), self.open_of_day()) {
            (Some(Part::Auction), Some(open_us)) if gap_us == MINUTE_US => open_us,
            (Some(Part::Auction), Some(open_us)) => self.bar_end(open_us, gap_us),
            (Some(Part::AfterHours), _) if self.after_hours == AfterHours::Own => {
                end_us.min(LATE_US.1)
            }
            _ => self.clamped(end_us),
        }
    }

    /// Start of the bar of that length that ends there.
    pub fn bar_start(&self, end_us: i64, gap_us: i64) -> i64 {
        if self.looks_at_auction && self.open_of_day() == Some(end_us) {
            return end_us - AUCTION_US;
        }
        let last_us = end_us - 1;
        let start_us = last_us - last_us % gap_us;
        let within = |(open, close): &&(i64, i64)| (*open..*close).contains(&last_us);
        match self.sessions.iter().find(within) {
            Some((open_us, _)) => start_us.max(*open_us),
            None if self.after_hours == AfterHours::Own => start_us.max(LATE_US.0),
            None => start_us,
        }
    }

    /// Where a bar ends that would end at `end_us`: none lasts into a pause or beyond the day.
    fn clamped(&self, end_us: i64) -> i64 {
        match self.sessions.last() {
            Some((_, close)) if end_us > *close => return *close,
            _ => {}
        }
        let into_pause = self
            .sessions
            .windows(2)
            .find(|pair| (pair[0].1..pair[1].0).contains(&end_us))
            .map(|pair| pair[0].1);
        into_pause.unwrap_or(end_us)
    }

    /// When trading ends in a bar that ends at `end_us`.
    pub fn last_trade(&self, end_us: i64) -> i64 {
        let is_last = self.sessions.last().is_some_and(|(_, close)| *close == end_us);
        if is_last && self.after_hours == AfterHours::LastBar { LATE_US.1 } else { end_us }
    }

    /// The first moment at which a bar can change no more in which trading ends at `end_us`.
    pub fn due(&self, end_us: i64) -> i64 {
        let is_late = self.after_hours != AfterHours::Drop && end_us == LATE_US.1;
        let is_close = is_late || self.sessions.iter().any(|(_, close)| *close == end_us);
        end_us + if is_close { GRACE_US + 1 } else { 0 }
    }

    /// The first moment of a session from `at_us` on; `None` when there is none today.
    pub fn next_open(&self, at_us: i64) -> Option<i64> {
        if self.sessions.is_empty() {
            return (at_us < DAY_US).then_some(at_us);
        }
        let next = self.sessions.iter().find(|(_, close)| at_us < *close);
        next.map(|(open, _)| at_us.max(*open))
    }

    /// Start of the first session; `None` for a market that never closes.
    pub fn open_of_day(&self) -> Option<i64> {
        self.sessions.first().map(|(open, _)| *open)
    }

    /// End of the last trading of a day.
    pub fn close_of_day(&self) -> i64 {
        if self.after_hours != AfterHours::Drop {
            return LATE_US.1;
        }
        self.sessions.last().map_or(DAY_US, |(_, close)| *close)
    }
}

fn of_day_us(text: &str) -> Option<i64> {
    if text.trim() == "24:00" {
        return Some(DAY_US);
    }
    let (hour, minute, second, _) = parse_time_of_day(text)?;
    let is_time = hour < 24 && minute < 60 && second < 60;
    is_time.then(|| i64::from(hour * 3_600 + minute * 60 + second) * SECOND_US)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(texts: &[&str]) -> Result<Hours, String> {
        Hours::parse(&texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn quotes_count_within_sessions_and_a_little_after() {
        let hours = hours(&["09:30-11:30", "13:00-15:00"]).unwrap();
        let cases = [
            // time of day, whether it counts
            ("09:25:00", false),
            ("09:29:59", false),
            ("09:30:00", true),
            ("11:30:30", true),
            ("11:30:31", false),
            ("12:59:59", false),
            ("13:00:00", true),
            ("15:00:30", true),
            ("15:00:31", false),
            ("00:00:00", false),
        ];
        for (text, counts) in cases {
            assert_eq!(hours.counts(of_day_us(text).unwrap()), counts, "{text}");
        }
        assert!(Hours::always().counts(0));
    }

    #[test]
    fn sessions_that_cannot_be_are_named() {
        for (texts, said) in [
            (&["09:30"][..], "\"09:30\" is no session"),
            (&["11:30-09:30"], "no session"),
            (&["09:30-25:00"], "no session"),
            (&["13:00-15:00", "09:30-11:30"], "put them in order"),
            (&["09:30-11:30", "11:00-15:00"], "put them in order"),
        ] {
            assert!(hours(texts).unwrap_err().contains(said), "{texts:?}");
        }
        assert!(hours(&["00:00-24:00"]).is_ok() && hours(&[]).is_ok());
    }

    #[test]
    fn what_counts_before_and_after_the_sessions_depends_on_how_bars_are_drawn() {
        let sessions = hours(&["09:30-11:30", "13:00-15:00"]).unwrap();
        let shape =
            Shape { auction: Auction::OwnBar, after_hours: AfterHours::Own, ..Shape::default() };
        let cases = [
            // time of day, part
            ("09:24:59", None),
            ("09:25:00", Some(Part::Auction)),
            ("09:29:59", Some(Part::Auction)),
            ("09:30:00", Some(Part::Session)),
            ("12:00:00", None),
            ("15:00:30", Some(Part::Session)),
            ("15:00:31", None),
            ("15:04:59", None),
            ("15:05:00", Some(Part::AfterHours)),
            ("15:30:30", Some(Part::AfterHours)),
            ("15:30:31", None),
        ];
        for (text, part) in cases {
            let at_us = of_day_us(text).unwrap();
            assert_eq!(sessions.drawn(shape, true).part(at_us), part, "{text}");
            let elsewhere = part.filter(|part| *part != Part::AfterHours);
            assert_eq!(sessions.drawn(shape, false).part(at_us), elsewhere, "{text}");
            let before = part.filter(|part| *part == Part::Session);
            assert_eq!(sessions.drawn(Shape::default(), true).part(at_us), before, "{text}");
        }
    }

    #[test]
    fn bars_start_where_the_one_before_ends_or_a_session_opens() {
        let sessions = hours(&["09:30-11:30", "13:00-15:00"]).unwrap();
        let shape =
            Shape { auction: Auction::OwnBar, after_hours: AfterHours::Own, ..Shape::default() };
        let sessions = sessions.drawn(shape, true);
        let cases = [
            // minutes, end, start
            (1, "09:30", "09:25"),
            (1, "09:31", "09:30"),
            (1, "11:30", "11:29"),
            (1, "13:01", "13:00"),
            (1, "15:00", "14:59"),
            (1, "15:06", "15:05"),
            (1, "15:30", "15:29"),
            (5, "09:35", "09:30"),
            (60, "10:00", "09:30"),
            (60, "11:30", "11:00"),
            (120, "11:30", "10:00"),
            (240, "11:30", "09:30"),
            (60, "15:30", "15:05"),
        ];
        for (minutes, end, start) in cases {
            let at = |text: &str| of_day_us(&format!("{text}:00")).unwrap();
            let found = sessions.bar_start(at(end), minutes * MINUTE_US);
            assert_eq!(found, at(start), "{minutes} minutes to {end}");
        }
        assert_eq!(Hours::always().bar_start(DAY_US, 60 * MINUTE_US), 23 * 60 * MINUTE_US);
    }
}
