//! The parts of cloud controller and original node, with our gateway between them.

use super::compare::Learned;
use super::differences::{Declared, OF_THE_GATEWAY};
use super::recording::{Caller, HttpExchange, Recording};
use super::stage::Stage;
use super::steps::LIFE;

#[tokio::test]
async fn our_gateway_drives_an_original_node_as_the_original_did() {
    let stage = Stage::set().await;
    let mut learned = Learned::default();
    let mut declared = Declared::new(OF_THE_GATEWAY);
    let mut unlike = Vec::new();
    for exchange in Recording::V1.part(LIFE).http_exchanges(Caller::CloudController) {
        // What the gateway does otherwise by itself is replayed with our own node.
        if declared.instead(&exchange.name(), &exchange.answer()).is_some() {
            continue;
        }
        unlike.extend(stage.replay(&exchange, &mut learned, &mut declared).await);
    }
    assert!(unlike.is_empty(), "\n{}\n{}", unlike.join("\n"), stage.rig.logs());
}

/// `removed-once-confirmed`: the original forgot the instance with the node's first reply.
#[tokio::test]
async fn p05_a_removal_that_failed_is_told_and_not_forgotten() {
    let stage = Stage::set().await;
    let learned = Learned::default();
    let all = Recording::V1.part(LIFE).http_exchanges(Caller::CloudController);
    let of_step = |step: &str, method: &str| -> HttpExchange {
        let is_it =
            |exchange: &&HttpExchange| exchange.step == step && exchange.request.method == method;
        all.iter().find(is_it).expect("it is in the recording").clone()
    };
    let provision = of_step("provision.default_plan", "POST");
    stage.node.expect(provision.commands.clone());
    let provisioned = stage.gateway.ask(&provision, &learned).await;
    assert!(provisioned.starts_with("200 "), "{provisioned}");

    let unprovision = of_step("unprovision.without_bindings", "DELETE");
    let failed = r#"{"success":false,"error":{"status":500,"msg":{"code":30500,"description":"Internal Error"}}}"#;
    let mut commands = unprovision.commands.clone();
    commands.iter_mut().for_each(|command| command.reply = Some(failed.to_owned()));
    stage.node.expect(commands);
    let first = stage.gateway.ask(&unprovision, &learned).await;
    assert_eq!(first, r#"500 {"code":30500,"description":"Internal Error"}"#);
    let second = stage.gateway.ask(&unprovision, &learned).await;
    assert_eq!(second, r#"504 {"code":30700,"description":"Gateway timeout"}"#);
    assert_eq!(stage.node.unlike(), [""; 0], "{}", stage.rig.logs());
}

/// The plans of the rig have no extensions, so these are refused before anything is looked for.
#[tokio::test]
async fn a_plan_without_an_extension_says_so() {
    let stage = Stage::set().await;
    let (mut learned, mut declared) = (Learned::default(), Declared::new(&[]));
    for exchange in Recording::V1.part(&["provision"]).http_exchanges(Caller::CloudController) {
        let unlike = stage.replay(&exchange, &mut learned, &mut declared).await;
        assert_eq!(unlike, [""; 0], "{}", stage.rig.logs());
    }
    let asked = Recording::V1.part(&["snapshots.without_redis"]);
    let asked = asked.http_exchanges(Caller::CloudController).into_iter();
    for exchange in asked.filter(|exchange| exchange.request.path.starts_with("/gateway/v1")) {
        let extension = if exchange.request.path.contains("/jobs/") { "job" } else { "snapshot" };
        let answer = stage.gateway.ask(&exchange, &learned).await;
        let text = format!("Service extension {extension} is not implemented.");
        assert_eq!(answer, format!(r#"501 {{"code":30501,"description":"{text}"}}"#));
    }
}
