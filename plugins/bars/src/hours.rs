//! When a market trades, and where the bars of its sessions end.

use plugin_api::schemas::time::{DAY_US, SECOND_US, parse_time_of_day};

/// How long after the end of a session its last quotes still come, as Hikyuu has it.
pub const GRACE_US: i64 = 30 * SECOND_US;

/// The sessions of a market, microseconds since local midnight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    /// In order, without overlap; none: open all day.
    sessions: Vec<(i64, i64)>,
}

impl Hours {
    /// A market that never closes.
    pub fn always() -> Self {
        Self { sessions: Vec::new() }
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
        Ok(Self { sessions })
    }

    /// Whether quotes of that moment count, microseconds since midnight.
    pub fn counts(&self, of_day_us: i64) -> bool {
        let within = |(open, close): &(i64, i64)| (*open..=close + GRACE_US).contains(&of_day_us);
        self.sessions.is_empty() || self.sessions.iter().any(within)
    }

    /// Where a bar ends that would end at `end_us`: none lasts into a pause or beyond the day.
    pub fn clamped(&self, end_us: i64) -> i64 {
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

    /// The first moment at which a bar that ends at `end_us` can change no more.
    pub fn due(&self, end_us: i64) -> i64 {
        let is_close = self.sessions.iter().any(|(_, close)| *close == end_us);
        end_us + if is_close { GRACE_US + 1 } else { 0 }
    }

    /// End of the last session.
    pub fn close_of_day(&self) -> i64 {
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
}
