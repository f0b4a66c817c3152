//! What volume and turnover of a day count, and whether they fit each other.

use plugin_api::schemas::lots::{Kind, Unit};

use super::{
    Refusal,
    values::{is_same, is_zero, whole},
};

/// How much too large an `amount` can be from [`LATE_US`](super::LATE_US) on.
const AMOUNT_FAULT: f64 = 100.0;

/// Volume and turnover of the day, units settled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Turnover {
    pub shares: u64,
    pub amount: f64,
    /// Shares in one unit of the book's sizes; `None` when nothing tells.
    pub book_unit: Option<f64>,
    pub is_amount_mended: bool,
}

/// What volume and turnover have to fit.
pub(super) struct Day {
    /// Lowest and highest price so far.
    pub span: Option<(f64, f64)>,
    pub kind: Kind,
    /// From 15:30 on.
    pub is_late: bool,
}

impl Day {
    /// Whether the mean price is one of the day's.
    fn fits(&self, amount: f64, shares: f64) -> bool {
        self.kind != Kind::Index
            && self.span.is_some_and(|span| self.kind.fits(amount, shares, span))
    }

    /// Whether the turnover can tell anything.
    fn tells(&self, amount: f64) -> bool {
        self.span.is_some() && !is_zero(amount) && self.kind.has_turnover_at_price()
    }
}

/// How far a volume says by itself what it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// Two fields say the same.
    Proven,
    /// It is as usual, unless the turnover fits nothing.
    Usual,
    /// Only the turnover can tell.
    Doubtful,
}

impl Turnover {
    /// Settles the unit by the mean price of the day, which lies between its lowest and highest.
    pub fn judge(
        volume: Option<f64>,
        pvolume: Option<f64>,
        amount: f64,
        day: &Day,
    ) -> Result<Self, Refusal> {
        let is_measured = matches!(day.kind.tencent_unit(), Unit::Pieces(_));
        let (candidates, trust) = match (volume, pvolume) {
            (None, None) => return Err(Refusal::Missing("volume")),
            _ if is_measured => units(volume, pvolume),
            _ if volume.is_none_or(is_zero) && pvolume.is_none_or(is_zero) => {
                let book_unit = None;
                return Ok(Self { shares: 0, amount, book_unit, is_amount_mended: false });
            }
            _ => (unmeasured_units(volume, pvolume), Trust::Doubtful),
        };
        let fitting =
            |amount: f64| candidates.iter().copied().find(|(shares, _)| day.fits(amount, *shares));
        let mended = fitting(amount / AMOUNT_FAULT).filter(|_| day.is_late);
        // alone, `pvolume` was only seen in shares
        let is_shares =
            |(shares, _)| volume.is_none() && pvolume.is_some_and(|it| is_same(it, shares));
        let will_do = match trust {
            Trust::Proven => true,
            Trust::Usual => !day.tells(amount),
            Trust::Doubtful => day.kind == Kind::Index,
        };
        let ((shares, book_unit), is_amount_mended) = match (fitting(amount), mended) {
            (Some(found), Some(other)) if is_shares(other) && !is_shares(found) => (other, true),
            (Some(found), _) => (found, false),
            (None, Some(found)) if trust != Trust::Doubtful => (found, true),
            _ if will_do => (candidates[0], false),
            _ => return Err(Refusal::Malformed("volume")),
        };
        let amount = if is_amount_mended { amount / AMOUNT_FAULT } else { amount };
        let book_unit = Some(book_unit);
        Ok(Self { shares: whole(shares, "volume")?, amount, book_unit, is_amount_mended })
    }
}

/// Shares that `volume` and `pvolume`, of which there is one, can mean, likeliest first, each with the
/// shares in one unit of the book.
fn units(volume: Option<f64>, pvolume: Option<f64>) -> (Vec<(f64, f64)>, Trust) {
    let lots = |v: f64| (100.0 * v, 100.0);
    match (volume, pvolume) {
        (Some(v), Some(p)) if is_same(p, v) => (vec![lots(v), (v, 1.0)], Trust::Usual),
        (Some(v), Some(p)) if (p - 100.0 * v).abs() < 100.0 => (vec![(p, 100.0)], Trust::Proven),
        (Some(v), Some(p)) if is_zero(p) => (vec![lots(v), (v, 1.0)], Trust::Usual),
        (Some(v), Some(p)) if is_zero(v) => (vec![(p, 100.0)], Trust::Proven),
        (Some(v), Some(p)) if (p - 10.0 * v).abs() < 10.0 => {
            (vec![(p, 10.0), lots(v), (v, 1.0)], Trust::Usual)
        }
        (Some(v), Some(p)) => (vec![lots(v), (p, 100.0), (v, 1.0)], Trust::Doubtful),
        (Some(v), None) => (vec![lots(v), (v, 1.0)], Trust::Usual),
        (None, p) => {
            let p = p.unwrap_or_default();
            (vec![(p, 100.0), lots(p)], Trust::Usual)
        }
    }
}

/// The same where nothing was measured. What is more than a `volume` of whole lots is `pvolume`'s.
#[allow(clippy::cast_precision_loss)] // 1, 10, 100
fn unmeasured_units(volume: Option<f64>, pvolume: Option<f64>) -> Vec<(f64, f64)> {
    let all = Kind::possible_units().map(|unit| unit as f64);
    let nonzero = |value: Option<f64>| value.filter(|value| !is_zero(*value));
    let counted = |value: f64| all.map(|unit| (unit * value, unit)).to_vec();
    match (nonzero(volume), nonzero(pvolume)) {
        (Some(v), Some(p)) => {
            let is_rest = |unit: &f64| *unit > 1.0 && (p - unit * v).abs() < *unit;
            let whole = all.into_iter().find(is_rest).map(|unit| (p, unit));
            whole.into_iter().chain(counted(v)).collect()
        }
        (Some(counts), None) | (None, Some(counts)) => counted(counts),
        (None, None) => Vec::new(),
    }
}
