//! Where things are in this checkout and in the user's cache.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::stop::Stop;

/// The directories that commands work in; absolute.
pub(crate) struct Repository {
    pub(crate) root: PathBuf,
    /// Where cargo builds the hosts.
    pub(crate) target: PathBuf,
    /// Where cargo builds the guests.
    pub(crate) guests_target: PathBuf,
    /// What is fetched or built once for all checkouts.
    pub(crate) cache: PathBuf,
}

impl Repository {
    /// The checkout that this xtask belongs to.
    pub(crate) fn find() -> Result<Self, Stop> {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .ok_or_else(|| Stop::new("cargo must start this program").or_type("cargo xtask"))?;
        let root = Path::new(&manifest).parent().unwrap_or(Path::new("/")).to_owned();
        let cache = cache(std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME"))
            .ok_or_else(|| {
                Stop::new("neither HOME nor XDG_CACHE_HOME says where to keep downloads")
            })?;
        let (target, guests_target) = match std::env::var_os("CARGO_TARGET_DIR") {
            // Cargo takes a relative one from the current directory.
            Some(target) => {
                let target = std::path::absolute(target)
                    .map_err(|error| Stop::new(format!("CARGO_TARGET_DIR is no path: {error}")))?;
                let guests = target.join("guests-build");
                (target, guests)
            }
            // The same as for `cargo build` typed in guests/, so that both share their work.
            None => (root.join("target"), root.join("guests/target")),
        };
        Ok(Self { root, target, guests_target, cache })
    }

    /// Where the finished components lie, one `<name>.wasm` each.
    pub(crate) fn components(&self) -> PathBuf {
        self.target.join("guests")
    }

    /// Cargo at the root of the checkout.
    pub(crate) fn cargo(&self) -> Command {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&self.root);
        cargo
    }

    /// `path` as seen from the root, for reading.
    pub(crate) fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }
}

fn cache(xdg: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let not_empty = |value: &OsString| !value.is_empty();
    let base = match (xdg.filter(not_empty), home.filter(not_empty)) {
        (Some(xdg), _) => PathBuf::from(xdg),
        (None, Some(home)) => Path::new(&home).join(".cache"),
        (None, None) => return None,
    };
    Some(base.join("tenon"))
}

#[cfg(test)]
mod tests {
    use super::cache;
    use std::path::PathBuf;

    fn check_cache(xdg: Option<&str>, home: Option<&str>, expected: Option<&str>) {
        let found = cache(xdg.map(Into::into), home.map(Into::into));
        assert_eq!(found, expected.map(PathBuf::from));
    }

    #[test]
    fn the_cache_is_where_the_desktop_standard_puts_it() {
        check_cache(Some("/x"), Some("/home/a"), Some("/x/tenon"));
        check_cache(None, Some("/home/a"), Some("/home/a/.cache/tenon"));
        check_cache(Some(""), Some("/home/a"), Some("/home/a/.cache/tenon"));
        check_cache(None, None, None);
    }
}
