//! Writes the configuration file of each gateway and node, and the folders that they are told of.

use super::DevError;
use super::blueprint::Blueprint;
use super::directory::Directory;
use super::{gateway_config, node_config};

/// `D/gateway-1.toml`, `D/node-1.toml`, ...
pub(crate) fn write(directory: &Directory, blueprint: &Blueprint) -> Result<(), DevError> {
    for folder in ["log", "run", "snapshots"] {
        directory.create_dir(folder)?;
    }
    for gateway in &blueprint.gateways {
        let text = gateway_config::text(blueprint, gateway)?;
        directory.write(&format!("{}.toml", gateway.id), text.as_bytes())?;
    }
    for node in &blueprint.nodes {
        directory.create_dir(node.id.as_str())?;
        let text = node_config::text(blueprint, node)?;
        directory.write(&format!("{}.toml", node.id), text.as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use expect_test::{Expect, expect};

    use super::*;
    use crate::dev::blueprint::{Counts, Wanted};
    use crate::dev::kept::Kept;
    use crate::dev::stand_in::Api;
    use crate::dev::tools::MariadbPrograms;
    use crate::dev::version::Version;

    fn blueprint(offerings: &[&str], mariadb: Option<MariadbPrograms>) -> (Blueprint, Kept) {
        blueprint_of(offerings, mariadb, Api::V1)
    }

    fn blueprint_of(
        offerings: &[&str],
        mariadb: Option<MariadbPrograms>,
        api: Api,
    ) -> (Blueprint, Kept) {
        let mut kept = Kept::default();
        let choices: Vec<_> = offerings.iter().map(|label| label.parse().unwrap()).collect();
        let counts = Counts { gateways: 1, nodes: 1 };
        let wanted = Wanted { choices: &choices, counts, api };
        let blueprint = Blueprint::draw("/d".into(), wanted, mariadb, &mut kept).unwrap();
        (blueprint, kept)
    }

    fn mariadb() -> MariadbPrograms {
        MariadbPrograms {
            server: PathBuf::from("/bin/mariadbd"),
            install: PathBuf::from("/bin/mariadb-install-db"),
            client: PathBuf::from("/bin/mariadb"),
            dump: PathBuf::from("/bin/mariadb-dump"),
            version: Version { major: 10, minor: 11 },
        }
    }

    /// Ports and secrets differ each time; the names under which they are kept do not.
    fn check_text(text: &str, kept: &Kept, expected: &Expect) {
        expected.assert_eq(&kept.names_for_values(text));
    }

    #[test]
    fn a_gateway_is_told_its_offerings_and_where_everything_is() {
        let (blueprint, kept) = blueprint(&["files"], None);
        let text = gateway_config::text(&blueprint, blueprint.gateways.first().unwrap()).unwrap();
        check_text(
            &text,
            &kept,
            &expect![[r#"
            [http]
            listen = "127.0.0.1:<gateway-1>"

            [admin]
            listen = "127.0.0.1:<gateway-1.admin>"
            token = "<admin>"

            [nats]
            url = "nats://127.0.0.1:<nats>"
            user = "gateway"
            password = "<nats.gateway>"

            [state]
            seal_key = "<seal_key>"
            reconcile_interval_seconds = 2

            [snapshots]
            dir = "/d/snapshots"
            upload_token = "<uploads>"

            [cloud_controller]
            url = "http://127.0.0.1:<cloud_controller>"
            api = "v1"

            [[offerings]]
            label = "files"
            version = "1.0"
            service = "FilesystemaaS"
            token = "<token.files>"
            provider = "core"
            description = "Directory of files"
            supported_versions = ["1.0"]
            default_plan = "free"

            [offerings.version_aliases]
            current = "1.0"

            [[offerings.plans]]
            name = "free"
            unique_id = "core_files_free"
            description = "Free"
            free = true
            extensions = ["snapshot", "serialization", "job"]
        "#]],
        );
    }

    #[test]
    fn a_gateway_of_a_version_2_cloud_controller_is_told_its_uaa() {
        let (blueprint, kept) = blueprint_of(&["files"], None, Api::V2);
        let text = gateway_config::text(&blueprint, blueprint.gateways.first().unwrap()).unwrap();
        let (_, rest) = text.split_once("[cloud_controller]").unwrap();
        let (section, _) = rest.split_once("[[offerings]]").unwrap();
        check_text(
            section,
            &kept,
            &expect![[r#"

            url = "http://127.0.0.1:<cloud_controller>"
            api = "v2"

            [cloud_controller.uaa]
            url = "http://127.0.0.1:<cloud_controller>/uaa"
            client_id = "gateway"
            client_secret = "<uaa>"

        "#]],
        );
    }

    #[test]
    fn a_node_is_told_its_server_and_what_each_guest_is_lent() {
        let (blueprint, kept) = blueprint(&["files", "mysql"], Some(mariadb()));
        let text = node_config::text(&blueprint, blueprint.nodes.first().unwrap()).unwrap();
        check_text(
            &text,
            &kept,
            &expect![[r#"
            [node]
            data_dir = "/d/node-1"

            [health]
            listen = "127.0.0.1:<node-1.health>"

            [nats]
            url = "nats://127.0.0.1:<nats>"
            user = "node-1"
            password = "<nats.node-1>"

            [guests]
            plugins_dir = "/d/plugins"

            [snapshots]
            dir = "/d/snapshots"

            [backups]
            dir = "/d/backups"

            [[mysql]]
            version = "10.11"
            host = "127.0.0.1"
            port = <mysql-1>
            user = "root"
            password = "<mysql-1>"
            dump_program = "/bin/mariadb-dump"
            client_program = "/bin/mariadb"

            [[offerings]]
            label = "files"
            service = "FilesystemaaS"
            node_id = "node-1"
            plan = "free"
            versions = ["1.0"]
            capacity = 1000
            capabilities = ["files", "state", "blob", "secrets"]

            [[offerings]]
            label = "mysql"
            service = "MyaaS"
            node_id = "node-1"
            plan = "free"
            versions = ["10.11"]
            capacity = 1000
            capabilities = ["mysql", "state", "blob", "secrets"]

            [offerings.mysql]
            database_prefix = "d"
            account_prefix = "u"
        "#]],
        );
    }

    #[test]
    fn without_a_database_a_node_is_told_of_none() {
        let (blueprint, _kept) = blueprint(&["files"], None);
        let text = node_config::text(&blueprint, blueprint.nodes.first().unwrap()).unwrap();
        assert!(text.contains("mysql = []"), "{text}");
    }
}
