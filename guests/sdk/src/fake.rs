//! A node in memory: what a service's own tests run on, natively and without any server.
//!
//! Small, and honest: it refuses what a node refuses, undoes the state of a call that failed, and
//! makes no difference between what a service meant and what it did. It is no database: it keeps
//! a database's content as bytes, and answers only the SQL that a test told it.
//!
//! ```
//! use tenon_guest::fake::World;
//!
//! let world = World::new().with_setting("greeting", "hello");
//! let greeting = world.call(|cx| Ok(cx.setting("greeting")));
//! assert_eq!(greeting, Ok(Some("hello".to_owned())));
//! ```

pub(crate) mod host;
mod server;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::blob::{Sink, Source};
use crate::{Call, Result};

pub use server::Server;

thread_local! {
    /// The world that capabilities of this thread belong to. Every test has a thread of its own.
    static CURRENT: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// Everything outside of the service. The youngest one of a thread is the one that counts.
#[derive(Clone)]
pub struct World(Rc<Contents>);

#[derive(Default)]
pub(crate) struct Contents {
    settings: RefCell<BTreeMap<String, String>>,
    secrets: RefCell<BTreeMap<String, String>>,
    log: RefCell<Vec<String>>,
    progress: RefCell<Vec<String>>,
    calls: Cell<u32>,
    passwords: Cell<u32>,
    state: RefCell<host::state::Records>,
    directories: RefCell<host::files::Directories>,
    servers: RefCell<BTreeMap<String, Server>>,
}

impl World {
    /// One with nothing in it.
    #[expect(clippy::new_without_default, reason = "it becomes the thread's current one")]
    pub fn new() -> Self {
        let world = Self(Rc::default());
        CURRENT.set(Some(world.clone()));
        world
    }

    /// Adds a value to the operator's settings.
    #[must_use]
    pub fn with_setting(self, key: &str, value: &str) -> Self {
        self.0.settings.borrow_mut().insert(key.to_owned(), value.to_owned());
        self
    }

    /// Adds one of the operator's secrets.
    #[must_use]
    pub fn with_secret(self, name: &str, value: &str) -> Self {
        self.0.secrets.borrow_mut().insert(name.to_owned(), value.to_owned());
        self
    }

    /// Adds a database server.
    #[must_use]
    pub fn with_mysql(self, version: &str) -> Self {
        self.0.servers.borrow_mut().insert(version.to_owned(), Server::default());
        self
    }

    /// Serves one call, as a node does: when it fails, what it wrote to the state is undone.
    ///
    /// # Errors
    /// What the service answers.
    pub fn call<T>(&self, serve: impl FnOnce(&Call<'_>) -> Result<T>) -> Result<T> {
        let number = self.0.calls.get() + 1;
        self.0.calls.set(number);
        let before = self.0.state.borrow().clone();
        let raw = host::context::Call::new(format!("operation-{number}"));
        let answer = serve(&Call::new(&raw));
        if answer.is_err() {
            self.0.state.replace(before);
        }
        answer
    }

    /// The database server of one version, as its administrator sees it.
    ///
    /// # Panics
    /// When [`World::with_mysql`] did not add it.
    pub fn mysql(&self, version: &str) -> Server {
        self.0.servers.borrow().get(version).expect("a test names a server that it added").clone()
    }

    /// What was logged: level, message and fields.
    pub fn logged(&self) -> Vec<String> {
        self.0.log.borrow().clone()
    }

    /// What was reported of progress: per cent and note.
    pub fn progress(&self) -> Vec<String> {
        self.0.progress.borrow().clone()
    }

    /// `None` outside of every world.
    pub(crate) fn current() -> Option<Rc<Contents>> {
        CURRENT.with_borrow(|current| current.as_ref().map(|world| Rc::clone(&world.0)))
    }
}

/// The contents of the current world, for what makes no sense without one.
pub(crate) fn world() -> Rc<Contents> {
    World::current().expect("a test makes a `tenon_guest::fake::World` before it calls the service")
}

/// Bytes of a snapshot.
///
/// ```
/// use tenon_guest::fake::Blob;
///
/// let blob = Blob::new();
/// blob.sink().write(b"saved").unwrap();
/// assert_eq!(blob.source().read_all(10), Ok(b"saved".to_vec()));
/// ```
pub struct Blob {
    sink: host::blob::Sink,
    source: host::blob::Source,
}

impl Blob {
    /// An empty one.
    pub fn new() -> Self {
        Self::with_bytes(b"")
    }

    /// One that holds `bytes`.
    pub fn with_bytes(bytes: &[u8]) -> Self {
        let bytes = Rc::new(RefCell::new(bytes.to_vec()));
        Self {
            sink: host::blob::Sink::new(Rc::clone(&bytes)),
            source: host::blob::Source::new(bytes),
        }
    }

    /// The same, taking no more than `max` bytes.
    #[must_use]
    pub fn limited(mut self, max: usize) -> Self {
        self.sink.limit(max);
        self
    }

    /// What a snapshot is written to.
    pub fn sink(&self) -> Sink<'_> {
        Sink::new(&self.sink)
    }

    /// What a snapshot is restored from, from the first byte on.
    pub fn source(&self) -> Source<'_> {
        self.source.rewind();
        Source::new(&self.source)
    }

    /// What was written.
    pub fn bytes(&self) -> Vec<u8> {
        self.sink.bytes()
    }
}

impl Default for Blob {
    fn default() -> Self {
        Self::new()
    }
}
