//! Directories as a service: one for each instance, for applications on the same host.
//!
//! Decides what exists and what it is called; the node's `files` capability does it. A binding
//! makes nothing: it tells an application where the directory is and what it is meant to do there.

mod credential;
mod directory;
mod metering;
mod moving;
mod snapshot;
#[cfg(test)]
mod tests;

use tenon_guest::{
    Binding, BindingRef, Call, Credential, HealthReport, Instance, InventoryPage, Offering,
    Parameters, Result, Service, json,
};

struct Files;

tenon_guest::export!(Files: Service + Snapshots + Suspension + Migration + Metering);

/// Most names in a page of the inventory; the node gives no more at once.
const PAGE: u32 = 1_000;

impl Service for Files {
    fn describe() -> Offering {
        Offering::new("files", "Directory on the node", env!("CARGO_PKG_VERSION"))
            .tag("filesystem")
            .bind_schema(&json!({
                "type": "object",
                "properties": {"mode": {"enum": ["rw", "ro"]}},
            }))
    }

    /// A credential from elsewhere is of no use: it tells a path on another node.
    fn provision(
        cx: &Call<'_>,
        instance: &Instance,
        _parameters: &Parameters,
        _reuse: Option<&Credential>,
    ) -> Result<Credential> {
        let root = directory::create(cx, instance)?;
        Ok(credential::of_instance(instance, &root))
    }

    fn unprovision(cx: &Call<'_>, instance: &Instance, _bindings: &[Binding]) -> Result<()> {
        Ok(cx.files().destroy(&instance.id)?)
    }

    fn bind(
        cx: &Call<'_>,
        binding: &BindingRef,
        parameters: &Parameters,
        _reuse: Option<&Credential>,
    ) -> Result<Credential> {
        let mode = credential::mode_asked_for(parameters)?;
        let root = directory::open(cx, &binding.instance)?;
        Ok(credential::of_binding(&binding.instance, &root, mode))
    }

    fn unbind(_cx: &Call<'_>, _binding: &Binding) -> Result<()> {
        Ok(())
    }

    /// Directories only: of a binding there is nothing to be found.
    fn inventory(cx: &Call<'_>, page: Option<&str>) -> Result<InventoryPage> {
        let instances = cx.files().labels(page, PAGE)?;
        let full = instances.len() >= PAGE as usize;
        let next = if full { instances.last().cloned() } else { None };
        Ok(InventoryPage { instances, bindings: Vec::new(), next })
    }

    fn health(cx: &Call<'_>, instance: Option<&Instance>) -> Result<HealthReport> {
        match instance {
            Some(instance) => directory::health(cx, instance),
            None => Ok(cx.files().labels(None, 1).map(|_| HealthReport::ok())?),
        }
    }
}
