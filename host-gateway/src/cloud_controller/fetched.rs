//! All handles of an offering, as they came: kept as text, which is a fraction of what values take.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;
use tenon_protocol::message::Handle;

/// Handles that can be read, and how many cannot.
#[derive(Default)]
pub(crate) struct Fetched {
    text: Vec<u8>,
    instances: Vec<Range<usize>>,
    bindings: Vec<Range<usize>>,
    pub(crate) unreadable: usize,
    /// Of all instances, as far as they say; of those that cannot be read too.
    pub(crate) plans: BTreeSet<String>,
}

/// The answer of a version 1 cloud controller.
#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    handles: Vec<&'a RawValue>,
}

/// What may be readable of a handle that is not.
#[derive(Deserialize)]
struct Remains {
    configuration: RemainsOfConfiguration,
}

#[derive(Deserialize)]
struct RemainsOfConfiguration {
    plan: String,
}

impl Fetched {
    /// Those in `body`, the answer of a version 1 cloud controller. One bad entry does not hide
    /// the others (P9).
    ///
    /// # Errors
    ///
    /// What is wrong with the list as a whole.
    pub(super) fn of_list(body: Vec<u8>) -> Result<Self, serde_json::Error> {
        let mut fetched = Self::default();
        let start = body.as_ptr().addr();
        for raw in serde_json::from_slice::<List<'_>>(&body)?.handles {
            let from = raw.get().as_ptr().addr() - start;
            match serde_json::from_str::<Handle>(raw.get()) {
                Ok(handle) => fetched.note(&handle, from..from + raw.get().len()),
                Err(error) => {
                    // Not the error's text: it quotes what it found, which may be a password.
                    let (kind, column) = (error.classify(), error.column());
                    tracing::warn!(
                        ?kind,
                        column,
                        "a handle of the cloud controller cannot be read"
                    );
                    fetched.unreadable += 1;
                    let remains = serde_json::from_str::<Remains>(raw.get());
                    fetched.plans.extend(remains.map(|remains| remains.configuration.plan));
                }
            }
        }
        fetched.text = body;
        Ok(fetched)
    }

    /// One more.
    pub(super) fn push(&mut self, handle: &Handle) {
        let from = self.text.len();
        serde_json::to_writer(&mut self.text, handle).expect("a handle is JSON with text for keys");
        self.note(handle, from..self.text.len());
    }

    fn note(&mut self, handle: &Handle, range: Range<usize>) {
        if handle.is_instance() {
            self.plans.extend(handle.configuration.plan.clone());
            self.instances.push(range);
        } else {
            self.bindings.push(range);
        }
    }

    /// Bytes of text kept.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// The instances.
    pub(crate) fn instances(&self) -> impl Iterator<Item = Handle> {
        self.handles(&self.instances)
    }

    /// The bindings.
    pub(crate) fn bindings(&self) -> impl Iterator<Item = Handle> {
        self.handles(&self.bindings)
    }

    fn handles(&self, ranges: &[Range<usize>]) -> impl Iterator<Item = Handle> {
        ranges.iter().filter_map(|range| {
            let text = self.text.get(range.clone())?;
            serde_json::from_slice(text).ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn p09_a_handle_that_cannot_be_read_is_counted_and_the_others_are_kept() {
        let instance = json!({ "service_id": "d1", "credentials": { "name": "d1" }, "type": "x" });
        let binding = json!({ "service_id": "b1", "credentials": { "name": "d1", "x": [1] } });
        let handles = [json!({ "x": 1 }), binding, instance, json!(null), json!("ä{")];
        let body = serde_json::to_vec(&json!({ "more": {}, "handles": handles })).unwrap();
        let fetched = Fetched::of_list(body).unwrap();
        let ids = |handle: Handle| handle.service_id;
        assert_eq!(fetched.instances().map(ids).collect::<Vec<_>>(), ["d1"]);
        assert_eq!(fetched.bindings().map(ids).collect::<Vec<_>>(), ["b1"]);
        assert_eq!(fetched.unreadable, 3);
    }

    #[test]
    fn p34_plans_of_handles_that_cannot_be_read_are_known_too() {
        let handle = |id: &str, plan: &str| {
            json!({
                "service_id": id, "configuration": { "plan": plan }, "credentials": { "name": "d1" },
            })
        };
        let broken = json!({ "service_id": 7, "configuration": { "plan": "silver", "x": 1 } });
        let handles = [handle("d1", "free"), handle("b1", "bound"), broken, json!({ "x": 1 })];
        let body = serde_json::to_vec(&json!({ "handles": handles })).unwrap();
        let fetched = Fetched::of_list(body).unwrap();
        assert_eq!(fetched.plans.into_iter().collect::<Vec<_>>(), ["free", "silver"]);
    }

    #[test]
    fn p08_a_list_that_is_cut_off_is_none() {
        let whole = br#"{"handles": [{"service_id": "d1", "credentials": {"name": "d1"}}]}"#;
        assert!(Fetched::of_list(whole.to_vec()).is_ok());
        for end in 0..whole.len() {
            assert!(Fetched::of_list(whole[..end].to_vec()).is_err(), "{end}");
        }
    }

    #[test]
    fn what_is_pushed_comes_out() {
        let mut fetched = Fetched::default();
        let handle = |id: &str| -> Handle {
            serde_json::from_value(json!({ "service_id": id, "credentials": { "name": "d1" } }))
                .unwrap()
        };
        let all = [handle("b1"), handle("d1"), handle("b2")];
        all.iter().for_each(|handle| fetched.push(handle));
        let [b1, d1, b2] = all;
        assert!(fetched.instances().eq([d1]) && fetched.bindings().eq([b1, b2]));
    }
}
