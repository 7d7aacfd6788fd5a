//! A record as operators see it: everything but the secrets.

use serde::Serialize;
use serde_json::Value;
use tenon_protocol::InstanceId;

use crate::operations::Operations;
use crate::state::StateError;

/// Keys whose values are never shown.
const HIDDEN: [&str; 2] = ["credentials", "parameters"];

/// An instance with its bindings that are not gone.
#[derive(Serialize)]
pub(super) struct RecordView {
    instance: Value,
    bindings: Vec<Value>,
}

/// The record of `id`; `None` when there is none.
///
/// # Errors
///
/// [`StateError`] when the store cannot tell.
pub(super) async fn view(
    ops: &Operations,
    id: &InstanceId,
) -> Result<Option<RecordView>, StateError> {
    let Some(instance) = ops.records.instance(id).await? else {
        return Ok(None);
    };
    let bindings = ops.records.bindings(id).await?;
    Ok(Some(RecordView {
        instance: without_secrets(&instance.record),
        bindings: bindings.iter().map(|binding| without_secrets(&binding.record)).collect(),
    }))
}

fn without_secrets<T: Serialize>(record: &T) -> Value {
    let mut value = serde_json::to_value(record).unwrap_or_default();
    hide(&mut value);
    if let Some(life) = value.get_mut("life") {
        hide(life);
    }
    value
}

fn hide(value: &mut Value) {
    for key in HIDDEN {
        if let Some(secret) = value.get_mut(key) {
            *secret = "<hidden>".into();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_hidden() {
        let record =
            json!({ "id": "d1", "parameters": "{\"p\":1}", "life": { "credentials": "00" } });
        let shown = without_secrets(&record);
        let expected = json!({
            "id": "d1", "parameters": "<hidden>", "life": { "credentials": "<hidden>" },
        });
        assert_eq!(shown, expected);
    }
}
