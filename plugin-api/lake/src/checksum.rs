//! Checksums, so that damage is told from rows.
//!
//! Three, for three readers: one in the header of each page, as the Parquet format has it, which
//! pyarrow and others can check; one of each whole row group, in the footer, which recovery checks;
//! and one of the footer itself. The encoder writes none in page headers, so they are put in here.

use parquet::{
    errors::ParquetError,
    file::metadata::{FileMetaData, KeyValue, RowGroupMetaData},
};

/// Key of the row groups' checksums, eight hexadecimal digits each.
const GROUPS_KEY: &str = "dataserver.row_groups_crc32";
/// Key of the footer's own checksum, which is taken with zeros in its place.
const FOOTER_KEY: &str = "dataserver.footer_crc32";
const NO_SUM: &str = "00000000";

/// Types of the compact protocol of Thrift.
mod thrift {
    pub const BOOLS: [u8; 2] = [1, 2];
    pub const BYTE: u8 = 3;
    pub const I32: u8 = 5;
    pub const VARINTS: [u8; 3] = [4, I32, 6];
    pub const DOUBLE: u8 = 7;
    pub const BINARY: u8 = 8;
    pub const LISTS: [u8; 2] = [9, 10];
    pub const STRUCT: u8 = 12;
}

/// Field of a page header: bytes of the page behind it.
const COMPRESSED_SIZE: u64 = 3;
/// Field of a page header: the page's checksum.
const CRC: u64 = 4;

/// Puts a checksum into the header of every page of a row group that begins at `from` in the bytes.
pub fn add_to_pages(
    bytes: &[u8],
    metadata: &RowGroupMetaData,
) -> Result<(Vec<u8>, RowGroupMetaData), ParquetError> {
    let mut columns: Vec<_> = metadata.columns().iter().enumerate().collect();
    columns.sort_by_key(|(_, column)| column.byte_range().0);
    let mut checked = Vec::with_capacity(bytes.len() + bytes.len() / 256);
    let mut moved = vec![None; columns.len()];
    let mut at = 0;
    for (index, column) in columns {
        let (start, length) = column.byte_range();
        let (start, length) = (position(start)?, position(length)?);
        checked.extend(bytes.get(at..start).ok_or_else(unreadable)?);
        let before = checked.len();
        let chunk = bytes.get(start..start + length).ok_or_else(unreadable)?;
        let places = add_to_chunk(chunk, &mut checked)?;
        let place_of = |offset: i64| {
            let offset = position(offset.unsigned_abs())?.checked_sub(start);
            let found =
                places.iter().find(|(old, _)| Some(*old) == offset).ok_or_else(unreadable)?;
            signed(found.1)
        };
        let grown = signed(checked.len() - before - length)?;
        let dictionary = column.dictionary_page_offset().map(place_of).transpose()?;
        let column = column
            .clone()
            .into_builder()
            .set_data_page_offset(place_of(column.data_page_offset())?)
            .set_dictionary_page_offset(dictionary)
            .set_total_compressed_size(column.compressed_size() + grown)
            .set_total_uncompressed_size(column.uncompressed_size() + grown)
            .build()?;
        moved[index] = Some(column);
        at = start + length;
    }
    checked.extend(bytes.get(at..).ok_or_else(unreadable)?);
    let grown = signed(checked.len() - bytes.len())?;
    let metadata = metadata
        .clone()
        .into_builder()
        .set_total_byte_size(metadata.total_byte_size() + grown)
        .set_column_metadata(moved.into_iter().flatten().collect())
        .build()?;
    Ok((checked, metadata))
}

/// Copies a column's pages with checksums; gives where each was in the chunk and where it is.
fn add_to_chunk(chunk: &[u8], to: &mut Vec<u8>) -> Result<Vec<(usize, usize)>, ParquetError> {
    let mut places = Vec::new();
    let mut at = 0;
    while at < chunk.len() {
        let header = PageHeader::read(&chunk[at..]).ok_or_else(unreadable)?;
        let body_at = at + header.length;
        let end = body_at.checked_add(header.page).ok_or_else(unreadable)?;
        let body = chunk.get(body_at..end).ok_or_else(unreadable)?;
        places.push((at, to.len()));
        to.extend(&chunk[at..at + header.insert_at]);
        // the field after the last one, of 32 bits
        to.push(1 << 4 | thrift::I32);
        put_varint(to, zigzag(crc32fast::hash(body).cast_signed()));
        let next = chunk[at + header.insert_at];
        // its number counts from the field before
        to.push(if next == 0 { 0 } else { next - (1 << 4) });
        to.extend(&chunk[at + header.insert_at + 1..end]);
        at = end;
    }
    Ok(places)
}

/// What has to be known of a page's header.
struct PageHeader {
    /// Its bytes.
    length: usize,
    /// Bytes of the page.
    page: usize,
    /// Where the checksum belongs.
    insert_at: usize,
}

impl PageHeader {
    /// `None` for a header that has a checksum, or is none.
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader { bytes, at: 0 };
        let (mut field, mut page, mut insert_at) = (0, None, None);
        loop {
            let before = reader.at;
            let byte = reader.byte()?;
            let (delta, kind) = (u64::from(byte >> 4), byte & 15);
            if byte == 0 {
                let (page, insert_at) = (page?, insert_at.unwrap_or(before));
                return Some(Self { length: reader.at, page, insert_at });
            }
            // the encoder numbers its fields from the one before
            field += if delta == 0 { return None } else { delta };
            if field >= CRC && insert_at.is_none() {
                (field > CRC).then_some(())?;
                insert_at = Some(before);
            }
            if field == COMPRESSED_SIZE && kind == thrift::I32 {
                let size = reader.varint()?;
                page = usize::try_from(size >> 1).ok().filter(|_| size & 1 == 0);
            } else {
                reader.skip(kind)?;
            }
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        self.at += 1;
        self.bytes.get(self.at - 1).copied()
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn skip(&mut self, kind: u8) -> Option<()> {
        match kind {
            kind if thrift::BOOLS.contains(&kind) => {}
            thrift::BYTE => drop(self.byte()?),
            kind if thrift::VARINTS.contains(&kind) => drop(self.varint()?),
            thrift::DOUBLE => self.at += 8,
            thrift::BINARY => {
                self.at = self.at.checked_add(usize::try_from(self.varint()?).ok()?)?
            }
            kind if thrift::LISTS.contains(&kind) => {
                let head = self.byte()?;
                let long = head >> 4 == 15;
                let count = if long { self.varint()? } else { u64::from(head >> 4) };
                for _ in 0..count {
                    match head & 15 {
                        kind if thrift::BOOLS.contains(&kind) => drop(self.byte()?),
                        kind => self.skip(kind)?,
                    }
                }
            }
            thrift::STRUCT => loop {
                match self.byte()? {
                    0 => break,
                    byte if byte >> 4 == 0 => return None,
                    byte => self.skip(byte & 15)?,
                }
            },
            _ => return None,
        }
        Some(())
    }
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
}

fn zigzag(value: i32) -> u64 {
    u64::from((value << 1 ^ value >> 31).cast_unsigned())
}

fn position(offset: u64) -> Result<usize, ParquetError> {
    usize::try_from(offset).map_err(|_| unreadable())
}

fn signed(offset: usize) -> Result<i64, ParquetError> {
    i64::try_from(offset).map_err(|_| unreadable())
}

fn unreadable() -> ParquetError {
    ParquetError::General("the encoder's pages cannot be read".to_owned())
}

/// What a footer says, with the checksums of its row groups, and room for its own.
pub fn with_sums(described: &FileMetaData, sums: &[u32]) -> FileMetaData {
    let mut keys = described.key_value_metadata().cloned().unwrap_or_default();
    keys.retain(|key| key.key != GROUPS_KEY && key.key != FOOTER_KEY);
    let sums: String = sums.iter().map(|sum| format!("{sum:08x}")).collect();
    keys.push(KeyValue::new(GROUPS_KEY.to_owned(), sums));
    keys.push(KeyValue::new(FOOTER_KEY.to_owned(), NO_SUM.to_owned()));
    with_keys(described, described.num_rows(), keys)
}

/// What a footer says, for so many rows.
pub fn with_rows(described: &FileMetaData, rows: i64) -> FileMetaData {
    let keys = described.key_value_metadata().cloned().unwrap_or_default();
    with_keys(described, rows, keys)
}

fn with_keys(described: &FileMetaData, rows: i64, keys: Vec<KeyValue>) -> FileMetaData {
    FileMetaData::new(
        described.version(),
        rows,
        described.created_by().map(str::to_owned),
        Some(keys),
        described.schema_descr_ptr(),
        described.column_orders().cloned(),
    )
}

/// The checksums of the row groups that a footer speaks of; `None` where it has not one for each,
/// as those of earlier writers.
pub fn sums_in(described: &FileMetaData, groups: usize) -> Option<Vec<u32>> {
    let keys = described.key_value_metadata()?;
    let digits = keys.iter().find(|key| key.key == GROUPS_KEY)?.value.as_deref()?;
    let sums = digits
        .as_bytes()
        .chunks(8)
        .map(|digits| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
    sums.collect::<Option<Vec<_>>>().filter(|sums| sums.len() == groups)
}

/// Writes a footer's own checksum into it.
pub fn seal_footer(footer: &mut [u8]) {
    let Some(at) = sum_at(footer) else { return };
    footer[at..at + NO_SUM.len()].copy_from_slice(NO_SUM.as_bytes());
    let sum = format!("{:08x}", crc32fast::hash(footer));
    footer[at..at + NO_SUM.len()].copy_from_slice(sum.as_bytes());
}

/// Whether a footer, with the eight bytes behind it, is as it was written; one of an earlier writer
/// has no checksum, and is believed.
pub fn is_sealed(footer: &[u8]) -> bool {
    // whoever writes the one writes the other
    let Some(at) = sum_at(footer) else { return !contains(footer, GROUPS_KEY.as_bytes()) };
    let mut again = footer.to_vec();
    seal_footer(&mut again);
    again[at..at + NO_SUM.len()] == footer[at..at + NO_SUM.len()]
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Where the checksum stands in a footer.
fn sum_at(footer: &[u8]) -> Option<usize> {
    let key = FOOTER_KEY.as_bytes();
    let at = footer.windows(key.len()).rposition(|window| window == key)? + key.len();
    // the value's field and length
    let at = at + 2;
    footer.get(at..at + NO_SUM.len()).map(|_| at)
}
