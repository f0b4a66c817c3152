//! Kinds of securities, and in which units vendors count them.
//!
//! Everything here counts single shares, bonds or fund units. What a vendor's "volume" counts follows
//! from the kind, where it was measured; where it was not, from the turnover that comes with it.
//!
//! | kind | codes | lot of the exchange | unit of Tencent's volume | source |
//! |---|---|---|---|---|
//! | share | SH 60, SZ 00 and 30, BJ 43, 83, 87, 88 and 92 | 100 | 100 | recorded lines of 2012 to 2026 |
//! | STAR share | SH 688 and 689 | 100 | 1; the book: field 87 | recorded lines of 2020 to 2026 |
//! | fund | SH 5, SZ 15, 16 and 18 | 100 | 100 | recorded lines |
//! | B share | SH 900, SZ 20 | 100 | 100 | recorded lines of SH |
//! | index | SH 000, SZ 39, BJ 899 | – | 100 | recorded lines; turnover says nothing |
//! | preferred share | SH 360, BJ 82 | 100 | not measured | an issue price of 100 CNY |
//! | bond, convertible ones too | SH 01, 02, 1 and 2, SZ 10 to 14 and 19, BJ 81 | 10 | not measured | lots: rules of both exchanges for bonds |
//! | repo | SH 20, SZ 131 | 10 | not measured | a price is a rate, each piece is worth 100 CNY |
//!
//! Tushare counts bonds singly, TDX in lots of 10 (both recorded); no traded bond of Tencent or QMT is,
//! so there the turnover decides between 1, 10 and 100, and what fits none of them is set aside.

/// What kind of security a code names, as far as units differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Of the main boards, ChiNext, or Beijing.
    Share,
    /// Of Shanghai's STAR board.
    Star,
    /// Funds, ETFs among them.
    Fund,
    /// In USD or HKD.
    BShare,
    /// Its points are no price.
    Index,
    /// Bonds, convertible ones among them.
    Bond,
    /// Preferred shares.
    Preferred,
    /// Its price is a rate of interest.
    Repo,
    /// Anything else.
    Other,
}

/// How many single pieces a unit of a vendor's volume has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// So many, as measured.
    Pieces(u64),
    /// Not measured: the turnover decides.
    ByTurnover,
}

/// Units that were ever seen, likeliest first.
const UNITS: [u64; 3] = [10, 1, 100];
/// How far the mean price of the day may lie outside of its span: turnover is rounded, and that of bonds
/// has the interest that has accrued. Units lie further apart.
const SLACK: f64 = 2.0;
/// What a piece of a repo is worth, CNY.
const REPO_CNY: f64 = 100.0;

impl Kind {
    /// The kind of a code; the exchange in upper case.
    pub fn of(market: &str, code: &str) -> Self {
        let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| code.starts_with(prefix));
        match market {
            "SH" if starts(&["688", "689"]) => Self::Star,
            "SH" if starts(&["60"]) => Self::Share,
            "SH" if starts(&["5"]) => Self::Fund,
            "SH" if starts(&["000"]) => Self::Index,
            "SH" if starts(&["360"]) => Self::Preferred,
            "SH" if starts(&["900"]) => Self::BShare,
            "SH" if starts(&["20"]) => Self::Repo,
            "SH" if starts(&["01", "02", "1", "2"]) => Self::Bond,
            "SZ" if starts(&["00", "30"]) => Self::Share,
            "SZ" if starts(&["15", "16", "18"]) => Self::Fund,
            "SZ" if starts(&["39"]) => Self::Index,
            "SZ" if starts(&["20"]) => Self::BShare,
            "SZ" if starts(&["131"]) => Self::Repo,
            "SZ" if starts(&["10", "11", "12", "13", "14", "19"]) => Self::Bond,
            "BJ" if starts(&["899"]) => Self::Index,
            "BJ" if starts(&["43", "83", "87", "88", "92"]) => Self::Share,
            "BJ" if starts(&["81"]) => Self::Bond,
            "BJ" if starts(&["82"]) => Self::Preferred,
            _ => Self::Other,
        }
    }

    /// Pieces in a lot (手) of the exchange.
    pub fn lot(self) -> u64 {
        if matches!(self, Self::Bond | Self::Repo) { 10 } else { 100 }
    }

    /// The unit of Tencent's volume (field 6).
    pub fn tencent_unit(self) -> Unit {
        match self {
            Self::Star => Unit::Pieces(1),
            Self::Bond | Self::Preferred | Self::Repo => Unit::ByTurnover,
            _ => Unit::Pieces(100),
        }
    }

    /// Whether turnover is about pieces times price.
    pub fn has_turnover_at_price(self) -> bool {
        !matches!(self, Self::Index | Self::BShare | Self::Other)
    }

    /// Units that a volume can have where none was measured, likeliest first.
    pub fn possible_units() -> [u64; 3] {
        UNITS
    }

    /// Whether so many pieces at a price within the day's span, from low to high, make the turnover.
    pub fn fits(self, amount: f64, pieces: f64, (low, high): (f64, f64)) -> bool {
        let (low, high) = if self == Self::Repo { (REPO_CNY, REPO_CNY) } else { (low, high) };
        let mean = amount / pieces;
        low / SLACK <= mean && mean <= high * SLACK
    }

    /// The pieces in a unit of a volume that the turnover tells; `None` when it fits no unit.
    #[allow(clippy::cast_precision_loss)] // 1, 10, 100
    pub fn unit_of(self, volume: f64, amount: f64, span: (f64, f64)) -> Option<u64> {
        UNITS.into_iter().find(|unit| self.fits(amount, volume * *unit as f64, span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_tell_the_kind() {
        for (kind, codes) in [
            (
                Kind::Share,
                &["SH600000", "SH603259", "SZ000001", "SZ300750", "BJ920002", "BJ430047"][..],
            ),
            (Kind::Star, &["SH688981", "SH689009"]),
            (Kind::Fund, &["SH510050", "SH588000", "SZ159919", "SZ161725", "SZ180101"]),
            (Kind::BShare, &["SH900901", "SZ200011"]),
            (Kind::Index, &["SH000001", "SZ399001", "BJ899050"]),
            (
                Kind::Bond,
                &[
                    "SH110059", "SH113050", "SH118003", "SH132018", "SZ123219", "SZ127080",
                    "SZ128136", "SH019547", "SH240001", "SZ112233", "SZ198001", "BJ810011",
                ],
            ),
            (Kind::Preferred, &["SH360001", "BJ820002"]),
            (Kind::Repo, &["SH204001", "SZ131810"]),
            (Kind::Other, &["HK00700", "SH730001", "SH"]),
        ] {
            for code in codes {
                assert_eq!(Kind::of(&code[..2], &code[2..]), kind, "{code}");
            }
        }
        assert_eq!((Kind::Bond.lot(), Kind::Share.lot()), (10, 100));
    }

    #[test]
    fn the_turnover_tells_the_unit_of_a_bond() {
        let span = (119.0, 121.0);
        for (unit, amount) in [(1, 2_395.54), (10, 23_955.4), (100, 239_554.0)] {
            assert_eq!(Kind::Bond.unit_of(20.0, amount, span), Some(unit));
            assert_eq!(Kind::Preferred.unit_of(20.0, amount, span), Some(unit));
        }
        for amount in [0.0, 239.5, 2_395_540.0] {
            assert_eq!(Kind::Bond.unit_of(20.0, amount, span), None, "{amount}");
        }
        assert_eq!(Kind::Preferred.tencent_unit(), Unit::ByTurnover);
        // a rate of 1.8 percent, in lots of 1,000 CNY
        assert_eq!(Kind::Repo.unit_of(5_000.0, 5_000_000.0, (1.7, 1.9)), Some(10));
    }
}
