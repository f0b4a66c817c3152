//! How bars are drawn: the choices in which terminals differ.

use plugin_api::options;

options! {
    /// By which of its ends a bar within a day is named.
    #[derive(Default)]
    pub enum Label {
        /// Its end: the first minute is 09:31, the last 15:00.
        #[default]
        End,
        /// Its start: the first minute is 09:30, the last 14:59.
        Start,
    }
}

options! {
    /// What a stretch of the sessions gives of which no quote came.
    #[derive(Default)]
    pub enum EmptyMinutes {
        /// No bar.
        #[default]
        None,
        /// A bar with volume 0 at the price before it: the last one of the day, else the close of the
        /// day before.
        Previous,
    }
}

options! {
    /// Where the trades of the opening auction are.
    #[derive(Default)]
    pub enum Auction {
        /// In the volume and turnover of the first bar, whose prices are those from 09:30 on.
        #[default]
        FirstBar,
        /// In a minute of their own that ends at 09:30, and in the first bar of each longer period.
        OwnBar,
        /// In no bar within the day.
        Drop,
    }
}

options! {
    /// Where the fixed-price trades after the close are.
    #[derive(Default)]
    pub enum AfterHours {
        /// In no bar.
        #[default]
        Drop,
        /// In the last bar of the day, which is complete at 15:30 then.
        LastBar,
        /// In bars of their own from 15:05 to 15:30.
        Own,
    }
}

/// The choices together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shape {
    pub label: Label,
    pub empty_minutes: EmptyMinutes,
    pub auction: Auction,
    pub after_hours: AfterHours,
}

/// Whether a security trades at its closing price after the close: STAR since 2019-07-22, ChiNext
/// since 2020-08-24.
pub fn trades_after_hours(market: &str, code: &str) -> bool {
    let boards: &[&str] = match market {
        "SH" => &["688", "689"],
        "SZ" => &["300", "301"],
        _ => return false,
    };
    boards.iter().any(|board| code.starts_with(board))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_boards_trade_after_hours() {
        for (market, code, trades) in [
            ("SH", "688001", true),
            ("SH", "689009", true),
            ("SZ", "300750", true),
            ("SZ", "301203", true),
            ("SZ", "688001", false),
            ("SH", "300750", false),
            ("SH", "600519", false),
            ("SZ", "302132", false),
            ("BJ", "920000", false),
            ("SH", "68", false),
        ] {
            assert_eq!(trades_after_hours(market, code), trades, "{market}{code}");
        }
    }
}
