//! `tenon:host/files`: a directory on the node for each label, below the plugin's own directory.
//!
//! Knows the disk, through `cap_std` only. Does not know what an instance or a plan is.

mod archive;
mod error;
mod mark;
mod path;
mod root;
mod tree;

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::fs::Dir;
use rand::distr::{Alphanumeric, SampleString};
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};

use self::error::FilesError;
use self::path::{InnerPath, Label};
use self::root::{MAX_LIST, Removal};
use super::blob::{Sink, Source};
use crate::durable;
use crate::guest::bindings::tenon::host::files::{
    Failure, Host, HostRoot, Stat, add_to_linker as link,
};

#[expect(unreachable_pub, reason = "generated bindings re-export it")]
pub use self::root::Root;

/// What the node keeps beside the labels: trees that come or go. No label begins like it.
const ASIDE: &str = ".aside-";

/// What one offering's guests may do with files: everything below one directory. Cheap to clone.
#[derive(Clone)]
pub(crate) struct FilesContext {
    shared: Arc<Shared>,
}

struct Shared {
    dir: Dir,
    host_path: PathBuf,
}

impl FilesContext {
    /// The plugin's directory, and its absolute path for applications on the same host. Opened
    /// once per offering and process: it removes what an interrupted process left aside.
    ///
    /// # Errors
    ///
    /// The operating system's, when the directory cannot be read or cleaned. Blocks.
    pub(crate) fn open(dir: Dir, host_path: PathBuf) -> io::Result<Self> {
        for entry in dir.entries()? {
            let name = entry?.file_name();
            if name.as_encoded_bytes().starts_with(ASIDE.as_bytes()) {
                tree::remove_tree(&dir, &name)?;
            }
        }
        Ok(Self { shared: Arc::new(Shared { dir, host_path }) })
    }

    fn dir(&self) -> &Dir {
        &self.shared.dir
    }

    fn host_path(&self) -> &Path {
        &self.shared.host_path
    }

    /// A name that nobody else uses.
    fn aside_name(label: &Label) -> OsString {
        let random = Alphanumeric.sample_string(&mut rand::rng(), 12);
        OsString::from(format!("{ASIDE}{}-{random}", label.as_str()))
    }

    /// An empty directory beside the labels.
    fn make_aside(&self, label: &Label) -> Result<(OsString, Dir), FilesError> {
        let name = Self::aside_name(label);
        tree::make_dir(self.dir(), &name)?;
        let dir = self.dir().open_dir(&name)?;
        Ok((name, dir))
    }

    /// Removes a label with all below it. Blocks.
    ///
    /// The label is free at once; what cannot be removed then is left to the next start.
    fn destroy(&self, label: &Label) -> Result<(), FilesError> {
        let aside = Self::aside_name(label);
        let dir = self.dir();
        mark::forget(self, label)?;
        match tree::gone_is_none(dir.rename(label.as_str(), dir, &aside))? {
            Some(()) => durable::sync_names(dir)?,
            None => return Ok(()),
        }
        Ok(tree::remove_tree(dir, &aside)?)
    }

    /// Labels in order, after `after`. Blocks.
    fn labels(&self, after: Option<&str>, limit: u32) -> Result<Vec<String>, FilesError> {
        let limit = limit.min(MAX_LIST) as usize;
        let mut page = BTreeSet::new();
        for entry in self.dir().entries()? {
            let Some(label) = label_of(&entry?.file_name()) else {
                continue;
            };
            if after.is_none_or(|after| label.as_str() > after) {
                page.insert(label.as_str().to_owned());
            }
            if page.len() > limit {
                page.pop_last();
            }
        }
        Ok(page.into_iter().collect())
    }
}

fn label_of(name: &OsStr) -> Option<Label> {
    name.to_str().and_then(Label::new)
}

/// What the interface sees of a store: without a context every call answers `not-granted`.
pub(crate) struct FilesView<'a> {
    pub(crate) context: Option<&'a FilesContext>,
    pub(crate) table: &'a mut ResourceTable,
}

impl FilesView<'_> {
    fn granted(&self) -> Result<FilesContext, FilesError> {
        self.context.cloned().ok_or(FilesError::NotGranted)
    }

    /// Makes or opens a root on a thread that may block.
    async fn enter(
        &mut self,
        label: &str,
        max_bytes: Option<u64>,
        how: fn(&FilesContext, Label, Option<u64>) -> Result<Root, FilesError>,
    ) -> wasmtime::Result<Result<Resource<Root>, Failure>> {
        let asked = self
            .granted()
            .and_then(|context| Ok((context, Label::new(label).ok_or(FilesError::BadPath)?)));
        let root = match asked {
            Ok((context, label)) => blocking(move || how(&context, label, max_bytes)).await?,
            Err(error) => Err(error),
        };
        match root {
            Ok(root) => Ok(Ok(self.table.push(root)?)),
            Err(error) => Ok(Err(error.into_failure())),
        }
    }

    /// Works on a root on a thread that may block, and keeps what the work learned about it.
    async fn on_root<T: Send + 'static>(
        &mut self,
        handle: &Resource<Root>,
        work: impl FnOnce(&mut Root) -> Result<T, FilesError> + Send + 'static,
    ) -> wasmtime::Result<Result<T, Failure>> {
        let mut root = self.table.get(handle)?.clone();
        let on_thread = move || {
            let result = work(&mut root);
            (root, result)
        };
        let (root, result) = blocking(on_thread).await?;
        *self.table.get_mut(handle)? = root;
        Ok(result.map_err(FilesError::into_failure))
    }
}

/// # Errors
///
/// When `work` panicked, which is a bug.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> wasmtime::Result<T> {
    Ok(tokio::task::spawn_blocking(work).await?)
}

fn inner(path: &str) -> Result<InnerPath, FilesError> {
    InnerPath::new(path).ok_or(FilesError::BadPath)
}

impl Host for FilesView<'_> {
    async fn create(
        &mut self,
        label: String,
        max_bytes: Option<u64>,
    ) -> wasmtime::Result<Result<Resource<Root>, Failure>> {
        self.enter(&label, max_bytes, Root::create).await
    }

    async fn open(
        &mut self,
        label: String,
        max_bytes: Option<u64>,
    ) -> wasmtime::Result<Result<Resource<Root>, Failure>> {
        self.enter(&label, max_bytes, Root::open).await
    }

    async fn destroy(&mut self, label: String) -> wasmtime::Result<Result<(), Failure>> {
        let context = self.granted();
        let work = move || context?.destroy(&Label::new(&label).ok_or(FilesError::BadPath)?);
        Ok(blocking(work).await?.map_err(FilesError::into_failure))
    }

    async fn list(
        &mut self,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Result<Vec<String>, Failure>> {
        let context = self.granted();
        let work = move || context?.labels(after.as_deref(), limit);
        Ok(blocking(work).await?.map_err(FilesError::into_failure))
    }
}

impl HostRoot for FilesView<'_> {
    async fn host_path(&mut self, root: Resource<Root>) -> wasmtime::Result<String> {
        Ok(self.table.get(&root)?.host_path().to_string_lossy().into_owned())
    }

    async fn make_dir(
        &mut self,
        root: Resource<Root>,
        path: String,
    ) -> wasmtime::Result<Result<(), Failure>> {
        self.on_root(&root, move |root| root.make_dir(&inner(&path)?)).await
    }

    async fn remove(
        &mut self,
        root: Resource<Root>,
        path: String,
        recursive: bool,
    ) -> wasmtime::Result<Result<(), Failure>> {
        let depth = if recursive { Removal::All } else { Removal::One };
        self.on_root(&root, move |root| root.remove(&inner(&path)?, depth)).await
    }

    async fn rename(
        &mut self,
        root: Resource<Root>,
        old_path: String,
        new_path: String,
    ) -> wasmtime::Result<Result<(), Failure>> {
        let work = move |root: &mut Root| root.rename(&inner(&old_path)?, &inner(&new_path)?);
        self.on_root(&root, work).await
    }

    async fn stat(
        &mut self,
        root: Resource<Root>,
        path: String,
    ) -> wasmtime::Result<Result<Stat, Failure>> {
        self.on_root(&root, move |root| root.stat(&inner(&path)?)).await
    }

    async fn list(
        &mut self,
        root: Resource<Root>,
        path: String,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Result<Vec<(String, Stat)>, Failure>> {
        let limit = limit.min(MAX_LIST) as usize;
        let work = move |root: &mut Root| {
            let path = if path.is_empty() { None } else { Some(inner(&path)?) };
            root.list(path.as_ref(), after.as_deref(), limit)
        };
        self.on_root(&root, work).await
    }

    async fn read(
        &mut self,
        root: Resource<Root>,
        path: String,
        offset: u64,
        max: u32,
    ) -> wasmtime::Result<Result<Vec<u8>, Failure>> {
        self.on_root(&root, move |root| root.read(&inner(&path)?, offset, max)).await
    }

    async fn write(
        &mut self,
        root: Resource<Root>,
        path: String,
        offset: u64,
        bytes: Vec<u8>,
    ) -> wasmtime::Result<Result<(), Failure>> {
        self.on_root(&root, move |root| root.write(&inner(&path)?, offset, &bytes)).await
    }

    async fn used_bytes(&mut self, root: Resource<Root>) -> wasmtime::Result<Result<u64, Failure>> {
        self.on_root(&root, |root| root.used_bytes()).await
    }

    async fn pack(
        &mut self,
        root: Resource<Root>,
        out: Resource<Sink>,
    ) -> wasmtime::Result<Result<u64, Failure>> {
        let writer = self.table.get(&out)?.writer();
        let packed = self.on_root(&root, move |root| root.pack(writer)).await?;
        if packed.is_err() {
            self.table.get(&out)?.tear();
        }
        Ok(packed)
    }

    async fn unpack(
        &mut self,
        root: Resource<Root>,
        input: Resource<Source>,
    ) -> wasmtime::Result<Result<u64, Failure>> {
        let input = self.table.get(&input)?.reader();
        self.on_root(&root, move |root| root.unpack(&input)).await
    }

    async fn drop(&mut self, root: Resource<Root>) -> wasmtime::Result<()> {
        self.table.delete(root)?;
        Ok(())
    }
}

/// Marks the view for the linker.
pub(crate) struct HasFiles;

impl HasData for HasFiles {
    type Data<'a> = FilesView<'a>;
}

/// Links the interface.
///
/// # Errors
///
/// wasmtime's error when it is linked already.
pub(crate) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: for<'a> fn(&'a mut T) -> FilesView<'a>,
) -> wasmtime::Result<()> {
    link::<T, HasFiles>(linker, view)
}

#[cfg(test)]
mod tests;
