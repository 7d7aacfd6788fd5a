//! Instances are shut off, let in again, and come from elsewhere.

use tenon_guest::fake::World;
use tenon_guest::mysql::Access;
use tenon_guest::{
    Binding, Credential, Migration, Move, Parameters, Result, Service, Suspension, json,
};

use super::{Node, VERSION, instance, provision};
use crate::MySql;

/// An instance with a binding that reads and writes, and one that reads.
struct Moving {
    node: Node,
    bindings: Vec<Binding>,
}

impl Moving {
    fn new() -> Self {
        let node = Node::new();
        let bind = |id: &str, privileges: &str| {
            let options = json!({"privileges": [privileges]});
            let parameters = Parameters::new().with("privileges", json!([privileges]));
            let credential = node.bind(id, &parameters).unwrap();
            // As a node hands it over.
            let credential = credential.public("binding_options", options);
            Binding { id: id.to_owned(), instance: instance("d1f"), credential }
        };
        let bindings = vec![bind("b1", "FULL"), bind("b2", "READ_ONLY")];
        Self { node, bindings }
    }

    fn disable(&self) -> Result<()> {
        let Self { node, bindings } = self;
        node.world.call(|cx| MySql::disable(cx, &instance("d1f"), &node.owner, bindings))
    }

    fn enable(&self) -> Result<()> {
        let Self { node, bindings } = self;
        node.world.call(|cx| MySql::enable(cx, &instance("d1f"), &node.owner, bindings))
    }

    /// What owner and bindings may do.
    fn logins(&self) -> Vec<Option<Access>> {
        let bindings = self.bindings.iter().map(|binding| &binding.credential);
        [&self.node.owner].into_iter().chain(bindings).map(|one| self.node.login(one)).collect()
    }
}

const AS_BEFORE: [Option<Access>; 3] =
    [Some(Access::ReadWrite), Some(Access::ReadWrite), Some(Access::ReadOnly)];

#[test]
fn p11_disable_and_enable_end_in_the_same_state_however_often_they_come() {
    let moving = Moving::new();
    for _ in 0..2 {
        moving.disable().unwrap();
        assert_eq!(moving.logins(), [None; 3]);
    }
    for _ in 0..2 {
        moving.enable().unwrap();
        assert_eq!(moving.logins(), AS_BEFORE);
    }
}

#[test]
fn p11_a_binding_whose_account_is_gone_hinders_neither() {
    let moving = Moving::new();
    moving.node.unbind("b1", &moving.bindings[0].credential).unwrap();
    moving.disable().unwrap();
    moving.enable().unwrap();
    assert_eq!(moving.logins(), [AS_BEFORE[0], None, AS_BEFORE[2]]);
}

#[test]
fn accounts_that_nobody_names_are_shut_off_too() {
    let moving = Moving::new();
    let stray = moving.node.bind("stray", &Parameters::new()).unwrap();
    moving.disable().unwrap();
    assert_eq!(moving.node.login(&stray), None);
    moving.enable().unwrap();
    assert_eq!(moving.node.login(&stray), None);
}

#[test]
fn other_databases_are_left_alone() {
    let moving = Moving::new();
    let other = provision(&moving.node.world, "d2", None).unwrap();
    moving.disable().unwrap();
    let user: String = other.require("user").unwrap();
    let password: String = other.require("password").unwrap();
    let server = moving.node.world.mysql(VERSION);
    assert_eq!(server.login("d2", &user, &password), Some(Access::ReadWrite));
}

#[test]
fn an_instance_from_elsewhere_has_the_names_passwords_and_rights_it_had() {
    let source = Moving::new();
    // Drops out of the thread's current world: the target is another node.
    let world = World::new().with_mysql(VERSION).with_setting("versions", VERSION);
    provision(&world, "d1f", Some(&source.node.owner)).unwrap();
    let adopt = || {
        let (owner, bindings) = (&source.node.owner, &source.bindings);
        world.call(|cx| MySql::adopt(cx, &instance("d1f"), owner, bindings)).unwrap()
    };
    let (owner, bindings) = adopt();
    assert_eq!(adopt(), (owner.clone(), bindings.clone()));
    let login = |credential: &Credential| {
        let user: String = credential.require("user").unwrap();
        let password: String = credential.require("password").unwrap();
        world.mysql(VERSION).login("d1f", &user, &password)
    };
    let all = [&owner, &bindings[0].credential, &bindings[1].credential];
    assert_eq!(all.map(login), AS_BEFORE);
    let old = [&source.node.owner, &source.bindings[0].credential, &source.bindings[1].credential];
    assert_eq!(old.map(login), AS_BEFORE);
    let ids: Vec<&str> = bindings.iter().map(|binding| binding.id.as_str()).collect();
    assert_eq!(ids, ["b1", "b2"]);
    // The owner's account is no binding there either.
    let page = world.call(|cx| MySql::inventory(cx, Some("accounts/10.11"))).unwrap();
    assert_eq!(page.bindings.len(), 2);
}

#[test]
fn a_move_that_failed_lets_everybody_in_again() {
    let moving = Moving::new();
    moving.disable().unwrap();
    let finish = |outcome| {
        let (owner, bindings) = (&moving.node.owner, &moving.bindings);
        let instance = instance("d1f");
        moving.node.world.call(|cx| MySql::finish(cx, &instance, owner, bindings, outcome))
    };
    finish(Move::Succeeded).unwrap();
    assert_eq!(moving.logins(), [None; 3]);
    finish(Move::Failed).unwrap();
    assert_eq!(moving.logins(), AS_BEFORE);
}
