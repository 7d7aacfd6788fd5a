//! Dumps, and loads that succeed, fail, are interrupted, and mean harm.

use std::path::Path;

use mysql_async::Conn;
use wasmtime::component::Resource;

use super::site::{Db, Site, again, log_in, look, refusal, wait_for};
use crate::capability::blob::Source;
use crate::guest::bindings::tenon::host::mysql::{Access, Account, Failure, HostDatabase};

/// One of each kind of thing, in the name of the application.
const CONTENT: [&str; 9] = [
    "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v TEXT, b BLOB, g INT AS (CHAR_LENGTH(v) > 5) STORED)",
    "INSERT INTO t (v, b) VALUES ('plain', NULL), ('emoji 🦀', 0x00FF0A27), \
     ('CREATE DEFINER=`root`@`localhost` PROCEDURE;\n/*!50013 DEFINER=`a`@`b` */', 'x')",
    "CREATE TABLE `odd``name` (v INT)",
    "CREATE VIEW v AS SELECT id, v FROM t",
    "CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.v = CONCAT(NEW.v, '!')",
    "CREATE PROCEDURE p() BEGIN SELECT COUNT(*) FROM t; END",
    "CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN 7",
    "CREATE TABLE child (t INT, FOREIGN KEY (t) REFERENCES t (id))",
    "CREATE SEQUENCE s",
];

const ROWS: [&str; 3] = [
    "1 plain NULL 0",
    "2 emoji 🦀 0x00FF0A27 1",
    "3 CREATE DEFINER=`root`@`localhost` PROCEDURE;\\n/*!50013 DEFINER=`a`@`b` */ x 1",
];

pub(super) struct Tenant {
    pub(super) site: Site,
    pub(super) db: Db,
    pub(super) account: Account,
}

pub(super) async fn tenant(prefix: &str) -> Tenant {
    let mut site = Site::new(prefix);
    let db = site.create("a").await;
    let account = site.account(&db, "app", Access::ReadWrite).await;
    Tenant { site, db, account }
}

impl Tenant {
    pub(super) async fn application(&self) -> Conn {
        log_in(&self.account).await.unwrap()
    }

    pub(super) async fn fill(&self) {
        let mut application = self.application().await;
        for statement in CONTENT {
            look(&mut application, statement).await;
        }
    }

    pub(super) async fn check_content(&self) {
        let mut application = self.application().await;
        assert_eq!(look(&mut application, "SELECT * FROM t ORDER BY id").await, ROWS);
        assert_eq!(look(&mut application, "SELECT COUNT(*) FROM v").await, ["3"]);
        assert_eq!(look(&mut application, "CALL p()").await, ["3"]);
        let mut application = self.application().await;
        assert_eq!(look(&mut application, "SELECT f()").await, ["7"]);
        look(&mut application, "INSERT INTO t (v) VALUES ('new')").await;
        let new = look(&mut application, "SELECT v FROM t WHERE id = LAST_INSERT_ID()").await;
        assert_eq!(new, ["new!"]);
        look(&mut application, "DELETE FROM t WHERE id > 3").await;
    }

    /// Nothing of a load is left over: files, locks, programs.
    pub(super) async fn check_tidy(&self) {
        let scratch = self.site.dir.open_dir("scratch").unwrap();
        assert_eq!(scratch.entries().unwrap().count(), 0);
        log_in(&self.account).await.unwrap();
    }

    pub(super) async fn check_old_content_after(&mut self, dump: &str) -> Failure {
        self.site.write_dump(dump);
        let failure = self.site.load(&self.db).await.unwrap_err();
        self.check_content().await;
        self.check_tidy().await;
        failure
    }
}

#[tokio::test]
async fn a_dump_brings_everything_back() {
    let mut tenant = tenant("round").await;
    tenant.fill().await;
    let root_event = "CREATE DEFINER=root@localhost EVENT rounda.e ON SCHEDULE EVERY 1 DAY DO DO 1";
    let _ = tenant.site.look(root_event).await;
    let _ = tenant.site.look("ALTER DATABASE rounda COLLATE utf8mb4_bin").await;
    let written = tenant.site.dump(&tenant.db, u64::MAX).await.unwrap();

    let mut application = tenant.application().await;
    look(&mut application, "DELETE FROM t").await;
    look(&mut application, "CREATE TABLE later (v INT)").await;
    look(&mut application, "DROP VIEW v").await;
    let read = tenant.site.load(&tenant.db).await.unwrap();
    assert_eq!(read, written);
    assert!(super::site::refusal_or_loss(&mut application, "SELECT 1").await, "a session survived");

    tenant.check_content().await;
    tenant.check_tidy().await;
    let mut application = tenant.application().await;
    let tables = look(&mut application, "SHOW TABLES").await;
    assert_eq!(tables, ["child", "odd`name", "s", "t", "v"]);
    let definers = "SELECT DISTINCT DEFINER FROM information_schema.VIEWS WHERE TABLE_SCHEMA = 'rounda' \
        UNION SELECT DEFINER FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'rounda' \
        UNION SELECT DEFINER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'rounda' \
        UNION SELECT DEFINER FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'rounda'";
    let definers = tenant.site.look(definers).await;
    assert!(definers.len() == 1 && definers[0].starts_with("roundh"), "{definers:?}");
    let collation = "SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA \
        WHERE SCHEMA_NAME = 'rounda'";
    assert_eq!(tenant.site.look(collation).await, ["utf8mb4_bin"]);
    // What the application did not define any more does not keep its account.
    let user = tenant.account.user.clone();
    tenant.site.drop_account(&tenant.db, &user).await.unwrap();
    assert_eq!(
        tenant.site.look(&format!("SELECT 1 FROM mysql.user WHERE User = '{user}'")).await,
        [""; 0]
    );
}

#[tokio::test]
async fn applications_are_locked_out_while_a_load_goes_on() {
    let mut tenant = tenant("locked").await;
    tenant.fill().await;
    let shut = tenant.site.account(&tenant.db, "shut", Access::ReadOnly).await;
    tenant.site.set_access(&tenant.db, &shut.user, None).await.unwrap();
    tenant.site.write_dump("DO SLEEP(1);\n-- Dump completed\n");
    let account = tenant.account.clone();
    let refused = wait_for(async || log_in(&account).await.err());
    let (loaded, _refused) = tokio::join!(tenant.site.load(&tenant.db), refused);
    loaded.unwrap();
    tenant.check_tidy().await;
    assert!(log_in(&shut).await.is_err(), "a load let in who was shut out before");
}

#[tokio::test]
async fn a_load_that_fails_leaves_the_old_content() {
    let mut tenant = tenant("fails").await;
    tenant.fill().await;
    let begin = "DROP TABLE IF EXISTS t;\nCREATE TABLE t (v INT);\nINSERT INTO t VALUES (1);\n";
    for bad in [
        "SELECT syntax error 'a secret';\n-- Dump completed\n",
        "INSERT INTO missing VALUES (1);\n-- Dump completed\n",
        "",
        "INSERT INTO t VALUES (1",
    ] {
        let failure = tenant.check_old_content_after(&format!("{begin}{bad}")).await;
        let Failure::Corrupt(text) = failure else { panic!("{bad}: {failure:?}") };
        assert!(!text.contains("secret"), "{text}");
    }
    // Damage inside and at the end.
    tenant.site.dump(&tenant.db, u64::MAX).await.unwrap();
    let whole = tenant.site.dir.read("dump").unwrap();
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    for damaged in
        [&whole[..whole.len() - 4], &whole[..whole.len() / 2], &whole[..0], b"text", &flipped]
    {
        tenant.site.dir.write("dump", damaged).unwrap();
        let failure = tenant.site.load(&tenant.db).await;
        assert!(matches!(failure, Err(Failure::Corrupt(_))), "{failure:?}");
        tenant.check_content().await;
        tenant.check_tidy().await;
    }
}

#[tokio::test]
async fn a_hostile_dump_gets_nowhere() {
    let mut tenant = tenant("evil").await;
    tenant.fill().await;
    let mark = tenant.site.on_disk.path().join("mark");
    let mark = mark.to_str().unwrap().to_owned();
    let end = "\n-- Dump completed\n";
    for attack in [
        "CREATE DEFINER=root@localhost PROCEDURE x() SELECT 1;".to_owned(),
        "CREATE  DEFINER=`root`@`localhost` PROCEDURE x() SELECT 1;".to_owned(),
        "GRANT ALL ON *.* TO x@'%';".to_owned(),
        "USE mysql;\nDELETE FROM global_priv;".to_owned(),
        "INSERT INTO mysql.global_priv VALUES ('%', 'x', '{}');".to_owned(),
        "CREATE DATABASE evilb;".to_owned(),
        "SET GLOBAL general_log = 1;".to_owned(),
        "SELECT 1 INTO OUTFILE '/tmp/tenon-evil';".to_owned(),
        format!("\\! touch {mark}\n"),
        format!("SELECT 1 \\! touch {mark}\n;"),
        format!("system touch {mark}\n"),
        "source /etc/passwd\n".to_owned(),
        "CREATE TABLE l (v TEXT);\nLOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE l;".to_owned(),
        "CREATE EVENT e ON SCHEDULE EVERY 1 SECOND DO GRANT ALL ON *.* TO x@'%';\nSYNTAX"
            .to_owned(),
    ] {
        let failure = tenant.check_old_content_after(&format!("{attack}{end}")).await;
        assert!(matches!(failure, Failure::Corrupt(_)), "{attack}: {failure:?}");
        assert!(!Path::new(&mark).try_exists().unwrap(), "{attack}");
    }

    // In the form that a dump has, the definer is taken out: it runs, and sees nothing.
    tenant.site.write_dump(&format!(
        "DELIMITER ;;\nCREATE DEFINER=`root`@`localhost` PROCEDURE `x`() SQL SECURITY DEFINER \
         SELECT * FROM mysql.global_priv;;\nDELIMITER ;{end}"
    ));
    tenant.site.load(&tenant.db).await.unwrap();
    let mut application = tenant.application().await;
    assert_eq!(refusal(&mut application, "CALL x()").await, Some(1142));
}

#[tokio::test]
async fn a_load_whose_call_ends_puts_the_old_content_back() {
    let mut tenant = tenant("ended").await;
    tenant.fill().await;
    tenant.site.write_dump("CREATE TABLE new (v INT);\nDO SLEEP(1000);\n-- Dump completed\n");
    let source = tenant.site.table.push(Source::open(&tenant.site.dir, "dump").unwrap()).unwrap();
    let loading = "SELECT 1 FROM information_schema.PROCESSLIST WHERE USER LIKE 'endedh%' AND INFO LIKE '%SLEEP%'";
    let mut root = tenant.site.root().await;
    {
        let db = again(&tenant.db);
        let mut view = tenant.site.view();
        let call = view.load(db, Resource::new_borrow(source.rep()));
        tokio::select! {
            result = call => panic!("{result:?}"),
            () = wait_for(async || (look(&mut root, loading).await == ["1"]).then_some(())) => {}
        }
    }
    let busy = tenant.site.load(&tenant.db).await;
    assert!(matches!(busy, Err(Failure::Unavailable(_))), "{busy:?}");
    tenant.site.servers.drain().await;
    tenant.check_content().await;
    tenant.check_tidy().await;
}

#[tokio::test]
async fn a_dump_is_bounded_and_its_failure_told() {
    let mut tenant = tenant("bounded").await;
    tenant.fill().await;
    let limited = tenant.site.dump(&tenant.db, 100).await;
    assert!(matches!(limited, Err(Failure::Limit(_))), "{limited:?}");

    let mut application = tenant.application().await;
    look(&mut application, "CREATE TABLE u (v INT)").await;
    look(&mut application, "CREATE VIEW broken AS SELECT v FROM u").await;
    look(&mut application, "DROP TABLE u").await;
    let broken = tenant.site.dump(&tenant.db, u64::MAX).await;
    assert!(matches!(broken, Err(Failure::Sql((1356, _, _)))), "{broken:?}");
    // Whoever broke a view gets the content back all the same, and what was but for that view.
    let failure = tenant.check_old_content_after("SYNTAX ERROR;\n-- Dump completed\n").await;
    assert!(matches!(failure, Failure::Corrupt(_)), "{failure:?}");
    let mut application = tenant.application().await;
    assert_eq!(refusal(&mut application, "SELECT * FROM broken").await, Some(1146));
}

#[tokio::test]
async fn what_the_helper_may_not_make_is_skipped_and_the_dump_kept() {
    let mut tenant = tenant("skipped").await;
    tenant.fill().await;
    // Only an administrator can have made this.
    let _ = tenant.site.look("CREATE VIEW skippeda.x AS SELECT User FROM mysql.user").await;
    tenant.site.write_dump("SYNTAX ERROR;\n-- Dump completed\n");
    let refused = tenant.site.load(&tenant.db).await;
    assert!(matches!(refused, Err(Failure::Corrupt(_))), "{refused:?}");
    tenant.check_content().await;
    let scratch = tenant.site.dir.open_dir("scratch").unwrap();
    let names: Vec<String> = scratch
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let [kept] = &*names else { panic!("{names:?}") };
    assert!(kept.starts_with("aside-") && kept.ends_with("-load-10.11-skippeda.sql.zst"), "{kept}");
    assert_eq!(tenant.site.context.finish_interrupted_loads().await, 0);
}

#[tokio::test]
async fn names_with_quotes_harm_neither_dump_nor_neighbours() {
    let mut tenant = tenant("quoted").await;
    let mut application = tenant.application().await;
    let name = "`a``,mysql.global_priv#`";
    look(&mut application, &format!("CREATE TABLE {name} (v INT)")).await;
    look(&mut application, &format!("INSERT INTO {name} VALUES (1)")).await;
    tenant.site.dump(&tenant.db, u64::MAX).await.unwrap();
    assert!(!tenant.site.read_dump().contains("authentication_string"));
    tenant.site.load(&tenant.db).await.unwrap();
    let mut application = tenant.application().await;
    assert_eq!(look(&mut application, &format!("SELECT v FROM {name}")).await, ["1"]);
}

#[tokio::test]
async fn no_password_is_on_a_command_line_or_stays_on_disk() {
    let mut settings = super::site::settings(super::mariadb::MariaDb::shared().port);
    let outside = tempfile::tempdir().unwrap();
    let program = outside.path().join("dump.sh");
    let script = "#!/bin/sh\nlog=$(dirname \"$0\")/log\necho \"$@\" >\"$log\"\n\
        stat -c %a \"${1#--defaults-file=}\" >>\"$log\"\necho '-- Dump completed'\n";
    let dir =
        cap_std::fs::Dir::open_ambient_dir(outside.path(), cap_std::ambient_authority()).unwrap();
    dir.write("dump.sh", script).unwrap();
    let executable = cap_std::fs::PermissionsExt::from_mode(0o700);
    dir.set_permissions("dump.sh", executable).unwrap();
    settings.dump_program = program.to_str().unwrap().to_owned();
    let mut site = Site::on(settings, "secret");
    let db = site.create("a").await;
    site.dump(&db, u64::MAX).await.unwrap();
    let log = dir.read_to_string("log").unwrap();
    assert!(!log.contains("r'o"), "{log}");
    assert!(log.contains("--single-transaction") && log.ends_with(" secreta\n600\n"), "{log}");
    assert_eq!(site.dir.open_dir("scratch").unwrap().entries().unwrap().count(), 0);
}

#[tokio::test]
async fn a_program_that_is_missing_is_the_nodes_trouble() {
    let mut settings = super::site::settings(super::mariadb::MariaDb::shared().port);
    settings.dump_program = "tenon-no-such-program".to_owned();
    let mut site = Site::on(settings, "missing");
    let db = site.create("a").await;
    let failure = site.dump(&db, u64::MAX).await;
    assert!(matches!(failure, Err(Failure::Unavailable(_))), "{failure:?}");
    let gone = site.create("b").await;
    site.drop_database("b").await.unwrap();
    assert!(matches!(site.dump(&gone, u64::MAX).await, Err(Failure::NotFound)));
}
