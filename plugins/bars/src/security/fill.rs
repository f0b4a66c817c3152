//! How stretches without a bar are filled.

use crate::origin::Origin;

/// How the stretches before a bar are filled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fill {
    /// The day, counted from 1970-01-01.
    pub day: i64,
    /// What begins before, microseconds since 1970 UTC, is left as it is.
    pub from_us: i64,
    /// The price before the first bar of the day, CNY; 0 when it is not known.
    pub price: f64,
    /// The source that told it.
    pub origin: Origin,
}

impl Fill {
    /// All stretches of a day after its first bar.
    pub fn behind(day: i64) -> Self {
        Self { day, from_us: i64::MIN, price: 0.0, origin: Origin::default() }
    }
}
