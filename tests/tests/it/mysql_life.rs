//! The whole life of a database: ordered, used, bound, lost, regained, given back.

use tenon_tests::{HarnessError, Login, Options, Platform};

const COUNT: &str = "SELECT COUNT(*) FROM letters";

async fn check_shut_out(login: &Login) {
    let Err(HarnessError::Mysql(error)) = login.connect().await else {
        panic!("{} still logs in", login.user)
    };
    assert!(error.to_string().contains("1045"), "{error}");
}

#[tokio::test]
async fn a_mysql_instance_lives_its_whole_life() {
    let platform = Platform::start(Options::of(&["mysql"])).await.unwrap();
    let classic = platform.classic("mysql").unwrap();
    let server = platform.server(1).unwrap();

    let instance = classic.provision().await.unwrap();
    let id = &instance.service_id;
    assert_eq!(server.databases().await.unwrap(), std::slice::from_ref(id));
    let owner = Login::read(&instance.credentials).unwrap();
    owner.execute("CREATE TABLE letters (id INT PRIMARY KEY)").await.unwrap();
    owner.execute("INSERT INTO letters VALUES (1), (2), (3)").await.unwrap();

    let binding = classic.bind(id).await.unwrap();
    let application = Login::read(&binding.credentials).unwrap();
    assert_ne!(application.user, owner.user);
    assert_eq!(application.number(COUNT).await.unwrap(), Some(3));

    let job = classic.take_snapshot(id).await.unwrap();
    classic.completed(id, &job).await.unwrap();
    let snapshots = classic.snapshots(id).await.unwrap();
    let [snapshot] = snapshots.as_slice() else { panic!("{snapshots:?}") };

    application.execute("DELETE FROM letters").await.unwrap();
    let job = classic.roll_back(id, &snapshot.snapshot_id).await.unwrap();
    classic.completed(id, &job).await.unwrap();
    assert_eq!(owner.number(COUNT).await.unwrap(), Some(3));
    assert_eq!(application.number(COUNT).await.unwrap(), Some(3));

    classic.unbind(id, &binding.service_id).await.unwrap();
    check_shut_out(&application).await;
    classic.unprovision(id).await.unwrap();
    check_shut_out(&owner).await;
    assert_eq!(server.databases().await.unwrap(), Vec::<String>::new());
    assert_eq!(server.accounts().await.unwrap(), Vec::<String>::new());
    let records = platform.records().await.unwrap();
    assert_eq!(records.living_instances().await.unwrap(), Vec::<String>::new());
    assert_eq!(records.living_bindings().await.unwrap(), Vec::<String>::new());
}
