//! What came of every security in one minute, the unit in which the ledger is written.
//!
//! A row of cells has the place of a security's number. In the file it lies column by column, so that
//! minutes in which most securities have the same take little room.

use crate::pack::{numbers, pack, put_numbers, unpack};

/// Sources that a cell tells apart; the last one stands for all others.
pub const SOURCES: u32 = 16;

/// Cells of one minute that stand in the file as columns.
pub trait Cell: Copy + Default {
    /// The cells as columns.
    fn columns(cells: &[Self]) -> Vec<Vec<u8>>;
    /// The cells of such columns.
    fn read(columns: &[Vec<u8>]) -> Vec<Self>;
}

/// Quotes of a security in a minute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpotCell {
    /// Quotes that came.
    pub count: u16,
    /// Second of the first one, 0 to 59.
    pub first: u8,
    /// Second of the last one.
    pub last: u8,
    /// Quotes that failed a rule of quality, up to 255.
    pub doubtful: u8,
    /// A bit for each source.
    pub sources: u16,
    /// Volume of the day at its end, shares; 0 once the day is sealed.
    pub volume: u64,
    /// In a sealed day: something was traded in it.
    pub traded: bool,
}

/// A bar of a security.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BarCell {
    /// Whether it is there.
    pub state: BarState,
    /// It failed a rule of quality.
    pub is_doubtful: bool,
    /// A bit for each source.
    pub sources: u16,
    /// Shares; 0 once the day is sealed.
    pub volume: u64,
    /// CNY times 100; 0 once the day is sealed.
    pub fen: u64,
}

/// Whether a bar is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BarState {
    /// It is not.
    #[default]
    Absent,
    /// It is.
    There,
    /// In a sealed day: it is not, and nothing was traded in it.
    Excused,
}

impl SpotCell {
    /// Takes a quote in; the order in which quotes come does not matter.
    pub fn add(&mut self, second: u8, volume: u64, is_doubtful: bool, source: u32) {
        if self.count == 0 {
            self.first = second;
        }
        self.count = self.count.saturating_add(1);
        self.first = self.first.min(second);
        self.last = self.last.max(second);
        self.doubtful = self.doubtful.saturating_add(u8::from(is_doubtful));
        self.sources |= 1 << source.min(SOURCES - 1);
        self.volume = self.volume.max(volume);
    }
}

impl Cell for SpotCell {
    fn columns(cells: &[Self]) -> Vec<Vec<u8>> {
        let column = |of: fn(&Self) -> u8| cells.iter().map(of).collect();
        vec![
            column(|it| it.count.to_le_bytes()[0]),
            column(|it| it.count.to_le_bytes()[1]),
            column(|it| it.first),
            column(|it| it.last),
            column(|it| it.doubtful),
            column(|it| it.sources.to_le_bytes()[0]),
            column(|it| it.sources.to_le_bytes()[1]),
            column(|it| u8::from(it.traded)),
            put_numbers(cells.iter().map(|it| it.volume)),
        ]
    }

    fn read(columns: &[Vec<u8>]) -> Vec<Self> {
        let byte = |column: usize, at: usize| byte_of(columns, column, at);
        let mut volumes = numbers(columns.get(8).map_or(&[][..], Vec::as_slice));
        let cell = |at| Self {
            count: u16::from_le_bytes([byte(0, at), byte(1, at)]),
            first: byte(2, at),
            last: byte(3, at),
            doubtful: byte(4, at),
            sources: u16::from_le_bytes([byte(5, at), byte(6, at)]),
            traded: byte(7, at) != 0,
            volume: volumes.next().unwrap_or(0),
        };
        (0..columns.first().map_or(0, Vec::len)).map(cell).collect()
    }
}

impl Cell for BarCell {
    fn columns(cells: &[Self]) -> Vec<Vec<u8>> {
        let column = |of: fn(&Self) -> u8| cells.iter().map(of).collect();
        vec![
            column(|it| match it.state {
                BarState::Absent => 0,
                BarState::There => 1,
                BarState::Excused => 2,
            }),
            column(|it| u8::from(it.is_doubtful)),
            column(|it| it.sources.to_le_bytes()[0]),
            column(|it| it.sources.to_le_bytes()[1]),
            put_numbers(cells.iter().map(|it| it.volume)),
            put_numbers(cells.iter().map(|it| it.fen)),
        ]
    }

    fn read(columns: &[Vec<u8>]) -> Vec<Self> {
        let byte = |column: usize, at: usize| byte_of(columns, column, at);
        let mut volumes = numbers(columns.get(4).map_or(&[][..], Vec::as_slice));
        let mut fens = numbers(columns.get(5).map_or(&[][..], Vec::as_slice));
        let cell = |at| Self {
            state: match byte(0, at) {
                0 => BarState::Absent,
                1 => BarState::There,
                _ => BarState::Excused,
            },
            is_doubtful: byte(1, at) != 0,
            sources: u16::from_le_bytes([byte(2, at), byte(3, at)]),
            volume: volumes.next().unwrap_or(0),
            fen: fens.next().unwrap_or(0),
        };
        (0..columns.first().map_or(0, Vec::len)).map(cell).collect()
    }
}

/// The cell of a security, which is made when it is not there.
pub fn cell_of<C: Cell>(cells: &mut Vec<C>, security: u32) -> &mut C {
    let at = security as usize;
    if cells.len() <= at {
        cells.resize(at + 1, C::default());
    }
    &mut cells[at]
}

/// Cells as a value of the file.
pub fn to_value<C: Cell>(cells: &[C]) -> Result<Vec<u8>, String> {
    pack(&C::columns(cells))
}

/// Cells of a value of the file.
pub fn from_value<C: Cell>(value: &[u8]) -> Result<Vec<C>, String> {
    Ok(C::read(&unpack(value)?))
}

fn byte_of(columns: &[Vec<u8>], column: usize, at: usize) -> u8 {
    columns.get(column).and_then(|column| column.get(at)).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_come_back_from_their_columns() {
        let mut spots = Vec::new();
        cell_of::<SpotCell>(&mut spots, 3).add(59, 1_000_000, true, 2);
        cell_of(&mut spots, 3).add(3, 900_000, false, 40);
        cell_of(&mut spots, 300).add(0, 0, false, 0);
        cell_of(&mut spots, 300).traded = true;
        let read: Vec<SpotCell> = from_value(&to_value(&spots).unwrap()).unwrap();
        assert_eq!(read, spots);
        let cell = read[3];
        assert_eq!((cell.count, cell.first, cell.last, cell.doubtful), (2, 3, 59, 1));
        assert_eq!((cell.volume, cell.sources), (1_000_000, 1 << 2 | 1 << 15));
        let bars = [BarState::Absent, BarState::There, BarState::Excused].map(|state| BarCell {
            state,
            is_doubtful: state == BarState::There,
            sources: 300,
            volume: 7,
            fen: 1 << 40,
        });
        let read: Vec<BarCell> = from_value(&to_value(&bars).unwrap()).unwrap();
        assert_eq!(read, bars);
    }
}
