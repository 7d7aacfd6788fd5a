//! The 225 examples of the original's messages: each is read, written again, and is the same.
//!
//! `null` and an absent field mean the same (reference, section 0.4). A fixture without a row in
//! `fixtures/table.rs` fails, and so does a row without a fixture. Types that gateway and nodes use
//! are those of `tenon-protocol`; `contract.rs` has the others.

mod table;

use std::collections::{BTreeMap, BTreeSet};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tenon_protocol::subject::{self, Operation};
use tenon_protocol::{NodeId, ServiceName};

use self::table::{By, Row, TYPES};

const PAGE: &str = include_str!("../../golden/README.md");
const DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/fixtures");

#[test]
fn every_message_of_the_original_is_read_and_written_as_it_was() {
    let mut problems = Vec::new();
    let mut used = BTreeSet::new();
    let all = fixtures();
    for fixture in &all {
        let Some(row) = row_of(&fixture.id) else {
            problems.push(format!("{}: no type reads it", fixture.id));
            continue;
        };
        used.insert(row.pattern);
        let message = fixture.message();
        match (row.again)(message) {
            Ok(written) if without_nulls(&written) == without_nulls(message) => {}
            Ok(written) => problems.push(format!("{}: {message} became {written}", fixture.id)),
            Err(error) => problems.push(format!("{}: {error}", fixture.id)),
        }
    }
    let unused = TYPES.iter().map(|row| row.pattern).filter(|pattern| !used.contains(pattern));
    problems.extend(unused.map(|pattern| format!("{pattern}: no such fixture")));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert_eq!(all.len(), 225);
}

/// A fixture is worth something when a type of Tenon's reads it; how many those are is counted.
#[test]
fn the_page_says_how_many_fixtures_are_read_by_whose_types() {
    let mut counts = BTreeMap::<By, usize>::new();
    for row in fixtures().iter().filter_map(|fixture| row_of(&fixture.id)) {
        *counts.entry(row.by).or_default() += 1;
        let is_of_the_test = (row.type_name)().contains("::contract::");
        assert_eq!(is_of_the_test, row.by != By::Tenon, "{}", row.pattern);
    }
    let rows = counts.into_iter().map(|(by, count)| format!("| {by:?} | {count} |"));
    let unsaid: Vec<String> =
        rows.filter(|row| !PAGE.lines().any(|line| line.starts_with(row))).collect();
    assert_eq!(unsaid, [""; 0]);
}

/// Subjects that neither gateway nor node of ours speaks on, and who does.
const FOREIGN: [(&str, &str); 3] = [
    ("router.", "router and serialization data server"),
    ("MyaaS.update_service_handle", "a migration tool of 2011"),
    ("MyaaS.handles", "the same"),
];

#[test]
fn every_subject_of_the_original_is_one_of_ours() {
    let mut problems = Vec::new();
    for fixture in fixtures() {
        let Some(subject) = &fixture.subject else { continue };
        let is_foreign = FOREIGN.iter().any(|(begin, _)| subject.starts_with(begin));
        if !is_foreign && !subject.starts_with("_INBOX.") && !is_ours(subject) {
            problems.push(format!("{}: nobody listens to {subject}", fixture.id));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Whether `tenon-protocol` spells `subject` so.
fn is_ours(subject: &str) -> bool {
    let (service, rest) = subject.split_once('.').expect("two tokens");
    let name = ServiceName::new(service).expect("a service");
    let mut spelt = vec![
        subject::discover(&name),
        subject::announce_shared(&name),
        subject::check_orphan(&name),
        subject::node_handles_shared(&name),
    ];
    spelt.extend(["vcap.component.announce", "vcap.component.discover"].map(str::to_owned));
    if let Some((_, node)) = rest.split_once('.') {
        let node = NodeId::new(node).expect("a node");
        let of = |operation| subject::operation(&name, operation, &node);
        spelt.extend(Operation::ALL.into_iter().map(of));
    }
    spelt.iter().any(|one| one == subject)
}

#[test]
fn patterns_name_whole_ids() {
    assert!(fits("a-*.request", "a-b.c.request"));
    assert!(fits("a*", "a"));
    assert!(!fits("a.request", "a.request-2"));
    assert!(!fits("a-*-b", "a-b"));
    assert!(!fits("a*.b*", "a.c"));
}

/// One example.
#[derive(Deserialize)]
pub(crate) struct Fixture {
    pub(crate) id: String,
    pub(crate) subject: Option<String>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

impl Fixture {
    /// What is said: a body, a payload, a form, a value of a store.
    pub(crate) fn message(&self) -> &Value {
        let parts = ["body", "payload", "body_text", "payload_text", "form", "value", "entries"];
        let found = parts.into_iter().find_map(|part| self.rest.get(part));
        found.unwrap_or(&Value::Null)
    }
}

/// All that the index lists.
pub(crate) fn fixtures() -> Vec<Fixture> {
    #[derive(Deserialize)]
    struct Index {
        fixtures: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        id: String,
        file: String,
    }
    let dir = Dir::open_ambient_dir(DIR, ambient_authority()).expect("the fixtures are there");
    let index: Index = read(&dir, "index.json");
    let fixture = |entry: Entry| {
        let fixture: Fixture = read(&dir, &entry.file);
        assert_eq!(fixture.id, entry.id, "{}", entry.file);
        fixture
    };
    index.fixtures.into_iter().map(fixture).collect()
}

fn read<T: DeserializeOwned>(dir: &Dir, file: &str) -> T {
    let text = dir.read_to_string(file).expect("it is in the index");
    serde_json::from_str(&text).expect("it is JSON of this shape")
}

fn row_of(id: &str) -> Option<&'static Row> {
    TYPES.iter().find(|row| fits(row.pattern, id))
}

/// Reads a message as the type of the fixture `id`, and writes it.
pub(crate) fn read_as(id: &str, message: &Value) -> Result<Value, serde_json::Error> {
    (row_of(id).expect("every fixture has a type").again)(message)
}

/// Whether `id` is one of `pattern`, in which `*` stands for anything.
pub(crate) fn fits(pattern: &str, id: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == id,
        Some((begin, rest)) => id.strip_prefix(begin).is_some_and(|id| {
            (0..=id.len()).any(|at| id.get(at..).is_some_and(|id| fits(rest, id)))
        }),
    }
}

/// A field that is null is not there.
pub(crate) fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(_, value)| !value.is_null());
            kept.map(|(name, value)| (name.clone(), without_nulls(value))).collect()
        }
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}
