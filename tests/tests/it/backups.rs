//! Periodic backups: taken by a running node, loaded again, and those of the original.

use std::io::Write;
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use flate2::Compression;
use flate2::write::GzEncoder;
use tenon_protocol::Order;
use tenon_protocol::message::{Reply, RestoreRequest};
use tenon_protocol::subject::Operation;
use tenon_tests::{Login, Options, Platform, wait_until};

use crate::bus::Bus;
use crate::crash::dies_at;
use crate::crash_node::{BACKUPS, points_of};
use crate::moving::{Orders, Tenant, check_serves};
use crate::original;

/// A debug build takes its time.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a node of 2013 wrote, but for its first lines.
const DUMP: &str = "-- MySQL dump 10.13  Distrib 5.5.31, for debian-linux-gnu (x86_64)
/*!40101 SET NAMES utf8 */;
DROP TABLE IF EXISTS `letters`;
CREATE TABLE `letters` (`id` int(11) NOT NULL, PRIMARY KEY (`id`)) ENGINE=InnoDB DEFAULT CHARSET=latin1;
INSERT INTO `letters` VALUES (11),(12);
/*!50003 DROP PROCEDURE IF EXISTS `many` */;
DELIMITER ;;
/*!50003 CREATE*/ /*!50020 DEFINER=`uGoneLongAgo`@`%`*/ /*!50003 PROCEDURE `many`()
SELECT COUNT(*) FROM letters */;;
DELIMITER ;
-- Dump completed on 2013-07-10  8:15:30
";

const COUNT: &str = "SELECT COUNT(*) FROM letters";

struct Stage {
    platform: Platform,
    node: Bus,
    tenant: Tenant,
}

impl Stage {
    async fn set() -> Self {
        let platform = Platform::start(Options::of(&["mysql"])).await.unwrap();
        let node = Bus::open(&platform, "mysql").await;
        let tenant = Tenant::of(&platform, &node).await;
        Self { platform, node, tenant }
    }

    /// The same with a gateway of 2013.
    async fn of_2013() -> Self {
        let platform = Platform::start(Options::of(&["mysql"])).await.unwrap();
        original::expect_2013(&platform, "node-1", "").await;
        let node = Bus::open(&platform, "mysql").await;
        let tenant = Tenant::of_2013(&platform, &node).await;
        Self { platform, node, tenant }
    }

    fn owner(&self) -> Login {
        self.tenant.logins().remove(0)
    }

    async fn letters(&self) -> Option<u64> {
        self.owner().number(COUNT).await.unwrap()
    }

    /// Places a backup as the original left one; its path.
    fn place(&self, sql: &str) -> String {
        let path = format!("backups/backups/MyaaS/d3/48/09/{}/1373444130", self.tenant.name());
        let dir = self.platform.dir().unwrap();
        dir.create_dir_all(&path).unwrap();
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(sql.as_bytes()).unwrap();
        let file = format!("{path}/{}.sql.gz", self.tenant.name());
        dir.write(file, encoder.finish().unwrap()).unwrap();
        self.platform.root().join(path).to_str().unwrap().to_owned()
    }

    fn request(&self, path: &str) -> RestoreRequest {
        let instance_id = self.tenant.name().to_owned();
        RestoreRequest { instance_id, backup_path: path.to_owned() }
    }

    /// As an original gateway asks; the number of the error, or 0.
    async fn restore(&self, path: &str) -> u32 {
        code(&self.node.ask(Operation::Restore, &self.request(path)).await)
    }

    /// As ours asks.
    async fn order(&self, order: &Order, path: &str) -> u32 {
        code(&self.node.step(Operation::Restore, order, &self.request(path)).await)
    }

    /// Paths of the backups that there are.
    fn taken(&self) -> Vec<String> {
        let name = self.tenant.name();
        let part = |at: usize| name.get(at..at + 2).unwrap();
        let path = format!("backups/backups/MyaaS/{}/{}/{}/{name}", part(0), part(2), part(4));
        let dir = self.platform.dir().unwrap();
        let Ok(entries) = dir.read_dir(&path) else { return Vec::new() };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let complete = names.filter(|name| name.parse::<u64>().is_ok());
        complete.map(|name| format!("{}/{path}/{name}", self.platform.root().display())).collect()
    }

    /// Has the node take a backup, and waits for it; its path.
    async fn back_up(&self) -> String {
        let before = self.taken().len();
        self.platform.back_up("node-1").unwrap();
        let taken = wait_until("a backup", PATIENCE, async || {
            let taken = self.taken();
            (taken.len() > before).then_some(taken)
        });
        taken.await.unwrap().into_iter().max().unwrap()
    }
}

fn code(reply: &Reply) -> u32 {
    reply.error.as_ref().map_or(0, |fault| fault.msg.code)
}

#[tokio::test]
async fn an_original_gateway_restores_a_backup_of_the_original() {
    let stage = Stage::of_2013().await;
    let path = stage.place(DUMP);
    assert_eq!(stage.restore(&path).await, 0);
    assert_eq!(stage.letters().await, Some(2));
    assert_eq!(stage.owner().number("CALL many()").await.unwrap(), Some(2));
    for login in stage.tenant.logins() {
        assert_eq!(login.number(COUNT).await.unwrap(), Some(2));
    }
}

#[tokio::test]
async fn p28_a_backup_that_cannot_be_loaded_leaves_the_data_as_it_was() {
    let stage = Stage::of_2013().await;
    let broken = DUMP.replace("INSERT INTO `letters`", "INSERT INTO `nosuch`");
    let cut_off = DUMP.replace("-- Dump completed", "-- Dump");
    for (sql, expected) in [(broken, 30806), (cut_off, 30806)] {
        let path = stage.place(&sql);
        assert_eq!(stage.restore(&path).await, expected);
        check_serves(&stage.tenant.logins()).await;
    }
    // Nor does the node look anywhere else.
    for (path, expected) in [("/etc", 30001), ("../../etc", 30001), ("backups/nosuch", 30300)] {
        assert_eq!(stage.restore(path).await, expected, "{path}");
    }
    let unknown = RestoreRequest { instance_id: "dnope".to_owned(), backup_path: "x".to_owned() };
    assert_eq!(code(&stage.node.ask(Operation::Restore, &unknown).await), 31002);
    check_serves(&stage.tenant.logins()).await;
}

#[tokio::test]
async fn what_a_running_node_backed_up_is_restored_once_for_each_order() {
    let stage = Stage::set().await;
    let path = stage.back_up().await;
    let (name, owner) = (stage.tenant.name(), stage.owner());
    let dir = Dir::open_ambient_dir(&path, ambient_authority()).unwrap();
    let manifest: serde_json::Value =
        serde_json::from_slice(&dir.read(format!("{name}.json")).unwrap()).unwrap();
    assert_eq!(manifest["file"], format!("{name}.sql.gz"));
    assert!(dir.read(format!("{name}.sql.gz")).unwrap().starts_with(&[0x1f, 0x8b]));

    owner.execute("DROP TABLE letters").await.unwrap();
    let order = Orders::of(&stage.tenant).at(2);
    assert_eq!(stage.order(&order, &path).await, 0);
    check_serves(&stage.tenant.logins()).await;
    // A late copy of the order does not take away what was written since.
    owner.execute("INSERT INTO letters VALUES (4)").await.unwrap();
    assert_eq!(stage.order(&order, &path).await, 0);
    assert_eq!(stage.letters().await, Some(4));
    // Another one does.
    assert_eq!(stage.order(&Orders::of(&stage.tenant).at(2), &path).await, 0);
    assert_eq!(stage.letters().await, Some(3));

    dir.write(format!("{name}.sql.gz"), b"rot").unwrap();
    assert_eq!(stage.order(&Orders::of(&stage.tenant).at(2), &path).await, 30806);
    check_serves(&stage.tenant.logins()).await;
}

#[tokio::test]
async fn p28_a_node_killed_while_it_backs_up_or_restores_loses_nothing() {
    let stage = Stage::set().await;
    let path = stage.back_up().await;
    for point in points_of(&BACKUPS) {
        let orders = Orders::of(&stage.tenant);
        if point.starts_with("reload") {
            stage.owner().execute("DELETE FROM letters").await.unwrap();
            let order = orders.at(2);
            let restored = stage.order(&order, &path);
            assert_eq!(dies_at(&stage.platform, "node-1", point, restored).await, 0, "{point}");
        } else {
            let before = stage.taken();
            let wanted = async { stage.platform.back_up("node-1").unwrap() };
            dies_at(&stage.platform, "node-1", point, wanted).await;
            assert_eq!(stage.taken(), before, "half a backup");
        }
        check_serves(&stage.tenant.logins()).await;
    }
}

#[tokio::test]
async fn p28_a_restore_that_a_dying_node_had_not_written_down_is_done_once() {
    let stage = Stage::set().await;
    let path = stage.back_up().await;
    let order = Orders::of(&stage.tenant).at(2);
    let control = stage.platform.control().unwrap();
    control.stop("node-1").await.unwrap();
    control.start("node-1", Some("reload.replaced")).await.unwrap();
    // Nobody answers it: the node dies of it.
    let told = async {
        stage.platform.is_gone("node-1").await.unwrap();
        stage.owner().execute("INSERT INTO letters VALUES (4)").await.unwrap();
        control.start("node-1", None).await.unwrap();
    };
    // Asked until there is an answer, as a gateway does.
    let (code, ()) = tokio::join!(stage.order(&order, &path), told);
    assert_eq!(code, 0);
    assert_eq!(stage.letters().await, Some(4));
    assert_eq!(stage.order(&Orders::of(&stage.tenant).at(2), &path).await, 0);
    assert_eq!(stage.letters().await, Some(3));
}

/// Has the node look through all backups, and waits for the end of that.
async fn look_through(stage: &Stage) {
    let looks = || stage.platform.log("node-1").matches("backed up").count();
    let before = looks();
    stage.platform.back_up("node-1").unwrap();
    let looked = async || (looks() > before).then_some(());
    wait_until("a look through the backups", PATIENCE, looked).await.unwrap();
}

#[tokio::test]
async fn the_newest_backup_of_what_the_ledger_does_not_know_stays() {
    let stage = Stage::set().await;
    let name = stage.tenant.name();
    look_through(&stage).await;
    let path = stage.taken().pop().unwrap();
    let taken = Dir::open_ambient_dir(path, ambient_authority()).unwrap();
    // Of an instance of this node that it has forgotten, taken long ago.
    let lost = "d34809b28559e414082e84b61d0c4550e";
    let place = format!("backups/backups/MyaaS/d3/48/09/{lost}");
    let dir = stage.platform.dir().unwrap();
    let manifest = taken.read_to_string(format!("{name}.json")).unwrap().replace(name, lost);
    for epoch in ["1400000000", "1500000000"] {
        let path = format!("{place}/{epoch}");
        dir.create_dir_all(&path).unwrap();
        let to = dir.open_dir(&path).unwrap();
        taken.copy(format!("{name}.sql.gz"), &to, format!("{lost}.sql.gz")).unwrap();
        to.write(format!("{lost}.json"), &manifest).unwrap();
    }
    look_through(&stage).await;
    assert!(dir.exists(format!("{place}/1500000000")));
    assert!(!dir.exists(format!("{place}/1400000000")));
    // Somebody said that it ended.
    dir.write(format!("{place}/.ended"), "1500000001").unwrap();
    look_through(&stage).await;
    assert!(!dir.exists(format!("{place}/1500000000")));
}
