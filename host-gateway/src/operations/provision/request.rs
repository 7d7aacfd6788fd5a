//! What a request orders. Pure.

use tenon_protocol::InstanceId;
use tenon_protocol::message::ProvisionServiceRequest;
use tenon_protocol::order::MAX_PARAMETERS;

use super::ProvisionError;
use crate::config::{OfferingConfig, PlanConfig};
use crate::operations::{OperationError, whole};

/// The plan of the unique id, which may also be the one that a version 1 cloud controller derived
/// because it was told none (P36). A plan named besides must be the same.
pub(super) fn plan_of<'a>(
    offering: &'a OfferingConfig,
    request: &ProvisionServiceRequest,
) -> Result<&'a PlanConfig, ProvisionError> {
    let plans = || offering.plans.iter();
    let derived = |plan: &&PlanConfig| {
        let names = [&offering.derived_unique_id(), &offering.unique_id];
        names.iter().any(|service| request.unique_id == format!("{service}_{}", plan.name))
    };
    let found = plans().find(|plan| plan.unique_id == request.unique_id);
    let plan = found.or_else(|| plans().find(derived));
    let plan = plan.ok_or(ProvisionError::UnknownUniqueId)?;
    match &request.plan {
        Some(name) if *name != plan.name => Err(ProvisionError::UnknownPlan(name.clone())),
        Some(_) | None => Ok(plan),
    }
}

/// The version ordered; there is no default, as in the original.
pub(super) fn version_of(
    offering: &OfferingConfig,
    request: &ProvisionServiceRequest,
) -> Result<String, ProvisionError> {
    let version = request.version.clone().unwrap_or_default();
    if offering.supported_versions.contains(&version) {
        Ok(version)
    } else {
        Err(ProvisionError::UnsupportedVersion(version))
    }
}

/// The user's parameters as JSON text; empty unless they are an object.
pub(super) fn parameters_of(request: &ProvisionServiceRequest) -> Result<String, OperationError> {
    let Some(object) = request.plan_option.as_ref().and_then(|option| option.as_object()) else {
        return Ok(String::new());
    };
    if object.is_empty() {
        return Ok(String::new());
    }
    let text = serde_json::to_string(object).map_err(|_not_json| OperationError::Malformed)?;
    if text.len() > MAX_PARAMETERS { Err(OperationError::Malformed) } else { Ok(text) }
}

/// The id that the same request gets again.
pub(super) fn derived_id(
    offering: &OfferingConfig,
    request: &ProvisionServiceRequest,
    plan: &str,
    version: &str,
    request_id: &str,
) -> InstanceId {
    let service = offering.service.as_str();
    InstanceId::derived(&[service, request_id, plan, version, &whole(request)])
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value, json};
    use tenon_protocol::Fault;

    use super::*;
    use crate::config::Config;

    fn offering() -> OfferingConfig {
        let text = include_str!("../../../testdata/gateway.toml");
        Config::parse(text, Path::new("gw.toml")).unwrap().offerings.remove(0)
    }

    fn request(changes: &Value) -> ProvisionServiceRequest {
        let mut request =
            json!({"unique_id": "core_mysql_free", "name": "db1", "version": "10.11"});
        let changes = changes.as_object().unwrap().clone();
        request.as_object_mut().unwrap().extend(changes);
        serde_json::from_value(request).unwrap()
    }

    fn check_plan(changes: &Value, expected: Result<&str, &str>) {
        let offering = offering();
        let plan = plan_of(&offering, &request(changes));
        let plan = plan.map(|plan| plan.name.as_str());
        let plan = plan.map_err(|error| Fault::from(&error).msg.description);
        assert_eq!(plan.as_ref().map(|plan| *plan).map_err(String::as_str), expected);
    }

    #[test]
    fn the_unique_id_says_the_plan_and_the_name_may_not_contradict() {
        check_plan(&json!({}), Ok("free"));
        check_plan(&json!({"unique_id": "core_mysql_large"}), Ok("large"));
        check_plan(&json!({"plan": "free"}), Ok("free"));
        check_plan(&json!({"plan": "gold"}), Err("Unknown plan gold"));
        check_plan(&json!({"plan": "large"}), Err("Unknown plan large"));
        check_plan(&json!({"unique_id": "nope"}), Err("Unknown unique_id"));
        // A plan of another offering.
        check_plan(&json!({"unique_id": "core_files_free"}), Err("Unknown unique_id"));
    }

    #[test]
    fn p36_an_id_that_the_cloud_controller_derived_is_the_plans_too() {
        let mut offering = offering();
        "a8b9".clone_into(&mut offering.unique_id);
        "1f3d".clone_into(&mut offering.plans[0].unique_id);
        for unique_id in ["1f3d", "core_mysql_free", "a8b9_free"] {
            let plan = plan_of(&offering, &request(&json!({ "unique_id": unique_id }))).unwrap();
            assert_eq!(plan.name, "free", "{unique_id}");
        }
        for unique_id in ["core_mysql_gold", "core_files_free", "core_mysql_", "_free"] {
            let plan = plan_of(&offering, &request(&json!({ "unique_id": unique_id })));
            assert!(matches!(plan, Err(ProvisionError::UnknownUniqueId)), "{unique_id}");
        }
    }

    #[test]
    fn p36_an_id_that_was_configured_comes_before_one_that_was_derived() {
        let mut offering = offering();
        "core_mysql_large".clone_into(&mut offering.plans[0].unique_id);
        "other".clone_into(&mut offering.plans[1].unique_id);
        let plan = plan_of(&offering, &request(&json!({ "unique_id": "core_mysql_large" })));
        assert_eq!(plan.unwrap().name, "free");
    }

    fn check_version(changes: &Value, expected: Result<&str, &str>) {
        let version = version_of(&offering(), &request(changes));
        let version = version.map_err(|error| Fault::from(&error).msg.description);
        assert_eq!(version.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn a_version_must_be_ordered_and_supported() {
        check_version(&json!({}), Ok("10.11"));
        check_version(&json!({"version": "9.9"}), Err("Unsupported version 9.9"));
        check_version(&json!({"version": null}), Err("Unsupported version "));
    }

    #[test]
    fn parameters_are_an_object_of_bounded_size() {
        let parameters = |option: Value| parameters_of(&request(&json!({"plan_option": option})));
        assert_eq!(parameters(json!("x")).unwrap(), "");
        assert_eq!(parameters(json!({})).unwrap(), "");
        assert_eq!(parameters(json!({"a": 1})).unwrap(), r#"{"a":1}"#);
        assert!(parameters(json!({"a": "x".repeat(MAX_PARAMETERS)})).is_err());
    }

    #[test]
    fn p01_the_same_request_with_the_same_id_is_the_same_instance() {
        let id = |changes: Value, request_id: &str| {
            derived_id(&offering(), &request(&changes), "free", "10.11", request_id)
        };
        assert_eq!(id(json!({}), "r1"), id(json!({}), "r1"));
        assert_ne!(id(json!({}), "r1"), id(json!({}), "r2"));
        let fields = ["name", "email", "provider", "label", "organization_guid", "space_guid"];
        for field in fields {
            assert_ne!(id(json!({}), "r1"), id(json!({ field: "other" }), "r1"), "{field}");
        }
        let option = |value: u8| json!({ "plan_option": { "size": value } });
        assert_ne!(id(option(1), "r1"), id(option(2), "r1"));
        assert_eq!(id(option(1), "r1"), id(option(1), "r1"));
    }
}
