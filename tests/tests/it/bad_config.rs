//! What a bad configuration file gets: file, place, key and what is allowed, and nothing is bound.

use std::path::PathBuf;

use expect_test::{Expect, expect};
use tenon_tests::{Options, Platform};
use tokio::process::Command;

use crate::settings;

/// A running platform, whose files are the good ones. Its addresses are taken: a host that binds
/// before it reads would complain of that.
struct Bench {
    platform: Platform,
    child: &'static str,
    program: PathBuf,
}

impl Bench {
    async fn start(child: &'static str) -> Self {
        let platform = Platform::start(Options::of(&["echo", "counter"])).await.unwrap();
        let pid = platform.dev_file().unwrap().pids[child];
        let exe = PathBuf::from(format!("/proc/{pid}/exe"));
        Self { program: exe.read_link().unwrap(), platform, child }
    }

    /// Starts the host with its file, in which `from` is replaced by `to`.
    async fn check(&self, from: &str, to: &str, expected: Expect) {
        let good = settings::read(&self.platform, self.child);
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "there is no {from}");
        self.platform.dir().unwrap().write("bad.toml", bad).unwrap();
        expected.assert_eq(&self.refusal("bad.toml").await);
    }

    /// What the host says of a file that it does not take, without the place of this test.
    async fn refusal(&self, file: &str) -> String {
        let config = self.platform.root().join(file);
        let output = Command::new(&self.program).arg("--config").arg(config).output();
        let output = output.await.unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
        let said = String::from_utf8(output.stderr).unwrap();
        said.replace(&*self.platform.root().to_string_lossy(), "D")
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn a_gateway_names_what_is_wrong_in_its_file() {
    let gateway = Bench::start("gateway-1").await;
    gateway
        .check(
            "[http]",
            "[http",
            expect![[r#"
        error: D/bad.toml:1: unclosed table, expected `]`
    "#]],
        )
        .await;
    gateway.check("[http]\nlisten", "[http]\nlisten_on", expect![[r#"
        error: D/bad.toml:2: unknown field `listen_on`, expected one of `listen`, `public_url`, `max_body_bytes`, `max_in_flight`, `max_connections`, `drain_seconds`, `stall_seconds`
    "#]]).await;
    gateway
        .check(
            "[state]",
            "[state]\nreplicas = 2",
            expect![[r#"
        error: D/bad.toml:14: replicas must be 1 or 3
    "#]],
        )
        .await;
    gateway
        .check(
            "reconcile_interval_seconds = 2",
            "reconcile_interval_seconds = 0",
            expect![[r#"
        error: D/bad.toml:15: state.reconcile_interval_seconds must be 1 to 3600, not 0
    "#]],
        )
        .await;
    gateway
        .check(
            "reconcile_interval_seconds = 2",
            "reconcile_interval_seconds = \"2\"",
            expect![[r#"
        error: D/bad.toml:15: reconcile_interval_seconds: invalid type: string "2", expected u64
    "#]],
        )
        .await;
    gateway
        .check(
            "api = \"v1\"",
            "api = \"v3\"",
            expect![[r#"
                error: D/bad.toml:23: api: unknown variant `v3`, expected `v1` or `v2`
            "#]],
        )
        .await;
    gateway
        .check(
            "[[offerings]]",
            "[[offerings]]\nnode_timeout_seconds = -1",
            expect![[r#"
                error: D/bad.toml:26: node_timeout_seconds: invalid value: integer `-1`, expected u64
            "#]],
        )
        .await;
    gateway
        .check(
            "default_plan = \"free\"",
            "default_plan = \"gold\"",
            expect![[r#"
                error: D/bad.toml:33: offerings.0.default_plan must be one of free, not gold
            "#]],
        )
        .await;
    gateway
        .check(
            "EchoaaS",
            "CounteraaS",
            expect![[r#"
                error: D/bad.toml:48: offerings.1.service must not be the same as in an entry before it
            "#]],
        )
        .await;
    gateway
        .check(
            "[admin]",
            "[admin]\ntoken = { file = \"nosuch\" }\n[admins]",
            expect![[r#"
        error: D/bad.toml:4: missing field `listen`
    "#]],
        )
        .await;
    expect![[r#"
        error: D/nosuch.toml cannot be read
          because: No such file or directory (os error 2)
    "#]]
    .assert_eq(&gateway.refusal("nosuch.toml").await);
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn a_node_names_what_is_wrong_in_its_file() {
    let node = Bench::start("node-1").await;
    node.check(
        "[node]",
        "[node",
        expect![[r#"
        tenon-node: error: D/bad.toml:3: unclosed table, expected `]`
    "#]],
    )
    .await;
    node.check("data_dir", "datadir", expect![[r#"
        tenon-node: error: D/bad.toml:4: unknown field `datadir`, expected one of `data_dir`, `drain_seconds`, `look_interval_seconds`, `disabled_file`
    "#]]).await;
    node.check(
        "[guests]",
        "[guests]\nmax_calls = 0",
        expect![[r#"
        tenon-node: error: D/bad.toml:15: guests.max_calls: must be 1 to 1000, not 0
    "#]],
    )
    .await;
    node.check(
        "[guests]",
        "[guests]\nmemory_mib = 100000",
        expect![[r#"
        tenon-node: error: D/bad.toml:15: guests.memory_mib: must be 2 to 1024, not 100000
    "#]],
    )
    .await;
    node.check(
        "[guests]",
        "[guests]\ncpu_budget_ms = \"1s\"",
        expect![[r#"
        tenon-node: error: D/bad.toml:15: cpu_budget_ms: invalid type: string "1s", expected u64
    "#]],
    )
    .await;
    node.check(
        "listen = \"127.0.0.1:",
        "listen = \"localhost:",
        expect![[r#"
        tenon-node: error: D/bad.toml:7: listen: invalid socket address syntax
    "#]],
    )
    .await;
    node.check("\"blob\"", "\"blobs\"", expect![[r#"
        tenon-node: error: D/bad.toml:30: capabilities: unknown variant `blobs`, expected one of `mysql`, `files`, `state`, `secrets`, `blob`
    "#]]).await;
    node.check("capabilities = [", "capabilities = [\"mysql\", ", expect![[r#"
        tenon-node: error: D/bad.toml:28: offerings.0.versions: 1.0 has no [[mysql]] server; there are: none
    "#]]).await;
    node.check(
        "label = \"echo\"",
        "label = \"Echo\"",
        expect![[r#"
            tenon-node: error: D/bad.toml:24: offerings.0.label: must be 1 to 40 of a-z 0-9 _ -
        "#]],
    )
    .await;
    node.check("EchoaaS", "CounteraaS", expect![[r#"
        tenon-node: error: D/bad.toml:34: offerings.1.service: CounteraaS is served twice by this node id
    "#]]).await;
    node.check(
        "versions = [\"1.0\"]",
        "versions = []",
        expect![[r#"
            tenon-node: error: D/bad.toml:28: offerings.0.versions: must name at least one version
        "#]],
    )
    .await;
    expect![[r#"
        tenon-node: error: D/nosuch.toml cannot be read: No such file or directory (os error 2)
    "#]]
    .assert_eq(&node.refusal("nosuch.toml").await);
}
