//! Data is saved and comes back.

use tenon_guest::fake::Blob;
use tenon_guest::mysql::Access;
use tenon_guest::{ErrorKind, Snapshots};

use super::{Node, VERSION, instance};
use crate::MySql;

#[test]
fn a_snapshot_brings_back_what_was_destroyed() {
    let node = Node::new();
    let server = node.world.mysql(VERSION);
    server.set_content("d1f", b"rows");
    let blob = Blob::new();
    let facts = node.world.call(|cx| MySql::snapshot(cx, &instance("d1f"), &blob.sink())).unwrap();
    assert_eq!(facts.get::<u64>("bytes"), Ok(Some(blob.bytes().len() as u64)));
    assert_eq!(facts.get::<String>("server"), Ok(Some(VERSION.to_owned())));
    server.set_content("d1f", b"");

    let format = MySql::formats().remove(0);
    node.world.call(|cx| MySql::restore(cx, &instance("d1f"), &blob.source(), &format)).unwrap();
    assert_eq!(server.content("d1f"), Some(b"rows".to_vec()));
    assert_eq!(node.login(&node.owner), Some(Access::ReadWrite));
}

#[test]
fn a_damaged_snapshot_leaves_the_data_as_it_was() {
    let node = Node::new();
    let server = node.world.mysql(VERSION);
    server.set_content("d1f", b"rows");
    let restore = |bytes: &[u8], format: &str| {
        let blob = Blob::with_bytes(bytes);
        node.world.call(|cx| MySql::restore(cx, &instance("d1f"), &blob.source(), format))
    };
    assert_eq!(restore(b"garbage", "mysql-dump/1").unwrap_err().kind(), ErrorKind::CorruptData);
    assert_eq!(restore(b"garbage", "mysql-dump/2").unwrap_err().kind(), ErrorKind::CorruptData);
    assert_eq!(server.content("d1f"), Some(b"rows".to_vec()));
}

#[test]
fn a_snapshot_of_a_database_that_is_gone_has_the_classic_number() {
    let node = Node::new();
    let blob = Blob::new();
    let refused =
        node.world.call(|cx| MySql::snapshot(cx, &instance("d2"), &blob.sink())).unwrap_err();
    assert_eq!(refused.code(), 31002);
}
