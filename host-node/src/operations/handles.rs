//! Everyone who has access to an instance: those of the ledger, and those that only the gateway's
//! handles name.

use tenon_protocol::message::{Configuration, Handle, HandlePair, Object};
use tenon_protocol::{BindingId, Fault, InstanceId};

use crate::credentials::{Credentials, user_of};
use crate::guest::{Everyone, wit};
use crate::ledger::{BindingEntry, BindingPhase, InstanceEntry};
use crate::offering::{Offering, ledger_fault};

/// The instance that a pair is about.
///
/// # Errors
///
/// Malformed when the handles do not agree.
pub(crate) fn instance_of(pair: &HandlePair) -> Result<InstanceId, Fault> {
    let HandlePair(instance, bindings) = pair;
    let name = instance.instance().unwrap_or(&instance.service_id);
    if bindings.iter().any(|binding| binding.instance().is_some_and(|other| other != name)) {
        return Err(Fault::malformed());
    }
    InstanceId::new(name).map_err(|_not_an_id| Fault::malformed())
}

/// `binding_options` of a binding's handle.
pub(crate) fn options_of(configuration: &Configuration) -> Object {
    let options = configuration.data.as_ref().and_then(|data| data.get("binding_options"));
    options.and_then(|options| options.as_object()).cloned().unwrap_or_default()
}

/// The id of a binding's handle.
///
/// # Errors
///
/// Malformed when it is none.
pub(crate) fn binding_id(handle: &Handle) -> Result<BindingId, Fault> {
    BindingId::new(handle.service_id.as_str()).map_err(|_not_an_id| Fault::malformed())
}

/// Everyone with access to `entry` on this node.
///
/// # Errors
///
/// When the ledger's credentials cannot be read.
pub(crate) fn everyone(
    offering: &Offering,
    entry: &InstanceEntry,
    pair: &HandlePair,
) -> Result<Everyone, Fault> {
    let owner = match &entry.credentials {
        Some(sealed) => offering.open(entry.id.as_str(), Some(sealed))?,
        None => Credentials::from_message(pair.0.credentials.clone()),
    };
    let known = offering.ledger.read(|view| view.bindings(offering.service(), &entry.id));
    let known = known.map_err(ledger_fault)?;
    let binding = |id: String, credentials: &Credentials| wit::Binding {
        binding: wit::BindingRef { id, instance: offering.instance_ref(entry) },
        credential: credentials.to_guest_with_options(),
    };
    let mut bindings = Vec::new();
    for one in known.iter().filter(|one| one.phase != BindingPhase::Gone) {
        // One that was never finished has no credentials, and nobody has its password.
        let Some(sealed) = &one.credentials else { continue };
        let credentials = offering.open(&format!("{}/{}", one.instance, one.id), Some(sealed))?;
        let handle = pair.1.iter().find(|handle| is_of(handle, one));
        let options = handle.map(|handle| options_of(&handle.configuration)).unwrap_or_default();
        bindings.push(binding(one.id.to_string(), &credentials.or_options(options)));
    }
    for handle in pair.1.iter().filter(|handle| !known.iter().any(|one| is_of(handle, one))) {
        let credentials = Credentials::from_message(handle.credentials.clone());
        let credentials = credentials.with_options(options_of(&handle.configuration));
        bindings.push(binding(handle.service_id.clone(), &credentials));
    }
    let instance = offering.instance_ref(entry);
    Ok(Everyone { instance, owner: owner.to_guest(), bindings })
}

/// The same by the ledger alone, for what no gateway ordered.
///
/// # Errors
///
/// As [`everyone`].
pub(crate) fn everyone_of_ledger(
    offering: &Offering,
    entry: &InstanceEntry,
) -> Result<Everyone, Fault> {
    let instance = Handle {
        service_id: entry.id.to_string(),
        configuration: Configuration::default(),
        credentials: Object::new(),
    };
    everyone(offering, entry, &HandlePair(instance, Vec::new()))
}

/// Whether a handle is a ledger's binding: by its id, or by its user where the gateway that made
/// it named none.
fn is_of(handle: &Handle, entry: &BindingEntry) -> bool {
    handle.service_id == entry.id.as_str()
        || (!entry.user.is_empty() && user_of(&handle.credentials) == Some(entry.user.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(text: &str) -> HandlePair {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn handles_name_one_instance_or_are_malformed() {
        let instance = r#"{"service_id":"d1","credentials":{"name":"d1"}}"#;
        let of = |binding: &str| instance_of(&pair(&format!("[{instance},[{binding}]]")));
        let alone = instance_of(&pair(&format!("[{instance},[]]"))).unwrap();
        assert_eq!(alone, InstanceId::new("d1").unwrap());
        assert!(of(r#"{"service_id":"b1","credentials":{"name":"d1"}}"#).is_ok());
        assert!(of(r#"{"service_id":"b1","credentials":{"name":"d2"}}"#).is_err());
    }

    #[test]
    fn options_are_read_where_the_original_kept_them() {
        let handle = r#"{"service_id":"b1","credentials":{},"configuration":{"data":{"binding_options":{"privileges":["READ_ONLY"]}}}}"#;
        let handle: Handle = serde_json::from_str(handle).unwrap();
        let options = options_of(&handle.configuration);
        assert_eq!(serde_json::to_string(&options).unwrap(), r#"{"privileges":["READ_ONLY"]}"#);
        for data in ["{}", r#"{"binding_options":null}"#, r#"{"binding_options":"x"}"#] {
            let text = format!(r#"{{"data":{data}}}"#);
            let configuration: Configuration = serde_json::from_str(&text).unwrap();
            assert!(options_of(&configuration).is_empty(), "{data}");
        }
    }
}
