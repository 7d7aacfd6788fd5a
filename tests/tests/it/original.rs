//! Nodes of ours that serve gateways of 2013.

use tenon_tests::Platform;

use crate::settings;

/// Makes a node think that its gateways are of 2013, with `lines` besides. Their shared subjects
/// are no node's, so it logs in as one that may use them.
pub(crate) async fn expect_2013(platform: &Platform, child: &str, lines: &str) {
    let file = platform.dev_file().unwrap();
    let text = settings::read(platform, child);
    let changed = text.lines().scan("", |section, line| {
        if line.starts_with('[') {
            *section = line;
        }
        let is_login = *section == "[nats]";
        Some(match line.split_once(" = ") {
            Some(("user", _)) if is_login => format!("user = {:?}", file.nats.user),
            Some(("password", _)) if is_login => {
                format!("password = {:?}", file.nats.password.reveal())
            }
            _ => line.to_owned(),
        })
    });
    let changed = changed.collect::<Vec<_>>().join("\n");
    platform.dir().unwrap().write(format!("{child}.toml"), changed).unwrap();
    settings::set(platform, child, "[[offerings]]", &format!("peers = \"original\"\n{lines}"))
        .await;
}
