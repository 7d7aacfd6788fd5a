//! Numbered errors: what a platform, an operator and a log see when something went wrong.
//!
//! Numbers, statuses and texts up to 31999 are the original's; reference, section 7.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Who has to act. Drives the log level, and whether a plugin is trusted further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Blame {
    /// The request cannot succeed as it is.
    Caller,
    /// The service's own code failed, or broke a bound.
    Guest,
    /// Gateway or node failed.
    Host,
    /// Something outside is away: a server, the bus, the cloud controller.
    Platform,
}

/// An error of the catalogue, without its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The number that a platform sees.
    pub number: u32,
    /// The HTTP status that goes with it.
    pub status: u16,
    /// Who has to act.
    pub blame: Blame,
}

impl Code {
    const fn new(number: u32, status: u16, blame: Blame) -> Self {
        Self { number, status, blame }
    }

    /// Content type is not JSON.
    pub const INVALID_CONTENT: Self = Self::new(30000, 400, Blame::Caller);
    /// The body is not what the route expects.
    pub const MALFORMED: Self = Self::new(30001, 400, Blame::Caller);
    /// No plan has this unique id.
    pub const UNKNOWN_UNIQUE_ID: Self = Self::new(30002, 400, Blame::Caller);
    /// No plan has this name.
    pub const UNKNOWN_PLAN: Self = Self::new(30003, 400, Blame::Caller);
    /// No node serves this version.
    pub const UNSUPPORTED_VERSION: Self = Self::new(30004, 400, Blame::Caller);
    /// The body is larger than the gateway reads. Not in the original.
    pub const TOO_LARGE: Self = Self::new(30005, 413, Blame::Caller);
    /// Token missing or wrong.
    pub const NOT_AUTHORIZED: Self = Self::new(30100, 401, Blame::Caller);
    /// The link does not allow it, or not any more. Not in the original.
    pub const FORBIDDEN: Self = Self::new(30200, 403, Blame::Caller);
    /// The thing that the path names is not there.
    pub const NOT_FOUND: Self = Self::new(30300, 404, Blame::Caller);
    /// The thing exists already, otherwise, or is being removed. Not in the original.
    pub const CONFLICT: Self = Self::new(30301, 409, Blame::Caller);
    /// The records are not those that the node obeys. Not in the original.
    pub const OTHER_STORE: Self = Self::new(30302, 409, Blame::Platform);
    /// A purge names more of what a node has than is allowed. Not in the original.
    pub const LARGE_PURGE: Self = Self::new(30303, 409, Blame::Caller);
    /// A gateway of 2013 speaks to a node that does not expect one. Not in the original.
    pub const NATIVE_ONLY: Self = Self::new(30304, 409, Blame::Platform);
    /// What a node is to be told, or answers, is longer than a message may be. Not in the original.
    pub const MESSAGE_TOO_LONG: Self = Self::new(30305, 409, Blame::Platform);
    /// What is to be compared did not come whole. Not in the original.
    pub const INCOMPLETE: Self = Self::new(30602, 503, Blame::Platform);
    /// Something failed that is not the caller's to know.
    pub const INTERNAL: Self = Self::new(30500, 500, Blame::Host);
    /// The plan does not offer this extension.
    pub const NO_EXTENSION: Self = Self::new(30501, 501, Blame::Caller);
    /// The node took longer than its limit, and undid the work.
    pub const NODE_TIMEOUT: Self = Self::new(30502, 500, Blame::Guest);
    /// All nodes of the plan are full. Not in the original, which said 30500 (P20, P21).
    pub const NO_CAPACITY: Self = Self::new(30510, 503, Blame::Platform);
    /// The command is older than what the node has seen. Not in the original.
    pub const FENCED: Self = Self::new(30511, 409, Blame::Platform);
    /// The service's code failed: trap, panic, or a bound. Not in the original.
    pub const GUEST_FAILED: Self = Self::new(30512, 500, Blame::Guest);
    /// Away, starting or stopping; try again.
    pub const UNAVAILABLE: Self = Self::new(30600, 503, Blame::Platform);
    /// No node of the plan is there. Not in the original, which said 30003 (P21).
    pub const NO_NODE: Self = Self::new(30601, 503, Blame::Platform);
    /// The disk of the snapshot store is full. Not in the original.
    pub const NO_SPACE: Self = Self::new(30603, 503, Blame::Platform);
    /// The node did not answer in time.
    pub const GATEWAY_TIMEOUT: Self = Self::new(30700, 504, Blame::Platform);
    /// The instance has as many snapshots as its plan allows.
    pub const SNAPSHOT_QUOTA: Self = Self::new(30800, 500, Blame::Caller);
    /// No node took the job in time.
    pub const JOB_WAIT: Self = Self::new(30801, 500, Blame::Platform);
    /// The job took longer than it may.
    pub const JOB_TTL: Self = Self::new(30802, 500, Blame::Guest);
    /// There is no package at the URL.
    pub const PACKAGE_INVALID: Self = Self::new(30803, 500, Blame::Caller);
    /// The package is larger than may be imported.
    pub const PACKAGE_TOO_LARGE: Self = Self::new(30804, 400, Blame::Caller);
    /// The URL leads on and on.
    pub const TOO_MANY_REDIRECTS: Self = Self::new(30805, 400, Blame::Caller);
    /// The snapshot's data is damaged.
    pub const SNAPSHOT_CORRUPT: Self = Self::new(30806, 400, Blame::Platform);
    /// Another job works on the instance.
    pub const BUSY: Self = Self::new(30807, 500, Blame::Platform);
    /// The snapshot's name is too long or empty.
    pub const SNAPSHOT_NAME: Self = Self::new(30808, 400, Blame::Caller);
    /// The node does not know the instance.
    pub const NODE_NO_INSTANCE: Self = Self::new(31002, 404, Blame::Caller);
    /// The node does not know the binding.
    pub const NODE_NO_BINDING: Self = Self::new(31003, 404, Blame::Caller);
    /// The node does not serve the plan.
    pub const NODE_INVALID_PLAN: Self = Self::new(31005, 500, Blame::Caller);
}

/// The inner half of an error: what HTTP bodies and job results show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultText {
    /// Number in the catalogue.
    pub code: u32,
    /// One sentence for the user, without secrets.
    pub description: String,
}

/// An error as it travels from node to gateway: `{"status": .., "msg": {"code", "description"}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{} (number {})", msg.description, msg.code)]
pub struct Fault {
    /// The HTTP status that a platform gets.
    pub status: u16,
    /// Number and text.
    pub msg: FaultText,
}

impl Fault {
    /// An error of the catalogue with its text.
    #[must_use]
    pub fn new(code: Code, description: impl Into<String>) -> Self {
        let msg = FaultText { code: code.number, description: description.into() };
        Self { status: code.status, msg }
    }

    /// An error that a guest numbered itself.
    #[must_use]
    pub fn numbered(status: u16, number: u32, description: impl Into<String>) -> Self {
        Self { status, msg: FaultText { code: number, description: description.into() } }
    }

    /// `Invalid Content-Type`.
    #[must_use]
    pub fn invalid_content() -> Self {
        Self::new(Code::INVALID_CONTENT, "Invalid Content-Type")
    }

    /// `Malformatted request`, the original's word.
    #[must_use]
    pub fn malformed() -> Self {
        Self::new(Code::MALFORMED, "Malformatted request")
    }

    /// `Unknown unique_id`.
    #[must_use]
    pub fn unknown_unique_id() -> Self {
        Self::new(Code::UNKNOWN_UNIQUE_ID, "Unknown unique_id")
    }

    /// `Unknown plan X`.
    #[must_use]
    pub fn unknown_plan(plan: &str) -> Self {
        Self::new(Code::UNKNOWN_PLAN, format!("Unknown plan {plan}"))
    }

    /// `Unsupported version X`.
    #[must_use]
    pub fn unsupported_version(version: &str) -> Self {
        Self::new(Code::UNSUPPORTED_VERSION, format!("Unsupported version {version}"))
    }

    /// `Not authorized`.
    #[must_use]
    pub fn not_authorized() -> Self {
        Self::new(Code::NOT_AUTHORIZED, "Not authorized")
    }

    /// `X not found`.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NOT_FOUND, format!("{what} not found"))
    }

    /// `Internal Error`: the cause is in the log of whoever says it.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(Code::INTERNAL, "Internal Error")
    }

    /// `A message about instance X is longer than the bus takes`.
    #[must_use]
    pub fn message_too_long(instance: &str) -> Self {
        let text = format!("A message about instance {instance} is longer than the bus takes");
        Self::new(Code::MESSAGE_TOO_LONG, text)
    }

    /// `Service extension X is not implemented.`
    #[must_use]
    pub fn no_extension(extension: &str) -> Self {
        let text = format!("Service extension {extension} is not implemented.");
        Self::new(Code::NO_EXTENSION, text)
    }

    /// `Service unavailable`.
    #[must_use]
    pub fn unavailable() -> Self {
        Self::new(Code::UNAVAILABLE, "Service unavailable")
    }

    /// `Gateway timeout`.
    #[must_use]
    pub fn gateway_timeout() -> Self {
        Self::new(Code::GATEWAY_TIMEOUT, "Gateway timeout")
    }

    /// `Instance X has N snapshots. Quota is M `: the space at the end is the original's.
    #[must_use]
    pub fn snapshot_quota(instance: &str, count: usize, quota: usize) -> Self {
        let text = format!("Instance {instance} has {count} snapshots. Quota is {quota} ");
        Self::new(Code::SNAPSHOT_QUOTA, text)
    }

    /// `Invalid snapshot name. X`.
    #[must_use]
    pub fn snapshot_name(why: &str) -> Self {
        Self::new(Code::SNAPSHOT_NAME, format!("Invalid snapshot name. {why}"))
    }

    /// `Job timeout after waiting for N seconds.`
    #[must_use]
    pub fn job_wait(waited: Duration) -> Self {
        let text = format!("Job timeout after waiting for {} seconds.", waited.as_secs());
        Self::new(Code::JOB_WAIT, text)
    }

    /// `Job is killed since it runs longer than ttl: N seconds.`
    #[must_use]
    pub fn job_ttl(limit: Duration) -> Self {
        let seconds = limit.as_secs();
        let text = format!("Job is killed since it runs longer than ttl: {seconds} seconds.");
        Self::new(Code::JOB_TTL, text)
    }

    /// `Invalid serialized data file from: X`.
    #[must_use]
    pub fn package_invalid(source: &str) -> Self {
        let text = format!("Invalid serialized data file from: {source}");
        Self::new(Code::PACKAGE_INVALID, text)
    }

    /// `Size of file from url X is N, max allowed M`.
    #[must_use]
    pub fn package_too_large(url: &str, size: u64, most: u64) -> Self {
        let text = format!("Size of file from url {url} is {size}, max allowed {most}");
        Self::new(Code::PACKAGE_TOO_LARGE, text)
    }

    /// `Too many redirects from url:X, max redirects allowed is N`.
    #[must_use]
    pub fn too_many_redirects(url: &str, most: u32) -> Self {
        let text = format!("Too many redirects from url:{url}, max redirects allowed is {most}");
        Self::new(Code::TOO_MANY_REDIRECTS, text)
    }

    /// `Serialized file is corrupted.`
    #[must_use]
    pub fn snapshot_corrupt() -> Self {
        Self::new(Code::SNAPSHOT_CORRUPT, "Serialized file is corrupted.")
    }

    /// `Server busy, please try again later.`
    #[must_use]
    pub fn busy() -> Self {
        Self::new(Code::BUSY, "Server busy, please try again later.")
    }

    /// `Mysql configuration X not found.`: the original's words for every instance that a MySQL
    /// node does not know; `service` is the capitalised label.
    #[must_use]
    pub fn node_no_instance(service: &str, id: &str) -> Self {
        Self::new(Code::NODE_NO_INSTANCE, format!("{service} configuration {id} not found."))
    }

    /// `Mysql credential X not found.`
    #[must_use]
    pub fn node_no_binding(service: &str, user: &str) -> Self {
        Self::new(Code::NODE_NO_BINDING, format!("{service} credential {user} not found."))
    }

    /// `Invalid plan X.`
    #[must_use]
    pub fn node_invalid_plan(plan: &str) -> Self {
        Self::new(Code::NODE_INVALID_PLAN, format!("Invalid plan {plan}."))
    }

    /// Whether this is the error `code`.
    #[must_use]
    pub const fn is(&self, code: Code) -> bool {
        self.msg.code == code.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_travels_in_the_original_form() {
        let json = serde_json::to_string(&Fault::node_invalid_plan("gold")).unwrap();
        assert_eq!(
            json,
            r#"{"status":500,"msg":{"code":31005,"description":"Invalid plan gold."}}"#
        );
    }

    #[test]
    fn a_fault_is_recognised_by_its_number() {
        assert!(Fault::not_found("binding_id 7").is(Code::NOT_FOUND));
        assert!(!Fault::internal().is(Code::NOT_FOUND));
    }
}
