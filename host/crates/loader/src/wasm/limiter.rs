//! Bounds the memory of an instance, and remembers that the bound was reached.

use wasmtime::ResourceLimiter;

use super::sizes::{MAX_MEMORIES, MAX_TABLE_ELEMENTS, MAX_TABLES};

/// Core instances of one store; a component of wasm32-wasip2 has about six.
const MAX_CORE_INSTANCES: usize = 64;

/// What an instance has of what is bounded.
#[derive(Debug)]
pub(super) struct Limiter {
    max_memory: usize,
    memory: usize,
    /// Whether more was asked for and refused since [`begin`](Self::begin).
    refused: bool,
}

impl Limiter {
    /// So many bytes in all memories together.
    pub fn new(max_memory: u64) -> Self {
        let max_memory = usize::try_from(max_memory).unwrap_or(usize::MAX);
        Self { max_memory, memory: 0, refused: false }
    }

    /// A call begins.
    pub fn begin(&mut self) {
        self.refused = false;
    }

    /// Whether this call asked for more memory than there is.
    pub fn is_exhausted(&self) -> bool {
        self.refused
    }

    /// Bytes in use.
    pub fn memory(&self) -> usize {
        self.memory
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let memory = self.memory.saturating_add(desired.saturating_sub(current));
        if memory > self.max_memory {
            self.refused = true;
            return Ok(false);
        }
        self.memory = memory;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= MAX_TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        MAX_CORE_INSTANCES
    }

    fn tables(&self) -> usize {
        MAX_TABLES as usize
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_holds_for_all_memories_together_and_a_refusal_is_remembered_for_its_call() {
        let mut limiter = Limiter::new(1_000);
        assert!(limiter.memory_growing(0, 600, None).unwrap());
        assert!(limiter.memory_growing(0, 400, None).unwrap());
        assert!(!limiter.is_exhausted());
        assert!(!limiter.memory_growing(400, 401, None).unwrap());
        assert!(limiter.is_exhausted() && limiter.memory() == 1_000);
        limiter.begin();
        assert!(!limiter.is_exhausted());
    }
}
