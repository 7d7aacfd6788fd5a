//! The v2 cloud controller of the recording, with its UAA: it keeps the catalog that it is sent, under
//! the guids of the recording, and lists the instances and bindings that it is told to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};

use super::cloud_controller::{CloudController, response};
use super::compare::Learned;
use super::differences::value;
use super::recording::{Caller, HttpRequest, Recording};

/// What the UAA of the recording gave.
const TOKEN: &str = "stub-token";

/// It plays until it is dropped.
pub(crate) struct CatalogKeeper {
    pub(crate) http: CloudController,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// By unique id, those of the recording.
    guids: HashMap<String, String>,
    /// Services and plans, by path and then in their order.
    kept: Vec<(String, Value)>,
    /// Of instances and bindings, by path.
    lists: HashMap<String, Value>,
}

impl CatalogKeeper {
    /// Its catalog is empty, as that of the recording was.
    pub(crate) async fn start() -> Self {
        let mut state = State::default();
        for created in Recording::V2.part(&["startup"]).http_exchanges(Caller::Gateway) {
            let reply = value(&created.reply);
            let unique_id = reply.pointer("/entity/unique_id").and_then(Value::as_str);
            let guid = reply.pointer("/metadata/guid").and_then(Value::as_str);
            if let (Some(unique_id), Some(guid)) = (unique_id, guid) {
                state.guids.insert(unique_id.to_owned(), guid.to_owned());
            }
        }
        let state = Arc::new(Mutex::new(state));
        let answering = Arc::clone(&state);
        let answer = move |request: &HttpRequest| {
            answering.lock().expect("nobody panics with it").answer(request)
        };
        Self { http: CloudController::answering(answer).await, state }
    }

    /// Lists from now on what was listed in `step`, in our words.
    pub(crate) fn list(&self, step: &str, learned: &Learned) {
        let mut state = self.state.lock().expect("nobody panics with it");
        for exchange in Recording::V2.part(&[step]).http_exchanges(Caller::Gateway) {
            let path = exchange.request.path;
            if path.starts_with("/v2/service_instances") || path.starts_with("/v2/service_bindings")
            {
                state.lists.insert(path, learned.translate_value(&value(&exchange.reply)));
            }
        }
    }
}

impl State {
    fn answer(&mut self, request: &HttpRequest) -> String {
        if let Some((_, state)) = request
            .path
            .split_once("/uaa/oauth/authorize?")
            .and_then(|(_, query)| query.split_once("&state="))
        {
            let location = format!(
                "Location: https://uaa.cloudfoundry.com/redirect/cf#access_token={TOKEN}&token_type=bearer&expires_in=86400&scope=cloud_controller.admin&state={state}\r\n"
            );
            return response("302 Found", &location, "");
        }
        if request.header("authorization") != Some(&format!("bearer {TOKEN}")) {
            return response("401 Unauthorized", "", "{}");
        }
        match request.method.as_str() {
            "GET" => response("200 OK", "", &self.listed(&path_of(request)).to_string()),
            "POST" => self.create(request),
            "PUT" => self.update(request),
            _ => response("404 Not Found", "", "{}"),
        }
    }

    fn listed(&self, path: &str) -> Value {
        if let Some(list) = self.lists.get(path) {
            return list.clone();
        }
        let kind =
            if path.ends_with("/service_plans") { "/v2/service_plans/" } else { "/v2/services/" };
        let is_catalog = path == "/v2/services" || path.ends_with("/service_plans");
        let of_kind = self.kept.iter().filter(|(path, _)| is_catalog && path.starts_with(kind));
        let resources: Vec<Value> = of_kind
            .map(|(path, entity)| {
                let guid = path.trim_start_matches(kind);
                json!({"metadata": {"guid": guid, "url": path}, "entity": entity})
            })
            .collect();
        json!({"total_results": resources.len(), "total_pages": 1, "prev_url": null, "next_url": null, "resources": resources})
    }

    fn create(&mut self, request: &HttpRequest) -> String {
        let entity = value(&request.body);
        let unique_id = entity.get("unique_id").and_then(Value::as_str).unwrap_or_default();
        let Some(guid) = self.guids.get(unique_id) else {
            return response("400 Bad Request", "", "{}");
        };
        let created = json!({"metadata": {"guid": guid}, "entity": entity});
        self.kept.push((format!("{}/{guid}", request.path), entity));
        response("201 Created", "", &created.to_string())
    }

    fn update(&mut self, request: &HttpRequest) -> String {
        let kept = self.kept.iter_mut().find(|(path, _)| *path == request.path);
        let (Some((_, Value::Object(entity))), Value::Object(changed)) =
            (kept, value(&request.body))
        else {
            return response("404 Not Found", "", "{}");
        };
        entity.extend(changed);
        response(
            "201 Created",
            "",
            &json!({"metadata": {}, "entity": Map::clone(entity)}).to_string(),
        )
    }
}

/// Without what says how much comes at once, and with it: `asks-for-its-own`.
pub(crate) fn path_of(request: &HttpRequest) -> String {
    let path = request.path.split("&state=").next().unwrap_or_default();
    ["?inline-relations-depth=2", "?results-per-page=100", "&results-per-page=100"]
        .iter()
        .fold(path.to_owned(), |path, paging| path.replace(paging, ""))
}
