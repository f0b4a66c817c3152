//! Hikyuu's types of K-lines, and the periods of bars they stand for.

/// Names of bars' periods and of the type that Hikyuu calls each, shortest first.
const TYPES: [(&str, &str); 16] = [
    ("1m", "MIN"),
    ("3m", "MIN3"),
    ("5m", "MIN5"),
    ("15m", "MIN15"),
    ("30m", "MIN30"),
    ("60m", "MIN60"),
    ("2h", "HOUR2"),
    ("4h", "HOUR4"),
    ("6h", "HOUR6"),
    ("12h", "HOUR12"),
    ("day", "DAY"),
    ("week", "WEEK"),
    ("month", "MONTH"),
    ("quarter", "QUARTER"),
    ("halfyear", "HALFYEAR"),
    ("year", "YEAR"),
];
/// Place of `day` among them.
const DAY: usize = 10;

/// One type of K-line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KType(usize);

impl KType {
    /// How many there are.
    pub const COUNT: usize = TYPES.len();

    /// Of that period's bars.
    pub fn of_period(period: &str) -> Option<Self> {
        TYPES.iter().position(|(name, _)| *name == period).map(Self)
    }

    /// By Hikyuu's name, in any case, as users type it.
    pub fn by_name(name: &str) -> Option<Self> {
        TYPES.iter().position(|(_, known)| known.eq_ignore_ascii_case(name)).map(Self)
    }

    /// By its number among all.
    pub fn by_index(index: usize) -> Option<Self> {
        (index < Self::COUNT).then_some(Self(index))
    }

    /// Its number among all, below [`COUNT`](Self::COUNT).
    pub fn index(self) -> usize {
        self.0
    }

    /// Whether a day has several bars of it.
    pub fn is_within_day(self) -> bool {
        self.0 < DAY
    }

    /// How far the last day of a bar may be from the day of its last quote, days.
    pub fn longest_wait(self) -> i64 {
        match TYPES[self.0].0 {
            "week" => 6,
            "month" => 30,
            "quarter" => 91,
            "halfyear" => 183,
            "year" => 365,
            _ => 0,
        }
    }

    /// Every name, for texts.
    pub fn names() -> String {
        TYPES.map(|(_, name)| name).join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_found_by_either_name() {
        assert_eq!(KType::of_period("5m"), KType::by_name("Min5"));
        assert_eq!(KType::by_name("day").map(KType::is_within_day), Some(false));
        assert_eq!(KType::by_name("HOUR12").map(KType::is_within_day), Some(true));
        assert_eq!(KType::by_name("TIMELINE"), None);
        assert_eq!(KType::of_period("1h"), None);
    }
}
