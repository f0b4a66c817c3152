//! What the `filter` transform can be told.

use plugin_api::{RecordKind, options, schemas::market_phase::MarketPhase};

options! {
    /// Options of the `filter` transform. A record passes when it meets all of them; an option that
    /// is left out or empty is met by every record.
    #[derive(Default)]
    #[serde(default)]
    pub struct Options {
        /// Securities that pass, each as `600000.SH`, `SH600000` or `sh600000`. Default: all.
        pub symbols: Vec<String>,
        /// Exchanges that pass: `SH`, `SZ`, `BJ`, in any case. Default: all.
        pub markets: Vec<String>,
        /// Kinds of record that pass: `spot`, `bar`. Default: both.
        pub kinds: Vec<Kind>,
        /// Parts of the exchange's day of which quotes pass; those without a time are of none. Bars
        /// are not asked. Default: all.
        pub phases: Vec<Phase>,
    }
}

options! {
    /// A kind of record.
    pub enum Kind {
        /// Quotes.
        Spot,
        /// Bars of any period.
        Bar,
    }
}

options! {
    /// A part of the exchange's day.
    pub enum Phase {
        /// Before 09:15, and from 09:25 to 09:30.
        PreOpen,
        /// Opening auction, 09:15 to 09:25: prices of the book are virtual.
        Auction,
        /// 09:30 to 11:30 and 13:00 to 14:57.
        Continuous,
        /// 11:30 to 13:00.
        Break,
        /// 14:57 to 15:00: prices of the book are virtual. In Shanghai since 2018-08-20.
        ClosingAuction,
        /// From 15:00 on.
        Closed,
        /// STAR and ChiNext, 15:05 to 15:30.
        AfterHours,
    }
}

impl From<Phase> for MarketPhase {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::PreOpen => Self::PreOpen,
            Phase::Auction => Self::Auction,
            Phase::Continuous => Self::Continuous,
            Phase::Break => Self::Break,
            Phase::ClosingAuction => Self::ClosingAuction,
            Phase::Closed => Self::Closed,
            Phase::AfterHours => Self::AfterHours,
        }
    }
}

impl From<Kind> for RecordKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Spot => Self::Spot,
            Kind::Bar => Self::Bar,
        }
    }
}
