//! The memory ceiling of one call: the sum over all memories of its sandbox.

use wasmtime::{ResourceLimiter, Result};

/// Most tables, instances and memories in one store.
const INSTANCES: usize = 100;
const TABLES: usize = 16;
const MEMORIES: usize = 8;

/// The guest asked for more memory than a call may have.
#[derive(Debug, thiserror::Error)]
#[error("the guest needs more than {ceiling} bytes of memory")]
pub(crate) struct OutOfMemory {
    ceiling: usize,
}

/// Counts what a sandbox has, and refuses more.
#[derive(Debug)]
pub(crate) struct MemoryLimit {
    ceiling: usize,
    used: usize,
    pending: usize,
}

impl MemoryLimit {
    pub(crate) const fn new(ceiling: usize) -> Self {
        Self { ceiling, used: 0, pending: 0 }
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> Result<bool> {
        let more = desired.saturating_sub(current);
        if self.used.saturating_add(more) > self.ceiling {
            // A trap, and not a refusal: a refused Rust guest aborts, and nobody learns why.
            return Err(wasmtime::Error::new(OutOfMemory { ceiling: self.ceiling }));
        }
        self.used += more;
        self.pending = more;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> Result<()> {
        // The pool may still refuse after the count was raised.
        self.used = self.used.saturating_sub(self.pending);
        self.pending = 0;
        Err(error)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        Ok(maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn tables(&self) -> usize {
        TABLES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_is_for_all_memories_together() {
        let mut limit = MemoryLimit::new(100);
        assert!(limit.memory_growing(0, 60, None).unwrap());
        assert!(limit.memory_growing(0, 40, None).unwrap());
        assert!(limit.memory_growing(40, 41, None).unwrap_err().is::<OutOfMemory>());
    }

    #[test]
    fn a_growth_that_failed_is_given_back() {
        let mut limit = MemoryLimit::new(100);
        assert!(limit.memory_growing(0, 80, None).unwrap());
        assert!(limit.memory_grow_failed(wasmtime::Error::msg("no slot")).is_err());
        assert!(limit.memory_growing(0, 100, None).unwrap());
    }
}
