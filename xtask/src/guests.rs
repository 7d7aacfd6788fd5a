//! Builds every guest into a component and gathers them where the hosts' tests look.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::repository::Repository;
use crate::setup;
use crate::stop::Stop;

pub(crate) const HELP: &str = "\
Build the guests workspace and copy every component to target/guests/<name>.wasm

Usage: cargo xtask guests

A component that did not change is not written again, so what watches the folder sees real changes.
";

pub(crate) fn command(repository: &Repository, arguments: &[String]) -> Result<ExitCode, Stop> {
    if let Some(argument) = arguments.first() {
        return Err(Stop::usage(&format!("guests takes no {argument:?}"), HELP));
    }
    // A guest author needs no server.
    setup::guest_toolchain::ensure(repository)?;
    build(repository)?;
    Ok(ExitCode::SUCCESS)
}

/// Builds all components and leaves nothing else in the folder of components.
pub(crate) fn build(repository: &Repository) -> Result<(), Stop> {
    let built = compile(repository)?;
    let folder = repository.components();
    let disk = |error: std::io::Error| {
        Stop::new(format!("cannot write {}: {error}", repository.shown(&folder)))
    };
    fs::create_dir_all(&folder).map_err(disk)?;
    let mut names = BTreeSet::new();
    for source in built {
        let name = component_name(&source);
        let component = fs::read(&source).map_err(|error| {
            Stop::new(format!("cannot read {}: {error}", repository.shown(&source)))
        })?;
        let destination = folder.join(&name);
        replace(&destination, &component).map_err(disk)?;
        println!("{:>9} bytes  {}", component.len(), repository.shown(&destination));
        names.insert(name);
    }
    remove_others(&folder, &names).map_err(disk)
}

/// Runs cargo in guests/, and returns the files that it calls components.
fn compile(repository: &Repository) -> Result<Vec<PathBuf>, Stop> {
    let mut cargo = Command::new("cargo");
    clean_environment(&mut cargo);
    // In guests/, because cargo finds its configuration from the current directory.
    cargo
        .current_dir(repository.root.join("guests"))
        .args(["build", "--release", "--workspace", "--message-format=json-render-diagnostics"])
        .env("CARGO_TARGET_DIR", &repository.guests_target)
        .stderr(Stdio::inherit());
    let output =
        cargo.output().map_err(|error| Stop::new(format!("cargo did not start: {error}")))?;
    if !output.status.success() {
        return Err(Stop::new("the guests do not build"));
    }
    let mut components = components_in(&String::from_utf8_lossy(&output.stdout));
    components.sort();
    Ok(components)
}

/// Removes what cargo and its caller set for another build: this one has its own compiler, flags
/// and folder.
pub(crate) fn clean_environment(command: &mut Command) {
    for variable in [
        "CARGO",
        "CARGO_BUILD_TARGET",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_TARGET_DIR",
        // Of the compiler that built xtask.
        "LD_LIBRARY_PATH",
        "RUSTC",
        "RUSTFLAGS",
        "RUSTUP_TOOLCHAIN",
    ] {
        command.env_remove(variable);
    }
}

/// Components among the files that cargo's JSON messages name. Every string of such a message that
/// ends in `.wasm` is a file that cargo wrote, which spares a JSON parser.
fn components_in(messages: &str) -> Vec<PathBuf> {
    messages
        .lines()
        .filter(|line| line.contains(r#""reason":"compiler-artifact""#))
        .flat_map(|line| line.split('"'))
        .filter(|word| word.ends_with(".wasm"))
        .map(PathBuf::from)
        .collect()
}

/// `my_guest.wasm` is cargo's name for the component of `my-guest`.
fn component_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().replace('_', "-")
}

/// Written aside and renamed, so that a node that watches the folder never loads half a component.
fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    if fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    let aside = path.with_extension("new");
    fs::write(&aside, content)?;
    fs::rename(aside, path)
}

/// A guest that was renamed or deleted must not live on in tests.
fn remove_others(folder: &Path, names: &BTreeSet<String>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_component = path.extension().is_some_and(|extension| extension == "wasm");
        if is_component && !names.contains(&component_name(&path)) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{component_name, components_in};
    use std::path::{Path, PathBuf};

    #[test]
    fn components_are_found_among_other_artifacts() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"sdk"},"filenames":["/t/libsdk.rlib"]}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"m_y"},"filenames":["/t/m_y.wasm"],"fresh":true}"#,
            "\n",
            r#"{"reason":"build-script-executed","env":[["A","/t/other.wasm"]]}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        assert_eq!(components_in(messages), [PathBuf::from("/t/m_y.wasm")]);
    }

    #[test]
    fn a_component_has_the_name_of_its_package() {
        assert_eq!(component_name(Path::new("/t/endless_loop.wasm")), "endless-loop.wasm");
    }
}
