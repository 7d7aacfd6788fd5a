//! Unknown fields in messages: accepted wherever they stand, and without effect.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value, json};

use super::fixtures::{fits, fixtures, read_as, without_nulls};

/// What a gateway or a node of ours reads: the originals of these messages. Not the order to purge
/// orphans, in which every key is a node.
const READ: &[&str] = &[
    "gw-1.01-provision.re*",
    "gw-1.03-bind*.re*",
    "gw-1.04-unbind.request",
    "gw-1.07-update-snapshot-name.request",
    "gw-1.13-import-from-url.request",
    "gw-1.15-restore.request",
    "gw-1.16-recover.request",
    "gw-1.21-create-snapshot-v2.request",
    "cc-2.2.3-fetch-handles-v1.response",
    "cc-2.3.3-*.response",
    "cc-2.3.5-*.response",
    "cc-2.3.6-*.response",
    "nats-3.*",
    "nats-4.*",
];
/// How an added field's name begins. No message has such a field.
const ADDED: &str = "zzz_";

/// A field to add, and where: which of a message's objects.
#[derive(Debug, Clone)]
struct Addition {
    place: Index,
    field: (String, Value),
}

fn addition() -> impl Strategy<Value = Addition> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            vec(("[a-z]{1,4}", inner), 0..3)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    });
    (any::<Index>(), "[a-z_.]{0,8}", value).prop_map(|(place, name, value)| Addition {
        place,
        field: (format!("{ADDED}{name}"), value),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn p09_an_unknown_field_is_accepted_at_every_level_and_changes_nothing(
        additions in vec(addition(), 1..4)
    ) {
        for fixture in fixtures().into_iter().filter(|fixture| is_read(&fixture.id)) {
            let plain = fixture.message();
            let mut message = plain.clone();
            for addition in &additions {
                add(&mut message, addition);
            }
            let read = read_as(&fixture.id, &message);
            let read = read.map_err(|error| {
                TestCaseError::fail(format!("{}: {message}: {error}", fixture.id))
            })?;
            let expected = read_as(&fixture.id, plain).expect("it is read as it is");
            prop_assert_eq!(without_additions(&read), without_nulls(&expected), "{}", fixture.id);
        }
    }
}

fn is_read(id: &str) -> bool {
    READ.iter().any(|pattern| fits(pattern, id))
}

/// Adds a field to one of the objects in `message`; nothing when it has none.
fn add(message: &mut Value, addition: &Addition) {
    let count = objects(message);
    if count > 0 {
        let mut place = addition.place.index(count);
        add_at(message, &mut place, &addition.field);
    }
}

/// How many objects `value` holds, itself included.
fn objects(value: &Value) -> usize {
    match value {
        Value::Object(fields) => 1 + fields.values().map(objects).sum::<usize>(),
        Value::Array(items) => items.iter().map(objects).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// Adds to the object number `place`, counted down on the way there.
fn add_at(value: &mut Value, place: &mut usize, field: &(String, Value)) {
    match value {
        Value::Object(fields) => {
            let is_here = *place == 0;
            *place = place.wrapping_sub(1);
            fields.values_mut().for_each(|inner| add_at(inner, place, field));
            if is_here {
                fields.insert(field.0.clone(), field.1.clone());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| add_at(inner, place, field)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// `value` as it was before anything was added, as far as it was kept: credentials and options
/// are the service's own, and are handed on as they are.
fn without_additions(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept =
                fields.iter().filter(|(name, value)| !name.starts_with(ADDED) && !value.is_null());
            let kept = kept.map(|(name, value)| (name.clone(), without_additions(value)));
            Value::Object(kept.collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(without_additions).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

#[test]
fn an_added_field_is_found_again() {
    let plain = json!({"a": {"b": 1}, "c": [{"d": null}]});
    for place in 0..objects(&plain) {
        let mut message = plain.clone();
        let mut place = place;
        add_at(&mut message, &mut place, &(format!("{ADDED}x"), json!(1)));
        assert_ne!(message, plain);
        assert_eq!(without_additions(&message), without_nulls(&plain));
    }
}
