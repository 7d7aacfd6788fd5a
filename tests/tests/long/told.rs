//! What clients were told, call by call: values only.

use std::collections::{BTreeMap, BTreeSet};

use tenon_protocol::message::{Object, ServiceResponse};

/// Errors of a job that say that something was away: the call took too long, the service or its
/// server is not there, nobody answered, or a gateway that hands out a package is not there.
pub(crate) const PASSING: [u64; 4] = [30502, 30600, 30700, 30803];

/// What may stand in an instance; `None` is anything.
pub(crate) type Values = Option<BTreeSet<u64>>;

/// An instance that its client was given and has not given back.
#[derive(Debug, Clone)]
pub(crate) struct Instance {
    pub(crate) offering: &'static str,
    /// What its order was called: the same order asks for it again.
    pub(crate) request: String,
    pub(crate) credentials: Object,
    pub(crate) values: Values,
    pub(crate) bindings: BTreeMap<String, Binding>,
    /// By their numbers.
    pub(crate) snapshots: BTreeMap<String, Snapshot>,
    /// Numbers of those that are gone, as its client was told.
    pub(crate) deleted: BTreeSet<String>,
}

/// A snapshot that its client was told of and has not given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// What stood in the instance.
    pub(crate) value: u64,
    /// What it was named; `None` when nobody knows.
    pub(crate) name: Option<String>,
}

/// A binding that its client was given and has not given back.
#[derive(Debug, Clone)]
pub(crate) struct Binding {
    pub(crate) request: String,
    pub(crate) credentials: Object,
}

/// Credentials of something that was given back.
#[derive(Debug, Clone)]
pub(crate) struct Gone {
    pub(crate) offering: &'static str,
    pub(crate) credentials: Object,
}

/// All of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    pub(crate) living: BTreeMap<String, Instance>,
    pub(crate) gone: BTreeMap<String, Gone>,
    /// Instances and bindings of which nobody was told how it ended.
    pub(crate) doubtful: BTreeSet<String>,
    /// What was wrong with an answer by itself.
    pub(crate) complaints: Vec<String>,
    pub(crate) secrets: BTreeSet<String>,
    /// What an operator had removed, as orphans.
    pub(crate) purged: BTreeSet<String>,
    /// Of that, what was made an orphan on purpose.
    pub(crate) lost: BTreeSet<String>,
    pub(crate) answers: u64,
}

impl Told {
    /// The answer to an order.
    pub(crate) fn made(&mut self, offering: &'static str, request: &str, made: &ServiceResponse) {
        let id = made.service_id.clone();
        self.sees(&made.credentials);
        if self.gone.contains_key(&id) || self.living.contains_key(&id) {
            self.complaints.push(format!("{id} was made twice"));
        }
        let instance = Instance {
            offering,
            request: request.to_owned(),
            credentials: made.credentials.clone(),
            values: Some(BTreeSet::from([0])),
            bindings: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            deleted: BTreeSet::new(),
        };
        self.living.insert(id, instance);
    }

    pub(crate) fn bound(&mut self, instance: &str, request: &str, made: &ServiceResponse) {
        let id = made.service_id.clone();
        self.sees(&made.credentials);
        let binding =
            Binding { request: request.to_owned(), credentials: made.credentials.clone() };
        let known = self.living.get_mut(instance).unwrap();
        let is_known = known.bindings.insert(id.clone(), binding).is_some();
        if is_known || self.gone.contains_key(&id) {
            self.complaints.push(format!("{id} was made twice"));
        }
    }

    pub(crate) fn unbound(&mut self, instance: &str, id: &str) {
        let known = self.living.get_mut(instance).unwrap();
        if let Some(Binding { credentials, .. }) = known.bindings.remove(id) {
            let offering = known.offering;
            self.gone.insert(id.to_owned(), Gone { offering, credentials });
        }
    }

    pub(crate) fn removed(&mut self, id: &str) {
        for binding in self.bindings_of(id) {
            self.unbound(id, &binding);
        }
        if let Some(Instance { offering, credentials, .. }) = self.living.remove(id) {
            self.gone.insert(id.to_owned(), Gone { offering, credentials });
        }
    }

    /// Nobody knows whether the instance, with its bindings, is there.
    pub(crate) fn lost_sight_of(&mut self, id: &str) {
        self.doubtful.extend(self.bindings_of(id));
        self.doubtful.insert(id.to_owned());
        self.living.remove(id);
    }

    pub(crate) fn lost_sight_of_binding(&mut self, instance: &str, id: &str) {
        self.living.get_mut(instance).unwrap().bindings.remove(id);
        self.doubtful.insert(id.to_owned());
    }

    pub(crate) fn wrote(&mut self, id: &str, value: u64) {
        self.living.get_mut(id).unwrap().values = Some(BTreeSet::from([value]));
    }

    pub(crate) fn may_have_written(&mut self, id: &str, value: u64) {
        if let Some(values) = &mut self.living.get_mut(id).unwrap().values {
            values.insert(value);
        }
    }

    pub(crate) fn read(&mut self, id: &str, value: u64) {
        let instance = self.living.get_mut(id).unwrap();
        if instance.values.as_ref().is_some_and(|values| !values.contains(&value)) {
            let values = &instance.values;
            self.complaints.push(format!("{id} has {value}, not one of {values:?}"));
        }
        // From here on it is known.
        instance.values = Some(BTreeSet::from([value]));
    }

    /// A snapshot is there, with `value` in it.
    pub(crate) fn kept(&mut self, id: &str, number: &str, snapshot: Snapshot) {
        let instance = self.living.get_mut(id).unwrap();
        let is_known = instance.snapshots.insert(number.to_owned(), snapshot).is_some();
        if is_known || instance.deleted.contains(number) {
            self.complaints.push(format!("snapshot {number} of {id} was taken twice"));
        }
    }

    /// Nobody knows whether it is there.
    pub(crate) fn lost_sight_of_snapshot(&mut self, id: &str, number: &str) {
        self.living.get_mut(id).unwrap().snapshots.remove(number);
    }

    pub(crate) fn deleted(&mut self, id: &str, number: &str) {
        self.lost_sight_of_snapshot(id, number);
        self.living.get_mut(id).unwrap().deleted.insert(number.to_owned());
    }

    pub(crate) fn named(&mut self, id: &str, number: &str, name: Option<String>) {
        let known = self.living.get_mut(id).unwrap().snapshots.get_mut(number);
        if let Some(known) = known {
            known.name = name;
        }
    }

    /// A job ended with the error `code`.
    pub(crate) fn job_failed(&mut self, what: &str, code: u64) {
        if !PASSING.contains(&code) {
            self.complains(format!("{what} failed with {code}"));
        }
    }

    pub(crate) fn complains(&mut self, text: String) {
        eprintln!("COMPLAINT: {text}");
        self.complaints.push(text);
    }

    /// What two clients were told, together.
    pub(crate) fn join(&mut self, other: Self) {
        for id in other.living.keys() {
            if self.living.contains_key(id) {
                self.complaints.push(format!("{id} was given to two clients"));
            }
        }
        self.living.extend(other.living);
        self.gone.extend(other.gone);
        self.doubtful.extend(other.doubtful);
        self.complaints.extend(other.complaints);
        self.secrets.extend(other.secrets);
        self.purged.extend(other.purged);
        self.lost.extend(other.lost);
        self.answers += other.answers;
    }

    pub(crate) fn sees(&mut self, credentials: &Object) {
        let password = credentials.get("password").and_then(|value| value.as_str());
        self.secrets.extend(password.filter(|text| !text.is_empty()).map(str::to_owned));
    }

    fn bindings_of(&self, id: &str) -> Vec<String> {
        let bindings = self.living.get(id).map(|instance| instance.bindings.keys());
        bindings.into_iter().flatten().cloned().collect()
    }
}
