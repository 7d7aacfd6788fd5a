//! What the original says to those who are no part of Tenon, or said before 2013: the shapes that
//! its fixtures have, and `tenon-protocol` has no use for.
//!
//! One file for each correspondent.

pub(crate) mod broker;
pub(crate) mod cloud_controller;
pub(crate) mod config;
pub(crate) mod errors;
pub(crate) mod gateway;
pub(crate) mod resque;
pub(crate) mod serialization;
pub(crate) mod varz;

use std::collections::BTreeMap;

use serde_json::Value;

/// Names of somebody else's choice.
pub(crate) type Named<T> = BTreeMap<String, T>;
/// Whatever stands there is handed on as it is.
pub(crate) type Any = Value;
