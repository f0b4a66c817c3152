//! Sets of small numbers: securities, seconds of a day.

/// A set of small numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bits(Vec<u64>);

impl Bits {
    /// Adds a number.
    pub fn add(&mut self, number: u32) {
        let (word, bit) = (number as usize / 64, 1 << (number % 64));
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= bit;
    }

    /// Takes a number out.
    pub fn remove(&mut self, number: u32) {
        if let Some(word) = self.0.get_mut(number as usize / 64) {
            *word &= !(1 << (number % 64));
        }
    }

    /// Whether it has a number.
    pub fn has(&self, number: u32) -> bool {
        self.0.get(number as usize / 64).is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// How many it has.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// Adds all of another one.
    pub fn add_all(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        self.0.iter_mut().zip(&other.0).for_each(|(word, more)| *word |= more);
    }

    /// Its numbers, growing.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().zip(0_u32..).flat_map(|(word, at)| {
            let word = *word;
            (0..64).filter(move |bit| word & (1 << bit) != 0).map(move |bit| at * 64 + bit)
        })
    }

    /// As bytes, without zeros at the end.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<_> = self.0.iter().flat_map(|word| word.to_le_bytes()).collect();
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        bytes.truncate(used);
        bytes
    }

    /// Of such bytes.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let word = |part: &[u8]| {
            let mut whole = [0; 8];
            whole[..part.len()].copy_from_slice(part);
            u64::from_le_bytes(whole)
        };
        Self(bytes.chunks(8).map(word).collect())
    }
}

impl FromIterator<u32> for Bits {
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Self {
        let mut bits = Self::default();
        for number in numbers {
            bits.add(number);
        }
        bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_comes_back_from_its_bytes() {
        for numbers in [vec![], vec![0], vec![7, 8, 63, 64, 5_500]] {
            let bits: Bits = numbers.iter().copied().collect();
            assert_eq!(bits.count(), numbers.len() as u64);
            let read = Bits::from_bytes(&bits.to_bytes());
            assert_eq!(read.iter().collect::<Vec<_>>(), numbers);
        }
        let mut bits: Bits = [3, 100].into_iter().collect();
        bits.add(3);
        bits.add(4);
        bits.remove(100);
        bits.remove(1_000);
        assert!(bits.has(3) && !bits.has(100) && !bits.is_empty());
        bits.add_all(&[200].into_iter().collect());
        assert_eq!(bits.iter().collect::<Vec<_>>(), [3, 4, 200]);
    }
}
