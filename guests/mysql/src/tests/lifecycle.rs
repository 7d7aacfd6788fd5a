//! Instances and bindings come and go.

use expect_test::expect;
use tenon_guest::fake::World;
use tenon_guest::mysql::Access;
use tenon_guest::{Credential, Error, ErrorKind, Parameters, Service, Value, json};

use super::{Node, VERSION, provision, unprovision};
use crate::MySql;

fn known_from_elsewhere() -> Credential {
    Credential::new().public("user", "uElsewhere").secret("password", "p@ss/word")
}

#[test]
fn provision_answers_with_every_classic_key_and_keeps_the_secret_ones_apart() {
    expect![[r#"
        {
            hostname: "db.example",
            host: "db.example",
            port: 3306,
            user: "ude5c024b3db26a27",
            username: "ude5c024b3db26a27",
            password: <hidden>,
            uri: <hidden>,
        }
    "#]]
    .assert_debug_eq(&Node::new().owner);
}

#[test]
fn the_owner_reads_and_writes_the_database_that_is_named_like_the_instance() {
    let node = Node::new();
    assert_eq!(node.login(&node.owner), Some(Access::ReadWrite));
    let uri: String = node.owner.require("uri").unwrap();
    expect!["mysql://ude5c024b3db26a27:passwordpasswordpasswor1@db.example:3306/d1f"]
        .assert_eq(&uri);
    node.check_server(&expect![[r#"
        d1f: 0 bytes
          ude5c024b3db26a27 reads and writes, connections: 20
    "#]]);
}

#[test]
fn provisioning_twice_leaves_one_account_and_the_last_credential_works() {
    let node = Node::new();
    let again = provision(&node.world, "d1f", None).unwrap();
    assert_eq!(node.login(&again), Some(Access::ReadWrite));
    node.check_server(&expect![[r#"
        d1f: 0 bytes
          ude5c024b3db26a27 reads and writes, connections: 20
    "#]]);
}

#[test]
fn a_credential_from_elsewhere_goes_on_working() {
    let node = Node::new();
    let adopted = provision(&node.world, "d1f", Some(&known_from_elsewhere())).unwrap();
    assert_eq!(node.login(&known_from_elsewhere()), Some(Access::ReadWrite));
    let uri: String = adopted.require("uri").unwrap();
    expect!["mysql://uElsewhere:p%40ss%2Fword@db.example:3306/d1f"].assert_eq(&uri);
}

#[test]
fn a_credential_from_elsewhere_without_a_password_is_refused() {
    let world = World::new().with_mysql(VERSION);
    let partial = Credential::new().public("user", "u1");
    let refused = provision(&world, "d2", Some(&partial)).unwrap_err();
    assert_eq!(refused, Error::invalid_input(0, "credential has no password"));
}

#[test]
fn an_id_that_is_no_database_name_of_ours_is_refused() {
    let world = World::new().with_mysql(VERSION);
    let refused = provision(&world, "1f", None).unwrap_err();
    expect![[r#"instance id "1f" does not start with 'd'"#]].assert_eq(refused.message());
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    assert_eq!(provision(&world, "d1_f", None).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(world.mysql(VERSION).to_string(), "");
}

#[test]
fn a_version_without_a_server_is_refused() {
    let refused = provision(&World::new(), "d1f", None).unwrap_err();
    assert_eq!(refused, Error::invalid_input(30004, "Unsupported version 10.11"));
}

#[test]
fn a_server_that_is_away_is_unavailable_and_serves_again_when_it_is_back() {
    let node = Node::new();
    node.world.mysql(VERSION).stop();
    assert_eq!(provision(&node.world, "d2", None).unwrap_err().kind(), ErrorKind::Unavailable);
    node.world.mysql(VERSION).start();
    assert!(provision(&node.world, "d2", None).is_ok());
}

#[test]
fn a_setting_that_is_no_number_is_the_operators_fault() {
    let world = World::new().with_mysql(VERSION).with_setting("max_connections", "many");
    let refused = provision(&world, "d1f", None).unwrap_err();
    expect![[r#"setting max_connections is "many": invalid digit found in string"#]]
        .assert_eq(refused.message());
    assert_eq!(refused.kind(), ErrorKind::Internal);
}

#[test]
fn a_binding_has_an_account_of_its_own() {
    let node = Node::new();
    let binding = node.bind("b1", &Parameters::new()).unwrap();
    assert_eq!(node.login(&binding), Some(Access::ReadWrite));
    assert_ne!(binding.require::<String>("user"), node.owner.require::<String>("user"),);
    node.check_server(&expect![[r#"
        d1f: 0 bytes
          uc9ee2d42f4fa9db5 reads and writes, connections: 20
          ude5c024b3db26a27 reads and writes, connections: 20
    "#]]);
}

#[test]
fn privileges_of_a_binding_are_full_or_read_only() {
    let node = Node::new();
    let access = |privileges: Value| {
        let parameters = Parameters::new().with("privileges", privileges);
        node.bind("b1", &parameters).map(|binding| node.login(&binding))
    };
    assert_eq!(access(json!(["FULL"])), Ok(Some(Access::ReadWrite)));
    assert_eq!(access(json!(["READ_ONLY"])), Ok(Some(Access::ReadOnly)));
    assert_eq!(access(json!(null)), Ok(Some(Access::ReadWrite)));
    for wrong in ["[]", r#"["ALL"]"#, r#"["FULL", "READ_ONLY"]"#, r#""FULL""#, "{"] {
        let parameters = Parameters::from(vec![("privileges".to_owned(), wrong.to_owned())]);
        let refused = node.bind("b1", &parameters).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{wrong}");
    }
}

#[test]
fn binding_to_a_database_that_is_gone_has_the_classic_number() {
    let node = Node::new();
    node.world.call(|cx| Ok(cx.mysql(VERSION)?.drop_database("1f")?)).unwrap();
    let refused = node.bind("b1", &Parameters::new()).unwrap_err();
    assert_eq!(refused, Error::not_found(31002, "Mysql configuration d1f not found."));
}

#[test]
fn a_binding_named_like_the_owners_account_is_refused() {
    let node = Node::new();
    let refused = node.bind("owner", &Parameters::new()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    assert_eq!(node.login(&node.owner), Some(Access::ReadWrite));
}

#[test]
fn unbind_drops_the_account_and_succeeds_when_it_is_gone() {
    let node = Node::new();
    let binding = node.bind("b1", &Parameters::new()).unwrap();
    assert_eq!(node.unbind("b1", &binding), Ok(()));
    assert_eq!(node.login(&binding), None);
    assert_eq!(node.unbind("b1", &binding), Ok(()));
    unprovision(&node.world, "d1f").unwrap();
    assert_eq!(node.unbind("b1", &binding), Ok(()));
}

#[test]
fn unbinding_the_owners_own_account_leaves_it() {
    let node = Node::new();
    assert_eq!(node.unbind("ancient", &node.owner), Ok(()));
    assert_eq!(node.login(&node.owner), Some(Access::ReadWrite));
}

#[test]
fn p26_unbind_while_the_server_is_away_fails() {
    let node = Node::new();
    let binding = node.bind("b1", &Parameters::new()).unwrap();
    node.world.mysql(VERSION).stop();
    assert_eq!(node.unbind("b1", &binding).unwrap_err().kind(), ErrorKind::Unavailable);
}

#[test]
fn unprovision_leaves_nothing_and_succeeds_when_nothing_is_there() {
    let node = Node::new();
    node.bind("b1", &Parameters::new()).unwrap();
    assert_eq!(unprovision(&node.world, "d1f"), Ok(()));
    node.check_server(&expect![[""]]);
    assert_eq!(unprovision(&node.world, "d1f"), Ok(()));
    let keys = node.world.call(|cx| Ok(cx.state().keys("", None, 10)?)).unwrap();
    assert_eq!(keys, [""; 0]);
}

#[test]
fn the_offering_is_called_mysql() {
    assert_eq!(MySql::describe().label(), "mysql");
}

#[test]
fn unbind_of_a_bind_that_was_cut_off_removes_its_account() {
    let node = Node::new();
    let credential = node.bind("b1", &Parameters::new()).unwrap();
    assert!(node.login(&credential).is_some());
    node.unbind("b1", &Credential::new()).unwrap();
    assert_eq!(node.login(&credential), None);
}
