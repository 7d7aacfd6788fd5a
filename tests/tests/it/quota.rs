//! A database that becomes too large, and smaller again, while its node dies.

use std::time::Duration;

use tenon_tests::{Classic, HarnessError, Login, Options, Platform, wait_until};

use crate::crash::{dies_at, insist};
use crate::crash_node::{QUOTA, points_of};
use crate::settings;

/// The server's statistics, the node's next round, and a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const TABLE: &str = "CREATE TABLE letters (id INT AUTO_INCREMENT PRIMARY KEY, text LONGTEXT)";
const INSERT: &str = "INSERT INTO letters VALUES (NULL, 'dear all')";
const FILL: &str = "INSERT INTO letters VALUES (NULL, REPEAT('x', 1 << 20))";

/// What the server says to whom lacks a right to a table.
const NO_RIGHT: &str = "1142";

/// A platform whose databases may have 2 MB.
async fn limited() -> Platform {
    let platform = Platform::start(Options::of(&["mysql"])).await.unwrap();
    let limits = "[offerings.metering]\ninterval_seconds = 1\n\
        [offerings.settings]\nmax_db_size_mb = \"2\"";
    settings::set(&platform, "node-1", "account_prefix = \"u\"", limits).await;
    platform
}

/// An instance with an empty table, and the administrator of its server.
struct Tenant {
    id: String,
    owner: Login,
    administrator: Login,
}

impl Tenant {
    async fn of(platform: &Platform, classic: &Classic) -> Self {
        let instance = insist(async || classic.provision().await).await.unwrap();
        let owner = Login::read(&instance.credentials).unwrap();
        let mut administrator = platform.server(1).unwrap().administrator().clone();
        administrator.database = Some(instance.service_id.clone());
        owner.execute(TABLE).await.unwrap();
        Self { id: instance.service_id, owner, administrator }
    }

    async fn fill(&self) {
        for _ in 0..3 {
            self.owner.execute(FILL).await.unwrap();
        }
        self.analyze().await.unwrap();
    }

    /// Else the server's statistics lag behind by ten seconds.
    async fn analyze(&self) -> Result<(), HarnessError> {
        self.administrator.execute("ANALYZE TABLE letters").await
    }

    async fn is_blocked(&self) {
        let what = "the owner cannot write";
        wait_until(what, PATIENCE, async || may_not(&self.owner, INSERT).await.then_some(()))
            .await
            .unwrap();
    }

    async fn is_free(&self, statement: &str) {
        wait_until("the owner can write", PATIENCE, async || {
            // There may be no table yet.
            drop(self.analyze().await);
            self.owner.execute(statement).await.ok()
        })
        .await
        .unwrap();
    }
}

/// Whether the server refuses for lack of a right.
async fn may_not(login: &Login, statement: &str) -> bool {
    match login.execute(statement).await {
        Ok(()) => false,
        Err(HarnessError::Mysql(error)) => error.to_string().contains(NO_RIGHT),
        Err(error) => panic!("{error}"),
    }
}

async fn bound(classic: &Classic, instance: &str) -> Login {
    let binding = insist(async || classic.bind(instance).await).await.unwrap();
    Login::read(&binding.credentials).unwrap()
}

#[tokio::test]
async fn p27_writes_stop_at_the_quota_for_everybody_and_come_back_when_there_is_room() {
    let platform = limited().await;
    let classic = platform.classic("mysql").unwrap();
    let tenant = Tenant::of(&platform, &classic).await;
    let neighbour = Tenant::of(&platform, &classic).await;
    let old = bound(&classic, &tenant.id).await;
    tenant.fill().await;
    tenant.is_blocked().await;
    let new = bound(&classic, &tenant.id).await;
    for login in [&tenant.owner, &old, &new] {
        assert!(may_not(login, INSERT).await, "{}", login.user);
        assert!(may_not(login, "UPDATE letters SET text = 'y'").await, "{}", login.user);
        assert!(may_not(login, "CREATE TABLE more (v INT)").await, "{}", login.user);
        login.execute("DELETE FROM letters WHERE text = 'none'").await.unwrap();
    }
    neighbour.owner.execute(INSERT).await.unwrap();

    platform.kill("node-1").await.unwrap();
    assert!(may_not(&old, INSERT).await);
    platform.control().unwrap().start("node-1", None).await.unwrap();
    let newest = bound(&classic, &tenant.id).await;
    for login in [&tenant.owner, &old, &new, &newest] {
        assert!(may_not(login, INSERT).await, "{}", login.user);
    }

    new.execute("DELETE FROM letters").await.unwrap();
    new.execute("ALTER TABLE letters ENGINE=InnoDB").await.unwrap();
    tenant.is_free(INSERT).await;
    for login in [&old, &new, &newest] {
        login.execute(INSERT).await.unwrap();
    }
    assert!(bound(&classic, &tenant.id).await.execute(INSERT).await.is_ok());
}

#[tokio::test]
async fn p27_rights_are_what_they_are_to_be_wherever_the_node_dies() {
    let platform = limited().await;
    let classic = platform.classic("mysql").unwrap();
    let tenant = Tenant::of(&platform, &classic).await;
    for point in points_of(&QUOTA) {
        dies_at(&platform, "node-1", point, tenant.fill()).await;
        tenant.is_blocked().await;
        let binding = bound(&classic, &tenant.id).await;
        assert!(may_not(&binding, INSERT).await, "{point}");

        let empty = binding.execute("DROP TABLE letters");
        dies_at(&platform, "node-1", point, empty).await.unwrap();
        tenant.is_free(TABLE).await;
        binding.execute(INSERT).await.unwrap();
    }
}
