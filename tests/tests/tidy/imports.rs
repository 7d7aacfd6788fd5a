//! Who may depend on what: the third column of the table of folders.

use toml::{Table, Value};

use super::repository::{File, assert_none, files};

/// What a folder never depends on.
struct Never {
    folder: &'static str,
    /// Crates, as Cargo calls them; in no kind of dependency, and in no path.
    crates: &'static [&'static str],
    /// Pieces of code.
    code: &'static [&'static str],
    why: &'static str,
}

const NEVER: &[Never] = &[
    Never {
        folder: "protocol",
        crates: &["tokio", "async-nats", "futures-util"],
        code: &["std::fs", "std::net", "std::process", "async fn", ".await"],
        why: "words that gateway and nodes share: no I/O, no async",
    },
    Never {
        folder: "host-gateway",
        crates: &["wasmtime", "mysql_async", "tenon-node"],
        code: &[],
        why: "a gateway runs no service and knows no node's inside",
    },
    Never {
        folder: "host-gateway/src/operations",
        crates: &["axum", "hyper"],
        code: &[],
        why: "operations are called by every front: they know no HTTP",
    },
    Never {
        folder: "host-node",
        crates: &["tenon-gateway"],
        code: &[],
        why: "a node knows no gateway's inside",
    },
    Never {
        folder: "guests/sdk",
        crates: &["tenon-protocol", "tokio", "wasmtime"],
        code: &["std::fs", "std::net", "std::process", "std::env"],
        why: "a guest reaches the world through capabilities only",
    },
];

/// The only crates of the guests that come with Tenon; for their tests anything goes.
const ONLY: &[(&str, &[&str])] =
    &[("guests/mysql", &["tenon-guest"]), ("guests/files", &["tenon-guest"])];

/// Crates that one part of a folder may use, and the rest may not.
const CONFINED: &[(&str, &str, &[&str], &str)] = &[(
    "host-node",
    "axum",
    &["host-node/src/health.rs", "host-node/src/component.rs", "host-node/src/node.rs"],
    "a node's HTTP is its pages",
)];

/// Kinds of dependency in a manifest.
const ALL_KINDS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];
const SHIPPED_KINDS: [&str; 2] = ["dependencies", "build-dependencies"];

#[test]
fn no_folder_depends_on_what_it_never_does() {
    let files = files();
    let mut problems = Vec::new();
    for rule in NEVER {
        for file in files.iter().filter(|file| file.is_in(rule.folder)) {
            problems.extend(broken(rule, file));
        }
    }
    assert_none(&problems);
}

#[test]
fn the_protocol_depends_on_no_crate_of_the_workspace() {
    let files = files();
    let manifests = files.iter().filter(|file| file.path.ends_with("Cargo.toml"));
    let names: Vec<String> = manifests.filter_map(package).collect();
    let protocol = files.iter().find(|file| file.path == "protocol/Cargo.toml");
    let used = dependencies(protocol.expect("protocol has a manifest"), &ALL_KINDS);
    let ours: Vec<String> = used.into_iter().filter(|name| names.contains(name)).collect();
    assert_none(&ours);
}

#[test]
fn guests_that_come_with_tenon_need_the_sdk_only() {
    for (folder, allowed) in ONLY {
        let manifest = format!("{folder}/Cargo.toml");
        let file = files().into_iter().find(|file| file.path == manifest);
        let used = dependencies(&file.expect("a guest has a manifest"), &SHIPPED_KINDS);
        let others = used.into_iter().filter(|name| !allowed.contains(&name.as_str()));
        let problems: Vec<String> = others.map(|name| format!("{manifest}: {name}")).collect();
        assert_none(&problems);
    }
}

#[test]
fn what_is_confined_stays_where_it_belongs() {
    let files = files();
    let mut problems = Vec::new();
    for (folder, name, places, why) in CONFINED {
        let sources = files.iter().filter(|file| file.is_rust() && file.is_in(folder));
        for file in sources.filter(|file| !places.contains(&file.path.as_str())) {
            let lines = file.code().filter(|(_, line)| names_crate(line, name));
            problems.extend(lines.map(|(at, _)| format!("{}:{at}: {name}: {why}", file.path)));
        }
    }
    assert_none(&problems);
}

fn broken(rule: &Never, file: &File) -> Vec<String> {
    if file.path.ends_with("Cargo.toml") {
        let used = dependencies(file, &ALL_KINDS).into_iter();
        let wrong = used.filter(|name| rule.crates.contains(&name.as_str()));
        return wrong.map(|name| format!("{}: {name}: {}", file.path, rule.why)).collect();
    }
    if !file.is_rust() {
        return Vec::new();
    }
    let mut problems = Vec::new();
    for (at, line) in file.code() {
        let crates = rule.crates.iter().filter(|name| names_crate(line, name));
        let code = rule.code.iter().filter(|text| line.contains(**text));
        let wrong = crates.chain(code);
        problems.extend(wrong.map(|what| format!("{}:{at}: {what}: {}", file.path, rule.why)));
    }
    problems
}

/// Whether `line` has a path that begins with the crate `name`.
fn names_crate(line: &str, name: &str) -> bool {
    let path = format!("{}::", name.replace('-', "_"));
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    line.match_indices(&path).any(|(at, _)| !line[..at].ends_with(is_word))
}

fn package(manifest: &File) -> Option<String> {
    let name = parse(manifest).get("package")?.get("name")?.as_str()?.to_owned();
    Some(name)
}

/// Names of all dependencies of these kinds, those of single targets too.
fn dependencies(manifest: &File, kinds: &[&str]) -> Vec<String> {
    let manifest = parse(manifest);
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table);
    let mut names = Vec::new();
    for table in targets.chain([&manifest]) {
        for kind in kinds {
            let listed = table.get(*kind).and_then(Value::as_table);
            for (key, value) in listed.into_iter().flatten() {
                let renamed = value.get("package").and_then(Value::as_str);
                names.push(renamed.unwrap_or(key).to_owned());
            }
        }
    }
    names
}

fn parse(manifest: &File) -> Table {
    manifest.text.parse().unwrap_or_else(|error| panic!("{}: {error}", manifest.path))
}

#[test]
fn a_crate_is_recognised_in_a_path() {
    assert!(names_crate("use tokio::time;", "tokio"));
    assert!(names_crate("    mysql_async::Pool::new()", "mysql_async"));
    assert!(names_crate("let a = tenon_node::x();", "tenon-node"));
    assert!(!names_crate("use my_tokio::time;", "tokio"));
    assert!(!names_crate("crate::tokio::time", "tokio"));
}
