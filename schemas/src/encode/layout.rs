//! Where everything stands in a list, and how it is put there.

use super::WireSpot;
use crate::flat::Spot;

// The table, counted from its start; a table starts at 4 mod 8, so that its doubles are aligned.
pub(super) const TABLE_LEN: usize = 140;
const AT_DOUBLES: usize = 4; // yesterday_close to volume, then amount_cny
const AT_TIME: usize = 68;
const AT_RECV_TIME: usize = 76;
const AT_SHARES: usize = 84;
const AT_SEQUENCE: usize = 92;
pub(super) const AT_MARKET: usize = 100;
pub(super) const AT_CODE: usize = 104;
pub(super) const AT_NAME: usize = 108;
pub(super) const AT_DATETIME: usize = 112;
pub(super) const AT_LEVELS: usize = 116; // bid, bid_amount, ask, ask_amount
pub(super) const AT_SOURCE: usize = 132;
const AT_QUALITY: usize = 136;

const FIELDS: usize = 22;
pub(super) const VTABLE_LEN: usize = 4 + 2 * FIELDS;
/// Where the vtable sends each field of `spot.fbs`, in order.
pub(super) const FIELD_OFFSETS: [u16; FIELDS] = [
    100, 104, 108, 112, 4, 12, 20, 28, 36, 44, 52, 116, 120, 124, 128, 68, 76, 60, 84, 132, 92, 136,
];
/// Fields that a record may lack, each with a bit of its own.
pub(super) const OPTIONAL_FIELDS: [u16; 5] = [
    Spot::VT_NAME,
    Spot::VT_AMOUNT_CNY,
    Spot::VT_VOLUME_SHARES,
    Spot::VT_SOURCE,
    Spot::VT_QUALITY_SCORE,
];

// The list's head: root offset, vtable and table of SpotList, length of the vector.
pub(super) const HEAD: [u8; 24] = [
    12, 0, 0, 0, // root table
    6, 0, 8, 0, 4, 0, 0, 0, // vtable: its length, the table's, field 0; padding
    8, 0, 0, 0, // table: back to its vtable
    4, 0, 0, 0, // on to the vector
    0, 0, 0, 0, // length of the vector
];

/// Where the body begins behind so many offsets.
#[inline]
pub(super) const fn body_start(slots: usize) -> usize {
    padded(HEAD.len() + 4 * slots, 8)
}

#[inline]
pub(super) const fn padded(len: usize, align: usize) -> usize {
    (len + align - 1) & !(align - 1)
}

/// Every length and distance lies below [`MAX_LIST_BYTES`](super::MAX_LIST_BYTES).
#[allow(clippy::cast_possible_truncation)]
#[inline]
pub(super) const fn offset(len: usize) -> u32 {
    len as u32
}

#[inline]
pub(super) fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}

#[inline]
pub(super) fn write_fixed(
    table: &mut [u8; TABLE_LEN],
    spot: &WireSpot<'_>,
    to_vtable: u32,
    source: u32,
) {
    put(table, 0, to_vtable.to_le_bytes());
    let doubles = [
        spot.yesterday_close,
        spot.open,
        spot.high,
        spot.low,
        spot.close,
        spot.amount,
        spot.volume,
        spot.amount_cny.unwrap_or_default(),
    ];
    for (index, value) in doubles.into_iter().enumerate() {
        put(table, AT_DOUBLES + 8 * index, value.to_le_bytes());
    }
    put(table, AT_TIME, spot.time_us.to_le_bytes());
    put(table, AT_RECV_TIME, spot.recv_time_us.to_le_bytes());
    put(table, AT_SHARES, spot.volume_shares.unwrap_or_default().to_le_bytes());
    put(table, AT_SEQUENCE, spot.sequence.to_le_bytes());
    put(table, AT_SOURCE, source.to_le_bytes());
    put(table, AT_QUALITY, spot.quality_score.unwrap_or_default().to_le_bytes());
}

/// Writes length and bytes at `at` behind the table, points `field` there, returns the end.
#[inline]
pub(super) fn write_vector(
    table: &mut [u8; TABLE_LEN],
    rest: &mut [u8],
    field: usize,
    at: usize,
    bytes: &[u8],
    len: usize,
) -> usize {
    put(table, field, offset(at - field).to_le_bytes());
    let behind = at - TABLE_LEN;
    put(rest, behind, offset(len).to_le_bytes());
    rest[behind + 4..behind + 4 + bytes.len()].copy_from_slice(bytes);
    at + 4 + bytes.len()
}
