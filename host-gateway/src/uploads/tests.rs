//! Uploads on a real disk.

use cap_std::ambient_authority;
use tempfile::TempDir;
use tenon_protocol::Secret;

use super::*;

fn open(dir: &TempDir, life: Duration, max_count: usize) -> Arc<Uploads> {
    let store = Dir::open_ambient_dir(dir.path(), ambient_authority()).unwrap();
    let config = UploadsConfig {
        token: Secret::new("one".to_owned()),
        next_token: Some(Secret::new("two".to_owned())),
        max_bytes: 10,
        life,
        timeout: life,
        max_count,
    };
    Arc::new(Uploads::open(&store, config).unwrap())
}

const HOUR: Duration = Duration::from_secs(3_600);

fn names(dir: &TempDir) -> Vec<String> {
    let store = Dir::open_ambient_dir(dir.path().join(DIR), ambient_authority()).unwrap();
    let names = store.entries().unwrap();
    names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn what_is_kept_is_there_until_it_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let uploads = open(&dir, HOUR, 8);
    let mut part = uploads.begin().await.unwrap();
    part.write(b"PK...").await.unwrap();
    let id = uploads.name();
    assert!(uploads.open_file(&id).await.unwrap().is_none(), "half an upload is read");
    assert_eq!(part.keep(&id).await.unwrap(), 5);
    drop(part);
    assert_eq!(names(&dir), [id.file_name()]);
    assert_eq!(uploads.open_file(&id).await.unwrap().unwrap().1, 5);

    for _ in 0..2 {
        uploads.remove(&id).await.unwrap();
    }
    assert!(uploads.open_file(&id).await.unwrap().is_none());
}

#[tokio::test]
async fn what_is_not_kept_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let uploads = open(&dir, HOUR, 8);
    let mut part = uploads.begin().await.unwrap();
    part.write(&[0; 10]).await.unwrap();
    let error = part.write(&[0]).await.unwrap_err();
    assert!(matches!(error, OperationError::TooLarge { size: 11, most: 10 }), "{error:?}");
    drop(part);
    let empty = uploads.begin().await.unwrap().keep(&uploads.name()).await.unwrap_err();
    assert!(matches!(empty, OperationError::Malformed), "{empty:?}");
    assert_eq!(names(&dir), [""; 0]);
}

#[tokio::test]
async fn there_are_so_many_at_once_and_what_is_over_makes_room() {
    let dir = tempfile::tempdir().unwrap();
    let uploads = open(&dir, HOUR, 2);
    let mut first = uploads.begin().await.unwrap();
    first.write(b"x").await.unwrap();
    first.keep(&uploads.name()).await.unwrap();
    let half = uploads.begin().await.unwrap();
    assert!(matches!(uploads.begin().await, Err(OperationError::Crowded)));
    drop(half);
    uploads.begin().await.unwrap();

    // What a gateway of an hour ago left, half and whole, and what is not ours.
    let (old, dir) = (tempfile::tempdir().unwrap(), dir);
    drop(dir);
    let uploads = open(&old, Duration::ZERO, 2);
    std::mem::forget(uploads.begin().await.unwrap());
    let mut whole = uploads.begin().await.unwrap();
    whole.write(b"x").await.unwrap();
    whole.keep(&uploads.name()).await.unwrap();
    uploads.begin().await.unwrap();
    uploads.dir.write("README.zip", "keep").unwrap();
    uploads.sweep().await.unwrap();
    assert_eq!(names(&old), ["README.zip"]);
}

#[tokio::test]
async fn a_full_disk_is_told_as_one() {
    let dir = tempfile::tempdir().unwrap();
    let uploads = open(&dir, HOUR, 2);
    let mut part = uploads.begin().await.unwrap();
    // A device that is always full.
    let devices = Dir::open_ambient_dir("/dev", ambient_authority()).unwrap();
    let mut options = OpenOptions::new();
    let full = devices.open_with("full", options.write(true)).unwrap().into_std();
    part.file = tokio::fs::File::from_std(full);
    part.write(b"x").await.unwrap();
    let error = part.keep(&uploads.name()).await.unwrap_err();
    assert!(matches!(error, OperationError::NoSpace(_)), "{error:?}");
    drop(part);
    assert_eq!(names(&dir), [""; 0]);
}

#[tokio::test]
async fn two_tokens_are_good_while_one_is_changed() {
    let dir = tempfile::tempdir().unwrap();
    let uploads = open(&dir, HOUR, 2);
    assert!(uploads.admits("one") && uploads.admits("two"));
    for bad in ["", "three", "on", "one1", "One"] {
        assert!(!uploads.admits(bad), "{bad}");
    }
}
