//! Sizes and durations of options as the numbers that plugins count in.

use plugin_api::{ByteSize, Duration};

/// A size in bytes; the largest there is where this machine cannot address as much.
pub fn bytes(size: ByteSize) -> usize {
    usize::try_from(*size).unwrap_or(usize::MAX)
}

/// A length of time in microseconds; the longest there is where it is longer.
pub fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time;

    use super::*;

    #[test]
    fn what_is_too_large_counts_as_the_largest() {
        assert_eq!(bytes(ByteSize(64 << 10)), 64 << 10);
        assert_eq!(micros(Duration(time::Duration::from_millis(2))), 2_000);
        assert_eq!(micros(Duration(time::Duration::MAX)), i64::MAX);
    }
}
