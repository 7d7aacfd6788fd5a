//! Backups on a real disk.

use super::*;
use std::io::Read;
use std::os::unix::fs::symlink;

const ID: &str = "d34809b28559e414082e84b61d0c4550e";

fn id() -> InstanceId {
    InstanceId::new(ID).unwrap()
}

fn service() -> ServiceName {
    ServiceName::new("MyaaS").unwrap()
}

fn node() -> NodeId {
    NodeId::new("n1").unwrap()
}

fn store(dir: &tempfile::TempDir) -> BackupStore {
    BackupStore::open(&dir.path().join("b"), 1 << 20, 0).unwrap()
}

fn take(store: &BackupStore, epoch: u64, format: &str, raw: &[u8]) -> io::Result<()> {
    let place = store.make_instance(&service(), &id())?;
    let aside = place.begin(epoch)?;
    aside.write(InstanceBackups::raw(), raw)?;
    let taken =
        Taken { plan: "free".to_owned(), version: "5.5".to_owned(), format: format.to_owned() };
    place.keep(epoch, &aside, taken, &node())
}

fn find(store: &BackupStore, path: &str) -> Result<String, String> {
    let found = store.find(path, &id()).map_err(|error| error.to_string())?;
    Ok(format!("{} {}", found.file, found.format))
}

#[test]
fn backups_lie_where_the_original_kept_them() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let zstd = zstd::encode_all(&b"CREATE"[..], 1).unwrap();
    take(&store, 1_373_444_130, SQL, &zstd).unwrap();
    let path = format!("backups/MyaaS/d3/48/09/{ID}/1373444130");
    let mut text = String::new();
    let file = store.dir.open(format!("{path}/{ID}.sql.gz")).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    assert_eq!(text, "CREATE");
    assert_eq!(find(&store, &path), Ok(format!("{ID}.sql.gz mysql-dump/1")));
    let absolute = dir.path().join("b").join(&path);
    assert!(find(&store, absolute.to_str().unwrap()).is_ok());
    assert_eq!(store.instances(&service()).unwrap(), [id()]);
    let place = store.instance(&service(), &id()).unwrap().unwrap();
    assert_eq!(place.taken().unwrap(), [1_373_444_130]);
    assert_eq!(place.taken_last_by().unwrap(), Some(node()));
    place.remove(1_373_444_130).unwrap();
    assert_eq!(find(&store, &path), Err("there is no backup of the instance".to_owned()));
}

#[test]
fn ids_lose_the_prefix_that_the_original_left_out() {
    let place = |id: &str| place(&service(), &InstanceId::new(id).unwrap());
    assert_eq!(place("redis-0a1b2c3d"), "backups/MyaaS/0a/1b/2c/redis-0a1b2c3d");
    assert_eq!(place("mongodb-0a1b2c3d"), "backups/MyaaS/0a/1b/2c/mongodb-0a1b2c3d");
    assert_eq!(place("d1"), "backups/MyaaS/d1/00/00/d1");
}

#[test]
fn other_services_keep_their_own_format() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    take(&store, 7, "files-tar/1", b"tar").unwrap();
    let path = format!("backups/MyaaS/d3/48/09/{ID}/7");
    assert_eq!(find(&store, &path), Ok(format!("{ID}.files-tar-1 files-tar/1")));
}

#[test]
fn a_backup_of_the_original_has_no_checksum_and_one_of_ours_must_match() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    store.dir.create_dir("old").unwrap();
    assert_eq!(find(&store, "old"), Err("there is no backup of the instance".to_owned()));
    store.dir.write(format!("old/{ID}.sql.gz"), b"anything").unwrap();
    assert!(find(&store, "old").is_ok());

    take(&store, 7, "files-tar/1", b"tar").unwrap();
    let path = format!("backups/MyaaS/d3/48/09/{ID}/7");
    store.dir.write(format!("{path}/{ID}.files-tar-1"), b"tor").unwrap();
    assert_eq!(find(&store, &path), Err("the backup is damaged".to_owned()));
    store.dir.write(format!("{path}/{ID}.json"), b"{}").unwrap();
    assert_eq!(find(&store, &path), Err("the backup is damaged".to_owned()));
}

#[test]
fn a_path_that_leads_out_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let outside = dir.path().join("outside");
    store.dir.create_dir("inside").unwrap();
    Dir::create_ambient_dir_all(&outside, ambient_authority()).unwrap();
    symlink(&outside, dir.path().join("b/link")).unwrap();
    let above = dir.path().join("b/../outside");
    for path in ["", "/", "/etc", "..", "inside/../../outside", "link", above.to_str().unwrap()] {
        let refused = "the path is not below the directory of backups".to_owned();
        assert_eq!(find(&store, path), Err(refused), "{path}");
    }
    assert_eq!(find(&store, "nosuch"), Err("there is no backup of the instance".to_owned()));
}

#[test]
fn what_a_crash_left_aside_is_no_backup_and_goes() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let place = store.make_instance(&service(), &id()).unwrap();
    drop(place.begin(5).unwrap());
    assert_eq!(place.taken().unwrap(), [0; 0]);
    take(&store, 6, "files-tar/1", b"tar").unwrap();
    assert_eq!(place.taken().unwrap(), [6]);
    assert_eq!(names(&place.dir).unwrap(), ["6"]);
}
