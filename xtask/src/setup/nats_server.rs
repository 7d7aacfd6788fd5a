//! Finds a nats-server that is new enough, or fetches Debian testing's into the cache.
//!
//! Older ones lose acknowledged writes or break compare-and-set in clusters, so none is accepted.
//! The system is not changed: apt gets a state directory of its own, and the package is unpacked
//! instead of installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::apt_source::{SourceFile, testing_source};
use super::say;
use crate::process;
use crate::stop::Stop;

/// The first with per-key expiry that keeps its promises and every option that we write.
const OLDEST: Version = Version { major: 2, minor: 12 };

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version {
    major: u32,
    minor: u32,
}

/// Makes sure that [`find`] finds one.
pub(super) fn ensure(cache: &Path) -> Result<(), Stop> {
    if find_in_environment()?.or_else(|| find_installed(cache)).is_some() {
        say("nats-server", "ready");
        return Ok(());
    }
    let source = debian_source()?;
    say(
        "nats-server",
        "fetching Debian testing's into the cache, because none here is 2.12 or newer",
    );
    fetch(&source, cache)
}

/// The nats-server to run: `TENON_NATS_SERVER`, or one on the PATH, or the fetched one.
pub(crate) fn find(cache: &Path) -> Result<PathBuf, Stop> {
    find_in_environment()?.or_else(|| find_installed(cache)).ok_or_else(|| {
        Stop::new("there is no nats-server 2.12 or newer").or_type("cargo xtask setup")
    })
}

fn find_in_environment() -> Result<Option<PathBuf>, Stop> {
    let Some(path) = std::env::var_os("TENON_NATS_SERVER") else {
        return Ok(None);
    };
    // Absolute, because tests run in the directory of their package.
    let path = std::path::absolute(&path).unwrap_or(path.into());
    if is_new_enough(&path) {
        return Ok(Some(path));
    }
    Err(Stop::new(format!("TENON_NATS_SERVER={} is no nats-server 2.12 or newer", path.display())))
}

fn find_installed(cache: &Path) -> Option<PathBuf> {
    [process::find("nats-server"), Some(fetched(cache))]
        .into_iter()
        .flatten()
        .find(|path| is_new_enough(path))
}

fn fetched(cache: &Path) -> PathBuf {
    cache.join("nats-server/nats-server")
}

fn is_new_enough(server: &Path) -> bool {
    process::output(Command::new(server).arg("--version"))
        .and_then(|text| parse_version(&text))
        .is_some_and(|version| version >= OLDEST)
}

/// From `nats-server: v2.15.1`, with or without a suffix.
fn parse_version(text: &str) -> Option<Version> {
    let mut numbers = text.trim().strip_prefix("nats-server: v")?.split('.');
    Some(Version { major: numbers.next()?.parse().ok()?, minor: numbers.next()?.parse().ok()? })
}

/// The apt source to fetch from; elsewhere than on Debian, what to install instead.
fn debian_source() -> Result<String, Stop> {
    let elsewhere = || {
        Stop::new(
            "there is no nats-server 2.12 or newer, and it can be fetched on Debian only: install one from \
             nats.io or your system's packages, and have it on the PATH or in TENON_NATS_SERVER=/path/to/nats-server",
        )
    };
    let os_release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    if os_release_value(&os_release, "ID") != Some("debian") {
        return Err(elsewhere());
    }
    let codename = os_release_value(&os_release, "VERSION_CODENAME").unwrap_or_default();
    testing_source(&source_files(Path::new("/etc/apt")), codename).ok_or_else(elsewhere)
}

fn os_release_value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    Some(value.trim().trim_matches('"'))
}

/// What apt reads, in its order. A file that cannot be read is one that apt cannot read either.
fn source_files(etc_apt: &Path) -> Vec<SourceFile> {
    let mut parts: Vec<PathBuf> = fs::read_dir(etc_apt.join("sources.list.d"))
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    parts.sort();
    parts.insert(0, etc_apt.join("sources.list"));
    parts.iter().filter_map(|path| read_source_file(path)).collect()
}

fn read_source_file(path: &Path) -> Option<SourceFile> {
    let format = match path.extension()?.to_str()? {
        "list" => SourceFile::OneLine,
        "sources" => SourceFile::Deb822,
        _ => return None,
    };
    fs::read_to_string(path).ok().map(format)
}

fn fetch(source: &str, cache: &Path) -> Result<(), Stop> {
    // By process, so that two set-ups at once do not meet; the last one to finish wins.
    let scratch = cache.join(format!("nats-server.apt.{}", std::process::id()));
    let result = fetch_with(source, &scratch, &fetched(cache));
    // A failed fetch is the news, not that its remains stayed.
    fs::remove_dir_all(&scratch).ok();
    result
}

fn fetch_with(source: &str, scratch: &Path, destination: &Path) -> Result<(), Stop> {
    let disk = |error: std::io::Error| {
        Stop::new(format!("cannot write below {}: {error}", scratch.display()))
    };
    for directory in ["lists/partial", "archives/partial", "sources", "download"] {
        fs::create_dir_all(scratch.join(directory)).map_err(disk)?;
    }
    fs::write(scratch.join("sources/testing.sources"), source).map_err(disk)?;
    fs::write(scratch.join("status"), "").map_err(disk)?;

    process::run_quietly(private_apt(scratch).arg("update"), "read Debian testing's package list")?;
    process::run_quietly(
        private_apt(scratch).args(["download", "nats-server"]),
        "download nats-server",
    )?;
    let package = fs::read_dir(scratch.join("download"))
        .map_err(disk)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .ok_or_else(|| Stop::new("apt downloaded no package nats-server"))?;
    let root = scratch.join("root");
    process::run_quietly(
        Command::new("dpkg-deb").arg("-x").arg(package).arg(&root),
        "unpack nats-server",
    )?;

    let server = root.join("usr/sbin/nats-server");
    if !is_new_enough(&server) {
        return Err(Stop::new(
            "the nats-server of Debian testing does not run here, or is older than 2.12: install one, and \
             have it on the PATH or in TENON_NATS_SERVER=/path/to/nats-server",
        ));
    }
    fs::create_dir_all(destination.parent().unwrap_or(scratch)).map_err(disk)?;
    // Renamed when whole: an interrupted set-up leaves nothing that looks finished.
    fs::rename(server, destination).map_err(disk)
}

/// apt-get that reads only our source and writes only below `scratch`.
fn private_apt(scratch: &Path) -> Command {
    let mut apt = Command::new("apt-get");
    let settings = [
        ("Dir::Etc::sourcelist", Path::new("/dev/null").to_owned()),
        ("Dir::Etc::sourceparts", scratch.join("sources")),
        // A pin against testing is meant for what gets installed.
        ("Dir::Etc::preferences", Path::new("/dev/null").to_owned()),
        ("Dir::Etc::preferencesparts", Path::new("/dev/null").to_owned()),
        ("Dir::State", scratch.to_owned()),
        ("Dir::State::lists", scratch.join("lists")),
        ("Dir::State::status", scratch.join("status")),
        ("Dir::Cache", scratch.to_owned()),
        ("Dir::Cache::archives", scratch.join("archives")),
    ];
    for (name, path) in settings {
        apt.arg("-o").arg(format!("{name}={}", path.display()));
    }
    // The cache is in a home directory, where apt's own user may not look.
    apt.args(["-q", "-o", "APT::Sandbox::User=root"]).current_dir(scratch.join("download"));
    apt
}

#[cfg(test)]
mod tests {
    use super::{OLDEST, Version, os_release_value, parse_version};

    fn check_version(text: &str, expected: Option<(u32, u32)>) {
        assert_eq!(parse_version(text), expected.map(|(major, minor)| Version { major, minor }));
    }

    #[test]
    fn a_version_is_read_from_what_the_server_prints() {
        check_version("nats-server: v2.15.1\n", Some((2, 15)));
        check_version("nats-server: v2.12.0-RC.1", Some((2, 12)));
        check_version("nats-server: v2", None);
        check_version("nats-server: vtwo.one", None);
        check_version("", None);
    }

    #[test]
    fn versions_compare_by_number() {
        let is_accepted = |major, minor| Version { major, minor } >= OLDEST;
        assert!(!is_accepted(2, 9));
        assert!(is_accepted(2, 12));
        assert!(is_accepted(2, 15));
        assert!(is_accepted(3, 0));
    }

    #[test]
    fn os_release_values_come_without_quotes() {
        let text =
            "PRETTY_NAME=\"Debian\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nID=debian\n";
        assert_eq!(os_release_value(text, "ID"), Some("debian"));
        assert_eq!(os_release_value(text, "VERSION_ID"), Some("12"));
        assert_eq!(os_release_value(text, "ID_LIKE"), None);
    }
}
