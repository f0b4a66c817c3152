//! The history in bytes, for the instance that comes after this one.
//!
//! ```text
//! "DSQ" │ version 1 │ number of entries u32 │ entries
//! entry: key u128 │ time i64 │ volume u64 │ amount f64 │ older u8
//! ```
//!
//! All numbers are little-endian; entries are in the order of their keys, so that equal histories
//! give equal bytes.

use plugin_api::PluginError;

use crate::{
    history::{History, Last, MAX_SYMBOLS},
    key::Key,
};

const HEAD: [u8; 4] = *b"DSQ\x01";
const ENTRY_LEN: usize = 16 + 8 + 8 + 8 + 1;

/// Writes the history.
pub fn write(history: &History) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD.len() + 4 + ENTRY_LEN * history.len());
    bytes.extend(HEAD);
    // at most MAX_SYMBOLS, which fits
    bytes.extend(u32::try_from(history.len()).unwrap_or(u32::MAX).to_le_bytes());
    for (Key(key), last) in history.sorted() {
        bytes.extend(key.to_le_bytes());
        bytes.extend(last.time_us.to_le_bytes());
        bytes.extend(last.volume.to_le_bytes());
        bytes.extend(last.amount.to_le_bytes());
        bytes.push(last.older);
    }
    bytes
}

/// Reads a history.
///
/// # Errors
/// `Config` when the bytes are of another version or damaged.
pub fn read(bytes: &[u8]) -> Result<History, PluginError> {
    let refused = |why: String| {
        PluginError::config(format!("the state of the earlier instance {why}; restart the host"))
    };
    let Some((head, rest)) = bytes.split_first_chunk::<4>() else {
        return Err(refused(format!("has {} bytes and needs 8 or more", bytes.len())));
    };
    if *head != HEAD {
        return Err(refused("is of another version than 1".to_owned()));
    }
    let Some((count, entries)) = rest.split_first_chunk::<4>() else {
        return Err(refused(format!("has {} bytes and needs 8 or more", bytes.len())));
    };
    let count = u32::from_le_bytes(*count) as usize;
    if count > MAX_SYMBOLS || entries.len() != count * ENTRY_LEN {
        return Err(refused(format!(
            "has {} bytes for {count} securities of {ENTRY_LEN}, at most {MAX_SYMBOLS}",
            entries.len()
        )));
    }
    let history: Option<History> = entries.as_chunks::<ENTRY_LEN>().0.iter().map(entry).collect();
    history.ok_or_else(|| refused("has an amount that is none".to_owned()))
}

fn entry(bytes: &[u8; ENTRY_LEN]) -> Option<(Key, Last)> {
    let (key, rest) = bytes.split_first_chunk()?;
    let (time_us, rest) = rest.split_first_chunk()?;
    let (volume, rest) = rest.split_first_chunk()?;
    let (amount, rest) = rest.split_first_chunk()?;
    let amount = f64::from_le_bytes(*amount);
    let last = Last {
        time_us: i64::from_le_bytes(*time_us),
        volume: u64::from_le_bytes(*volume),
        amount,
        older: rest.first()?.min(&OLDER_MOST).to_owned(),
    };
    (amount.is_finite() && amount >= 0.0).then_some((Key(u128::from_le_bytes(*key)), last))
}

/// Any count above is one that ends with the next older quote.
const OLDER_MOST: u8 = 254;
