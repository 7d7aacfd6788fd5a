//! A tenant's database: ordered, used, bound, lost and regained.

use tenon_protocol::message::ServiceResponse;

use super::DemoError;
use super::narrator::{Narrator, Told, root_cause};
use crate::classic::Classic;
use crate::mysql::Login;
use crate::platform::Platform;

/// What the owner writes.
const ROWS: u64 = 1_000;

const CREATE: &str = "CREATE TABLE letters (id INT PRIMARY KEY, text VARCHAR(100))";
const COUNT: &str = "SELECT COUNT(*) FROM letters WHERE text = CONCAT('letter number ', id)";

/// Who ordered a database, and has bound an application to it.
pub(super) struct Tenant {
    pub(super) classic: Classic,
    pub(super) instance: ServiceResponse,
    pub(super) binding: ServiceResponse,
    pub(super) owner: Login,
    pub(super) application: Login,
}

impl Tenant {
    /// Orders a database, fills it, and binds an application.
    pub(super) async fn arrive(
        narrator: &mut Narrator,
        platform: &Platform,
    ) -> Result<Self, DemoError> {
        let classic = platform.classic("mysql")?;
        let title = "Order a MySQL database, as a cloud controller does";
        let instance = narrator.step(title, order(&classic)).await?;
        let owner = Login::read(&instance.credentials)?;
        let title = "Log in with the returned credentials and write 1,000 rows";
        narrator.step(title, write(&owner)).await?;
        let title = "Bind an application; it logs in and reads them";
        let binding = narrator.step(title, bind(&classic, &instance)).await?;
        let application = Login::read(&binding.credentials)?;
        Ok(Self { classic, instance, binding, owner, application })
    }

    /// Takes a snapshot, destroys the rows, and rolls back.
    pub(super) async fn lose_and_regain_data(
        &mut self,
        narrator: &mut Narrator,
    ) -> Result<(), DemoError> {
        let id = self.instance.service_id.clone();
        let job = async {
            let job = self.classic.take_snapshot(&id).await?;
            let job = self.classic.completed(&id, &job).await?;
            let snapshots = self.classic.snapshots(&id).await?;
            let [snapshot] = snapshots.as_slice() else {
                return Err(DemoError::NotAsTold(format!("{} snapshots", snapshots.len())));
            };
            let told = Told::new(snapshot.clone()).with(format!("job {} completed", job.job_id));
            let size = snapshot.size;
            Ok(told.with(format!("snapshot {} of {size} bytes", snapshot.snapshot_id)))
        };
        let snapshot = narrator.step("Take a snapshot, and wait for its job", job).await?;

        let destroy = async {
            self.owner.execute("DROP TABLE letters").await?;
            match self.owner.number(COUNT).await {
                Err(error) => Ok(Told::new(()).with(root_cause(&error))),
                Ok(_) => Err(DemoError::NotAsTold("the table is still there".to_owned())),
            }
        };
        narrator.step("Destroy the rows", destroy).await?;

        let roll_back = async {
            let job = self.classic.roll_back(&id, &snapshot.snapshot_id).await?;
            let job = self.classic.completed(&id, &job).await?;
            expect_rows(&self.owner).await?;
            expect_rows(&self.application).await?;
            let told = Told::new(()).with(format!("job {} completed", job.job_id));
            Ok(told.with("owner and application read all 1,000 rows"))
        };
        narrator.step("Roll back to the snapshot: the rows are there", roll_back).await
    }
}

async fn order(classic: &Classic) -> Result<Told<ServiceResponse>, DemoError> {
    let instance = classic.provision().await?;
    let login = Login::read(&instance.credentials)?;
    let line = format!("instance {} on {}:{}", instance.service_id, login.host, login.port);
    Ok(Told::new(instance).with(line))
}

async fn write(owner: &Login) -> Result<Told<()>, DemoError> {
    let values: Vec<String> =
        (1..=ROWS).map(|id| format!("({id}, 'letter number {id}')")).collect();
    owner.execute(CREATE).await?;
    owner.execute(&format!("INSERT INTO letters VALUES {}", values.join(", "))).await?;
    expect_rows(owner).await?;
    Ok(Told::new(()).with(format!("logged in as {}", owner.user)))
}

async fn bind(
    classic: &Classic,
    instance: &ServiceResponse,
) -> Result<Told<ServiceResponse>, DemoError> {
    let binding = classic.bind(&instance.service_id).await?;
    let application = Login::read(&binding.credentials)?;
    expect_rows(&application).await?;
    let line = format!("binding {}, logged in as {}", binding.service_id, application.user);
    Ok(Told::new(binding).with(line))
}

async fn expect_rows(login: &Login) -> Result<(), DemoError> {
    match login.number(COUNT).await? {
        Some(ROWS) => Ok(()),
        other => Err(DemoError::NotAsTold(format!("{} reads {other:?} rows", login.user))),
    }
}
