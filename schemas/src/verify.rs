//! Checks bytes from outside before anyone reads them.
//!
//! [`spot_list`] accepts and refuses exactly what the verifier of the flatbuffers crate does, but
//! reads a well-formed list several times faster: tables share vtables, so each vtable is checked
//! once. Whatever it does not recognise at once is left to the general verifier.

use std::str;

use flatbuffers::{Follow, InvalidFlatbuffer, Verifiable, VerifierOptions};

use crate::{
    flat::{self, Spot, SpotList},
    spot::SpotListReader,
};

/// Why bytes are no usable list.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidList {
    /// The bytes are no FlatBuffer of this schema.
    #[error("not a valid FlatBuffer: {}", .0.to_string().trim_end())]
    Format(#[from] InvalidFlatbuffer),
    /// The list has no vector of quotes; Hikyuu crashes on such a list.
    #[error("the list has no `spot` vector")]
    NoVector,
    /// A quote lacks a field that every reader relies on; Hikyuu crashes without `datetime`.
    #[error("spot {index} has no `{field}`")]
    Incomplete {
        /// Place of the quote in the list, from 0.
        index: usize,
        /// The absent field.
        field: &'static str,
    },
}

/// Checks a list and that every quote of it has market, code and datetime.
///
/// # Errors
/// The first fault found.
pub fn complete_spot_list(bytes: &[u8]) -> Result<SpotListReader<'_>, InvalidList> {
    let list = spot_list(bytes)?;
    let spots = list.spot().ok_or(InvalidList::NoVector)?;
    for (index, spot) in spots.iter().enumerate() {
        let fields =
            [("market", spot.market()), ("code", spot.code()), ("datetime", spot.datetime())];
        if let Some((field, _)) = fields.into_iter().find(|(_, text)| text.is_none()) {
            return Err(InvalidList::Incomplete { index, field });
        }
    }
    Ok(SpotListReader::new(list))
}

/// Checks that the bytes are a `SpotList`, as the generated `root_as_spot_list` does.
///
/// # Errors
/// What the general verifier says.
#[allow(unsafe_code)]
pub fn spot_list(bytes: &[u8]) -> Result<SpotList<'_>, InvalidFlatbuffer> {
    if is_plain_list(bytes).is_some() {
        // SAFETY: every offset, length and string was checked to lie within the bytes.
        return Ok(unsafe { flat::root_as_spot_list_unchecked(bytes) });
    }
    flat::root_as_spot_list_with_opts(&limits(bytes), bytes)
}

/// Checks that the bytes are a list of a kind that has no verifier of its own.
///
/// # Errors
/// What the general verifier says.
pub(crate) fn general<'a, L>(bytes: &'a [u8]) -> Result<L, InvalidFlatbuffer>
where
    L: Follow<'a, Inner = L> + Verifiable + 'a,
{
    flatbuffers::root_with_opts::<L>(&limits(bytes), bytes)
}

/// What the general verifier is told about bytes of that length.
///
/// A few bytes can refer to one long text again and again, which whoever writes the records out
/// would have to make room for. Real lists share vtables and short texts.
pub fn limits(bytes: &[u8]) -> VerifierOptions {
    let max_apparent_size = bytes.len().saturating_mul(16).saturating_add(64 << 10);
    VerifierOptions { max_apparent_size, ..VerifierOptions::default() }
}

/// `Some` when the general verifier would accept, `None` when only it can tell.
fn is_plain_list(bytes: &[u8]) -> Option<()> {
    let limits = limits(bytes);
    let root = follow(bytes, 0)?;
    let vtable = Vtable::read(bytes, vtable_of(bytes, root)?)?;
    let field = usize::from(vtable.field(bytes, SpotList::VT_SPOT));
    if field == 0 {
        return None;
    }
    let vector = follow(bytes, root.checked_add(field)?)?;
    let len = read_u32(bytes, vector)? as usize;
    let offsets = bytes.get(vector + 4..)?.get(..len.checked_mul(4)?)?;
    if len >= limits.max_tables {
        return None;
    }

    let mut layout: Option<SpotLayout> = None;
    let mut apparent_bytes = 64 + offsets.len();
    for (index, offset) in offsets.as_chunks::<4>().0.iter().enumerate() {
        let table = vector + 4 + 4 * index + u32::from_le_bytes(*offset) as usize;
        if !table.is_multiple_of(4) {
            return None;
        }
        let vtable = vtable_of(bytes, table)?;
        let layout = match layout {
            Some(ref known) if known.vtable == vtable => known,
            _ => layout.insert(SpotLayout::read(bytes, vtable)?),
        };
        apparent_bytes += check_spot(bytes, table, layout)?;
        if apparent_bytes > limits.max_apparent_size {
            return None;
        }
    }
    Some(())
}

/// Where the tables of one vtable keep their fields; 0 for an absent one.
struct SpotLayout {
    vtable: usize,
    strings: [u16; STRINGS.len()],
    vectors: [u16; VECTORS.len()],
    /// End of the last fixed-size field.
    fixed_end: usize,
    /// Whether the tables must start at 4 mod 8, at 0 mod 8, or hold no 8-byte field.
    phase: Option<usize>,
    /// Bytes that the general verifier counts for vtable and fixed fields, at most.
    apparent_bytes: usize,
}

const STRINGS: [u16; 5] =
    [Spot::VT_MARKET, Spot::VT_CODE, Spot::VT_NAME, Spot::VT_DATETIME, Spot::VT_SOURCE];
const VECTORS: [u16; 4] = [Spot::VT_BID, Spot::VT_BID_AMOUNT, Spot::VT_ASK, Spot::VT_ASK_AMOUNT];
const EIGHT_BYTES: [u16; 12] = [
    Spot::VT_YESTERDAY_CLOSE,
    Spot::VT_OPEN,
    Spot::VT_HIGH,
    Spot::VT_LOW,
    Spot::VT_CLOSE,
    Spot::VT_AMOUNT,
    Spot::VT_VOLUME,
    Spot::VT_TIME_US,
    Spot::VT_RECV_TIME_US,
    Spot::VT_AMOUNT_CNY,
    Spot::VT_VOLUME_SHARES,
    Spot::VT_SEQUENCE,
];

impl SpotLayout {
    fn read(bytes: &[u8], vtable: usize) -> Option<Self> {
        let fields = Vtable::read(bytes, vtable)?;
        let mut layout = Self {
            vtable,
            strings: STRINGS.map(|field| fields.field(bytes, field)),
            vectors: VECTORS.map(|field| fields.field(bytes, field)),
            fixed_end: 4,
            phase: None,
            apparent_bytes: 2 * fields.len + 256,
        };
        for field in EIGHT_BYTES {
            let at = usize::from(fields.field(bytes, field));
            if at == 0 {
                continue;
            }
            let phase = (8 - at % 8) % 8;
            if at % 4 != 0 || layout.phase.is_some_and(|other| other != phase) {
                return None;
            }
            layout.phase = Some(phase);
            layout.fixed_end = layout.fixed_end.max(at + 8);
        }
        let quality = fields.field(bytes, Spot::VT_QUALITY_SCORE);
        for at in layout.strings.iter().chain(&layout.vectors).chain([&quality]) {
            if at % 4 != 0 {
                return None;
            }
            if *at > 0 {
                layout.fixed_end = layout.fixed_end.max(usize::from(*at) + 4);
            }
        }
        Some(layout)
    }
}

/// Checks one table and returns what the general verifier would count for it, at least.
#[inline]
fn check_spot(bytes: &[u8], table: usize, layout: &SpotLayout) -> Option<usize> {
    let fixed = bytes.get(table..table.checked_add(layout.fixed_end)?)?;
    if layout.phase.is_some_and(|phase| table % 8 != phase) {
        return None;
    }
    let mut apparent_bytes = layout.apparent_bytes;
    for at in layout.vectors {
        if at != 0 {
            let vector = table + usize::from(at) + field_u32(fixed, at)? as usize;
            let len = (read_u32(bytes, vector)? as usize).checked_mul(8)?;
            if vector % 8 != 4 {
                return None;
            }
            bytes.get(vector + 4..)?.get(..len)?;
            apparent_bytes += 4 + len;
        }
    }
    for at in layout.strings {
        if at != 0 {
            let string = table + usize::from(at) + field_u32(fixed, at)? as usize;
            let len = read_u32(bytes, string)? as usize;
            let with_end = bytes.get(string + 4..)?.get(..len.checked_add(1)?)?;
            let (end, text) = with_end.split_last()?;
            if !string.is_multiple_of(4) || *end != 0 || !is_utf8(text) {
                return None;
            }
            apparent_bytes += 4 + len;
        }
    }
    Some(apparent_bytes)
}

#[inline]
fn is_utf8(text: &[u8]) -> bool {
    text.is_ascii() || str::from_utf8(text).is_ok()
}

struct Vtable {
    at: usize,
    len: usize,
}

impl Vtable {
    /// Reads the length of a vtable and checks that it lies within the bytes.
    fn read(bytes: &[u8], at: usize) -> Option<Self> {
        let len = usize::from(read_u16(bytes, at)?);
        bytes.get(at..at.checked_add(len)?)?;
        (at.is_multiple_of(2) && len.is_multiple_of(2) && len >= 4).then_some(Self { at, len })
    }

    /// Distance of a field from its table; 0 when absent.
    fn field(&self, bytes: &[u8], field: u16) -> u16 {
        let within = usize::from(field) < self.len;
        within.then(|| read_u16(bytes, self.at + usize::from(field))).flatten().unwrap_or(0)
    }
}

/// Where the vtable of the table at `table` starts; signed distances are subtracted.
#[inline]
fn vtable_of(bytes: &[u8], table: usize) -> Option<usize> {
    let distance = i64::from(read_u32(bytes, table)?.cast_signed());
    let vtable = usize::try_from(i64::try_from(table).ok()? - distance).ok()?;
    table.is_multiple_of(4).then_some(vtable)
}

/// Follows the offset at an aligned place.
#[inline]
fn follow(bytes: &[u8], at: usize) -> Option<usize> {
    let to = at.checked_add(read_u32(bytes, at)? as usize)?;
    (at.is_multiple_of(4) && to.is_multiple_of(4)).then_some(to)
}

#[inline]
fn field_u32(table: &[u8], at: u16) -> Option<u32> {
    read_u32(table, usize::from(at))
}

#[inline]
fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[inline]
fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fast verifier skips what it does not name.
    #[test]
    fn every_field_of_the_schema_is_verified() {
        let mut named: Vec<u16> = STRINGS.into_iter().chain(VECTORS).chain(EIGHT_BYTES).collect();
        named.push(Spot::VT_QUALITY_SCORE);
        named.sort_unstable();
        assert!(named.into_iter().eq((Spot::VT_MARKET..=Spot::VT_QUALITY_SCORE).step_by(2)));
    }
}
