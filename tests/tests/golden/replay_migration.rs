//! The parts of the rebalancing tool, the operator and two original nodes, with our gateway between
//! them: an instance moves, is restored, and is recovered.

use serde_json::{Value, json};

use super::cloud_controller::CloudController;
use super::compare::Learned;
use super::differences::{Declared, OF_A_FOREIGN_MOVE, OF_NOTICES, OF_THE_MIGRATION, value};
use super::recording::{Caller, HttpExchange, Recording};
use super::stage::Stage;
use super::steps::{ARRIVE, COME_BACK, LEAVE, LIFE, RESTART};

/// What the recorder's cloud controller had when the instance moved.
const BEFORE: &[&str] = &[
    "provision",
    "provision.default_plan",
    "provision.extra_optional_fields",
    "bind",
    "bind.with_options",
];

#[tokio::test]
async fn an_instance_leaves_an_original_node_as_the_original_gateway_had_it() {
    let mut play = Play::begin().await;
    for mut exchange in Recording::V1.part(LIFE).http_exchanges(Caller::CloudController) {
        // The original took the instance of the body; ours is asked for one and the same.
        if exchange.step == "bind.bodyid_differs_from_url" {
            exchange.request.path = path_of_body(&exchange);
        }
        play.prepare(&exchange).await;
    }
    play.replay(LEAVE).await;
    play.end();
}

#[tokio::test]
async fn an_instance_arrives_at_an_original_node_and_comes_back_from_a_backup() {
    let mut play = Play::begin().await;
    for step in BEFORE.iter().chain(&["migration.disable", "migration.import"]) {
        for exchange in Recording::V1.part(&[step]).http_exchanges(Caller::CloudController) {
            play.prepare(&exchange).await;
        }
    }
    play.replay(ARRIVE).await;
    // By then the recorder's cloud controller had one binding.
    for user in ["ukX0wTWH8pCcK", "uwo7QZqRQghx9"] {
        play.unbind(user).await;
    }
    play.replay(COME_BACK).await;
    play.end();
}

/// Tenon takes over from the original, which had gone so far. It has not seen the import, so the
/// steps before it come once more.
#[tokio::test]
async fn p11_a_move_that_another_gateway_began_is_begun_again_and_goes_on() {
    let restart = Recording::V1.part(RESTART).http_exchanges(Caller::Gateway);
    let fetched = restart.iter().find(|exchange| exchange.request.method == "GET");
    let cloud_controller = CloudController::start().await;
    cloud_controller.list(&fetched.expect("it asked for handles").reply);
    let mut play = Play::on(Stage::set_beside(cloud_controller).await);
    let mut notices = Declared::new(OF_NOTICES);
    for said in &restart {
        let told = &play.stage.cloud_controller;
        play.unlike.extend(told.compare(said, &mut play.learned, &mut notices).await);
    }
    let mut foreign = Declared::new(OF_A_FOREIGN_MOVE);
    for exchange in
        Recording::V1.part(&["migration.update"]).http_exchanges(Caller::CloudController)
    {
        let found = play.stage.replay(&exchange, &mut play.learned, &mut foreign).await;
        play.unlike.extend(found);
    }
    play.unlike.extend(foreign.unmet());
    // What was said of bindings then is not compared: the platform had others by the restart.
    let (mut then, mut nothing) = (Learned::default(), Declared::new(&[]));
    let before = Recording::V1.part(&["migration.disable", "migration.import"]);
    for exchange in before.http_exchanges(Caller::CloudController) {
        play.stage.replay(&exchange, &mut then, &mut nothing).await;
    }
    play.replay(ARRIVE).await;
    play.end();
}

/// A stage, and what was seen on it.
struct Play {
    stage: Stage,
    learned: Learned,
    declared: Declared,
    unlike: Vec<String>,
}

impl Play {
    async fn begin() -> Self {
        Self::on(Stage::set().await)
    }

    fn on(stage: Stage) -> Self {
        Self {
            stage,
            learned: Learned::default(),
            declared: Declared::new(OF_THE_MIGRATION),
            unlike: Vec::new(),
        }
    }

    /// Brings it into the state of the recording. What is otherwise is another test's.
    async fn prepare(&mut self, exchange: &HttpExchange) {
        let mut nothing = Declared::new(&[]);
        self.stage.replay(exchange, &mut self.learned, &mut nothing).await;
    }

    async fn replay(&mut self, steps: &[&str]) {
        for step in steps {
            let part = Recording::V1.part(&[step]);
            for exchange in part.http_exchanges(Caller::CloudController) {
                let found =
                    self.stage.replay(&exchange, &mut self.learned, &mut self.declared).await;
                self.unlike.extend(found);
            }
            for told in part.http_exchanges(Caller::Gateway) {
                if told.request.method == "POST" {
                    self.told(&told);
                }
            }
        }
    }

    /// Unbinds the binding whose account is `user`.
    async fn unbind(&mut self, user: &str) {
        let all = Recording::V1.part(&["bind.with_options", "migration.result"]);
        let all = all.http_exchanges(Caller::CloudController);
        let bound = all.into_iter().map(|exchange| value(&exchange.reply));
        let is_it = |reply: &Value| reply["credentials"]["user"] == user;
        let bound = bound.into_iter().find(is_it).expect("it was bound");
        let (id, instance) = (&bound["service_id"], &bound["credentials"]["name"]);
        let (id, instance) = (id.as_str().expect("an id"), instance.as_str().expect("an id"));
        let body = json!({"service_id": instance, "handle_id": id, "binding_options": {}});
        let unbind = Recording::V1.part(&["unbind"]).http_exchanges(Caller::CloudController);
        let mut unbind = unbind.into_iter().next().expect("the recording has one");
        unbind.request.path = format!("/gateway/v1/configurations/{instance}/handles/{id}");
        unbind.request.body = body.to_string();
        for command in &mut unbind.commands {
            command.subject = "MyaaS.unbind.mysql_node_free_2".to_owned();
        }
        self.prepare(&unbind).await;
    }

    /// What the gateway told the cloud controller about a handle.
    fn told(&mut self, told: &HttpExchange) {
        let path = self.learned.translate(&told.request.path);
        let name = format!("{} POST {path}", told.step);
        let Some(ours) = self.stage.cloud_controller.heard("POST", &path).pop() else {
            self.unlike.push(format!("{name} did not come"));
            return;
        };
        let recorded = &told.request.body;
        let instead = self.declared.instead(&told.step, recorded);
        let found = self.learned.compare(&value(instead.unwrap_or(recorded)), &value(&ours.body));
        self.unlike.extend(found.into_iter().map(|field| format!("{name}: {field}")));
    }

    fn end(self) {
        let unlike = self.unlike.join("\n");
        assert!(unlike.is_empty(), "\n{unlike}\n{}", self.stage.rig.logs());
    }
}

/// The path that names the instance of the body.
fn path_of_body(exchange: &HttpExchange) -> String {
    let body = value(&exchange.request.body);
    let instance = body.get("service_id").and_then(|id| id.as_str()).expect("a bind names it");
    format!("/gateway/v1/configurations/{instance}/handles")
}
