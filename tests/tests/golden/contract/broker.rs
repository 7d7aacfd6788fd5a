//! The service broker: credentials of external services. Reference, sections 1.24 and 2.2.5.

use serde::{Deserialize, Serialize};

use super::{Any, Named};

/// `POST /service-broker/v1/offerings`.
#[derive(Serialize, Deserialize)]
pub(crate) struct BrokeredOffering {
    label: String,
    description: Option<String>,
    options: Vec<BrokeredOption>,
}

#[derive(Serialize, Deserialize)]
struct BrokeredOption {
    name: String,
    acls: Option<Acls>,
    provider: Option<String>,
    credentials: Named<Any>,
}

#[derive(Serialize, Deserialize)]
struct Acls {
    users: Vec<String>,
    wildcards: Vec<String>,
}

/// `GET /proxied_services/v1/offerings`.
#[derive(Serialize, Deserialize)]
pub(crate) struct ProxiedServices {
    proxied_services: Vec<ProxiedService>,
}

#[derive(Serialize, Deserialize)]
struct ProxiedService {
    label: String,
    url: String,
    description: Option<String>,
    plans: Vec<String>,
    acls: Option<Acls>,
    active: bool,
    tags: Vec<String>,
    supported_versions: Vec<String>,
    version_aliases: Named<String>,
}
