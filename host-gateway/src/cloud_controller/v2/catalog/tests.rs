//! Tables of the catalog difference.

use super::*;
use crate::cloud_controller::tests::platform::offering;

const GUID: &str = "5ccb704b";

fn wanted() -> Wanted {
    service(&offering(), "http://gw", Presence::Here)
}

/// The wanted service as it is listed, with `changes`; a change to `"absent"` removes the field.
fn listed(changes: &Value) -> Listed<Object> {
    let mut entity = wanted().creation();
    for (field, value) in changes.as_object().unwrap() {
        if value == "absent" {
            entity.remove(field);
        } else {
            entity.insert(field.clone(), value.clone());
        }
    }
    Listed { metadata: Metadata { guid: GUID.to_owned() }, entity }
}

#[track_caller]
fn check_service(changes: &Value, expected: &Step) {
    let step = service_step(&wanted(), "derived", &[listed(changes)], |_| None);
    assert_eq!(step, *expected, "{changes}");
}

fn update() -> Step {
    Step::Update(GUID.to_owned())
}

fn keep() -> Step {
    Step::Keep(GUID.to_owned())
}

fn taken(by: &str) -> Step {
    Step::Taken(by.to_owned())
}

#[test]
fn a_service_has_the_fields_of_the_original() {
    let mut offering = offering();
    "u1".clone_into(&mut offering.unique_id);
    offering.listing.blurb = Some("Shared".to_owned());
    let expected = json!({
        "description": "MySQL database", "provider": "core", "version": "10.11",
        "url": "http://gw", "label": "mysql", "active": true, "acls": null, "timeout": 15,
        "extra": r#"{"listing":{"imageUrl":"","blurb":"Shared"},"provider":{"name":""}}"#,
        "unique_id": "u1",
    });
    let wanted = service(&offering, "http://gw", Presence::Here);
    assert_eq!(json!(wanted.creation()), expected);
    assert!(!wanted.body.contains_key("unique_id"));
}

#[test]
fn a_plan_has_the_fields_of_the_original() {
    let offering = offering();
    let expected = json!({
        "name": "large", "description": "large", "free": false, "extra": null,
        "service_guid": GUID, "unique_id": "core_mysql_large",
    });
    assert_eq!(json!(plan(&offering.plans[1], GUID).creation()), expected);
}

#[test]
fn what_is_not_there_is_created_and_what_is_right_is_kept() {
    assert_eq!(service_step(&wanted(), "derived", &[], |_| None), Step::Create);
    check_service(&json!({}), &keep());
    check_service(&json!({ "info_url": "x", "acls": "absent", "extra": null }), &keep());
}

#[test]
fn p06_only_what_differs_is_written() {
    check_service(&json!({ "url": "http://old" }), &update());
    check_service(&json!({ "active": false }), &update());
    check_service(&json!({ "description": "x" }), &update());
    check_service(&json!({ "acls": { "users": [] } }), &update());
    check_service(&json!({ "label": "renamed" }), &update());
}

#[test]
fn a_field_that_is_not_listed_is_compared_with_what_was_sent() {
    let wanted = wanted();
    let entries = [listed(&json!({ "timeout": "absent" }))];
    let step = |sent: Option<Object>| service_step(&wanted, "derived", &entries, |_| sent.clone());
    assert_eq!(step(None), update());
    assert_eq!(step(Some(wanted.body.clone())), keep());
    let mut before = wanted.body.clone();
    before.insert("timeout".to_owned(), json!(1));
    assert_eq!(step(Some(before)), update());
}

#[test]
fn p06_what_is_anothers_is_left_alone() {
    check_service(&json!({ "unique_id": "other" }), &taken("other"));
    check_service(&json!({ "unique_id": "other", "version": "5.5" }), &taken("other"));
    check_service(&json!({ "unique_id": "other", "provider": "acme" }), &Step::Create);
    check_service(&json!({ "unique_id": "other", "label": "redis" }), &Step::Create);
}

#[test]
fn p06_what_is_nobodys_is_taken_over_when_label_provider_and_version_are_the_same() {
    for unique_id in [json!(null), json!(""), json!("absent"), json!("derived")] {
        check_service(&json!({ "unique_id": unique_id }), &keep());
        check_service(&json!({ "unique_id": unique_id, "url": "http://old" }), &update());
        let by = if unique_id == "derived" { "derived" } else { "" };
        check_service(&json!({ "unique_id": unique_id, "version": "5.5" }), &taken(by));
    }
}

#[test]
fn the_unique_id_comes_before_the_names() {
    let mut anothers = listed(&json!({ "unique_id": "other" }));
    "g2".clone_into(&mut anothers.metadata.guid);
    let own = listed(&json!({ "label": "old-name" }));
    let step = service_step(&wanted(), "derived", &[anothers, own], |_| None);
    assert_eq!(step, update());
}

#[test]
fn p07_leaving_differs_in_being_active() {
    let leaving = service(&offering(), "http://gw", Presence::Leaving);
    assert_eq!(leaving.body.get("active"), Some(&json!(false)));
    let step = service_step(&leaving, "derived", &[listed(&json!({}))], |_| None);
    assert_eq!(step, update());
    let step = service_step(&leaving, "derived", &[listed(&json!({ "active": false }))], |_| None);
    assert_eq!(step, keep());
}

#[track_caller]
fn check_plan(entity: &Value, expected: &Step) {
    let wanted = plan(&offering().plans[0], "s1");
    let entity = entity.as_object().unwrap().clone();
    let entry = Listed { metadata: Metadata { guid: GUID.to_owned() }, entity };
    assert_eq!(plan_step(&wanted, &[entry], |_| None), *expected);
}

#[test]
fn a_plan_is_found_by_its_unique_id_else_by_its_name() {
    let same = json!({
        "unique_id": "core_mysql_free", "name": "free", "description": "Free", "free": true,
        "extra": null, "service_guid": "s1", "service_url": "x",
    });
    check_plan(&same, &keep());
    let with = |field: &str, value: Value| {
        let mut plan = same.clone();
        plan[field] = value;
        plan
    };
    check_plan(&with("description", json!("20 MB")), &update());
    check_plan(&with("name", json!("gratis")), &update());
    check_plan(&with("unique_id", json!("older")), &keep());
    let other = json!({ "unique_id": "other", "name": "gold" });
    check_plan(&other, &Step::Create);
}
