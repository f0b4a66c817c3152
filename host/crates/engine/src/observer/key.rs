//! The name of a security at a fixed size.

use std::fmt;

use plugin_api::Symbol;

/// Longest name, bytes: `600000.SH`, and what other exchanges need.
const MAX_LEN: usize = 16;

/// A security, e.g. `600000.SH`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; MAX_LEN]);

impl Key {
    /// The security; `None` when its name is longer than any that an exchange gives.
    pub fn of(symbol: Symbol<'_>) -> Option<Self> {
        let (code, market) = (symbol.code.as_bytes(), symbol.market.as_bytes());
        let end = code.len().checked_add(1)?.checked_add(market.len())?;
        let mut key = [0; MAX_LEN];
        key.get_mut(..code.len())?.copy_from_slice(code);
        *key.get_mut(code.len())? = b'.';
        key.get_mut(code.len() + 1..end)?.copy_from_slice(market);
        Some(Self(key))
    }

    /// The security that a text names in any common spelling, or as its source spells it.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let split = || {
            let (code, market) = text.rsplit_once('.')?;
            Some(Symbol { market, code })
        };
        Symbol::parse(text, None).or_else(split).and_then(Self::of)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        let len = self.0.iter().position(|byte| *byte == 0).unwrap_or(MAX_LEN);
        // made of whole texts
        std::str::from_utf8(&self.0[..len]).unwrap_or_default()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_in_every_spelling() {
        let pudong = Key::of(Symbol { market: "SH", code: "600000" });
        for text in ["600000.SH", " sh600000 ", "SSE:600000", "600000.XSHG"] {
            assert_eq!(Key::parse(text), pudong, "{text}");
        }
        assert_eq!(pudong.unwrap().to_string(), "600000.SH");
        // as another source may call it
        let other = Key::of(Symbol { market: "CFE", code: "IF2406" });
        assert_eq!((Key::parse("IF2406.CFE"), other.is_some()), (other, true));
    }

    #[test]
    fn what_is_no_name_has_no_key() {
        for text in ["", "平安银行", "600000", "a name that is far too long.SH", "."] {
            let key = Key::parse(text);
            assert!(key.is_none_or(|key| key.as_str() == "."), "{text} {key:?}");
        }
        assert_eq!(Key::of(Symbol { market: "SH", code: "0123456789012" }).unwrap().0[15], b'H');
        assert!(Key::of(Symbol { market: "SH", code: "01234567890123" }).is_none());
    }
}
