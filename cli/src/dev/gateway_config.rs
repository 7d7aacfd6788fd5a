//! The gateway's configuration file. Its keys are explained in docs/reference/config.md.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use tenon_protocol::Secret;

use super::blueprint::{Blueprint, GATEWAY_USER, GatewayPlan, OfferingPlan};
use super::offering::{PLAN, PROVIDER};
use super::stand_in::{Api, uaa};

#[derive(Serialize)]
struct Config<'a> {
    http: Http,
    admin: Admin<'a>,
    nats: Nats<'a>,
    state: State<'a>,
    snapshots: Snapshots<'a>,
    cloud_controller: CloudController<'a>,
    offerings: Vec<Offering<'a>>,
}

#[derive(Serialize)]
struct Http {
    listen: String,
}

#[derive(Serialize)]
struct Admin<'a> {
    listen: String,
    token: &'a Secret,
}

#[derive(Serialize)]
struct Nats<'a> {
    url: String,
    user: &'a str,
    password: &'a Secret,
}

#[derive(Serialize)]
struct State<'a> {
    seal_key: &'a Secret,
    reconcile_interval_seconds: u32,
}

#[derive(Serialize)]
struct Snapshots<'a> {
    dir: PathBuf,
    upload_token: &'a Secret,
}

#[derive(Serialize)]
struct CloudController<'a> {
    url: String,
    api: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    uaa: Option<Uaa<'a>>,
}

#[derive(Serialize)]
struct Uaa<'a> {
    url: String,
    client_id: &'static str,
    client_secret: &'a Secret,
}

#[derive(Serialize)]
struct Offering<'a> {
    label: &'a str,
    version: &'a str,
    service: &'a str,
    token: &'a Secret,
    provider: &'static str,
    description: &'a str,
    supported_versions: [&'a str; 1],
    version_aliases: BTreeMap<&'static str, &'a str>,
    default_plan: &'static str,
    plans: [Plan; 1],
}

#[derive(Serialize)]
struct Plan {
    name: &'static str,
    unique_id: String,
    description: &'static str,
    free: bool,
    extensions: [&'static str; 3],
}

/// The file of `gateway`.
pub(crate) fn text(
    blueprint: &Blueprint,
    gateway: &GatewayPlan,
) -> Result<String, toml::ser::Error> {
    let config = Config {
        http: Http { listen: format!("127.0.0.1:{}", gateway.port) },
        admin: Admin {
            listen: format!("127.0.0.1:{}", gateway.admin_port),
            token: &blueprint.admin_token,
        },
        nats: Nats {
            url: blueprint.nats.url(),
            user: GATEWAY_USER,
            password: &blueprint.gateway_nats_password,
        },
        // Short, because people and tests watch it happen.
        state: State { seal_key: &blueprint.seal_key, reconcile_interval_seconds: 2 },
        snapshots: Snapshots {
            dir: blueprint.snapshots_dir(),
            upload_token: &blueprint.upload_token,
        },
        cloud_controller: cloud_controller(blueprint),
        offerings: blueprint.offerings.iter().map(offering).collect(),
    };
    toml::to_string(&config)
}

fn cloud_controller(blueprint: &Blueprint) -> CloudController<'_> {
    let url = blueprint.stand_in_url();
    let uaa = match blueprint.api {
        Api::V1 => None,
        Api::V2 => Some(Uaa {
            url: format!("{url}{}", uaa::PATH),
            client_id: uaa::CLIENT_ID,
            client_secret: &blueprint.uaa_secret,
        }),
    };
    CloudController { url, api: blueprint.api.as_str(), uaa }
}

fn offering(plan: &OfferingPlan) -> Offering<'_> {
    let offering = &plan.offering;
    Offering {
        label: offering.label.as_str(),
        version: &offering.version,
        service: &offering.service,
        token: &plan.token,
        provider: PROVIDER,
        description: &offering.description,
        supported_versions: [&offering.version],
        version_aliases: BTreeMap::from([("current", &*offering.version)]),
        default_plan: PLAN,
        plans: [Plan {
            name: PLAN,
            unique_id: offering.plan_unique_id(),
            description: "Free",
            free: true,
            extensions: ["snapshot", "serialization", "job"],
        }],
    }
}
