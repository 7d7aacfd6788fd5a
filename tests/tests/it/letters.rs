//! An instance of `files` with a letter in it.

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use tenon_protocol::message::ServiceResponse;
use tenon_tests::Classic;

/// Its directory.
pub(crate) fn directory(instance: &ServiceResponse) -> Dir {
    let path = instance.credentials["internal"]["local_path"].as_str().unwrap();
    Dir::open_ambient_dir(path, ambient_authority()).unwrap()
}

/// A new one.
pub(crate) async fn with_letter(classic: &Classic, letter: &str) -> ServiceResponse {
    let instance = classic.provision().await.unwrap();
    directory(&instance).write("letter", letter).unwrap();
    instance
}

/// What the letter says.
pub(crate) fn letter(instance: &ServiceResponse) -> String {
    directory(instance).read_to_string("letter").unwrap()
}
