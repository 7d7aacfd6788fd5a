//! An operation that is attempted again, and what crashed attempts left.

use tenon_protocol::OperationId;
use wasmtime::component::Resource;

use super::super::error::FilesError;
use super::super::{FilesContext, Label, Root, mark};
use super::{Node, dir_at, node};
use crate::capability::blob::Source;
use crate::guest::bindings::tenon::host::files::Host;

/// A directory, and an archive of what is in it.
async fn packed(node: &mut Node) -> Resource<Root> {
    let root = node.root("one", None).await;
    node.write(&root, "letter", b"packed").await;
    node.pack(&root, u64::MAX).await.unwrap();
    root
}

/// The node's next process opens the directory.
async fn opened_anew(node: &mut Node) -> Resource<Root> {
    node.context = FilesContext::open(dir_at(&node.path), node.path.clone()).unwrap();
    node.root("one", None).await
}

#[tokio::test]
async fn p31_an_operation_that_is_attempted_again_unpacks_once() {
    let mut node = node();
    let root = packed(&mut node).await;
    let (first, second) = (OperationId::random(), OperationId::random());
    assert_eq!(node.unpack_for(&root, Some(&first)).await.unwrap(), 6);
    node.write(&root, "letter", b"written since").await;
    // In the same process, and in the next.
    assert_eq!(node.unpack_for(&root, Some(&first)).await.unwrap(), 6);
    let root = opened_anew(&mut node).await;
    assert_eq!(node.unpack_for(&root, Some(&first)).await.unwrap(), 6);
    assert_eq!(node.read(&root, "letter").await.unwrap(), b"written since");
    assert_eq!(node.all_names(), [".replaced-one", "one"]);
    // What could not be unpacked is no later one.
    let archive = node.outside().read("archive").unwrap();
    node.write_archive(b"no archive");
    node.unpack_for(&root, Some(&second)).await.unwrap_err();
    assert_eq!(node.unpack_for(&root, Some(&first)).await.unwrap(), 6);
    assert_eq!(node.read(&root, "letter").await.unwrap(), b"written since");
    // Another operation replaces it, and so does none.
    node.write_archive(&archive);
    for operation in [Some(&second), None, Some(&second)] {
        node.unpack_for(&root, operation).await.unwrap();
        assert_eq!(node.read(&root, "letter").await.unwrap(), b"packed");
        node.write(&root, "letter", b"written since").await;
    }
    node.view().destroy("one".to_owned()).await.unwrap().unwrap();
    assert!(node.all_names().is_empty());
}

#[tokio::test]
async fn p31_an_operation_that_died_before_it_replaced_anything_is_done() {
    let mut node = node();
    let root = packed(&mut node).await;
    node.write(&root, "letter", b"former").await;
    let operation = OperationId::random();
    let label = Label::new("one").unwrap();
    // As a crash leaves it: the new tree is named, and not exchanged.
    let (_name, aside) = node.context.make_aside(&label).unwrap();
    mark::write(&node.context, &label, &aside, (operation.clone(), 6)).unwrap();
    let root = opened_anew(&mut node).await;
    assert_eq!(node.read(&root, "letter").await.unwrap(), b"former");
    node.unpack_for(&root, Some(&operation)).await.unwrap();
    assert_eq!(node.read(&root, "letter").await.unwrap(), b"packed");
    // Half a mark says nothing.
    dir_at(&node.path).write(".replaced-one", "{").unwrap();
    node.write(&root, "letter", b"former").await;
    node.unpack_for(&root, Some(&operation)).await.unwrap();
    assert_eq!(node.read(&root, "letter").await.unwrap(), b"packed");
}

#[tokio::test]
async fn a_call_that_is_over_replaces_nothing() {
    let mut node = node();
    let root = packed(&mut node).await;
    let label = Label::new("one").unwrap();
    let source = Source::open(&node.outside(), "archive").unwrap();
    let input = source.reader();
    let (name, aside) = node.context.make_aside(&label).unwrap();
    let opened = Root::open(&node.context, label, None).unwrap();
    drop(source);
    let over = opened.swap(&name, &aside, &input).unwrap_err();
    assert!(matches!(over, FilesError::Unavailable(_)), "{over}");
    assert_eq!(node.read(&root, "letter").await.unwrap(), b"packed");
}
