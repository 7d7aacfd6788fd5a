//! Values that are of the right type and still cannot be meant. Pure.

use std::collections::HashSet;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::Path;

use super::{
    Api, Config, ConfigError, Extension, HandleUpdates, OfferingConfig, Peers, PlanConfig,
};
use tenon_protocol::position;

/// What is wrong with the value of a key.
#[derive(Debug)]
pub(super) struct Problem {
    key: String,
    message: String,
}

impl Problem {
    pub(super) fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into() }
    }

    /// The problem with its place in the file.
    pub(super) fn at(self, path: &Path, text: &str) -> ConfigError {
        let line = position::line_of(text, &self.key);
        ConfigError::Value { path: path.to_owned(), line, key: self.key, message: self.message }
    }
}

/// Refuses `value` outside `allowed`.
pub(super) fn range<T: PartialOrd + Display + Copy>(
    key: &str,
    value: T,
    allowed: RangeInclusive<T>,
) -> Result<(), Problem> {
    if allowed.contains(&value) {
        return Ok(());
    }
    let message = format!("must be {} to {}, not {value}", allowed.start(), allowed.end());
    Err(Problem::new(key, message))
}

/// Refuses what no single key can show.
pub(super) fn check(config: Config) -> Result<Config, Problem> {
    range("http.max_body_bytes", config.http.max_body_bytes, 1..=64 << 20)?;
    range("http.max_in_flight", config.http.max_in_flight, 1..=65_536)?;
    range("http.max_connections", config.http.max_connections, 1..=65_536)?;
    range("http.drain_seconds", config.http.drain_seconds, 1..=600)?;
    range("http.stall_seconds", config.http.stall_seconds, 1..=3_600)?;
    if config.nats.url.contains('@') {
        let message = "must not hold a login: nats.user and nats.password do";
        return Err(Problem::new("nats.url", message));
    }
    if let Some(url) = &config.http.public_url {
        http_url("http.public_url", url, "the platform is told it")?;
    }
    if config.offerings.is_empty() {
        return Err(Problem::new("offerings", "must have at least one entry"));
    }
    for (n, offering) in config.offerings.iter().enumerate() {
        check_offering(&format!("offerings.{n}"), offering)?;
    }
    check_unique(&config.offerings)?;
    match config.cloud_controller.as_ref().map(|cc| &cc.api) {
        Some(Api::V2(_)) => check_unique_services(&config.offerings)?,
        Some(Api::V1) | None => {}
    }
    if config.snapshots.is_none() {
        refuse_serialization(&config.offerings)?;
    }
    Ok(config)
}

/// Nothing can be handed out of a store that nobody named.
fn refuse_serialization(offerings: &[OfferingConfig]) -> Result<(), Problem> {
    for (n, offering) in offerings.iter().enumerate() {
        for (m, plan) in offering.plans.iter().enumerate() {
            if plan.extensions.contains(&Extension::Serialization) {
                let key = format!("offerings.{n}.plans.{m}.extensions");
                return Err(Problem::new(key, "serialization needs [snapshots]"));
            }
        }
    }
    Ok(())
}

/// Refuses what cannot be called, and a URL with a login: URLs are logged and shown. `instead` says
/// where the login belongs, or why there is none.
pub(super) fn http_url(key: &str, url: &str, instead: &str) -> Result<(), Problem> {
    no_login(key, url, instead)?;
    if url.starts_with("http://") || url.starts_with("https://") {
        return Ok(());
    }
    Err(Problem::new(key, format!("must begin with http:// or https://, not {url:?}")))
}

/// Refuses a URL with a login.
fn no_login(key: &str, url: &str, instead: &str) -> Result<(), Problem> {
    let authority = url.split_once("://").map_or(url, |(_scheme, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    if !authority.contains('@') {
        return Ok(());
    }
    // Not the URL: it would be shown right here.
    Err(Problem::new(key, format!("must not hold a login (user:password@): {instead}")))
}

fn check_offering(key: &str, offering: &OfferingConfig) -> Result<(), Problem> {
    // A cloud controller splits `label-version` at its dash, and refuses a second one.
    word(&format!("{key}.label"), &offering.label)?;
    word(&format!("{key}.version"), &offering.version)?;
    word(&format!("{key}.provider"), &offering.provider)?;
    if offering.unique_id.is_empty() {
        return Err(Problem::new(format!("{key}.unique_id"), "must not be empty"));
    }
    if offering.supported_versions.is_empty() {
        let key = format!("{key}.supported_versions");
        return Err(Problem::new(key, "must have at least one entry"));
    }
    for (alias, version) in &offering.version_aliases {
        if !offering.supported_versions.contains(version) {
            let allowed = offering.supported_versions.join(", ");
            let key = format!("{key}.version_aliases.{alias}");
            return Err(Problem::new(key, format!("must be one of {allowed}, not {version}")));
        }
    }
    check_handle_updates(key, offering)?;
    if let Some(url) = &offering.listing.logo_url {
        no_login(&format!("{key}.logo_url"), url, "users are told it")?;
    }
    if offering.plans.is_empty() {
        return Err(Problem::new(format!("{key}.plans"), "must have at least one entry"));
    }
    let names: Vec<&str> = offering.plans.iter().map(|plan| plan.name.as_str()).collect();
    if !names.contains(&offering.default_plan.as_str()) {
        let message = format!("must be one of {}, not {}", names.join(", "), offering.default_plan);
        return Err(Problem::new(format!("{key}.default_plan"), message));
    }
    unique(names, |n| format!("{key}.plans.{n}.name"))?;
    for (n, plan) in offering.plans.iter().enumerate() {
        check_plan(&format!("{key}.plans.{n}"), plan)?;
    }
    Ok(())
}

/// Only between original peers is there nobody else who could tell.
fn check_handle_updates(key: &str, offering: &OfferingConfig) -> Result<(), Problem> {
    match (offering.handle_updates, offering.peers) {
        (HandleUpdates::Accept, Peers::Native) => {
            let message = "needs peers = \"original\": any client of the bus may send them";
            Err(Problem::new(format!("{key}.handle_updates"), message))
        }
        (HandleUpdates::Ignore, _) | (HandleUpdates::Accept, Peers::Original) => Ok(()),
    }
}

fn check_plan(key: &str, plan: &PlanConfig) -> Result<(), Problem> {
    for (name, value) in [("name", &plan.name), ("unique_id", &plan.unique_id)] {
        if value.is_empty() {
            return Err(Problem::new(format!("{key}.{name}"), "must not be empty"));
        }
    }
    Ok(())
}

fn word(key: &str, text: &str) -> Result<(), Problem> {
    let good =
        |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '-' | '/' | '?' | '#');
    if !text.is_empty() && text.chars().all(good) {
        return Ok(());
    }
    Err(Problem::new(key, format!("must be a word without '-' and '/', not {text:?}")))
}

/// What would make it unclear whom a request means.
fn check_unique(offerings: &[OfferingConfig]) -> Result<(), Problem> {
    check_tokens(offerings)?;
    unique(offerings.iter().map(|o| o.service.as_str()), |n| format!("offerings.{n}.service"))?;
    unique(offerings.iter().map(OfferingConfig::classic_label), |n| {
        format!("offerings.{n}.label")
    })?;
    let mut seen = HashSet::new();
    for (n, offering) in offerings.iter().enumerate() {
        for (m, plan) in offering.plans.iter().enumerate() {
            if !seen.insert(&plan.unique_id) {
                let key = format!("offerings.{n}.plans.{m}.unique_id");
                return Err(Problem::new(key, TWICE));
            }
        }
    }
    Ok(())
}

/// What a version 2 cloud controller would take for one service.
fn check_unique_services(offerings: &[OfferingConfig]) -> Result<(), Problem> {
    unique(offerings.iter().map(|o| (&o.label, &o.provider)), |n| format!("offerings.{n}.label"))?;
    unique(offerings.iter().map(|o| &o.unique_id), |n| format!("offerings.{n}.unique_id"))
}

fn check_tokens(offerings: &[OfferingConfig]) -> Result<(), Problem> {
    let mut seen = HashSet::new();
    for (n, offering) in offerings.iter().enumerate() {
        for (name, token) in
            [("token", Some(&offering.token)), ("next_token", offering.next_token.as_ref())]
        {
            if token.is_some_and(|token| !seen.insert(token.reveal())) {
                return Err(Problem::new(format!("offerings.{n}.{name}"), TWICE));
            }
        }
    }
    Ok(())
}

const TWICE: &str = "must not be the same as in an entry before it";

// The values are not shown: some are tokens.
fn unique<T: Eq + std::hash::Hash>(
    values: impl IntoIterator<Item = T>,
    key: impl Fn(usize) -> String,
) -> Result<(), Problem> {
    let mut seen = HashSet::new();
    match values.into_iter().position(|value| !seen.insert(value)) {
        Some(n) => Err(Problem::new(key(n), TWICE)),
        None => Ok(()),
    }
}
