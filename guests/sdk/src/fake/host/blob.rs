//! Bulk bytes: a vector that both ends hold.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::blob::Failure;

const MAX_CHUNK: usize = 1 << 20;

pub(crate) struct Sink {
    bytes: Rc<RefCell<Vec<u8>>>,
    max: usize,
}

impl Sink {
    pub(crate) fn new(bytes: Rc<RefCell<Vec<u8>>>) -> Self {
        Self { bytes, max: usize::MAX }
    }

    pub(crate) fn limit(&mut self, max: usize) {
        self.max = max;
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.bytes.borrow().clone()
    }

    pub(crate) fn write(&self, chunk: &[u8]) -> Result<(), Failure> {
        let mut bytes = self.bytes.borrow_mut();
        if chunk.len() > MAX_CHUNK || bytes.len() + chunk.len() > self.max {
            return Err(Failure::Limit);
        }
        bytes.extend_from_slice(chunk);
        Ok(())
    }

    pub(crate) fn written(&self) -> u64 {
        self.bytes.borrow().len() as u64
    }
}

pub(crate) struct Source {
    bytes: Rc<RefCell<Vec<u8>>>,
    position: Cell<usize>,
}

impl Source {
    pub(crate) fn new(bytes: Rc<RefCell<Vec<u8>>>) -> Self {
        Self { bytes, position: Cell::new(0) }
    }

    pub(crate) fn rewind(&self) {
        self.position.set(0);
    }

    /// All that is left, which only fakes may have at once.
    pub(crate) fn rest(&self) -> Vec<u8> {
        let start = self.position.replace(self.bytes.borrow().len());
        self.bytes.borrow().get(start..).unwrap_or_default().to_vec()
    }

    pub(crate) fn read(&self, max: u32) -> Result<Vec<u8>, Failure> {
        let bytes = self.bytes.borrow();
        let start = self.position.get();
        let end = bytes.len().min(start + MAX_CHUNK.min(max as usize));
        self.position.set(end);
        Ok(bytes.get(start..end).unwrap_or_default().to_vec())
    }

    pub(crate) fn size(&self) -> u64 {
        self.bytes.borrow().len() as u64
    }
}
