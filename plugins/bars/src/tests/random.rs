//! Numbers that look random and are the same for one seed.

/// A xorshift64*; its state is never 0.
pub struct Seeded(pub u64);

impl Seeded {
    /// A number below that one.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap() % limit
    }

    /// A number from minus that one to below it.
    pub fn signed(&mut self, limit: usize) -> i64 {
        i64::try_from(self.below(2 * limit)).unwrap() - i64::try_from(limit).unwrap()
    }
}
