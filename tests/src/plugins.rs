//! Plugins of a running platform: which generation serves, and putting another in its place.

use std::time::Duration;

use serde::Deserialize;

use crate::error::HarnessError;
use crate::platform::Platform;
use crate::wait::wait_until;

/// A debug build compiles a component in seconds, and other tests run beside.
const SWAP_DEADLINE: Duration = Duration::from_secs(120);

/// What a node says of one plugin.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PluginState {
    /// The offering.
    pub label: String,
    /// Of the component that serves; `None` while none does.
    pub sha256: Option<String>,
    /// Generations that took over from another.
    pub swaps: u64,
}

impl Platform {
    /// The component of an offering, as it lies in the nodes' folder.
    ///
    /// # Errors
    ///
    /// [`HarnessError::Disk`] when there is none.
    pub fn component(&self, label: &str) -> Result<Vec<u8>, HarnessError> {
        let path = format!("plugins/{label}.wasm");
        let disk = |source| HarnessError::Disk { path: self.root().join(&path), source };
        self.dir()?.read(&path).map_err(disk)
    }

    /// Puts another component in the place of an offering's, in one step, and does not wait.
    ///
    /// # Errors
    ///
    /// [`HarnessError::Disk`] when it cannot be written.
    pub fn put_component(&self, label: &str, component: &[u8]) -> Result<(), HarnessError> {
        let path = format!("plugins/{label}.wasm");
        let aside = format!("plugins/{label}.new");
        let dir = self.dir()?;
        let disk = |source| HarnessError::Disk { path: self.root().join(&path), source };
        // A node that watches the folder never meets half a component.
        dir.write(&aside, component).and_then(|()| dir.rename(&aside, &dir, &path)).map_err(disk)
    }

    /// Puts another component in the place of an offering's, and waits until every node serves it.
    ///
    /// # Errors
    ///
    /// [`HarnessError::TimedOut`] when a node stays with the one it has.
    pub async fn swap(&self, label: &str, component: &[u8]) -> Result<(), HarnessError> {
        let before = self.swaps(label).await?;
        self.put_component(label, component)?;
        let what = format!("every node serves the new {label}");
        wait_until(&what, SWAP_DEADLINE, async || {
            let after = self.swaps(label).await.ok()?;
            let is_done = before.iter().zip(&after).all(|(before, after)| after > before);
            is_done.then_some(())
        })
        .await
    }

    /// How often the plugin of an offering was replaced, on each node.
    ///
    /// # Errors
    ///
    /// [`HarnessError::Http`] when a node does not answer.
    pub async fn swaps(&self, label: &str) -> Result<Vec<u64>, HarnessError> {
        let mut swaps = Vec::new();
        for node in self.dev_file()?.nodes.iter().filter(|node| node.offering == label) {
            let states = plugin_states(&node.health).await?;
            swaps.extend(states.iter().filter(|state| state.label == label).map(|s| s.swaps));
        }
        Ok(swaps)
    }
}

/// What the node whose health page is at `health` says of its plugins.
///
/// # Errors
///
/// [`HarnessError::Http`] when it does not answer.
pub async fn plugin_states(health: &str) -> Result<Vec<PluginState>, HarnessError> {
    let text = crate::http::client()?.get(format!("{health}/plugins")).send().await?;
    let text = text.error_for_status()?.text().await?;
    serde_json::from_str(&text).map_err(|error| HarnessError::Form(text, error))
}
