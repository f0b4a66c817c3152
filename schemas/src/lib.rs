//! Wire formats that plugins exchange and the outside world reads.
//!
//! A payload is one FlatBuffer: a [`SpotList`](spot::SpotListReader) as Hikyuu's quotation bus
//! carries it, or a list of bars. Bytes from outside are checked once, where they enter, by
//! [`verify`]; what is encoded by [`encode`] needs no check.

pub mod encode;
#[allow(
    missing_docs,
    unsafe_code,
    clippy::all,
    clippy::pedantic,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used
)]
mod generated {
    #[rustfmt::skip]
    #[path = "bar_generated.rs"]
    pub mod bar;
    #[rustfmt::skip]
    #[path = "spot_generated.rs"]
    pub mod spot;
}
pub mod lots;
pub mod market_phase;
pub mod number;
#[cfg(feature = "qq")]
pub mod qq;
pub mod records;
#[cfg(feature = "session")]
pub mod session;
pub mod spot;
pub mod stray;
pub mod symbol;
pub mod time;
pub mod units;
pub mod verify;

/// Accessors that `flatc` generates from `spot.fbs` and `bar.fbs`.
pub mod flat {
    pub use crate::generated::bar::dataserver::flat::{Bar, BarArgs, BarList, BarListArgs};
    pub use crate::generated::spot::hikyuu::flat::{
        Spot, SpotArgs, SpotList, SpotListArgs, root_as_spot_list, root_as_spot_list_unchecked,
        root_as_spot_list_with_opts,
    };
}
