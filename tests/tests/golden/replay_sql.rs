//! What operations leave on the database server, ours and the original's: databases, accounts, and
//! what these may do. The statements are others on purpose.
//!
//! The original's are run as they were recorded, beside our node, on the same server: the server
//! says of both what is there.

use std::collections::{BTreeMap, BTreeSet};

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use serde::Deserialize;
use serde_json::{Value, json};

use super::compare::Learned;
use super::differences::{Declared, OF_THE_SERVER, value};
use super::recording::Recording;
use super::replay_node::replay;
use super::rig::{FIRST_NODE, Peers, Rig};
use super::steps::{LIFE, SQL};

const STATEMENTS: &str = include_str!("../../golden/sql-per-operation.jsonl");
/// The accounts of the server itself.
const OF_THE_SYSTEM: [&str; 3] = ["mariadb.sys", "mysql", "root"];
/// Its databases.
const SYSTEM: [&str; 4] = ["information_schema", "mysql", "performance_schema", "sys"];
/// What the original's statements give an account.
const ALL: &str = "ALL PRIVILEGES";

/// What is there of tenants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Left {
    databases: BTreeSet<String>,
    /// By user and host: how many connections it may have.
    accounts: BTreeMap<(String, String), u64>,
    /// By user, host and database.
    rights: BTreeMap<(String, String, String), String>,
}

#[tokio::test]
async fn operations_leave_on_the_server_what_the_originals_left() {
    let mut rig = Rig::start().await;
    rig.start_node(Peers::Original).await;
    let mut server = connect(&rig).await;
    let (mut learned, mut declared) = (Learned::default(), Declared::new(OF_THE_SERVER));
    assert_eq!(Left::on(&mut server).await, Left::default());

    run(&mut server, "provision", &[]).await;
    let made = ask(&rig, "provision", json!({"plan": "free", "version": "5.5"})).await;
    let id = made["credentials"]["name"].clone();
    learn(&mut learned, "d871109aff13d4376872e08a144a45b7c", &id);
    learn(&mut learned, "ubIBC3Qn8o4Zg", &made["credentials"]["user"]);
    compare(&mut server, &learned, &mut declared).await;

    // The second binding was not recorded; the original made it as the first.
    let mut bound = Vec::new();
    for user in ["uHvn0GN0p9yax", "uq5PhHjO0VkKE"] {
        run(&mut server, "bind", &[("uHvn0GN0p9yax", user)]).await;
        let made = ask(&rig, "bind", json!({"name": id, "bind_opts": {}})).await;
        learn(&mut learned, user, &made["credentials"]["user"]);
        compare(&mut server, &learned, &mut declared).await;
        bound.push(made["credentials"].clone());
    }

    run(&mut server, "unbind", &[]).await;
    ask(&rig, "unbind", json!({"credentials": bound[0]})).await;
    compare(&mut server, &learned, &mut declared).await;

    run(&mut server, "unprovision_with_one_binding", &[]).await;
    ask(&rig, "unprovision", json!({"name": id, "bindings": [bound[1]]})).await;
    assert_eq!(Left::on(&mut server).await, Left::default());
    assert_eq!(declared.unmet(), [""; 0]);
    server.disconnect().await.expect("the server is there");
}

#[tokio::test]
async fn after_its_bindings_the_server_has_what_the_originals_had() {
    let mut rig = Rig::start().await;
    rig.start_node(Peers::Original).await;
    let mut server = connect(&rig).await;
    let (mut learned, mut declared) = (Learned::default(), Declared::new(OF_THE_SERVER));
    let until = LIFE.iter().position(|step| *step == "unbind").expect("it is a step");
    let part = Recording::V1.part(&LIFE[..until]);
    // What is answered is the test of the node's.
    replay(&rig, &part, &mut learned, &mut Declared::new(&[])).await;

    let seen = Recording::V1.part(SQL).on_the_server();
    let recorded = Left::recorded(seen.first().expect("the recorder looked"));
    assert_eq!(recorded.accounts.len(), 12);
    let expected = recorded.in_our_words(&learned, &mut declared);
    let ours = Left::on(&mut server).await;
    assert_eq!(ours, expected);
    assert_eq!(declared.unmet(), [""; 0]);

    for database in &ours.databases {
        let users: BTreeSet<&String> = ours
            .rights
            .keys()
            .filter(|(_, _, of)| of == database)
            .map(|(user, _, _)| user)
            .collect();
        let bindings: Vec<Value> =
            users.iter().map(|user| json!({"name": database, "user": user})).collect();
        ask(&rig, "unprovision", json!({"name": database, "bindings": bindings})).await;
    }
    assert_eq!(Left::on(&mut server).await, Left::default());
    server.disconnect().await.expect("the server is there");
}

/// What the original's statements made and what our node made are the same, but for what is
/// declared.
async fn compare(server: &mut Conn, learned: &Learned, declared: &mut Declared) {
    let all = Left::on(server).await;
    let theirs = all.clone().only(|name| learned.translate(name) != name);
    let ours = all.only(|name| learned.translate(name) == name);
    assert_eq!(ours, theirs.in_our_words(learned, declared));
}

impl Left {
    async fn on(server: &mut Conn) -> Self {
        let databases: Vec<String> = query(server, "SHOW DATABASES").await;
        let mut left = Self::default();
        left.databases.extend(databases.into_iter().filter(|name| !SYSTEM.contains(&&**name)));
        let accounts: Vec<(String, String, u64)> =
            query(server, "SELECT User, Host, max_user_connections FROM mysql.user").await;
        for (user, host, connections) in accounts {
            if OF_THE_SYSTEM.contains(&&*user) {
                continue;
            }
            let grants: Vec<String> =
                query(server, &format!("SHOW GRANTS FOR `{user}`@`{host}`")).await;
            for (rights, database) in grants.iter().filter_map(|grant| rights_of(grant)) {
                left.rights.insert((user.clone(), host.clone(), database), rights);
            }
            left.accounts.insert((user, host), connections);
        }
        left
    }

    /// What the recorder saw: who has rights where, who is there, and how many connections each may
    /// have. Which rights it did not look at: there is but one statement that gives any.
    fn recorded(text: &str) -> Self {
        let mut left = Self::default();
        for line in text.lines() {
            let words: Vec<&str> = line.split('\t').collect();
            match (&words[..], words.last().and_then(|word| word.parse().ok())) {
                ([user, host, _], Some(connections)) if !OF_THE_SYSTEM.contains(user) => {
                    left.accounts.insert(((*user).to_owned(), (*host).to_owned()), connections);
                }
                ([host, database, user], None) => {
                    let key = ((*user).to_owned(), (*host).to_owned(), (*database).to_owned());
                    left.rights.insert(key, ALL.to_owned());
                    left.databases.insert((*database).to_owned());
                }
                // Who is there is said again with the connections.
                _ => {}
            }
        }
        left
    }

    /// What ours should be: other names, and what is declared.
    fn in_our_words(&self, learned: &Learned, declared: &mut Declared) -> Self {
        let mut ours = Self::default();
        ours.databases.extend(self.databases.iter().map(|name| learned.translate(name)));
        for ((user, host), connections) in &self.accounts {
            if declared.instead("account", host) != Some("") {
                ours.accounts.insert((learned.translate(user), host.clone()), *connections);
            }
        }
        for ((user, host, database), rights) in &self.rights {
            if declared.instead("account", host) != Some("") {
                let rights = declared.instead("rights", rights).unwrap_or(rights).to_owned();
                let key = (learned.translate(user), host.clone(), learned.translate(database));
                ours.rights.insert(key, rights);
            }
        }
        ours
    }

    /// What has names for which `is_it`.
    fn only(mut self, is_it: impl Fn(&str) -> bool) -> Self {
        self.databases.retain(|name| is_it(name));
        self.accounts.retain(|(user, _), _| is_it(user));
        self.rights.retain(|(user, ..), _| is_it(user));
        self
    }
}

/// Rights and database of a grant; `None` when it gives none in a database.
fn rights_of(grant: &str) -> Option<(String, String)> {
    let (rights, rest) = grant.strip_prefix("GRANT ")?.split_once(" ON `")?;
    let (database, _) = rest.split_once("`.* TO ")?;
    Some((rights.to_owned(), database.to_owned()))
}

async fn query<T: mysql_async::prelude::FromRow + Send + 'static>(
    server: &mut Conn,
    statement: &str,
) -> Vec<T> {
    server.query(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"))
}

async fn connect(rig: &Rig) -> Conn {
    rig.administrator().connect().await.expect("the server is there")
}

/// Runs what the original ran in `operation` to change something, about other names.
async fn run(server: &mut Conn, operation: &str, names: &[(&str, &str)]) {
    #[derive(Deserialize)]
    struct Line {
        op: String,
        statement: Option<String>,
    }
    let lines = STATEMENTS.lines().map(|line| serde_json::from_str(line).expect("a statement"));
    let of_operation = lines.filter(|line: &Line| line.op == operation);
    let is_change = |statement: &String| {
        ["CREATE ", "GRANT ", "DROP ", "FLUSH "].iter().any(|verb| statement.starts_with(verb))
    };
    let changes: Vec<String> =
        of_operation.filter_map(|line| line.statement).filter(is_change).collect();
    assert!(!changes.is_empty(), "{operation}");
    for change in changes {
        let change = names.iter().fold(change, |text, (from, to)| text.replace(from, to));
        server.query_drop(&change).await.unwrap_or_else(|error| panic!("{change}: {error}"));
    }
}

/// Has our node do it.
async fn ask(rig: &Rig, operation: &str, body: Value) -> Value {
    let subject = format!("MyaaS.{operation}.{}", FIRST_NODE.id);
    let reply = rig.bus.request(subject, body.to_string().into()).await.expect("it answers");
    let reply = value(&String::from_utf8_lossy(&reply.payload));
    assert_eq!(reply["success"], true, "{reply}\n{}", rig.logs());
    reply
}

fn learn(learned: &mut Learned, recorded: &str, ours: &Value) {
    learned.is_called(recorded, ours.as_str().expect("a name"));
}
