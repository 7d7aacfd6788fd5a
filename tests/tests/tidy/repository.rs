//! The files of the repository. Knows git, and no rule.

use std::path::Path;
use std::process::Command;

use cap_std::ambient_authority;
use cap_std::fs::Dir;

/// A text file.
pub(super) struct File {
    /// From the root of the repository, with slashes.
    pub(super) path: String,
    pub(super) text: String,
}

impl File {
    /// Whether it lies in `folder`, or is it.
    pub(super) fn is_in(&self, folder: &str) -> bool {
        let rest = self.path.strip_prefix(folder);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Lines of code with their numbers: comments are left out.
    pub(super) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(at, line)| (at + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

/// All text files that git tracks, or would if they were added.
pub(super) fn files() -> Vec<File> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = manifest.parent().expect("tests/ lies in the repository");
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .expect("git lists the files");
    assert!(listed.status.success(), "git ls-files failed: {listed:?}");
    let names = String::from_utf8(listed.stdout).expect("names are UTF-8");
    let root = Dir::open_ambient_dir(root, ambient_authority()).expect("the root can be read");
    let read =
        |path: &str| Some(File { path: path.to_owned(), text: root.read_to_string(path).ok()? });
    names.split_terminator('\0').filter_map(read).collect()
}

/// The text of `path`.
pub(super) fn text(path: &str) -> String {
    let found = files().into_iter().find(|file| file.path == path);
    found.unwrap_or_else(|| panic!("{path} is missing")).text
}

/// Fails with all of them, one a line.
pub(super) fn assert_none(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}
