//! In which minutes a security was traded, by its quotes.

use crate::{bits::Bits, facts::Facts};

/// Minutes of a security.
#[derive(Debug, Default)]
pub struct Traded {
    /// Something was traded, or may have been, as no quote tells.
    minutes: Bits,
    /// It has quotes that tell.
    pub has_quotes: bool,
}

impl Traded {
    /// What the quotes of a day tell of a security.
    ///
    /// The volume of a day only grows, so minutes between two quotes of the same volume had no trade.
    /// Behind the last quote nothing is known.
    pub fn of(facts: &Facts, id: u32) -> Self {
        let mut traded = Self::default();
        let (mut known, mut first_unknown) = (None::<u64>, 0_u32);
        for (minute, cells) in &facts.spots {
            let Some(cell) = cells.get(id as usize).filter(|cell| cell.count > 0) else { continue };
            let grew = cell.traded || cell.volume > known.unwrap_or(0);
            let minute = u32::from(*minute);
            if grew {
                (first_unknown..=minute).for_each(|it| drop(traded.minutes.add(it)));
            }
            // in a sealed day the volumes are gone, and what they told is in `traded`
            known = if cell.volume > 0 { Some(cell.volume) } else { known };
            first_unknown = minute + 1;
            traded.has_quotes = true;
        }
        (first_unknown..u32::from(crate::day::MINUTES)).for_each(|it| drop(traded.minutes.add(it)));
        traded
    }

    /// Whether something may have been traded in one of those minutes.
    pub fn within(&self, from: u16, to: u16) -> bool {
        (from..to).any(|minute| self.minutes.has(u32::from(minute)))
    }
}
