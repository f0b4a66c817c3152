//! What a security is found by: exchange and code in sixteen bytes, hashed in one multiplication.

use std::hash::{BuildHasherDefault, Hasher};

use plugin_api::Symbol;

/// Bytes for the exchange; the code has the rest.
const MARKET_LEN: usize = 4;

/// Exchange in upper case and code, each filled up with zeroes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(pub u128);

impl Key {
    /// The key of a security; `None` when there is no such exchange or code: empty, too long (4
    /// and 12 characters), or not of visible ASCII characters. An exchange that another publisher
    /// left empty may stand in the code.
    pub fn of(market: &str, code: &str) -> Option<Self> {
        if market.is_empty() {
            let symbol = Symbol::parse(code, None)?;
            return Self::of(symbol.market, symbol.code);
        }
        let fits = |text: &str, len: usize| {
            !text.is_empty()
                && text.len() <= len
                && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        let mut bytes = [0; size_of::<u128>()];
        if !fits(market, MARKET_LEN) || !fits(code, bytes.len() - MARKET_LEN) {
            return None;
        }
        for (to, from) in bytes.iter_mut().zip(market.bytes()) {
            *to = from.to_ascii_uppercase();
        }
        bytes[MARKET_LEN..MARKET_LEN + code.len()].copy_from_slice(code.as_bytes());
        Some(Self(u128::from_be_bytes(bytes)))
    }
}

impl std::hash::Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(self.0);
    }
}

/// Hasher for keys alone. Codes come from exchanges, not from attackers, and the table is bounded.
#[derive(Debug, Default)]
pub struct KeyHasher(u64);

/// For maps by [`Key`].
pub type BuildKeyHasher = BuildHasherDefault<KeyHasher>;

impl Hasher for KeyHasher {
    #[allow(clippy::cast_possible_truncation)] // halves of the product are what is wanted
    fn write_u128(&mut self, key: u128) {
        const ODD: u128 = 0x9e37_79b9_7f4a_7c15;
        let product = u128::from((key >> 64) as u64 ^ (key as u64).rotate_left(32)) * ODD;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u128(u128::from(self.0) << 8 | u128::from(*byte));
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
