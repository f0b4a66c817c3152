//! What an insert sends: blocks, one behind the other.

use crate::{
    frame::Frames,
    native::{Column, write_block},
};

/// Blocks in the memory that the last insert used.
pub struct Body {
    /// Frames of the blocks so far, when they are compressed.
    frames: Option<Frames>,
    /// Blocks so far, or the one that is compressed next.
    plain: Vec<u8>,
}

impl Body {
    /// An empty body, compressed or not.
    pub fn new(compress: bool) -> Self {
        Self { frames: compress.then(Frames::default), plain: Vec::new() }
    }

    /// Adds a block of those columns and empties them.
    pub fn push(&mut self, columns: &mut [Column], rows: u64) {
        write_block(columns, rows, &mut self.plain);
        if let Some(frames) = &mut self.frames {
            frames.push(&self.plain);
            self.plain.clear();
        }
    }

    /// The blocks since the last [`clear`](Self::clear).
    pub fn bytes(&self) -> &[u8] {
        self.frames.as_ref().map_or(&self.plain, Frames::bytes)
    }

    /// Starts anew.
    pub fn clear(&mut self) {
        self.plain.clear();
        if let Some(frames) = &mut self.frames {
            frames.clear();
        }
    }
}
