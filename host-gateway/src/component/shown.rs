//! What of a handle is shown to collectors: whatever is not known to be harmless is eight
//! asterisks. The original hid `pass` and `password`, and showed `uri`, `url` and keys (P29). Pure.

use serde_json::Value;

/// As the original hid a password.
const HIDDEN: &str = "********";

/// Keys whose values are shown.
const SHOWN: [&str; 16] = [
    "name",
    "hostname",
    "host",
    "port",
    "admin_port",
    "user",
    "username",
    "vhost",
    "db",
    "node_id",
    "handle_id",
    "fs_type",
    "export",
    "local_path",
    "instance",
    "id",
];

/// `credentials` without what opens a service.
pub(super) fn without_secrets(mut credentials: Value) -> Value {
    hide(&mut credentials);
    credentials
}

fn hide(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::Object(_) | Value::Array(_) => hide(value),
                    Value::Null => {}
                    Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                        let addresses = value.as_str().is_some_and(|text| text.contains("://"));
                        if !SHOWN.contains(&key.as_str()) || addresses {
                            *value = HIDDEN.into();
                        }
                    }
                }
            }
        }
        Value::Array(values) => {
            for value in values {
                match value {
                    Value::Object(_) | Value::Array(_) => hide(value),
                    Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                        *value = HIDDEN.into();
                    }
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            *value = HIDDEN.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn p29_only_what_is_known_to_be_harmless_is_shown() {
        let mysql = json!({
            "name": "d1", "hostname": "10.0.0.1", "host": "10.0.0.1", "port": 3307, "user": "u",
            "username": "u", "password": "p1", "node_id": "n1",
            "uri": "mysql://u:p2@10.0.0.1:3307/d1",
        });
        let expected = json!({
            "name": "d1", "hostname": "10.0.0.1", "host": "10.0.0.1", "port": 3307, "user": "u",
            "username": "u", "password": HIDDEN, "node_id": "n1", "uri": HIDDEN,
        });
        assert_eq!(without_secrets(mysql), expected);
        let others = json!({
            "monit_pass": "p3", "url": "amqp://a:p4@h", "key": 5, "name": "http://u:p5@h",
            "internal": {"secret": "p6", "fs_type": "nfs"}, "keys": ["p7", {"k": "p8"}],
        });
        let expected = json!({
            "monit_pass": HIDDEN, "url": HIDDEN, "key": HIDDEN, "name": HIDDEN,
            "internal": {"secret": HIDDEN, "fs_type": "nfs"}, "keys": [HIDDEN, {"k": HIDDEN}],
        });
        assert_eq!(without_secrets(others), expected);
        assert_eq!(without_secrets(json!("p9")), json!(HIDDEN));
    }
}
