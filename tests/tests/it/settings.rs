//! Configuration files of a running platform, changed as an operator changes them.

use tenon_tests::Platform;

/// The file of `gateway-1` or the like.
pub(crate) fn read(platform: &Platform, child: &str) -> String {
    let dir = platform.dir().unwrap();
    dir.read_to_string(format!("{child}.toml")).unwrap()
}

/// Puts `line` below every `section` of a child's file, and starts the child anew.
pub(crate) async fn set(platform: &Platform, child: &str, section: &str, line: &str) {
    change(platform, child, section, &format!("{section}\n{line}")).await;
}

/// Puts `new` in the place of every `old` of a child's file, and starts the child anew.
pub(crate) async fn change(platform: &Platform, child: &str, old: &str, new: &str) {
    let text = read(platform, child);
    let changed = text.replace(old, new);
    assert_ne!(text, changed, "{child} has no {old}");
    let dir = platform.dir().unwrap();
    dir.write(format!("{child}.toml"), changed).unwrap();
    let control = platform.control().unwrap();
    control.stop(child).await.unwrap();
    control.start(child, None).await.unwrap();
}
