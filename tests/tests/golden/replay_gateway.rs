//! The v1 cloud controller's part: asks our gateway what it asked the original, and hears what the
//! gateway says by itself, to the cloud controller and to the node.

use super::cloud_controller::CloudController;
use super::differences::OF_THE_GATEWAY;
use super::gateway_client::GatewayClient;
use super::recording::{Caller, Recording};
use super::replay::{Outcome, Replay};
use super::rig::{Peers, Rig};
use super::steps::{LIFE, STOP};

#[tokio::test]
async fn a_cloud_controller_finds_our_gateway_as_it_found_the_original() {
    let mut rig = Rig::start().await;
    rig.start_node(Peers::Native).await;
    let cloud_controller = CloudController::start().await;
    let announced = rig.listen("MyaaS.announce.*").await;
    let gateway = rig.start_gateway(&cloud_controller.url, Peers::Native);
    let gateway = GatewayClient::of(gateway, &rig, announced).await;
    let mut commands = rig.listen("MyaaS.*.mysql_node_free_1").await;

    let mut replay = Replay::new(OF_THE_GATEWAY);
    let part = Recording::V1.part(LIFE);
    replay.notices(&cloud_controller, &part.http_exchanges(Caller::Gateway)).await;
    for exchange in part.http_exchanges(Caller::CloudController) {
        let ours = gateway.ask(&exchange, &replay.learned).await;
        let sent = rig.commands(&mut commands).await;
        let found = match replay.answer(&exchange, &ours) {
            Outcome::AsRecorded => replay.learned.compare_commands(&exchange.commands, &sent),
            Outcome::Otherwise => Vec::new(),
        };
        replay.found(&exchange, found);
    }
    rig.stop_gateway().await;
    let end = Recording::V1.part(STOP).http_exchanges(Caller::Gateway);
    replay.notices(&cloud_controller, &end).await;
    replay.end(&rig.logs());
}
