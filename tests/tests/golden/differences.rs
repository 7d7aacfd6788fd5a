//! What Tenon does otherwise than the original, on purpose. The page
//! `docs/reference/classic-differences.md` says why; here is what it looks like on the wire.
//!
//! A difference that is not listed fails the replay, and so does a listed one that is none.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

const PAGE: &str = include_str!("../../../docs/reference/classic-differences.md");

/// One exchange in which Tenon answers otherwise.
pub(crate) struct Difference {
    /// As in the page.
    id: &'static str,
    /// The recorded request: a payload, or method, path and body.
    request: &'static str,
    /// What the original answered: a reply, after the status if it is HTTP.
    original: &'static str,
    /// What we answer. `"*"` stands for anything.
    ours: &'static str,
}

/// Of the node, towards an original gateway.
pub(crate) const OF_THE_NODE: &[Difference] = &[
    malformed(r#"{"version":"5.5"}"#),
    malformed("{bad"),
    malformed(""),
    malformed("{}"),
    malformed(r#"{"name":"d34809b28559e414082e84b61d0c4550e","bind_opts":"x"}"#),
    malformed(r#"{"name":"d34809b28559e414082e84b61d0c4550e"}"#),
    Difference {
        id: "unknown-field",
        request: r#"{"plan":"free","version":"5.5","zzz":1}"#,
        original: NODE_FAILED,
        ours: r#"{"success":true,"credentials":"*"}"#,
    },
    Difference {
        id: "unbind-of-an-unknown-instance",
        request: r#"{"credentials":{"name":"dnope","user":"u"}}"#,
        original: NODE_FAILED,
        ours: r#"{"success":false,"error":{"status":404,"msg":{"code":31002,"description":"Mysql configuration dnope not found."}}}"#,
    },
    Difference {
        id: "unbind-of-an-unknown-instance",
        request: r#"{"credentials":{}}"#,
        original: NODE_FAILED,
        ours: r#"{"success":false,"error":{"status":404,"msg":{"code":31002,"description":"Mysql configuration  not found."}}}"#,
    },
    Difference {
        id: "unbind-shows-no-password",
        request: r#"{"credentials":{"name":"d34809b28559e414082e84b61d0c4550e","user":"ubindex1","password":"pbindex1"}}"#,
        original: r#"{"success":false,"error":{"status":404,"msg":{"code":31003,"description":"Mysql credential {\"name\"=>\"d34809b28559e414082e84b61d0c4550e\", \"user\"=>\"ubindex1\", \"password\"=>\"pbindex1\"} not found."}}}"#,
        ours: r#"{"success":false,"error":{"status":404,"msg":{"code":31003,"description":"Mysql credential ubindex1 not found."}}}"#,
    },
];

/// Of the gateway, when it tells a v1 cloud controller that it is there, or not any more.
pub(crate) const OF_NOTICES: &[Difference] = &[
    Difference {
        id: "notice-has-no-nulls",
        request: "POST /services/v1/offerings",
        original: r#"{"label":"mysql-5.5","description":"MySQL database","provider":"core","url":"http://127.0.0.1:15001","plans":["free","expensive"],"cf_plan_id":null,"default_plan":"free","tags":["relational"],"active":true,"acls":null,"supported_versions":["5.5"],"version_aliases":{"current":"5.5"},"timeout":15}"#,
        ours: r#"{"label":"mysql-5.5","description":"MySQL database","provider":"core","url":"*","plans":["free","expensive"],"default_plan":"free","tags":["relational"],"active":true,"supported_versions":["5.5"],"version_aliases":{"current":"5.5"},"timeout":15}"#,
    },
    Difference {
        id: "notice-has-no-nulls",
        request: "POST /services/v1/offerings",
        original: r#"{"label":"mysql-5.5","description":"MySQL database","provider":"core","url":"http://127.0.0.1:15001","plans":["free","expensive"],"cf_plan_id":null,"default_plan":"free","tags":["relational"],"active":false,"acls":null,"supported_versions":["5.5"],"version_aliases":{"current":"5.5"},"timeout":15}"#,
        ours: r#"{"label":"mysql-5.5","description":"MySQL database","provider":"core","url":"*","plans":["free","expensive"],"default_plan":"free","tags":["relational"],"active":false,"supported_versions":["5.5"],"version_aliases":{"current":"5.5"},"timeout":15}"#,
    },
];

/// Of the gateway, towards a v1 cloud controller.
pub(crate) const OF_THE_GATEWAY: &[Difference] = &[
    Difference {
        id: "body-is-no-object",
        request: "POST /gateway/v1/configurations []",
        original: PAGE_OF_500,
        ours: MALFORMED,
    },
    Difference {
        id: "unknown-field",
        request: r#"POST /gateway/v1/configurations {"unique_id":"core_mysql_free","name":"db1","email":"dev@example.com","label":"mysql-5.5","plan":"free","version":"5.5","unknown_field":1}"#,
        original: MALFORMED,
        ours: r#"200 {"configuration":{"plan":"free","version":"5.5"},"service_id":"*","credentials":"*"}"#,
    },
    unknown_route("GET /", r#"404 {"code":30300,"description":"GET / not found"}"#),
    unknown_route("GET /nosuch", r#"404 {"code":30300,"description":"GET /nosuch not found"}"#),
    unknown_route(
        "GET /gateway/v1/configurations",
        r#"404 {"code":30300,"description":"GET /gateway/v1/configurations not found"}"#,
    ),
    unknown_route(
        r#"PUT /gateway/v1/configurations {"unique_id":"core_mysql_free","name":"db1","email":"dev@example.com","label":"mysql-5.5","plan":"free","version":"5.5"}"#,
        r#"404 {"code":30300,"description":"PUT /gateway/v1/configurations not found"}"#,
    ),
    Difference {
        id: "path-and-body-agree",
        request: r#"POST /gateway/v1/configurations/d50da037338864ef6ab486d5488b3e185/handles {"service_id":"d0202c6a3935447298320f96c18e61597","label":"mysql-5.5","email":"dev@example.com","binding_options":{}}"#,
        original: r#"200 {"service_id":"ad9c0cdd-7cda-484d-b1f0-cd8c7136185a","configuration":{"plan":"free","version":"5.5","data":{"binding_options":{}}},"credentials":{"name":"d0202c6a3935447298320f96c18e61597","hostname":"127.0.0.1","host":"127.0.0.1","port":33306,"user":"u6TggvhYFofzs","username":"u6TggvhYFofzs","password":"pRZ5abhx948Fq"}}"#,
        ours: MALFORMED,
    },
    Difference {
        id: "binding-options-are-an-object",
        request: r#"POST /gateway/v1/configurations/d0202c6a3935447298320f96c18e61597/handles {"service_id":"d0202c6a3935447298320f96c18e61597","label":"mysql-5.5","email":"dev@example.com","binding_options":"str"}"#,
        original: r#"500 {"code":30500,"description":"Internal Error"}"#,
        ours: MALFORMED,
    },
];

/// Of nodes between which an original gateway moves an instance.
pub(crate) const OF_MOVING_NODES: &[Difference] = &[Difference {
    id: "nothing-arrives-where-it-is",
    request: r#"[{"configuration":{"plan":"free","version":"5.5"},"service_id":"d2be55094177d4a3bbc5295144ae0421b","credentials":{"name":"d2be55094177d4a3bbc5295144ae0421b","hostname":"127.0.0.1","host":"127.0.0.1","port":33306,"user":"uEnCnKggDM3AT","username":"uEnCnKggDM3AT","password":"p4t4uuHa4wtjI","node_id":"mysql_node_free_1"}},[]]"#,
    original: NODE_FAILED,
    ours: r#"{"success":false,"error":{"status":409,"msg":{"code":30301,"description":"d2be55094177d4a3bbc5295144ae0421b exists already"}}}"#,
}];

/// Of the gateway, towards who moves instances.
pub(crate) const OF_THE_MIGRATION: &[Difference] = &[
    Difference {
        id: "who-has-it-is-asked",
        request: "POST /service/internal/v1/migration/ghost_node/d0202c6a3935447298320f96c18e61597/disable",
        original: r#"504 {"code":30700,"description":"Gateway timeout"}"#,
        ours: r#"404 {"code":30300,"description":"d0202c6a3935447298320f96c18e61597 not found"}"#,
    },
    Difference {
        id: "a-backup-is-named",
        request: "POST /service/internal/v1/restore {}",
        original: r#"404 {"code":30300,"description":" not found"}"#,
        ours: MALFORMED,
    },
    Difference {
        id: "unknown-is-not-found",
        request: r#"POST /service/internal/v1/recover {"instance_id":"nope","backup_path":"/var/vcap/peer/store/backup"}"#,
        original: r#"500 {"code":30500,"description":"Internal Error"}"#,
        ours: r#"404 {"code":30300,"description":"nope not found"}"#,
    },
    Difference {
        id: "options-are-kept",
        request: "MyaaS.bind.mysql_node_free_1",
        original: r#"{"name":"d0202c6a3935447298320f96c18e61597","credentials":{"name":"d0202c6a3935447298320f96c18e61597","hostname":"127.0.0.1","host":"127.0.0.1","port":33307,"user":"uC3SX6bWGspfS","username":"uC3SX6bWGspfS","password":"pIbTfRhaPcbuv"}}"#,
        ours: r#"{"name":"d0202c6a3935447298320f96c18e61597","bind_opts":{},"credentials":{"name":"d0202c6a3935447298320f96c18e61597","hostname":"127.0.0.1","host":"127.0.0.1","port":33307,"user":"uC3SX6bWGspfS","username":"uC3SX6bWGspfS","password":"pIbTfRhaPcbuv"}}"#,
    },
    Difference {
        id: "options-are-kept",
        request: "recover",
        original: r#"{"service_id":"6b7455e7-0483-4957-a860-526df2e7c2ed","configuration":{"plan":"free","version":"5.5","data":{"binding_options":null}},"credentials":{"name":"d0202c6a3935447298320f96c18e61597","hostname":"127.0.0.1","host":"127.0.0.1","port":33306,"user":"uC3SX6bWGspfS","username":"uC3SX6bWGspfS","password":"pIbTfRhaPcbuv"}}"#,
        ours: r#"{"service_id":"6b7455e7-0483-4957-a860-526df2e7c2ed","configuration":{"plan":"free","version":"5.5","data":{"binding_options":{}}},"credentials":{"name":"d0202c6a3935447298320f96c18e61597","hostname":"127.0.0.1","host":"127.0.0.1","port":33306,"user":"uC3SX6bWGspfS","username":"uC3SX6bWGspfS","password":"pIbTfRhaPcbuv"}}"#,
    },
    Difference {
        id: "nothing-arrives-where-it-is",
        request: "POST /service/internal/v1/migration/mysql_node_free_1/d2be55094177d4a3bbc5295144ae0421b/import",
        original: r#"500 {"code":30500,"description":"Internal Error"}"#,
        ours: r#"409 {"code":30301,"description":"d2be55094177d4a3bbc5295144ae0421b is on node mysql_node_free_1"}"#,
    },
];

/// The same, when another gateway began the move.
pub(crate) const OF_A_FOREIGN_MOVE: &[Difference] = &[Difference {
    id: "a-move-goes-on-where-it-began",
    request: "POST /service/internal/v1/migration/mysql_node_free_2/d0202c6a3935447298320f96c18e61597/update",
    original: "200 true",
    ours: r#"409 {"code":30301,"description":"d0202c6a3935447298320f96c18e61597 was not imported on node mysql_node_free_2"}"#,
}];

/// Of the node, on its database server: where its accounts may come from, and what they may do.
pub(crate) const OF_THE_SERVER: &[Difference] = &[
    Difference {
        id: "one-account-for-each-binding",
        request: "account",
        original: "localhost",
        ours: "",
    },
    Difference {
        id: "rights-are-named",
        request: "rights",
        original: "ALL PRIVILEGES",
        ours: "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, REFERENCES, INDEX, ALTER, CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, TRIGGER",
    },
];

/// Of the gateway, towards an operator who purges orphans.
pub(crate) const OF_THE_PURGE: &[Difference] = &[
    Difference {
        id: "purge-lists-are-malformed",
        request: "DELETE /service/internal/v1/purge_orphan {}",
        original: r#"500 {"code":30500,"description":"Internal Error"}"#,
        ours: MALFORMED,
    },
    Difference {
        id: "body-is-no-object",
        request: "DELETE /service/internal/v1/purge_orphan {bad",
        original: PAGE_OF_500,
        ours: MALFORMED,
    },
];

/// The same, when the platform has lost what it had ordered; and what a collector sees then.
pub(crate) const OF_LOST_HANDLES: &[Difference] = &[
    Difference {
        id: "varz-shows-what-is-known-harmless",
        request: "varz.after_orphan prov_svcs.ffdfe0cb-72d0-4dcd-974a-c89dfaa39098",
        original: r#"{"configuration":{"data":{"binding_options":{"n":1,"privileges":["FULL"]}},"plan":"free","version":"5.5"},"credentials":{"host":"127.0.0.1","hostname":"127.0.0.1","name":"d0202c6a3935447298320f96c18e61597","password":"********","port":33307,"user":"ukX0wTWH8pCcK","username":"ukX0wTWH8pCcK"},"service_id":"ffdfe0cb-72d0-4dcd-974a-c89dfaa39098"}"#,
        ours: r#"{"configuration":{"data":{"binding_options":{"n":"********","privileges":["********"]}},"plan":"free","version":"5.5"},"credentials":{"host":"127.0.0.1","hostname":"127.0.0.1","name":"d0202c6a3935447298320f96c18e61597","password":"********","port":33307,"user":"ukX0wTWH8pCcK","username":"ukX0wTWH8pCcK"},"service_id":"ffdfe0cb-72d0-4dcd-974a-c89dfaa39098"}"#,
    },
    Difference {
        id: "orphans-are-compared-with-records",
        request: "varz.after_orphan orphan_instances.mysql_node_free_1",
        original: r#"["d7ae7c1577211421885dec275d4d84ec8","d8c342c7de8d74b9f974e8fb58703a02b"]"#,
        ours: r#"["d8c342c7de8d74b9f974e8fb58703a02b"]"#,
    },
    Difference {
        id: "purge-names-what-was-not-ordered",
        request: r#"DELETE /service/internal/v1/purge_orphan {"orphan_instances":{"mysql_node_free_2":[],"mysql_node_free_1":["d7ae7c1577211421885dec275d4d84ec8","d8c342c7de8d74b9f974e8fb58703a02b"]},"orphan_bindings":{"mysql_node_free_2":[],"mysql_node_free_1":[]}}"#,
        original: "200 {}",
        ours: r#"409 {"code":30301,"description":"d7ae7c1577211421885dec275d4d84ec8 is no orphan: it was ordered"}"#,
    },
];

/// Of the gateway, towards who takes snapshots.
pub(crate) const OF_SNAPSHOTS: &[Difference] = &[
    Difference {
        id: "what-is-renamed-is-there",
        request: r#"POST /gateway/v1/configurations/d3c4e7ae32d3943d98463eeac5a39ce11/snapshots/999/name {"name":"n"}"#,
        original: "200 {}",
        ours: r#"404 {"code":30300,"description":"snapshot 999 not found"}"#,
    },
    Difference {
        id: "snapshots-are-in-order",
        request: "GET /gateway/v1/configurations/d3c4e7ae32d3943d98463eeac5a39ce11/snapshots",
        original: r#"200 {"snapshots":[{"snapshot_id":"5","size":751,"date":"2026-11-21T22:59:58Z","name":"Snapshot 2026-11-21T22:59:58Z"},{"snapshot_id":"6","size":750,"date":"2026-11-21T22:59:59Z","name":"Snapshot 2026-11-21T22:59:59Z"},{"snapshot_id":"4","size":751,"date":"2026-11-21T22:59:56Z","name":"Snapshot 2026-11-21T22:59:56Z"},{"snapshot_id":"7","size":749,"date":"2026-11-21T23:00:01Z","name":"Snapshot 2026-11-21T23:00:01Z"}]}"#,
        ours: r#"200 {"snapshots":[{"snapshot_id":"4","size":751,"date":"2026-11-21T22:59:56Z","name":"Snapshot 2026-11-21T22:59:56Z"},{"snapshot_id":"5","size":751,"date":"2026-11-21T22:59:58Z","name":"Snapshot 2026-11-21T22:59:58Z"},{"snapshot_id":"6","size":750,"date":"2026-11-21T22:59:59Z","name":"Snapshot 2026-11-21T22:59:59Z"},{"snapshot_id":"7","size":749,"date":"2026-11-21T23:00:01Z","name":"Snapshot 2026-11-21T23:00:01Z"}]}"#,
    },
    Difference {
        id: "both-versions-show-the-same",
        request: r#"POST /gateway/v2/configurations/d3c4e7ae32d3943d98463eeac5a39ce11/snapshots {"name":"v2snap"}"#,
        original: r#"200 {"state":"empty","size":0,"name":"v2snap","snapshot_id":"2"}"#,
        ours: r#"200 {"state":"empty","size":0,"name":"v2snap","snapshot_id":"*"}"#,
    },
    Difference {
        id: "both-versions-show-the-same",
        request: "GET /gateway/v2/configurations/d3c4e7ae32d3943d98463eeac5a39ce11/snapshots",
        original: r#"200 {"snapshots":[{"state":"empty","size":0,"name":"v2snap","snapshot_id":"2"}]}"#,
        ours: r#"200 {"snapshots":"*"}"#,
    },
    Difference {
        id: "version-2-asks-for-a-name",
        request: r#"POST /gateway/v2/configurations/d3c4e7ae32d3943d98463eeac5a39ce11/snapshots {"x":1}"#,
        original: PAGE_OF_500,
        ours: MALFORMED,
    },
];

/// Of the gateway, beside a v2 cloud controller and a UAA: also by step, what it asks of them.
pub(crate) const OF_THE_CATALOG: &[Difference] = &[
    Difference {
        id: "asks-for-its-own",
        request: "startup",
        original: "",
        ours: "GET /v2/services/6f4497c3-f74e-4359-8049-482dc7984949/service_plans null",
    },
    unchanged("gateway.restart", FREE_PLAN),
    unchanged("gateway.restart", EXPENSIVE_PLAN),
    withdrawn("gateway.restart"),
    unchanged("handle.with_unknown_field", FREE_PLAN),
    unchanged("handle.with_unknown_field", EXPENSIVE_PLAN),
    withdrawn("handle.with_unknown_field"),
    Difference {
        id: "unknown-field",
        request: "GET /service/internal/v1/migration/mysql_node_free_1/instances",
        original: r#"200 ["d96c5ffcfc14a4afaa8cec07445be2c9d"]"#,
        ours: r#"200 ["d96c5ffcfc14a4afaa8cec07445be2c9d","de23dcf1152c2449c8ac8fb405c63bc9e"]"#,
    },
    Difference {
        id: "purge-names-what-was-not-ordered",
        request: r#"DELETE /service/internal/v1/purge_orphan {"orphan_instances":{"mysql_node_free_1":["de23dcf1152c2449c8ac8fb405c63bc9e"]},"orphan_bindings":{}}"#,
        original: "200 {}",
        ours: r#"409 {"code":30301,"description":"de23dcf1152c2449c8ac8fb405c63bc9e is no orphan: it was ordered"}"#,
    },
];

const FREE_PLAN: &str = r#"PUT /v2/service_plans/62744491-0378-4052-87b2-84d72742d6be {"description":"Free plan","extra":null,"free":true,"name":"free","service_guid":"6f4497c3-f74e-4359-8049-482dc7984949"}"#;
const EXPENSIVE_PLAN: &str = r#"PUT /v2/service_plans/13797e41-9d81-4a18-b39a-86231beb73f1 {"description":"Paid plan","extra":null,"free":false,"name":"expensive","service_guid":"6f4497c3-f74e-4359-8049-482dc7984949"}"#;

/// The original wrote it again.
const fn unchanged(step: &'static str, original: &'static str) -> Difference {
    Difference { id: "catalog-is-left-to-its-owners", request: step, original, ours: "" }
}

/// The stop before `step`.
const fn withdrawn(step: &'static str) -> Difference {
    Difference {
        id: "leaving-is-told",
        request: step,
        original: "",
        ours: r#"PUT /v2/services/6f4497c3-f74e-4359-8049-482dc7984949 {"acls":null,"active":false,"description":"MySQL database","extra":"{\"listing\":{\"imageUrl\":\"\",\"blurb\":\"MySQL\"},\"provider\":{\"name\":\"Core\"}}","label":"mysql","provider":"core","timeout":15,"url":"http://127.0.0.1:15001","version":"5.5"}"#,
    }
}

const NODE_FAILED: &str = r#"{"success":false,"error":{"status":500,"msg":{"code":30500,"description":"Internal Error"}}}"#;
const PAGE_OF_500: &str = "500 <h1>Internal Server Error</h1>";
const MALFORMED: &str = r#"400 {"code":30001,"description":"Malformatted request"}"#;

const fn malformed(request: &'static str) -> Difference {
    Difference {
        id: "malformed-node-request",
        request,
        original: NODE_FAILED,
        ours: r#"{"success":false,"error":{"status":400,"msg":{"code":30001,"description":"Malformatted request"}}}"#,
    }
}

const fn unknown_route(request: &'static str, ours: &'static str) -> Difference {
    Difference { id: "unknown-route", request, original: PAGE_OF_500, ours }
}

/// The one field that Tenon adds wherever credentials stand.
const ADDED: (&str, &str) = ("credentials-have-a-uri", "uri");

/// The one of a job that has completed: the original writes it down a moment later.
const AT_ONCE: (&str, &str) = ("a-job-completes-at-once", "complete_time");

/// Whether `name`, which the original does not have, is declared, and made of its neighbours.
pub(crate) fn is_declared(name: &str, neighbours: &Map<String, Value>) -> bool {
    let text = |name: &str| neighbours.get(name).map(|value| value.to_string().replace('"', ""));
    if name == AT_ONCE.1 {
        let is_time = text(name).is_some_and(|time| time.ends_with(" +0000"));
        return is_time && text("status").as_deref() == Some("completed");
    }
    let parts = ["user", "password", "host", "port", "name"].map(text);
    let [Some(user), Some(password), Some(host), Some(port), Some(database)] = parts else {
        return false;
    };
    let uri = format!("mysql://{user}:{password}@{host}:{port}/{database}");
    name == ADDED.1 && text(name) == Some(uri)
}

/// Which of `all` were met.
pub(crate) struct Declared {
    all: &'static [Difference],
    met: BTreeSet<usize>,
}

impl Declared {
    pub(crate) fn new(all: &'static [Difference]) -> Self {
        Self { all, met: BTreeSet::new() }
    }

    /// What we are to answer to `request`, where the original answered `original`; `None` when it
    /// is the same.
    pub(crate) fn instead(&mut self, request: &str, original: &str) -> Option<&'static str> {
        let same = |row: &Difference| row.request == request && row.original == original;
        let at = self.all.iter().position(same)?;
        self.met.insert(at);
        self.all.get(at).map(|row| row.ours)
    }

    /// Rows that no exchange met.
    pub(crate) fn unmet(&self) -> Vec<String> {
        let rows = self.all.iter().enumerate().filter(|(at, _)| !self.met.contains(at));
        let tell = |(_, row): (usize, &Difference)| {
            format!("declared as {}, and not met: {} {}", row.id, row.request, row.original)
        };
        rows.map(tell).collect()
    }
}

/// A reply as a value; a text that is no JSON is a string.
pub(crate) fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_no_json| Value::String(text.to_owned()))
}

#[test]
fn the_page_and_the_tables_name_the_same_differences() {
    let rows = PAGE.lines().filter(|line| line.starts_with("| `") && line.contains("golden.rs"));
    let on_the_page: BTreeSet<&str> = rows.filter_map(|row| row.split('`').nth(1)).collect();
    let tables = [
        OF_THE_NODE,
        OF_MOVING_NODES,
        OF_NOTICES,
        OF_THE_GATEWAY,
        OF_THE_CATALOG,
        OF_THE_MIGRATION,
        OF_A_FOREIGN_MOVE,
        OF_SNAPSHOTS,
        OF_THE_SERVER,
        OF_THE_PURGE,
        OF_LOST_HANDLES,
    ]
    .into_iter()
    .flatten()
    .map(|row| row.id);
    let in_the_tables: BTreeSet<&str> = tables.chain([ADDED.0, AT_ONCE.0]).collect();
    assert_eq!(on_the_page, in_the_tables);
}
