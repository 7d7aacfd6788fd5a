//! All handles of an offering, as they came: kept as text, which is a fraction of what values take.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;
use tenon_protocol::message::Handle;

use super::odd::{Odd, Oddity};

/// Handles that can be read, each once, and what is odd about the rest.
#[derive(Default)]
pub(crate) struct Fetched {
    text: Vec<u8>,
    instances: Vec<Range<usize>>,
    bindings: Vec<Range<usize>>,
    /// Where each is, by the hash of what it is called.
    places: HashMap<u64, Range<usize>>,
    hasher: RandomState,
    pub(super) odd: Odd,
    plans: BTreeSet<String>,
    /// Instances that do not say their plan, and what may be one.
    planless: usize,
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
        let start = body.as_ptr().addr();
        let place = |raw: &RawValue| {
            let from = raw.get().as_ptr().addr() - start;
            from..from + raw.get().len()
        };
        let list: List<'_> = serde_json::from_slice(&body)?;
        let places: Vec<Range<usize>> = list.handles.into_iter().map(place).collect();
        let mut fetched = Self { text: body, ..Self::default() };
        places.into_iter().for_each(|place| fetched.take(place));
        Ok(fetched)
    }

    /// One more.
    pub(super) fn push(&mut self, handle: &Handle) {
        let from = self.text.len();
        serde_json::to_writer(&mut self.text, handle).expect("a handle is JSON with text for keys");
        self.note(handle, from..self.text.len());
    }

    /// What a part of the list had that was no handle.
    pub(super) fn lacks(&mut self, odd: Odd) {
        self.planless += odd.count(Oddity::Unreadable);
        self.odd.add(odd);
    }

    /// An entry of the list.
    fn take(&mut self, place: Range<usize>) {
        let entry = self.text.get(place.clone()).unwrap_or_default();
        match serde_json::from_slice::<Handle>(entry) {
            Ok(handle) if handle.instance().is_some() => self.note(&handle, place),
            Ok(handle) => {
                // It may be an instance: nobody can tell which.
                self.odd.note(Oddity::Unreadable, || format!("{} (no name)", handle.service_id));
                self.note_plan(handle.configuration.plan);
            }
            Err(error) => {
                let entry = String::from_utf8_lossy(entry);
                self.odd.note_unreadable(&entry, &error);
                let remains = serde_json::from_str::<Remains>(&entry);
                self.note_plan(remains.ok().map(|remains| remains.configuration.plan));
            }
        }
    }

    fn note(&mut self, handle: &Handle, place: Range<usize>) {
        if handle.is_instance() {
            self.note_plan(handle.configuration.plan.clone());
        }
        let called = self.hasher.hash_one((handle.instance(), &handle.service_id));
        if let Some(before) = self.places.get(&called).and_then(|place| self.handle(place))
            && (before.instance(), &before.service_id) == (handle.instance(), &handle.service_id)
        {
            let is_same = before == *handle;
            let what = if is_same { Oddity::Repeated } else { Oddity::Contradicted };
            self.odd.note(what, || handle.service_id.clone());
            return;
        }
        self.places.insert(called, place.clone());
        let kind = if handle.is_instance() { &mut self.instances } else { &mut self.bindings };
        kind.push(place);
    }

    fn note_plan(&mut self, plan: Option<String>) {
        self.planless += usize::from(plan.is_none());
        self.plans.extend(plan);
    }

    /// Plans of all instances, of those that cannot be read too. `None` when there may be others.
    pub(crate) fn plans(&self) -> Option<&BTreeSet<String>> {
        (self.planless == 0).then_some(&self.plans)
    }

    /// Plans that instances are known to have.
    pub(crate) fn known_plans(&self) -> impl Iterator<Item = &str> {
        self.plans.iter().map(String::as_str)
    }

    /// How many entries cannot be read.
    pub(crate) fn unreadable(&self) -> usize {
        self.odd.count(Oddity::Unreadable)
    }

    /// What the platform has, by any name: of instances, of bindings, and of what these belong to.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        let owned = self.bindings().flat_map(|binding| {
            let owner = binding.instance().map(str::to_owned);
            owner.into_iter().chain([binding.service_id])
        });
        self.instances().map(|handle| handle.service_id).chain(owned)
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
        ranges.iter().filter_map(|place| self.handle(place))
    }

    fn handle(&self, place: &Range<usize>) -> Option<Handle> {
        serde_json::from_slice(self.text.get(place.clone())?).ok()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

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
        assert_eq!(fetched.unreadable(), 3);
    }

    fn of(handles: &[Value]) -> Fetched {
        Fetched::of_list(serde_json::to_vec(&json!({ "handles": handles })).unwrap()).unwrap()
    }

    fn handle(id: &str, name: &str, plan: &str) -> Value {
        let credentials = json!({ "name": name, "node_id": "n1" });
        let configuration = json!({ "plan": plan });
        json!({ "service_id": id, "configuration": configuration, "credentials": credentials })
    }

    #[test]
    fn p34_plans_of_handles_that_cannot_be_read_are_known_too() {
        let broken = json!({ "service_id": 7, "configuration": { "plan": "silver", "x": 1 } });
        let mut handles = vec![handle("d1", "d1", "free"), handle("b1", "d1", "bound"), broken];
        let plans = of(&handles).plans().cloned().unwrap();
        assert_eq!(plans.into_iter().collect::<Vec<_>>(), ["free", "silver"]);
        // What does not say its plan may have any.
        handles.push(json!({ "x": 1 }));
        let fetched = of(&handles);
        assert_eq!(fetched.plans(), None);
        assert_eq!(fetched.known_plans().collect::<Vec<_>>(), ["free", "silver"]);
        let unplanned = json!({ "service_id": "d1", "credentials": { "name": "d1" } });
        assert_eq!(of(&[unplanned]).plans(), None);
    }

    #[test]
    fn p08_what_may_be_an_instance_and_has_no_name_is_unreadable() {
        let nameless = json!({ "service_id": "d1", "credentials": { "node_id": "n1" } });
        let fetched = of(&[nameless, json!({ "service_id": "d2", "credentials": {"name": 7} })]);
        assert_eq!((fetched.instances().count(), fetched.bindings().count()), (0, 0));
        assert_eq!(fetched.unreadable(), 2);
    }

    #[test]
    fn p08_whatever_the_platform_names_is_named() {
        // Of `d2` only a binding is there.
        let fetched = of(&[handle("d1", "d1", "free"), handle("b2", "d2", "free")]);
        assert_eq!(fetched.names().collect::<Vec<_>>(), ["d1", "d2", "b2"]);
    }

    #[test]
    fn what_is_there_twice_counts_once_and_the_first_is_believed() {
        let second = json!({
            "service_id": "d1", "configuration": { "plan": "free" },
            "credentials": { "name": "d1", "node_id": "n2" },
        });
        let (d1, b1) = (handle("d1", "d1", "free"), handle("b1", "d1", "free"));
        let other_owner = handle("b1", "d2", "free");
        let all = [d1.clone(), b1.clone(), d1.clone(), second, b1.clone(), other_owner];
        let fetched = of(&all);
        let found: Vec<Value> =
            fetched.instances().chain(fetched.bindings()).map(|handle| json!(handle)).collect();
        assert_eq!(found, [d1, b1, handle("b1", "d2", "free")]);
        let counts = [Oddity::Repeated, Oddity::Contradicted].map(|what| fetched.odd.count(what));
        assert_eq!((counts, fetched.unreadable()), ([2, 1], 0));
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
