//! The service over a fake node.

use expect_test::expect;
use tenon_guest::fake::{Blob, World};
use tenon_guest::{
    Binding, BindingRef, Credential, Error, ErrorKind, Health, Instance, Metering, Migration,
    Parameters, Result, Service, Snapshots, Suspension, Writes, json,
};

use crate::Files;

const ID: &str = "f-1";

fn node() -> World {
    let world = World::new().with_setting("quota_bytes", "10");
    provision(&world, ID).unwrap();
    world
}

fn instance(id: &str) -> Instance {
    Instance { id: id.to_owned(), plan: "free".to_owned(), version: "1".to_owned() }
}

fn provision(world: &World, id: &str) -> Result<Credential> {
    world.call(|cx| Files::provision(cx, &instance(id), &Parameters::new(), None))
}

fn bind(world: &World, parameters: &Parameters) -> Result<Credential> {
    let binding = BindingRef { id: "b1".to_owned(), instance: instance(ID) };
    world.call(|cx| Files::bind(cx, &binding, parameters, None))
}

fn write(world: &World, bytes: &[u8]) {
    world.call(|cx| Ok(cx.files().open(ID, None)?.write("note", 0, bytes)?)).unwrap();
}

fn read(world: &World) -> Result<Vec<u8>> {
    world.call(|cx| Ok(cx.files().open(ID, None)?.read("note", 0, 100)?))
}

#[test]
fn provision_answers_with_the_path_where_the_original_had_it() {
    let made = provision(&World::new(), ID).unwrap();
    expect![[r#"
        {
            internal: {"fs_type":"local","local_path":"/srv/files/f-1","name":"f-1"},
        }
    "#]]
    .assert_debug_eq(&made);
}

#[test]
fn provisioning_twice_leaves_what_is_there() {
    let world = node();
    write(&world, b"kept");
    assert!(provision(&world, ID).is_ok());
    assert_eq!(read(&world), Ok(b"kept".to_vec()));
}

#[test]
fn an_id_that_is_no_directory_name_is_refused_with_the_classic_number() {
    let refused = provision(&World::new(), "../etc").unwrap_err();
    assert_eq!((refused.kind(), refused.code()), (ErrorKind::InvalidInput, 31900));
    expect!["Could not create instance directory: label or path not allowed"]
        .assert_eq(refused.message());
}

#[test]
fn a_binding_names_path_and_mode() {
    let world = node();
    let bound = bind(&world, &Parameters::new().with("mode", "ro")).unwrap();
    expect![[r#"
        {
            internal: {"fs_type":"local","local_path":"/srv/files/f-1","name":"f-1"},
            path: "/srv/files/f-1",
            mode: "ro",
        }
    "#]]
    .assert_debug_eq(&bound);
}

#[test]
fn a_binding_reads_and_writes_unless_it_asks_for_less() {
    let world = node();
    let mode = |mode: tenon_guest::Value| {
        bind(&world, &Parameters::new().with("mode", mode))?.require::<String>("mode")
    };
    assert_eq!(mode(json!(null)), Ok("rw".to_owned()));
    assert_eq!(mode(json!("rw")), Ok("rw".to_owned()));
    assert_eq!(mode(json!("ro")), Ok("ro".to_owned()));
    assert_eq!(mode(json!("rwx")).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(mode(json!(["rw"])).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_directory_that_is_gone_is_not_made_again_by_a_binding() {
    let refused = bind(&World::new(), &Parameters::new()).unwrap_err();
    assert_eq!(refused, Error::not_found(31904, "Could not find instance: f-1"));
}

#[test]
fn unbind_has_nothing_to_do() {
    let world = node();
    let credential = bind(&world, &Parameters::new()).unwrap();
    let binding = Binding { id: "b1".to_owned(), instance: instance(ID), credential };
    assert_eq!(world.call(|cx| Files::unbind(cx, &binding)), Ok(()));
}

#[test]
fn unprovision_removes_everything_and_succeeds_when_nothing_is_there() {
    let world = node();
    write(&world, b"gone");
    let unprovision = || world.call(|cx| Files::unprovision(cx, &instance(ID), &[]));
    assert_eq!(unprovision(), Ok(()));
    assert_eq!(world.call(|cx| Ok(cx.files().labels(None, 10)?)), Ok(Vec::new()));
    assert_eq!(unprovision(), Ok(()));
}

#[test]
fn inventory_lists_directories_in_pages() {
    let world = World::new();
    for number in 0..1_200 {
        provision(&world, &format!("f-{number:04}")).unwrap();
    }
    let first = world.call(|cx| Files::inventory(cx, None)).unwrap();
    assert_eq!((first.instances.len(), first.next.as_deref()), (1_000, Some("f-0999")));
    let second = world.call(|cx| Files::inventory(cx, first.next.as_deref())).unwrap();
    assert_eq!((second.instances.len(), second.next), (200, None));
}

#[test]
fn purge_removes_directories() {
    let world = node();
    assert_eq!(world.call(|cx| Files::purge(cx, &[instance(ID)], &[])), Ok(1));
    assert_eq!(world.call(|cx| Ok(cx.files().labels(None, 10)?)), Ok(Vec::new()));
}

#[test]
fn health_knows_whether_the_directory_is_there() {
    let world = node();
    let health =
        |instance: Option<Instance>| world.call(|cx| Files::health(cx, instance.as_ref())).unwrap();
    assert_eq!(health(None).status, Health::Ok);
    assert_eq!(health(Some(instance(ID))).status, Health::Ok);
    let gone = health(Some(instance("f-2")));
    assert_eq!((gone.status, gone.detail.as_str()), (Health::Failed, "directory f-2 is gone"));
}

#[test]
fn a_snapshot_brings_back_what_was_destroyed() {
    let world = node();
    write(&world, b"before");
    let blob = Blob::new();
    let facts = world.call(|cx| Files::snapshot(cx, &instance(ID), &blob.sink())).unwrap();
    assert_eq!(facts.get::<u64>("bytes"), Ok(Some(blob.bytes().len() as u64)));
    write(&world, b"AFTER!");

    let format = Files::formats().remove(0);
    world.call(|cx| Files::restore(cx, &instance(ID), &blob.source(), &format)).unwrap();
    assert_eq!(read(&world), Ok(b"before".to_vec()));
}

#[test]
fn a_snapshot_that_cannot_be_restored_leaves_the_data_as_it_was() {
    let world = node();
    write(&world, b"kept");
    let restore = |blob: &Blob, format: &str| {
        world
            .call(|cx| Files::restore(cx, &instance(ID), &blob.source(), format))
            .unwrap_err()
            .kind()
    };
    let garbage = Blob::with_bytes(b"garbage");
    assert_eq!(restore(&garbage, "files-tar/1"), ErrorKind::CorruptData);
    assert_eq!(restore(&garbage, "files-zip/1"), ErrorKind::CorruptData);
    assert_eq!(read(&world), Ok(b"kept".to_vec()));
}

#[test]
fn a_snapshot_larger_than_the_quota_is_refused() {
    let large =
        World::new().with_setting("quota_bytes", "10").with_setting("quota_bytes.free", "20");
    provision(&large, ID).unwrap();
    write(&large, &[b'x'; 20]);
    let blob = Blob::new();
    large.call(|cx| Files::snapshot(cx, &instance(ID), &blob.sink())).unwrap();

    let small = node();
    let refused = small
        .call(|cx| Files::restore(cx, &instance(ID), &blob.source(), "files-tar/1"))
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::QuotaExceeded);
}

#[test]
fn a_directory_that_moved_has_a_path_of_this_node_and_the_modes_it_had() {
    let world = node();
    let old = Credential::new()
        .public("path", "/elsewhere/f-1")
        .public("binding_options", json!({"mode": "ro"}));
    let binding = Binding { id: "b1".to_owned(), instance: instance(ID), credential: old.clone() };
    let adopted =
        world.call(|cx| Files::adopt(cx, &instance(ID), &old, std::slice::from_ref(&binding)));
    let (owner, bindings) = adopted.unwrap();
    assert_eq!(owner, provision(&world, ID).unwrap());
    let bound = bind(&world, &Parameters::new().with("mode", "ro")).unwrap();
    assert_eq!(bindings, [Binding { credential: bound, ..binding }]);
}

#[test]
fn shutting_off_a_directory_leaves_its_data_and_refuses_one_that_is_gone() {
    let world = node();
    write(&world, b"kept");
    let disable = |id: &str| {
        let none = Credential::new();
        world.call(|cx| Files::disable(cx, &instance(id), &none, &[]))?;
        world.call(|cx| Files::enable(cx, &instance(id), &none, &[]))
    };
    assert_eq!((disable(ID), disable(ID)), (Ok(()), Ok(())));
    assert_eq!(read(&world), Ok(b"kept".to_vec()));
    assert_eq!(disable("f-2").unwrap_err().code(), 31904);
}

#[test]
fn a_directory_is_measured_and_what_is_in_it_left_alone() {
    let world = node();
    let measure = || world.call(|cx| Files::measure(cx, &instance(ID))).unwrap();
    let usage = measure();
    assert_eq!((usage.bytes_used, usage.bytes_limit, usage.over_quota), (0, 10, false));
    write(&world, &[b'x'; 10]);
    let usage = measure();
    assert_eq!((usage.bytes_used, usage.over_quota), (10, true));
    let none = Credential::new();
    let enforce = |writes| world.call(|cx| Files::enforce(cx, &instance(ID), &none, &[], writes));
    assert_eq!((enforce(Writes::Blocked), enforce(Writes::Allowed)), (Ok(()), Ok(())));
    assert_eq!(read(&world), Ok(vec![b'x'; 10]));
    let gone = world.call(|cx| Files::measure(cx, &instance("f-2"))).unwrap_err();
    assert_eq!(gone.code(), 31904);
}

#[test]
fn a_quota_that_is_no_number_is_the_operators_fault() {
    let world = World::new().with_setting("quota_bytes", "lots");
    let refused = provision(&world, ID).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Internal);
    expect![[r#"setting quota_bytes is "lots": invalid digit found in string"#]]
        .assert_eq(refused.message());
}

#[test]
fn the_offering_is_called_files() {
    assert_eq!(Files::describe().label(), "files");
}
