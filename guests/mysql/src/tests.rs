//! The service over a fake node.

mod housekeeping;
mod lifecycle;
mod limits;
mod moving;
mod snapshot;

use expect_test::Expect;
use tenon_guest::fake::World;
use tenon_guest::mysql::Access;
use tenon_guest::{Binding, BindingRef, Credential, Instance, Parameters, Result, Service};

use crate::MySql;

const VERSION: &str = "10.11";

/// A node with one server and one provisioned instance, `d1f`.
struct Node {
    world: World,
    owner: Credential,
}

impl Node {
    fn new() -> Self {
        let world = World::new()
            .with_mysql(VERSION)
            .with_setting("versions", VERSION)
            .with_setting("max_connections", "20");
        let owner = provision(&world, "d1f", None).unwrap();
        Self { world, owner }
    }

    fn bind(&self, id: &str, parameters: &Parameters) -> Result<Credential> {
        let binding = BindingRef { id: id.to_owned(), instance: instance("d1f") };
        self.world.call(|cx| MySql::bind(cx, &binding, parameters, None))
    }

    fn unbind(&self, id: &str, credential: &Credential) -> Result<()> {
        let binding = Binding {
            id: id.to_owned(),
            instance: instance("d1f"),
            credential: credential.clone(),
        };
        self.world.call(|cx| MySql::unbind(cx, &binding))
    }

    /// Whether the server lets one in, and to do what.
    fn login(&self, credential: &Credential) -> Option<Access> {
        let user: String = credential.require("user").unwrap();
        let password: String = credential.require("password").unwrap();
        self.world.mysql(VERSION).login("d1f", &user, &password)
    }

    fn check_server(&self, expected: &Expect) {
        expected.assert_eq(&self.world.mysql(VERSION).to_string());
    }
}

fn instance(id: &str) -> Instance {
    Instance { id: id.to_owned(), plan: "free".to_owned(), version: VERSION.to_owned() }
}

fn provision(world: &World, id: &str, reuse: Option<&Credential>) -> Result<Credential> {
    world.call(|cx| MySql::provision(cx, &instance(id), &Parameters::new(), reuse))
}

fn unprovision(world: &World, id: &str) -> Result<()> {
    world.call(|cx| MySql::unprovision(cx, &instance(id), &[]))
}
