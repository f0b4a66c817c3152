//! In which minutes a security was traded, by its quotes.

use crate::{Rules, bits::Bits, facts::Facts};

/// Minutes of a security.
#[derive(Debug, Default)]
pub struct Traded {
    /// Something was traded, or may have been, as no quote tells.
    minutes: Bits,
    /// Quotes came.
    quoted: Bits,
    /// It has quotes that tell.
    pub has_quotes: bool,
}

impl Traded {
    /// What the quotes of a day tell of a security.
    ///
    /// The volume of a day only grows, so minutes between two quotes of the same volume had no trade.
    /// Behind the last quote nothing is known.
    pub fn of(facts: &Facts, rules: &Rules, id: u32) -> Self {
        let mut traded = Self::default();
        let (mut known, mut first_unknown) = (None::<u64>, 0_u16);
        for (minute, cells) in &facts.spots {
            let Some(cell) = cells.get(id as usize).filter(|cell| cell.count > 0) else { continue };
            if cell.traded || cell.volume > known.unwrap_or(0) {
                traded.add_unknown(first_unknown, *minute, rules);
                traded.minutes.add(u32::from(*minute));
            }
            // in a sealed day the volumes are gone, and what they told is in `traded`
            known = if cell.volume > 0 { Some(cell.volume) } else { known };
            first_unknown = minute + 1;
            traded.quoted.add(u32::from(*minute));
            traded.has_quotes = true;
        }
        traded.add_unknown(first_unknown, crate::day::MINUTES, rules);
        traded
    }

    /// Minutes of which no quote tells; nobody trades outside of the sessions without a quote.
    fn add_unknown(&mut self, from: u16, to: u16, rules: &Rules) {
        for minute in (from..to).filter(|minute| rules.is_session(*minute)) {
            self.minutes.add(u32::from(minute));
        }
    }

    /// Whether its quotes do not reach over all of those minutes.
    pub fn is_unseen(&self, from: u16, to: u16) -> bool {
        self.has_quotes && (from..to).any(|minute| !self.quoted.has(u32::from(minute)))
    }

    /// Whether something may have been traded in one of those minutes.
    pub fn within(&self, from: u16, to: u16) -> bool {
        (from..to).any(|minute| self.minutes.has(u32::from(minute)))
    }
}
