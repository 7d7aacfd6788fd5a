//! A plugin is replaced while it serves.

use tenon_tests::{Options, Platform, with_custom_section};

#[tokio::test]
async fn another_build_takes_over_and_nonsense_does_not() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    let classic = platform.classic("files").unwrap();
    let instance = classic.provision().await.unwrap();

    let component = platform.component("files").unwrap();
    let other = with_custom_section(&component, "another build");
    platform.swap("files", &other).await.unwrap();
    let binding = classic.bind(&instance.service_id).await.unwrap();

    platform.put_component("files", b"no component at all").unwrap();
    platform.logs("node-1", "a plugin was refused").await.unwrap();
    assert_eq!(platform.swaps("files").await.unwrap(), [1]);
    classic.unbind(&instance.service_id, &binding.service_id).await.unwrap();
    classic.unprovision(&instance.service_id).await.unwrap();
}
