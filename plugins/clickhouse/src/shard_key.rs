//! Which shard of a cluster has the rows of a security.
//!
//! As a `Distributed` table with the key [`EXPRESSION`] finds it: the hash modulo the sum of all
//! weights is a place among the shards, each of which stands there as often as it weighs.

use plugin_api::Symbol;

/// The key, as a table has it. Sixteen bytes are more than a security of the three exchanges has, and
/// keep the hash simple.
pub const EXPRESSION: &str = "cityHash64(substring(symbol, 1, 16))";
const MOST_BYTES: usize = 16;

const K2: u64 = 0x9ae1_6a3b_2f90_404f;
const K3: u64 = 0xc949_d7c7_509e_6557;
const MULTIPLIER: u64 = 0x9ddf_ea08_eb38_2d69;

/// Places of shards by hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardKey {
    /// Numbers of shards, from 0; at least one.
    slots: Vec<usize>,
}

impl ShardKey {
    /// For shards of those weights, in their order; `None` when nothing weighs anything.
    pub fn new(weights: &[usize]) -> Option<Self> {
        let shards = weights.iter().enumerate();
        let slots: Vec<_> =
            shards.flat_map(|(at, weight)| std::iter::repeat_n(at, *weight)).collect();
        (!slots.is_empty()).then_some(Self { slots })
    }

    /// The number of a security's shard, from 0.
    #[inline]
    pub fn of(&self, symbol: Symbol<'_>) -> usize {
        let mut key = [0; MOST_BYTES];
        let mut len = 0;
        let parts = [symbol.code.as_bytes(), b".", symbol.market.as_bytes()];
        for byte in parts.into_iter().flatten().take(MOST_BYTES) {
            key[len] = *byte;
            len += 1;
        }
        let slot = hash(&key[..len]) % self.slots.len() as u64;
        self.slots[usize::try_from(slot).unwrap_or_default()]
    }
}

/// CityHash64 1.0.2 of at most 16 bytes.
fn hash(text: &[u8]) -> u64 {
    let len = text.len() as u64;
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk())
        && len > 8
    {
        let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
        let turned = last.wrapping_add(len).rotate_right(u32::try_from(len).unwrap_or_default());
        return mixed(first, turned) ^ last;
    }
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return mixed(len.wrapping_add(u64::from(first) << 3), u64::from(last));
    }
    let (Some(first), Some(last)) = (text.first(), text.last()) else { return K2 };
    let middle = text[text.len() / 2];
    let (y, z) = (u64::from(*first) + (u64::from(middle) << 8), len + (u64::from(*last) << 2));
    let value = y.wrapping_mul(K2) ^ z.wrapping_mul(K3);
    (value ^ (value >> 47)).wrapping_mul(K2)
}

fn mixed(low: u64, high: u64) -> u64 {
    let a = (low ^ high).wrapping_mul(MULTIPLIER);
    let a = a ^ (a >> 47);
    let b = (high ^ a).wrapping_mul(MULTIPLIER);
    (b ^ (b >> 47)).wrapping_mul(MULTIPLIER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_server() {
        // as SELECT cityHash64(…) answers
        for (text, expected) in [
            ("", 11_160_318_154_034_397_263),
            ("abc", 4_220_206_313_085_259_313),
            ("abcdef", 18_226_839_071_476_555_706),
            ("600000.SH", 17_752_120_840_496_808_333),
            ("0123456789abcdef", 692_747_204_941_329_175),
        ] {
            assert_eq!(hash(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_security_has_the_shard_that_its_hash_leads_to() {
        let symbol = Symbol { market: "SH", code: "600000" };
        // 17752120840496808333 is odd, and 1 modulo 4
        let shard = |weights: &[usize]| ShardKey::new(weights).map(|key| key.of(symbol));
        assert_eq!(shard(&[1]), Some(0));
        assert_eq!(shard(&[1, 1]), Some(1));
        assert_eq!(shard(&[3, 1]), Some(0));
        assert_eq!(shard(&[0, 2]), Some(1));
        assert_eq!(shard(&[0]), None);
        let long = Symbol { market: "SH", code: &"6".repeat(100) };
        assert!(ShardKey::new(&[1, 1]).is_some_and(|key| key.of(long) < 2));
    }
}
