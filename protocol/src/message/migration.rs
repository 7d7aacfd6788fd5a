//! Migration and restore: gateway to node. Reference, sections 3.1, 4.7 and 4.8.

use serde::{Deserialize, Serialize};

use super::{Handle, Reply};
use crate::fault::Fault;

/// `S.disable_instance.N`, `enable_instance`, `import_instance`, `update_instance`,
/// `cleanupnfs_instance`: the instance's handle, and those of its bindings.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandlePair(pub Handle, pub Vec<Handle>);

/// Some of the handles of an instance: `S.update_instance.N` of one that has many bindings.
///
/// The last page is a [`HandlePair`], and what fits into one is sent as before. Whoever knows no
/// pages finds one before the last malformed, and does nothing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum HandlePage {
    /// The instance's handle, and those of some bindings; others follow.
    Part(Handle, Vec<Handle>, Rest),
    /// The instance's handle, and those of the last bindings.
    Last(HandlePair),
}

/// What comes after a page that is not the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rest {
    /// More pages.
    More,
}

impl HandlePage {
    /// Cuts the handles of an instance into pages of at most `limit` bytes, or of one binding where
    /// that alone is longer.
    #[must_use]
    pub fn cut(HandlePair(instance, bindings): HandlePair, limit: usize) -> Vec<Self> {
        let around = length(&instance);
        let (mut pages, mut page, mut used) = (Vec::new(), Vec::new(), around);
        for binding in bindings {
            let more = length(&binding);
            if used + more > limit && !page.is_empty() {
                let full = std::mem::take(&mut page);
                pages.push(Self::Part(instance.clone(), full, Rest::More));
                used = around;
            }
            used += more;
            page.push(binding);
        }
        pages.push(Self::Last(HandlePair(instance, page)));
        pages
    }

    /// What follows it; `None` when it is the last.
    #[must_use]
    pub const fn rest(&self) -> Option<Rest> {
        match self {
            Self::Part(_, _, rest) => Some(*rest),
            Self::Last(_) => None,
        }
    }

    /// What is on it.
    #[must_use]
    pub fn into_pair(self) -> HandlePair {
        match self {
            Self::Part(instance, bindings, Rest::More) => HandlePair(instance, bindings),
            Self::Last(pair) => pair,
        }
    }
}

/// Bytes of a handle in a list. One that cannot be written is in none.
fn length(handle: &Handle) -> usize {
    serde_json::to_vec(handle).map_or(0, |json| json.len() + 1)
}

/// `S.restore.N`: load a periodic backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreRequest {
    /// The instance.
    pub instance_id: String,
    /// A directory that the node sees.
    pub backup_path: String,
}

/// Answer to `update_instance`: the handles as they are now, the instance's first; or why not.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum UpdateReply {
    /// It was done.
    Done(Vec<Handle>),
    /// It was not.
    Refused(Reply),
}

impl UpdateReply {
    /// The answer for `result`.
    #[must_use]
    pub fn of(result: Result<Vec<Handle>, Fault>) -> Self {
        match result {
            Ok(handles) => Self::Done(handles),
            Err(fault) => Self::Refused(Reply::of(Err(fault))),
        }
    }

    /// Opens the envelope.
    ///
    /// # Errors
    ///
    /// The node's error; `Internal Error` when it failed without naming one, or says nothing but
    /// success.
    pub fn into_result(self) -> Result<Vec<Handle>, Fault> {
        match self {
            Self::Done(handles) => Ok(handles),
            Self::Refused(reply) => Err(reply.into_result().err().unwrap_or_else(Fault::internal)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HANDLE: &str = r#"{"service_id":"d1","configuration":{"plan":"free","version":"5.5"},"credentials":{"name":"d1"}}"#;

    #[test]
    fn a_pair_is_written_as_the_original_wrote_it() {
        let text = format!("[{HANDLE},[{HANDLE}]]");
        let pair: HandlePair = serde_json::from_str(&text).unwrap();
        assert_eq!(pair.1.len(), 1);
        assert_eq!(serde_json::to_string(&pair).unwrap(), text);
    }

    fn pages(bindings: usize, limit: usize) -> Vec<HandlePage> {
        let handle: Handle = serde_json::from_str(HANDLE).unwrap();
        HandlePage::cut(HandlePair(handle.clone(), vec![handle; bindings]), limit)
    }

    fn check_cut(bindings: usize, limit: usize, expected: &[usize]) {
        let cut = pages(bindings, limit).into_iter().map(|page| page.into_pair().1.len());
        assert_eq!(cut.collect::<Vec<_>>(), expected, "{bindings} in {limit}");
    }

    #[test]
    fn many_handles_are_cut_into_pages_of_some() {
        let one = HANDLE.len() + 1;
        check_cut(0, 4 * one, &[0]);
        check_cut(3, 4 * one, &[3]);
        check_cut(4, 4 * one, &[3, 1]);
        check_cut(7, 4 * one, &[3, 3, 1]);
        // What is too long for any page has one of its own.
        check_cut(2, 10, &[1, 1]);
    }

    #[test]
    fn only_the_last_page_is_a_pair() {
        let one = HANDLE.len() + 1;
        let pages = pages(2, 2 * one);
        let texts: Vec<_> = pages.iter().map(|page| serde_json::to_string(page).unwrap()).collect();
        assert_eq!(
            texts,
            [format!(r#"[{HANDLE},[{HANDLE}],"more"]"#), format!("[{HANDLE},[{HANDLE}]]"),]
        );
        for (page, text) in pages.iter().zip(&texts) {
            assert!(serde_json::from_str::<HandlePage>(text).unwrap() == *page);
        }
        assert!(serde_json::from_str::<HandlePair>(&texts[0]).is_err());
        assert!(serde_json::from_str::<HandlePair>(&texts[1]).is_ok());
    }

    #[test]
    fn an_update_answers_with_handles_or_an_error() {
        let reply: UpdateReply = serde_json::from_str(&format!("[{HANDLE}]")).unwrap();
        assert_eq!(reply.into_result().map(|handles| handles.len()), Ok(1));
        let text = serde_json::to_string(&UpdateReply::of(Err(Fault::busy()))).unwrap();
        let reply: UpdateReply = serde_json::from_str(&text).unwrap();
        assert!(matches!(reply.into_result(), Err(fault) if fault == Fault::busy()));
        let reply: UpdateReply = serde_json::from_str(r#"{"success":true}"#).unwrap();
        assert_eq!(reply.into_result().err(), Some(Fault::internal()));
    }
}
