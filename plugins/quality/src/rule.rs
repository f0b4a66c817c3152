//! The rules by name, and sets of them.

/// What a record can break. The order is that in which a dropped record's reason is chosen.
#[repr(u8)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    Fields,
    Price,
    Volume,
    HighLow,
    Reset,
    Range,
    PriceLimit,
    PreClose,
    Falling,
    TimeBack,
    Future,
    Stale,
    Zero,
    Amount,
    Crossed,
    Levels,
    EmptyBook,
}

/// What is said about a rule.
#[derive(Debug)]
pub struct About {
    /// As in the options and in `records_dropped_total{reason}`.
    pub name: &'static str,
    /// Counter of its findings.
    pub counter: &'static str,
    /// What a record does that breaks it.
    pub finding: &'static str,
}

impl Rule {
    /// Every rule, in order.
    pub const ALL: [Self; 17] = [
        Self::Fields,
        Self::Price,
        Self::Volume,
        Self::HighLow,
        Self::Reset,
        Self::Range,
        Self::PriceLimit,
        Self::PreClose,
        Self::Falling,
        Self::TimeBack,
        Self::Future,
        Self::Stale,
        Self::Zero,
        Self::Amount,
        Self::Crossed,
        Self::Levels,
        Self::EmptyBook,
    ];

    /// Name, counter and meaning.
    pub fn about(self) -> &'static About {
        &ABOUT[self as usize]
    }
}

const fn about(name: &'static str, counter: &'static str, finding: &'static str) -> About {
    About { name, counter, finding }
}

static ABOUT: [About; Rule::ALL.len()] = [
    about("fields", "quality_fields_total", "lacks exchange, code, time or every price"),
    about("price", "quality_price_total", "has a price that no security can have"),
    about("volume", "quality_volume_total", "has a volume or amount that no security can have"),
    about("high_low", "quality_high_low_total", "has a high below its low"),
    about("reset", "quality_reset_total", "lost the day's volume after the close"),
    about("range", "quality_range_total", "has an open or close outside of low and high"),
    about("price_limit", "quality_price_limit_total", "has a price beyond the day's limits"),
    about("pre_close", "quality_pre_close_total", "has prices that do not fit its previous close"),
    about("falling", "quality_falling_total", "has less volume or amount than before"),
    about("time_back", "quality_time_back_total", "is older than the one before it"),
    about("future", "quality_future_total", "is from the future"),
    about("stale", "quality_stale_total", "came long after its time"),
    about("zero", "quality_zero_total", "has zeroes where something traded"),
    about("amount", "quality_amount_total", "has an amount that does not fit volume and price"),
    about("crossed", "quality_crossed_total", "has a best bid above its best ask"),
    about("levels", "quality_levels_total", "has book levels out of order"),
    about("empty_book", "quality_empty_book_total", "traded and has an empty book in the session"),
];

/// A set of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules(u32);

impl Rules {
    /// No rule.
    pub const NONE: Self = Self(0);

    /// Those rules.
    pub fn of(rules: &[Rule]) -> Self {
        rules.iter().fold(Self::NONE, |set, rule| set.with(*rule))
    }

    /// The set with one more.
    pub const fn with(self, rule: Rule) -> Self {
        Self(self.0 | 1 << rule as u32)
    }

    /// Puts a rule into the set when it was broken.
    #[inline]
    pub fn add_if(&mut self, broken: bool, rule: Rule) {
        self.0 |= u32::from(broken) << rule as u32;
    }

    /// Whether no rule is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether a rule is in it.
    pub const fn has(self, rule: Rule) -> bool {
        self.0 & 1 << rule as u32 != 0
    }

    /// What is in both sets.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in either set.
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Number of rules.
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// The rules in order.
    pub fn iter(self) -> impl Iterator<Item = Rule> {
        Rule::ALL.into_iter().filter(move |rule| self.has(*rule))
    }
}
