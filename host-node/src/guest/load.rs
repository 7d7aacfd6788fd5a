//! From a file to a generation that may serve: verified, compiled, linked, probed.
//!
//! Everything here happens off the path of requests; the generation that serves stays until the
//! next one has passed all of it.

use std::sync::Arc;

use cap_std::fs::Dir;
use sha2::{Digest, Sha256};
use wasmtime::component::{Component, Linker};

use super::call::Guests;
use super::calls::{Describe, Health};
use super::compile::{CompileError, Compiler};
use super::engine::Allocation;
use super::failure::GuestFailure;
use super::generation::Generation;
use super::store::{Access, CallState, Grants};
use super::wit;
use crate::capability::{blob, context, files, log, mysql, secrets, state};
use crate::config::Capability;

/// Largest component that is read.
const MAX_COMPONENT: u64 = 32 << 20;

/// Interfaces that every guest may use.
const ALWAYS: [&str; 3] = ["tenon:host/context", "tenon:host/log", "tenon:service/types"];

/// Why a plugin is not loaded. What served before goes on serving.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// The file is not there or cannot be read.
    #[error("{file} cannot be read")]
    Read {
        /// Which file.
        file: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is larger than a component may be.
    #[error("{file} has {bytes} bytes; a component may have {MAX_COMPONENT}")]
    TooLarge {
        /// Which file.
        file: String,
        /// Its size.
        bytes: u64,
    },
    /// It is no component, or the compiler refused it.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// It imports what the operator did not grant, or what no node lends.
    #[error("the component imports {import}, which is not granted: {hint}")]
    NotGranted {
        /// The import.
        import: String,
        /// What to do.
        hint: String,
    },
    /// It needs more than a call may have.
    #[error("the component needs {needs}, more than a call may have: {most}")]
    TooMuch {
        /// What it needs.
        needs: String,
        /// The bound.
        most: String,
    },
    /// It does not export `lifecycle`, or imports or exports functions of other types.
    #[error("the component does not fit the contract: {0}")]
    Unfit(String),
    /// It says that it is another plugin.
    #[error("the component says that it is {says:?}; as {label}.wasm it must be {label:?}")]
    Label {
        /// The label in the configuration.
        label: String,
        /// What `describe` says.
        says: String,
    },
    /// It failed to describe itself, or its health probe trapped.
    #[error("the component failed its {probe}: {failure}")]
    Probe {
        /// `describe` or `health`.
        probe: &'static str,
        /// How.
        failure: GuestFailure,
    },
}

/// Reads `<label>.wasm` and its digest.
///
/// # Errors
///
/// [`LoadError::Read`] or [`LoadError::TooLarge`].
pub(super) fn read(dir: &Dir, label: &str) -> Result<(Vec<u8>, String), LoadError> {
    let file = format!("{label}.wasm");
    let unreadable = |source| LoadError::Read { file: file.clone(), source };
    let bytes = dir.metadata(&file).map_err(unreadable)?.len();
    if bytes > MAX_COMPONENT {
        return Err(LoadError::TooLarge { file, bytes });
    }
    let wasm = dir.read(&file).map_err(unreadable)?;
    let sha256 = hex::encode(Sha256::digest(&wasm));
    Ok((wasm, sha256))
}

/// Makes a generation of `wasm` that may serve.
///
/// # Errors
///
/// [`LoadError`], naming what is wrong with the component.
pub(super) async fn load(
    guests: &Guests,
    compiler: &Compiler,
    grants: &Arc<Grants>,
    wasm: &[u8],
    sha256: &str,
) -> Result<Arc<Generation>, LoadError> {
    let component = compiler.component(&guests.engine, wasm, sha256).await?;
    check_imports(guests, &component, &grants.capabilities)?;
    check_size(guests, &component)?;
    let unfit = |error: wasmtime::Error| LoadError::Unfit(format!("{error:#}"));
    let linker = linker(guests, &grants.capabilities).map_err(unfit)?;
    let pre = linker.instantiate_pre(&component).map_err(unfit)?;
    let generation = Arc::new(Generation::new(sha256.to_owned(), pre).map_err(unfit)?);
    probe(guests, grants, &generation).await?;
    Ok(generation)
}

/// Names the first import that is not granted: this is the capability check.
fn check_imports(
    guests: &Guests,
    component: &Component,
    granted: &[Capability],
) -> Result<(), LoadError> {
    let engine = &guests.engine.engine;
    for (import, _) in component.component_type().imports(engine) {
        let interface = import.split_once('@').map_or(import, |(name, _)| name);
        let allowed = ALWAYS.contains(&interface)
            || granted.iter().any(|capability| capability.interface() == interface)
            // Types of sinks and sources come along with the interfaces that use them.
            || (interface == Capability::Blob.interface() && granted.iter().any(|c| c.uses_blob()));
        if !allowed {
            let hint = interface.strip_prefix("tenon:host/").map_or_else(
                || "a node lends only tenon:host interfaces".to_owned(),
                |name| format!("add {name:?} to `capabilities` of the offering to grant it"),
            );
            return Err(LoadError::NotGranted { import: import.to_owned(), hint });
        }
    }
    Ok(())
}

fn check_size(guests: &Guests, component: &Component) -> Result<(), LoadError> {
    let Some(needs) = component.resources_required() else { return Ok(()) };
    let memory = needs.max_initial_memory_size.unwrap_or(0);
    let most = guests.engine.memory_bytes as u64;
    if memory > most && guests.engine.allocation != Allocation::OnDemand {
        return Err(LoadError::TooMuch {
            needs: format!("{memory} bytes of memory to start"),
            most: format!("{most} (guests.memory_mib)"),
        });
    }
    Ok(())
}

/// Links exactly what is granted.
fn linker(guests: &Guests, granted: &[Capability]) -> wasmtime::Result<Linker<CallState>> {
    let mut linker = Linker::new(&guests.engine.engine);
    context::add_to_linker(&mut linker, CallState::context)?;
    log::add_to_linker(&mut linker, CallState::log)?;
    if granted.iter().any(|capability| capability.uses_blob()) {
        blob::add_to_linker(&mut linker, CallState::blob)?;
    }
    for capability in granted {
        match capability {
            Capability::Mysql => mysql::add_to_linker(&mut linker, CallState::mysql)?,
            Capability::Files => files::add_to_linker(&mut linker, CallState::files)?,
            Capability::State => state::add_to_linker(&mut linker, CallState::state)?,
            Capability::Secrets => secrets::add_to_linker(&mut linker, CallState::secrets)?,
            Capability::Blob => {}
        }
    }
    Ok(linker)
}

/// Asks the component who it is, with nothing granted, and how it is.
///
/// A service that is not well (its server is away) is loaded all the same: the node must serve
/// again when the server is back. One that traps is not.
async fn probe(
    guests: &Guests,
    grants: &Arc<Grants>,
    generation: &Arc<Generation>,
) -> Result<(), LoadError> {
    let failed = |probe| move |failure| LoadError::Probe { probe, failure };
    let offering = guests.probe(generation, grants, Describe, Access::Denied).await;
    let says = offering.map_err(failed("describe"))?.label;
    if says != grants.plugin {
        return Err(LoadError::Label { label: grants.plugin.clone(), says });
    }
    match guests.probe(generation, grants, Health {}, Access::Granted).await {
        Ok(report) => {
            if !matches!(report.status, wit::Health::Ok) {
                tracing::warn!(plugin = grants.plugin, detail = report.detail, "loaded, not well");
            }
            Ok(())
        }
        Err(failure @ GuestFailure::Refused(_)) => {
            tracing::warn!(plugin = grants.plugin, %failure, "loaded, not well");
            Ok(())
        }
        Err(failure) => Err(LoadError::Probe { probe: "health", failure }),
    }
}
