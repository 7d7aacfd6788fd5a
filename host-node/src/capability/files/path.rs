//! Names that a guest, an application or an archive may give. Checked once; a value is good.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Bounds of a path: bytes, and directories it may lead through. Beyond them it is refused.
pub(super) const MAX_PATH: usize = 1_024;
pub(super) const MAX_DEPTH: usize = 64;

const MAX_LABEL: usize = 64;

/// What one of the plugin's directories is called: `[a-z0-9-]{1,64}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Label(String);

/// A path below a root: one or more names, none of them `.` or `..`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InnerPath(Vec<u8>);

impl Label {
    /// `None` when `text` is no label.
    pub(super) fn new(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let good = (1..=MAX_LABEL).contains(&text.len()) && text.bytes().all(allowed);
        good.then(|| Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl InnerPath {
    /// A guest's path, names separated by `/`. `None` when it is not allowed.
    pub(super) fn new(text: &str) -> Option<Self> {
        Self::of_bytes(text.as_bytes())
    }

    /// A path in an archive: `./` in front and `/` behind are usual there.
    pub(super) fn of_archive(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.strip_prefix(b"./").unwrap_or(bytes);
        Self::of_bytes(bytes.strip_suffix(b"/").unwrap_or(bytes))
    }

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let names = bytes.split(|byte| *byte == b'/');
        let good = bytes.len() <= MAX_PATH
            && !bytes.contains(&0)
            && names.clone().count() <= MAX_DEPTH
            && names.into_iter().all(|name| !matches!(name, b"" | b"." | b".."));
        good.then(|| Self(bytes.to_vec()))
    }

    pub(super) fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// The directory that holds it, `None` for the root itself, and its name there.
    pub(super) fn split(&self) -> (Option<&Path>, &OsStr) {
        let path = self.as_path();
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        (parent, path.file_name().expect("no name of the path is empty, `.` or `..`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_lower_case_letters_digits_and_hyphens() {
        for good in ["a", "0", "-", "d1f-2", &"x".repeat(64)] {
            assert!(Label::new(good).is_some(), "{good}");
        }
        for bad in ["", ".", "..", "A", "a/b", "a\0", "a_b", "ä", ".new-a", &"x".repeat(65)] {
            assert!(Label::new(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn paths_are_relative_and_go_down_only() {
        for good in ["a", "a/b", "...", "a b", "ä", ".hidden", "a\\b", &"x/".repeat(64)[..127]] {
            assert!(InnerPath::new(good).is_some(), "{good}");
        }
        let deep = "x/".repeat(65);
        let long = "x".repeat(MAX_PATH + 1);
        for bad in [
            "",
            "/",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "a/..",
            "../a",
            "a/./b",
            "a\0b",
            &deep[..129],
            &long,
        ] {
            assert!(InnerPath::new(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn archives_may_decorate_their_paths_but_not_lead_out() {
        assert_eq!(InnerPath::of_archive(b"./a/b/"), InnerPath::new("a/b"));
        for bad in [&b"./"[..], b"/etc", b"./../a", b"a/../../b", b"a//b"] {
            assert!(InnerPath::of_archive(bad).is_none());
        }
    }

    #[test]
    fn a_path_is_split_into_directory_and_name() {
        let path = InnerPath::new("a/b/c").unwrap();
        assert_eq!(path.split(), (Some(Path::new("a/b")), OsStr::new("c")));
        let path = InnerPath::new("a").unwrap();
        assert_eq!(path.split(), (None, OsStr::new("a")));
    }
}
