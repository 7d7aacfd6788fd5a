//! Compares what Tenon answers with what the original answered, field by field.
//!
//! Ids, accounts and passwords are made anew in each run. The first time one is seen, it is learned
//! which of ours stands for which of the recording; from then on it must be that one, in answers
//! and in requests.

use async_nats::Message;
use serde_json::{Map, Value};

use super::differences::{is_declared, value};
use super::recording::NodeExchange;

/// Fields whose value is made anew, or is where the servers happen to be.
const MADE: [&str; 11] = [
    "name",
    "user",
    "username",
    "password",
    "service_id",
    "host",
    "hostname",
    "port",
    "url",
    "job_id",
    "snapshot_id",
];
/// Fields that hold a time: written alike, and another one.
const TIMES: [&str; 3] = ["start_time", "complete_time", "date"];
/// What a snapshot is called whom nobody named: the time follows.
const UNNAMED: &str = "Snapshot ";
/// Stands for any value in an expected answer.
const ANY: &str = "*";
/// Shorter texts are words, and stand for nothing else.
const SHORTEST: usize = 8;

/// Which value of ours stands for which of the recording.
#[derive(Debug, Default)]
pub(crate) struct Learned {
    pairs: Vec<(Value, Value)>,
}

impl Learned {
    /// Every field in which `ours` is not what `recorded` says it should be; empty when it is.
    pub(crate) fn compare(&mut self, recorded: &Value, ours: &Value) -> Vec<String> {
        let mut unlike = Vec::new();
        self.walk("", recorded, ours, &mut unlike);
        unlike
    }

    /// The same of two answers over HTTP, each a status and a body.
    pub(crate) fn compare_answers(&mut self, recorded: &str, ours: &str) -> Vec<String> {
        let (status, body) = recorded.split_once(' ').unwrap_or_default();
        let (our_status, our_body) = ours.split_once(' ').unwrap_or_default();
        let mut expected = value(body);
        // Ids without names: they are known, and have no order.
        if expected.is_array() {
            expected = in_order(self.translate_value(&expected));
        }
        let mut unlike = self.compare(&expected, &in_order(value(our_body)));
        if status != our_status {
            unlike.push(format!("{recorded} became {ours}"));
        }
        unlike
    }

    /// The same of what nodes were asked.
    pub(crate) fn compare_commands(
        &mut self,
        recorded: &[NodeExchange],
        sent: &[Message],
    ) -> Vec<String> {
        let mut unlike = Vec::new();
        let subjects: Vec<&str> = sent.iter().map(|message| message.subject.as_str()).collect();
        let expected: Vec<&str> = recorded.iter().map(|command| &*command.subject).collect();
        if subjects != expected {
            unlike.push(format!("{expected:?} became {subjects:?}"));
        }
        for (command, message) in recorded.iter().zip(sent) {
            let payload = value(&String::from_utf8_lossy(&message.payload));
            let fields = self.compare(&value(&command.payload), &payload);
            unlike.extend(fields.into_iter().map(|field| format!("{}{field}", command.subject)));
        }
        unlike
    }

    /// A text of the recording, with our values in place of the recorded ones.
    pub(crate) fn translate(&self, text: &str) -> String {
        let mut translated = text.to_owned();
        for (recorded, ours) in &self.pairs {
            if let (Value::String(recorded), Value::String(ours)) = (recorded, ours)
                && recorded.len() >= SHORTEST
            {
                translated = translated.replace(recorded, ours);
            }
        }
        translated
    }

    /// Says that `ours` stands for `recorded`.
    pub(crate) fn is_called(&mut self, recorded: &str, ours: &str) {
        self.pairs.push((recorded.into(), ours.into()));
    }

    /// A path of the recording; what is made and short is known there by its place.
    pub(crate) fn translate_path(&self, path: &str) -> String {
        let ours = |part: &str| {
            let pair = self.pairs.iter().find(|(recorded, _)| *recorded == part);
            pair.and_then(|(_, ours)| ours.as_str()).unwrap_or(part).to_owned()
        };
        let parts: Vec<String> = path.split('/').map(ours).collect();
        self.translate(&parts.join("/"))
    }

    /// A value of the recording, with our values in place of the recorded ones, numbers included.
    pub(crate) fn translate_value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.translate(text)),
            Value::Number(_) => {
                let known = self.pairs.iter().find(|(recorded, _)| recorded == value);
                known.map_or(value, |(_, ours)| ours).clone()
            }
            Value::Array(items) => items.iter().map(|item| self.translate_value(item)).collect(),
            Value::Object(fields) => {
                let translate =
                    |(name, field): (&String, &Value)| (name.clone(), self.translate_value(field));
                fields.iter().map(translate).collect()
            }
            Value::Null | Value::Bool(_) => value.clone(),
        }
    }

    fn walk(&mut self, path: &str, recorded: &Value, ours: &Value, unlike: &mut Vec<String>) {
        match (recorded, ours) {
            (Value::String(any), _) if any == ANY => {}
            (Value::Object(recorded), Value::Object(ours)) => {
                self.walk_object(path, recorded, ours, unlike);
            }
            (Value::Array(theirs), Value::Array(mine)) if theirs.len() == mine.len() => {
                for (at, (recorded, ours)) in theirs.iter().zip(mine).enumerate() {
                    self.walk(&format!("{path}[{at}]"), recorded, ours, unlike);
                }
            }
            (recorded, ours) => {
                if !self.is_same(path, recorded, ours) {
                    unlike.push(format!("{path}: {recorded} became {ours}"));
                }
            }
        }
    }

    fn walk_object(
        &mut self,
        path: &str,
        recorded: &Map<String, Value>,
        ours: &Map<String, Value>,
        unlike: &mut Vec<String>,
    ) {
        for (name, value) in recorded {
            let path = format!("{path}.{name}");
            match ours.get(name) {
                Some(other) => self.walk(&path, value, other, unlike),
                None => unlike.push(format!("{path}: is missing")),
            }
        }
        let more = ours.keys().filter(|name| !recorded.contains_key(*name));
        let more = more.filter(|name| !is_declared(name, ours));
        unlike.extend(more.map(|name| format!("{path}.{name}: is new")));
    }

    fn is_same(&mut self, path: &str, recorded: &Value, ours: &Value) -> bool {
        let name = path.rsplit('.').next().unwrap_or_default();
        if let (Value::String(theirs), Value::String(mine)) = (recorded, ours)
            && (TIMES.contains(&name) || theirs.starts_with(UNNAMED))
        {
            return shape(theirs) == shape(mine);
        }
        // A snapshot is as large as it happens to be, but not empty.
        if let (Some(theirs), Some(mine)) = (recorded.as_u64(), ours.as_u64())
            && name == "size"
        {
            return (theirs == 0) == (mine == 0);
        }
        if !MADE.contains(&name) {
            return match recorded {
                Value::String(text) => *ours == self.translate(text),
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::Array(_)
                | Value::Object(_) => recorded == ours,
            };
        }
        let mut pairs = self.pairs.iter_mut();
        let known = pairs.find(|(theirs, mine)| theirs == recorded || mine == ours);
        if let Some((theirs, mine)) = known {
            if theirs == recorded && is_signed_anew(mine, ours) {
                *mine = ours.clone();
            }
            return theirs == recorded && mine == ours;
        }
        let is_alike = matches!((recorded, ours), (Value::String(_), Value::String(own)) if !own.is_empty())
            || matches!((recorded, ours), (Value::Number(_), Value::Number(_)));
        if is_alike {
            self.pairs.push((recorded.clone(), ours.clone()));
        }
        is_alike
    }
}

fn in_order(mut value: Value) -> Value {
    if let Value::Array(items) = &mut value {
        items.sort_by_key(Value::to_string);
    }
    value
}

/// Whether two texts are one link, which is signed each time that it is asked for.
fn is_signed_anew(before: &Value, now: &Value) -> bool {
    let place = |link: &Value| link.as_str()?.split_once('?').map(|(place, _)| place.to_owned());
    place(before).is_some_and(|before| place(now) == Some(before))
}

/// How a time is written, whichever it is.
fn shape(text: &str) -> String {
    text.replace(|character: char| character.is_ascii_digit(), "0")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_link_that_is_signed_anew_is_the_same_link() {
        let mut learned = Learned::default();
        let link = |ours: &str| json!({ "url": ours });
        let recorded = link("http://sds/1?token=abc");
        for ours in ["http://gw/1?expires=5&token=x", "http://gw/1?expires=6&token=y"] {
            assert_eq!(learned.compare(&recorded, &link(ours)), [""; 0]);
            assert_eq!(learned.translate("http://sds/1?token=abc"), ours);
        }
        assert_eq!(learned.compare(&recorded, &link("http://gw/2?token=x")).len(), 1);
    }

    #[test]
    fn what_is_made_anew_is_learned_once() {
        let mut learned = Learned::default();
        let recorded = json!({"name": "d0202c6a", "user": "u111", "username": "u111"});
        let ours = json!({"name": "dffffffff", "user": "u9", "username": "u9"});
        assert_eq!(learned.compare(&recorded, &ours), [""; 0]);
        assert_eq!(learned.translate("/x/d0202c6a/y"), "/x/dffffffff/y");
        let again = json!({"name": "deeeeeeee", "user": "u9", "username": "u9"});
        let unlike = learned.compare(&recorded, &again);
        assert_eq!(unlike, [r#".name: "d0202c6a" became "deeeeeeee""#]);
    }

    #[test]
    fn two_of_theirs_are_never_one_of_ours() {
        let mut learned = Learned::default();
        learned.compare(&json!({"user": "first-one"}), &json!({"user": "mine"}));
        let unlike = learned.compare(&json!({"user": "second-one"}), &json!({"user": "mine"}));
        assert_eq!(unlike.len(), 1);
    }

    #[test]
    fn a_text_that_names_a_made_value_is_compared_with_ours() {
        let mut learned = Learned::default();
        learned.compare(&json!({"name": "d0202c6a"}), &json!({"name": "dmine"}));
        let recorded = json!({"description": "d0202c6a not found"});
        assert_eq!(learned.compare(&recorded, &json!({"description": "dmine not found"})), [""; 0]);
        assert_eq!(learned.compare(&recorded, &recorded).len(), 1);
    }

    #[test]
    fn a_time_is_written_alike_and_a_size_is_one() {
        let recorded = json!({"date": "2026-11-21T22:59:48Z", "size": 751});
        let check = |ours: Value| Learned::default().compare(&recorded, &ours).len();
        assert_eq!(check(json!({"date": "2027-01-01T00:00:00Z", "size": 1})), 0);
        assert_eq!(check(json!({"date": "2027-01-01 00:00:00", "size": 1})), 1);
        assert_eq!(check(json!({"date": "2027-01-01T00:00:00Z", "size": 0})), 1);
    }

    #[test]
    fn a_short_number_is_translated_in_its_place_of_a_path() {
        let mut learned = Learned::default();
        learned.compare(&json!({"snapshot_id": "2"}), &json!({"snapshot_id": "1"}));
        assert_eq!(learned.translate_path("/v2/snapshots/2/name"), "/v2/snapshots/1/name");
    }

    #[test]
    fn fields_that_are_missing_or_new_or_other_are_named() {
        let mut learned = Learned::default();
        let recorded = json!({"a": 1, "b": [1, 2], "c": "*"});
        let ours = json!({"b": [1, 3], "c": {"x": 1}, "d": 4});
        let unlike = learned.compare(&recorded, &ours);
        assert_eq!(unlike, [".a: is missing", ".b[1]: 2 became 3", ".d: is new"]);
    }
}
