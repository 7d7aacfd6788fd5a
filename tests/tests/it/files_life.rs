//! The whole life of a directory: ordered, bound, lost, regained, given back.

use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use tenon_protocol::message::ServiceResponse;
use tenon_tests::{HarnessError, Options, Platform};

fn directory(response: &ServiceResponse) -> PathBuf {
    let internal = response.credentials.get("internal").unwrap();
    PathBuf::from(internal.get("local_path").unwrap().as_str().unwrap())
}

fn open(path: &Path) -> Dir {
    Dir::open_ambient_dir(path, ambient_authority()).unwrap()
}

#[tokio::test]
async fn a_files_instance_lives_its_whole_life() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    let classic = platform.classic("files").unwrap();

    let instance = classic.provision().await.unwrap();
    let id = &instance.service_id;
    let owned = open(&directory(&instance));
    owned.write("letter", "dear all").unwrap();

    let binding = classic.bind(id).await.unwrap();
    let bound = directory(&binding);
    assert_eq!(open(&bound).read_to_string("letter").unwrap(), "dear all");

    let job = classic.take_snapshot(id).await.unwrap();
    classic.completed(id, &job).await.unwrap();
    let snapshots = classic.snapshots(id).await.unwrap();
    let [snapshot] = snapshots.as_slice() else { panic!("{snapshots:?}") };

    open(&bound).remove_file("letter").unwrap();
    let job = classic.roll_back(id, &snapshot.snapshot_id).await.unwrap();
    classic.completed(id, &job).await.unwrap();
    assert_eq!(open(&directory(&instance)).read_to_string("letter").unwrap(), "dear all");

    classic.unbind(id, &binding.service_id).await.unwrap();
    classic.unprovision(id).await.unwrap();
    assert!(Dir::open_ambient_dir(directory(&instance), ambient_authority()).is_err());
    let records = platform.records().await.unwrap();
    assert_eq!(records.living_instances().await.unwrap(), Vec::<String>::new());
    assert_eq!(records.living_bindings().await.unwrap(), Vec::<String>::new());

    let Err(HarnessError::Refused(refusal)) = classic.bind(id).await else { panic!("bound") };
    assert_eq!((refusal.status, refusal.code), (404, 30300));
}
