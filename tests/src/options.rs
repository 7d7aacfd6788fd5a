//! What a test can ask of its platform.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use tenon::dev::Api;

/// What to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// As `--offerings` takes them: a component, or `label=component`.
    pub offerings: Vec<String>,
    /// Node processes.
    pub nodes: u32,
    /// Gateway processes.
    pub gateways: u32,
    /// Where the components are; `None` is where `cargo xtask guests` puts them.
    pub plugins: Option<PathBuf>,
    /// Which cloud controller the stand-in is.
    pub cc: Api,
}

impl Options {
    /// One gateway and one node for these offerings.
    #[must_use]
    pub fn of(offerings: &[&str]) -> Self {
        let offerings = offerings.iter().map(|&label| label.to_owned()).collect();
        Self { offerings, nodes: 1, gateways: 1, plugins: None, cc: Api::V1 }
    }

    /// What `tenon dev` is told.
    pub(crate) fn arguments(&self, directory: &Path) -> Vec<OsString> {
        let mut arguments = vec!["dev".into(), "--dir".into(), directory.into()];
        let offerings = self.offerings.join(",");
        let (nodes, gateways) = (self.nodes.to_string(), self.gateways.to_string());
        let cc = self.cc.as_str();
        let pairs =
            ["--offerings", &offerings, "--nodes", &nodes, "--gateways", &gateways, "--cc", cc];
        arguments.extend(pairs.map(Into::into));
        if let Some(plugins) = &self.plugins {
            arguments.extend(["--plugins".into(), plugins.into()]);
        }
        arguments
    }
}
