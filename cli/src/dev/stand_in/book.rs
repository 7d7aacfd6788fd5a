//! What the stand-in knows: tokens, offerings, handles. A restart finds the handles again.

use std::collections::{BTreeMap, VecDeque};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tenon_protocol::Secret;
use tenon_protocol::message::{Handle, OfferingNotice};

use super::catalog::Catalog;
use super::refusal::Refusal;
use super::uaa::Uaa;
use crate::dev::directory::{Directory, DirectoryError};

/// Where handles are kept.
const FILE: &str = "cloud-controller.json";
/// Where the catalog of version 2 is kept.
const CATALOG_FILE: &str = "cloud-controller-catalog.json";
/// Requests that are remembered.
const MAX_REQUESTS: usize = 1_000;

/// The book cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// The disk refuses.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The file was edited, or is damaged.
    #[error("{FILE} or {CATALOG_FILE} cannot be read or written")]
    Form(#[source] serde_json::Error),
}

/// All that it knows.
pub(crate) struct Book {
    directory: Directory,
    /// By label without version.
    tokens: BTreeMap<String, Secret>,
    is_available: bool,
    offerings: BTreeMap<String, OfferingNotice>,
    handles: Handles,
    pub(super) catalog: Catalog,
    pub(super) uaa: Uaa,
    requests: VecDeque<String>,
    /// How often each offering was withdrawn.
    withdrawals: BTreeMap<String, u64>,
}

/// Label to id to handle.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Handles(BTreeMap<String, BTreeMap<String, Value>>);

impl Book {
    /// The book in `directory`, with the tokens of the offerings by label, and the secret of the
    /// UAA's client.
    pub(crate) fn open(
        directory: Directory,
        tokens: BTreeMap<String, Secret>,
        uaa: Secret,
    ) -> Result<Self, BookError> {
        Ok(Self {
            handles: read(&directory, FILE)?,
            catalog: read(&directory, CATALOG_FILE)?,
            directory,
            tokens,
            is_available: true,
            offerings: BTreeMap::new(),
            uaa: Uaa::new(uaa),
            requests: VecDeque::new(),
            withdrawals: BTreeMap::new(),
        })
    }

    /// The label of an offering whose token was given; the text may carry a version.
    pub(super) fn admit(&self, text: &str, token: Option<&str>) -> Result<String, Refusal> {
        self.check_available()?;
        let label = self.known(text)?;
        let expected = self.tokens.get(&label);
        let is_right = expected.zip(token).is_some_and(|(expected, given)| expected.matches(given));
        if is_right { Ok(label) } else { Err(Refusal::NotAuthorized) }
    }

    pub(super) fn check_available(&self) -> Result<(), Refusal> {
        if self.is_available { Ok(()) } else { Err(Refusal::Unavailable) }
    }

    /// The labels of all offerings.
    pub(super) fn labels(&self) -> Vec<String> {
        self.tokens.keys().cloned().collect()
    }

    /// The label of an offering: `mysql` of `mysql` and of `mysql-10.11`.
    pub(super) fn known(&self, text: &str) -> Result<String, Refusal> {
        let bare = text.rsplit_once('-').map(|(label, _)| label);
        [Some(text), bare]
            .into_iter()
            .flatten()
            .find(|label| self.tokens.contains_key(*label))
            .map(str::to_owned)
            .ok_or_else(|| Refusal::UnknownService(text.to_owned()))
    }

    pub(super) fn set_available(&mut self, available: bool) {
        self.is_available = available;
    }

    /// As in 2013: a plan that is not in the notice is removed, with its instances and all that
    /// hangs on them.
    pub(super) fn take_notice(
        &mut self,
        label: &str,
        notice: OfferingNotice,
    ) -> Result<(), BookError> {
        let plans = notice.plans.clone().unwrap_or_default();
        if notice.active == Some(false) {
            self.note_withdrawal(label);
        }
        self.offerings.insert(label.to_owned(), notice);
        let Some(handles) = self.handles.0.get_mut(label) else { return Ok(()) };
        let before = handles.len();
        let instance = |handle: &Value| {
            handle.pointer("/credentials/name").and_then(Value::as_str).map(str::to_owned)
        };
        let is_left = |handle: &Value| {
            let plan = handle.pointer("/configuration/plan").and_then(Value::as_str);
            plan.is_none_or(|plan| plans.iter().any(|known| known == plan))
        };
        let gone: Vec<String> = handles
            .iter()
            .filter(|(id, handle)| instance(handle).as_ref() == Some(*id) && !is_left(handle))
            .map(|(id, _)| id.clone())
            .collect();
        handles.retain(|_, handle| instance(handle).is_none_or(|name| !gone.contains(&name)));
        if handles.len() == before { Ok(()) } else { self.save() }
    }

    pub(super) fn show_offerings(&self) -> Value {
        let told = self.offerings.values().map(|notice| json!(notice));
        told.chain(self.catalog.offerings()).collect()
    }

    pub(super) fn note_request(&mut self, line: String) {
        if self.requests.len() == MAX_REQUESTS {
            self.requests.pop_front();
        }
        self.requests.push_back(line);
    }

    pub(super) fn note_withdrawal(&mut self, label: &str) {
        *self.withdrawals.entry(label.to_owned()).or_default() += 1;
    }

    pub(super) fn show_withdrawals(&self) -> Value {
        json!(self.withdrawals)
    }

    pub(super) fn show_requests(&self) -> Value {
        json!(self.requests)
    }

    pub(super) fn show_handles(&self) -> Value {
        json!(self.handles)
    }

    pub(super) fn handles_of(&self, label: &str) -> Vec<Value> {
        self.handles.0.get(label).into_iter().flat_map(BTreeMap::values).cloned().collect()
    }

    pub(super) fn has_handle(&self, label: &str, id: &str) -> bool {
        self.handles.0.get(label).is_some_and(|handles| handles.contains_key(id))
    }

    pub(super) fn put_handle(
        &mut self,
        label: &str,
        id: &str,
        handle: &Handle,
    ) -> Result<(), BookError> {
        let handles = self.handles.0.entry(label.to_owned()).or_default();
        handles.insert(id.to_owned(), json!(handle));
        self.save()
    }

    pub(super) fn remove_handle(&mut self, label: &str, id: &str) -> Result<(), BookError> {
        if let Some(handles) = self.handles.0.get_mut(label) {
            handles.remove(id);
        }
        self.save()
    }

    pub(super) fn save_catalog(&self) -> Result<(), BookError> {
        let content = serde_json::to_vec_pretty(&self.catalog).map_err(BookError::Form)?;
        Ok(self.directory.write(CATALOG_FILE, &content)?)
    }

    fn save(&self) -> Result<(), BookError> {
        let content = serde_json::to_vec_pretty(&self.handles).map_err(BookError::Form)?;
        Ok(self.directory.write(FILE, &content)?)
    }
}

fn read<T: Default + DeserializeOwned>(directory: &Directory, file: &str) -> Result<T, BookError> {
    match directory.read(file)? {
        Some(content) => serde_json::from_slice(&content).map_err(BookError::Form),
        None => Ok(T::default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(directory: &Directory) -> Book {
        let tokens = BTreeMap::from([("mysql".to_owned(), Secret::new("t".to_owned()))]);
        let uaa = Secret::new("s".to_owned());
        Book::open(Directory::open(directory.path()).unwrap(), tokens, uaa).unwrap()
    }

    fn handle(id: &str) -> Handle {
        serde_json::from_value(json!({
            "service_id": id, "configuration": {"plan": "free"}, "credentials": {"name": "d1"},
        }))
        .unwrap()
    }

    #[test]
    fn only_the_offerings_own_token_opens() {
        let keep = tempfile::tempdir().unwrap();
        let mut book = book(&Directory::open(keep.path()).unwrap());
        assert_eq!(book.admit("mysql-10.11", Some("t")).unwrap(), "mysql");
        assert!(matches!(book.admit("mysql-10.11", Some("u")), Err(Refusal::NotAuthorized)));
        assert!(matches!(book.admit("mysql", None), Err(Refusal::NotAuthorized)));
        assert!(matches!(book.admit("redis-1", Some("t")), Err(Refusal::UnknownService(_))));
        book.set_available(false);
        assert!(matches!(book.admit("mysql", Some("t")), Err(Refusal::Unavailable)));
    }

    #[test]
    fn a_plan_that_is_not_told_is_removed_with_its_instances() {
        let keep = tempfile::tempdir().unwrap();
        let mut book = book(&Directory::open(keep.path()).unwrap());
        book.put_handle("mysql", "d1", &handle("d1")).unwrap();
        book.put_handle("mysql", "b1", &handle("b1")).unwrap();
        for (plans, left) in [(vec!["gold", "free"], 2), (vec!["gold"], 0)] {
            let notice = json!({
                "label": "mysql-10.11", "url": "http://gw", "plans": plans,
                "supported_versions": ["10.11"], "version_aliases": {},
            });
            book.take_notice("mysql", serde_json::from_value(notice).unwrap()).unwrap();
            assert_eq!(book.handles_of("mysql").len(), left);
        }
    }

    #[test]
    fn handles_are_found_again() {
        let keep = tempfile::tempdir().unwrap();
        let directory = Directory::open(keep.path()).unwrap();
        let mut first = book(&directory);
        first.put_handle("mysql", "d1", &handle("d1")).unwrap();
        first.put_handle("mysql", "b1", &handle("b1")).unwrap();
        first.remove_handle("mysql", "b1").unwrap();
        let second = book(&directory);
        assert_eq!(second.handles_of("mysql"), [json!(handle("d1"))]);
        assert!(!second.has_handle("mysql", "b1"));
    }
}
