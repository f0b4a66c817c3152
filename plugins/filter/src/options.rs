//! What the `filter` transform can be told.

use plugin_api::{RecordKind, options};

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

impl From<Kind> for RecordKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Spot => Self::Spot,
            Kind::Bar => Self::Bar,
        }
    }
}
