//! Columns of numbers as one compressed value with a checksum.
//!
//! ```text
//! crc32 of the rest | bytes of the content | zstd of the content
//! content: for each column the bytes it has (u32), then these
//! ```
//! Numbers are little-endian.

/// Most bytes of a content; a ledger that says more is damaged.
const MAX_CONTENT: usize = 64 << 20;
/// zstd's default: values are written often and read seldom.
const LEVEL: i32 = 3;
const HEAD: usize = 8;

/// The value that holds those columns.
pub fn pack(columns: &[Vec<u8>]) -> Result<Vec<u8>, String> {
    let mut content = Vec::with_capacity(columns.iter().map(|it| it.len() + 4).sum());
    for column in columns {
        content.extend(length(column.len())?.to_le_bytes());
        content.extend(column);
    }
    let packed = zstd::bulk::compress(&content, LEVEL).map_err(|error| error.to_string())?;
    let mut value = vec![0; 4];
    value.extend(length(content.len())?.to_le_bytes());
    value.extend(packed);
    let sum = crc32fast::hash(&value[4..]);
    value[..4].copy_from_slice(&sum.to_le_bytes());
    Ok(value)
}

/// The columns of a value; what is wrong with it otherwise.
pub fn unpack(value: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let (sum, rest) = value.split_first_chunk::<4>().ok_or("a value is cut short")?;
    if crc32fast::hash(rest) != u32::from_le_bytes(*sum) {
        return Err("a value does not match its checksum".to_owned());
    }
    let (bytes, packed) = rest.split_first_chunk::<4>().ok_or("a value is cut short")?;
    let bytes = u32::from_le_bytes(*bytes) as usize;
    if bytes > MAX_CONTENT {
        return Err(format!("a value says to hold {bytes} bytes"));
    }
    let content = zstd::bulk::decompress(packed, bytes).map_err(|error| error.to_string())?;
    let (mut columns, mut left) = (Vec::new(), content.as_slice());
    while !left.is_empty() {
        let (bytes, after) = left.split_first_chunk::<4>().ok_or("a column is cut short")?;
        let (column, after) = after
            .split_at_checked(u32::from_le_bytes(*bytes) as usize)
            .ok_or("a column is cut short")?;
        columns.push(column.to_vec());
        left = after;
    }
    Ok(columns)
}

fn length(bytes: usize) -> Result<u32, String> {
    u32::try_from(bytes)
        .ok()
        .filter(|_| bytes + HEAD <= MAX_CONTENT)
        .ok_or_else(|| format!("a value of {bytes} bytes is too large"))
}

/// Numbers with seven bits a byte, as many bytes as each needs.
pub fn put_numbers(numbers: impl Iterator<Item = u64>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for mut number in numbers {
        while number >= 0x80 {
            bytes.push(low_byte(number) | 0x80);
            number >>= 7;
        }
        bytes.push(low_byte(number));
    }
    bytes
}

/// Reads so many numbers; missing ones are 0.
pub fn numbers(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let mut bytes = bytes.iter();
    std::iter::from_fn(move || {
        let (mut number, mut shift) = (0_u64, 0);
        loop {
            let byte = *bytes.next()?;
            number |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte < 0x80 {
                return Some(number);
            }
            shift += 7;
        }
    })
}

fn low_byte(number: u64) -> u8 {
    number.to_le_bytes()[0] & 0x7f
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_come_back_and_damage_is_found_at_every_byte() {
        let columns = vec![vec![], vec![7; 5_500], (0..=255).collect()];
        let value = pack(&columns).unwrap();
        assert_eq!(unpack(&value).unwrap(), columns);
        for at in 0..value.len() {
            let mut damaged = value.clone();
            damaged[at] ^= 1;
            assert!(unpack(&damaged).is_err(), "byte {at}");
            assert!(unpack(&value[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn numbers_of_every_size_come_back() {
        let all = [0, 1, 127, 128, 300, 1 << 35, u64::MAX];
        assert!(numbers(&put_numbers(all.into_iter())).eq(all));
        assert_eq!(numbers(&[0x80; 40]).count(), 0, "cut short");
    }
}
