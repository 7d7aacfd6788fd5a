//! Good and bad configuration files.

use std::path::Path;

use expect_test::{Expect, expect};

use super::*;

const GOOD: &str = include_str!("../../testdata/gateway.toml");

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(text, Path::new("gw.toml")).map_err(|error| error.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "expect! makes values")]
fn check_refused(from: &str, to: &str, expected: Expect) {
    assert!(GOOD.contains(from), "{from:?} is not in the example");
    let error = parse(&GOOD.replacen(from, to, 1)).unwrap_err();
    expected.assert_eq(&error);
}

#[test]
fn the_example_is_accepted() {
    let config = parse(GOOD).unwrap();
    assert_eq!(config.offerings.len(), 2);
    let mysql = config.offerings.first().unwrap();
    assert_eq!(mysql.classic_label(), "mysql-10.11");
    assert_eq!(mysql.plans.first().unwrap().snapshot_quota, Some(5));
    assert_eq!(config.state.replicas, Replicas::One);
    assert_eq!(config.state.tomb_life, Duration::from_secs(7 * 86_400));
}

#[test]
fn the_page_shows_a_good_file() {
    let page = include_str!("../../../docs/reference/config.md");
    let gateway = page.split("## Gateway").nth(1).unwrap();
    let block = gateway.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let dir = tempfile::tempdir().unwrap();
    for name in ["admin.token", "nats.password", "mysql.token", "varz.password", "upload.token"] {
        #[expect(clippy::disallowed_methods, reason = "a test's own directory")]
        std::fs::write(dir.path().join(name), format!("{name}\n")).unwrap();
    }
    #[expect(clippy::disallowed_methods, reason = "a test's own directory")]
    std::fs::write(dir.path().join("seal.key"), SealKey::random_hex()).unwrap();
    let config = Config::parse(block, &dir.path().join("gw.toml")).unwrap();
    assert_eq!(config.admin.token.reveal(), "admin.token");
}

#[test]
fn secrets_are_not_shown() {
    let shown = format!("{:?}", parse(GOOD).unwrap());
    for secret in ["admin-secret", "mysql-secret", "files-secret", "bus-secret"] {
        assert!(GOOD.contains(secret) && !shown.contains(secret), "{secret}");
    }
}

#[test]
fn an_unknown_key_is_named_with_what_is_allowed() {
    check_refused(
        "max_in_flight",
        "max_inflight",
        expect![
            "gw.toml:7: unknown field `max_inflight`, expected one of `listen`, `public_url`, `max_body_bytes`, `max_in_flight`, `max_connections`, `drain_seconds`, `stall_seconds`"
        ],
    );
    check_refused(
        "free = true",
        "fre = true",
        expect![
            "gw.toml:50: unknown field `fre`, expected one of `name`, `unique_id`, `description`, `free`, `cf_plan_id`, `extra`, `extensions`, `snapshot_quota`, `allow_over_provisioning`, `low_water`, `high_water`"
        ],
    );
    check_refused(
        "[state]",
        "[stat]",
        expect![
            "gw.toml:20: unknown field `stat`, expected one of `http`, `admin`, `component`, `nats`, `state`, `snapshots`, `cloud_controller`, `offerings`"
        ],
    );
}

#[test]
fn a_value_of_another_type_is_named() {
    check_refused(
        "max_in_flight = 512",
        "max_in_flight = \"many\"",
        expect![[r#"gw.toml:7: max_in_flight: invalid type: string "many", expected usize"#]],
    );
    check_refused(
        "listen = \"127.0.0.1:0\"",
        "listen = \"localhost\"",
        expect!["gw.toml:4: listen: invalid socket address syntax"],
    );
    check_refused(
        "api = \"v1\"",
        "api = \"v3\"",
        expect!["gw.toml:28: api: unknown variant `v3`, expected `v1` or `v2`"],
    );
    check_refused("replicas = 1", "replicas = 2", expect!["gw.toml:22: replicas must be 1 or 3"]);
    check_refused(
        "peers = \"native\"",
        "peers = \"modern\"",
        expect!["gw.toml:44: peers: unknown variant `modern`, expected `native` or `original`"],
    );
    check_refused(
        "\"job\"",
        "\"jobs\"",
        expect![
            "gw.toml:51: extensions: unknown variant `jobs`, expected one of `snapshot`, `serialization`, `job`"
        ],
    );
    check_refused(
        "service = \"MyaaS\"",
        "service = \"My.aaS\"",
        expect![[r#"gw.toml:35: a service name must be 1 to 64 of A-Z a-z 0-9 _ -, not "My.aaS""#]],
    );
    check_refused(
        "token = \"admin-secret\"",
        "token = { path = \"x\" }",
        expect![[r#"gw.toml:13: token: expected a text, or { file = "path" }"#]],
    );
}

#[test]
fn an_impossible_value_is_named() {
    check_refused(
        "max_body_bytes = 1048576",
        "max_body_bytes = 0",
        expect!["gw.toml:6: http.max_body_bytes must be 1 to 67108864, not 0"],
    );
    check_refused(
        "max_in_flight = 512",
        "max_in_flight = 0",
        expect!["gw.toml:7: http.max_in_flight must be 1 to 65536, not 0"],
    );
    check_refused(
        "reconcile_interval_seconds = 10",
        "reconcile_interval_seconds = 0",
        expect!["gw.toml:23: state.reconcile_interval_seconds must be 1 to 3600, not 0"],
    );
    check_refused(
        "tomb_days = 7",
        "tomb_days = 0",
        expect!["gw.toml:24: state.tomb_days must be 1 to 3650, not 0"],
    );
    check_refused(
        "heartbeat_interval_seconds = 60",
        "heartbeat_interval_seconds = 0",
        expect![
            "gw.toml:29: cloud_controller.heartbeat_interval_seconds must be 1 to 86400, not 0"
        ],
    );
    check_refused(
        "node_timeout_seconds = 5",
        "node_timeout_seconds = 0",
        expect!["gw.toml:43: offerings.0.node_timeout_seconds must be 1 to 600, not 0"],
    );
    check_refused(
        "label = \"mysql\"",
        "label = \"my-sql\"",
        expect![[
            r#"gw.toml:33: offerings.0.label must be a word without '-' and '/', not "my-sql""#
        ]],
    );
}

#[test]
fn a_login_in_a_url_is_refused() {
    check_refused(
        "nats://127",
        "nats://u:p@127",
        expect!["gw.toml:16: nats.url must not hold a login: nats.user and nats.password do"],
    );
}

#[test]
fn a_value_that_contradicts_another_is_named() {
    check_refused(
        "default_plan = \"free\"",
        "default_plan = \"gold\"",
        expect!["gw.toml:41: offerings.0.default_plan must be one of free, large, not gold"],
    );
    check_refused(
        "current = \"10.11\"",
        "current = \"5.5\"",
        expect!["gw.toml:40: offerings.0.version_aliases.current must be one of 10.11, not 5.5"],
    );
    check_refused(
        "url = \"http://127.0.0.1:9022\"",
        "url = \"127.0.0.1\"",
        expect![[
            r#"gw.toml:27: cloud_controller.url must begin with http:// or https://, not "127.0.0.1""#
        ]],
    );
    check_refused(
        "seal_key = \"0",
        "seal_key = \"x",
        expect!["gw.toml:21: state.seal_key must be 64 hex digits"],
    );
    check_refused(
        "password = \"bus-secret\"",
        "",
        expect!["gw.toml:17: nats.user needs nats.password beside it"],
    );
    check_refused(
        "token = \"admin-secret\"",
        "token = \"\"",
        expect!["gw.toml:13: admin.token must not be empty"],
    );
    check_refused(
        "token = \"admin-secret\"",
        "token = { file = \"nosuch\" }",
        expect!["gw.toml:13: admin.token names nosuch: No such file or directory (os error 2)"],
    );
}

#[test]
fn what_would_make_a_request_ambiguous_is_named() {
    check_refused(
        "files-secret",
        "mysql-secret",
        expect!["gw.toml:64: offerings.1.token must not be the same as in an entry before it"],
    );
    check_refused(
        "FilesaaS",
        "MyaaS",
        expect!["gw.toml:63: offerings.1.service must not be the same as in an entry before it"],
    );
    check_refused(
        "core_files_free",
        "core_mysql_free",
        expect![
            "gw.toml:68: offerings.1.plans.0.unique_id must not be the same as in an entry before it"
        ],
    );
    check_refused(
        "label = \"files\"\nversion = \"1.0\"",
        "label = \"mysql\"\nversion = \"10.11\"",
        expect!["gw.toml:61: offerings.1.label must not be the same as in an entry before it"],
    );
    check_refused(
        "name = \"large\"",
        "name = \"free\"",
        expect![
            "gw.toml:56: offerings.0.plans.1.name must not be the same as in an entry before it"
        ],
    );
}

#[test]
fn a_download_that_could_not_be_is_named() {
    check_refused(
        "?token=%{token}",
        "",
        expect!["gw.toml:72: snapshots.download_url_template must hold %{token}"],
    );
    check_refused(
        "http://dl.vcap.me",
        "dl.vcap.me",
        expect![[
            r#"gw.toml:72: snapshots.download_url_template must begin with http:// or https://, not "dl.vcap.me/serialized/%{service}/%{name}/snapshots/%{snapshot_id}?token=%{token}""#
        ]],
    );
    check_refused(
        "link_seconds = 3600",
        "link_seconds = 0",
        expect!["gw.toml:73: snapshots.link_seconds must be 1 to 604800, not 0"],
    );
    check_refused(
        "max_downloads = 16",
        "max_downloads = 0",
        expect!["gw.toml:74: snapshots.max_downloads must be 1 to 4096, not 0"],
    );
    let without = GOOD.split("[snapshots]").next().unwrap();
    expect!["gw.toml:51: offerings.0.plans.0.extensions serialization needs [snapshots]"]
        .assert_eq(&parse(without).unwrap_err());
}

#[test]
fn an_offering_without_plans_is_refused() {
    let text = GOOD.split("[[offerings]]").next().unwrap().to_owned();
    let none = format!("offerings = []\n{text}");
    expect!["gw.toml:1: offerings must have at least one entry"]
        .assert_eq(&parse(&none).unwrap_err());
    let offering = "[[offerings]]\nlabel = \"a\"\nversion = \"1\"\nservice = \"A\"\ntoken = \"t\"\nplans = []\n";
    expect!["gw.toml:37: offerings.0.plans must have at least one entry"]
        .assert_eq(&parse(&format!("{text}{offering}")).unwrap_err());
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::read(Path::new("/nosuch/gw.toml")).unwrap_err();
    assert_eq!(error.to_string(), "/nosuch/gw.toml cannot be read");
}
