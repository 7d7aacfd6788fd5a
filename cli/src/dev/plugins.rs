//! Copies the chosen components to where the nodes look.

use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use super::directory::{Directory, DirectoryError};
use super::offering::Choice;
use super::tools::Surroundings;

/// Below D.
pub(crate) const FOLDER: &str = "plugins";

/// A component is not there.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// No folder of components was found.
    #[error(
        "there are no components in {0}; type: cargo xtask guests, or name a folder with --plugins"
    )]
    NoFolder(PathBuf),
    /// The folder has no component of that name.
    #[error("there is no {component}.wasm in {folder}; there are: {there}", folder = folder.display())]
    NoComponent {
        /// What was asked for.
        component: String,
        /// Where it was looked for.
        folder: PathBuf,
        /// What else there is.
        there: String,
    },
    /// It cannot be written.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

/// Copies the component of each offering from `named`, or from where `cargo xtask guests` puts
/// them, to `<label>.wasm`.
///
/// One that is there already is replaced: what was built last runs.
pub(crate) fn copy(
    directory: &Directory,
    choices: &[Choice],
    named: Option<&Path>,
    surroundings: &Surroundings,
) -> Result<(), PluginError> {
    let folder = source(named, surroundings);
    let no_folder = || PluginError::NoFolder(folder.clone());
    let components =
        Dir::open_ambient_dir(&folder, ambient_authority()).ok().ok_or_else(no_folder)?;
    directory.create_dir(FOLDER)?;
    for Choice { label, component } in choices {
        let missing = || PluginError::NoComponent {
            component: component.clone(),
            folder: folder.clone(),
            there: names(&components),
        };
        let content = components.read(format!("{component}.wasm")).ok().ok_or_else(missing)?;
        let destination = format!("{FOLDER}/{}.wasm", label.as_str());
        // The same content written again would look like a change to the nodes.
        if directory.read(&destination)?.as_deref() != Some(content.as_slice()) {
            directory.write(&destination, &content)?;
        }
    }
    Ok(())
}

/// Named by the caller, else by the environment, else `target/guests` of this checkout.
fn source(named: Option<&Path>, surroundings: &Surroundings) -> PathBuf {
    let target = surroundings.executables.parent().unwrap_or(Path::new("/"));
    named
        .or(surroundings.guests_dir.as_deref())
        .map_or_else(|| target.join("guests"), Path::to_path_buf)
}

/// The components of a folder, by label.
fn names(folder: &Dir) -> String {
    let mut names: Vec<String> = folder
        .entries()
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".wasm").map(str::to_owned))
        .collect();
    names.sort();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choices(texts: &[&str]) -> Vec<Choice> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_component_that_is_not_there_is_refused_with_those_that_are() {
        let keep = tempfile::tempdir().unwrap();
        let source = Directory::open(&keep.path().join("source")).unwrap();
        source.write("files.wasm", b"1").unwrap();
        source.write("my-shop.wasm", b"2").unwrap();
        let directory = Directory::open(&keep.path().join("d")).unwrap();
        let named = Some(source.path());
        let nowhere = Surroundings::default();

        copy(&directory, &choices(&["files", "shop=my-shop"]), named, &nowhere).unwrap();
        assert_eq!(directory.read("plugins/files.wasm").unwrap().unwrap(), b"1");
        assert_eq!(directory.read("plugins/shop.wasm").unwrap().unwrap(), b"2");
        assert!(!directory.has("plugins/my-shop.wasm"));

        let error = copy(&directory, &choices(&["mysql"]), named, &nowhere).unwrap_err();
        assert!(error.to_string().ends_with("there are: files, my-shop"), "{error}");
        let error = copy(&directory, &[], Some(Path::new("/nowhere")), &nowhere).unwrap_err();
        assert!(error.to_string().contains("type: cargo xtask guests"), "{error}");
    }
}
