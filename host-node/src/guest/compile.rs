//! From a component to machine code: in a child process with limits, once for each component.
//!
//! wasmtime does not count a compiler that eats time or memory as a security bug, so a component
//! that makes it do so must not take the node along. What comes back is machine code and trusted:
//! its directory belongs to the node alone, and its digest is kept in the ledger.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use cap_std::fs::Dir;
use sha2::{Digest, Sha256};
use tenon_protocol::chain;
use tokio::process::Command;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::engine::{Allocation, GuestEngine, config};
use crate::ledger::{Ledger, LedgerError};

/// What one compilation may take: wall clock, CPU seconds, bytes of address space.
const WALL: Duration = Duration::from_secs(120);
const CPU_SECONDS: u64 = 120;
const ADDRESS_SPACE: u64 = 8 << 30;

/// Bytes of the compiler's complaint that are kept.
const COMPLAINT: usize = 500;

/// Why a component has no machine code.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompileError {
    /// The compiler refused it, or ran out of its limits.
    #[error("the component cannot be compiled: {0}")]
    Refused(String),
    /// The compiler could not be started, or its output not be read.
    #[error("the compiler cannot be run")]
    Process(#[source] std::io::Error),
    /// It took longer than [`WALL`].
    #[error("the component takes longer than {WALL:?} to compile")]
    TooSlow,
    /// The digest could not be kept.
    #[error("the compiled component cannot be recorded")]
    Ledger(#[from] LedgerError),
    /// The compiled form does not fit this engine.
    #[error("the compiled component cannot be loaded: {0}")]
    Unusable(String),
}

/// The cache of machine code.
#[derive(Clone)]
pub(crate) struct Compiler {
    /// This program, which compiles when it is called with `compile`.
    pub(crate) program: PathBuf,
    pub(crate) dir: Arc<Dir>,
    /// The same directory, for the child.
    pub(crate) path: PathBuf,
    pub(crate) ledger: Ledger,
}

impl Compiler {
    /// The component `wasm`, compiled now or earlier.
    ///
    /// # Errors
    ///
    /// [`CompileError`]; nothing is loaded.
    pub(crate) async fn component(
        &self,
        engine: &GuestEngine,
        wasm: &[u8],
        sha256: &str,
    ) -> Result<Component, CompileError> {
        let name = format!("{sha256}-{:016x}", compatibility(&engine.engine));
        if let Some(code) = self.cached(&name)? {
            match load(&engine.engine, &code) {
                Ok(component) => return Ok(component),
                Err(error) => {
                    tracing::warn!(error = %chain(&error), name, "a compiled component is made anew")
                }
            }
        }
        let code = self.compile(engine, wasm, &name).await?;
        let digest = hex::encode(Sha256::digest(&code));
        let fact = fact(&name);
        self.ledger.update(move |book| book.put_fact(&fact, digest.as_bytes())).await?;
        load(&engine.engine, &code)
    }

    /// Machine code from the cache, if it is what was put there.
    fn cached(&self, name: &str) -> Result<Option<Vec<u8>>, CompileError> {
        let Some(expected) = self.ledger.read(|view| view.fact(&fact(name)))? else {
            return Ok(None);
        };
        let Ok(code) = self.dir.read(format!("{name}.cwasm")) else {
            return Ok(None);
        };
        let digest = hex::encode(Sha256::digest(&code));
        if digest.as_bytes() == expected {
            return Ok(Some(code));
        }
        tracing::warn!(name, "a compiled component was altered, and is made anew");
        Ok(None)
    }

    async fn compile(
        &self,
        engine: &GuestEngine,
        wasm: &[u8],
        name: &str,
    ) -> Result<Vec<u8>, CompileError> {
        let input = format!("{name}.wasm");
        let output = format!("{name}.cwasm");
        self.dir.write(&input, wasm).map_err(CompileError::Process)?;
        let child = Command::new(&self.program)
            .arg("compile")
            .arg(self.path.join(&input))
            .arg(self.path.join(&output))
            .arg(engine.allocation.as_str())
            .arg(engine.memory_bytes.to_string())
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .output();
        let child = tokio::time::timeout(WALL, child).await;
        drop(self.dir.remove_file(&input));
        let child = child.map_err(|_elapsed| CompileError::TooSlow)?;
        let child = child.map_err(CompileError::Process)?;
        if !child.status.success() {
            let text = String::from_utf8_lossy(&child.stderr);
            let text = text.trim().chars().take(COMPLAINT).collect::<String>();
            return Err(CompileError::Refused(format!("{} ({text})", child.status)));
        }
        self.dir.read(&output).map_err(CompileError::Process)
    }
}

/// The body of the hidden command `compile INPUT OUTPUT ALLOCATION MEMORY`.
///
/// # Errors
///
/// wasmtime's or the system's error, as text.
#[expect(clippy::disallowed_methods, reason = "a process of its own that is given two paths")]
pub fn compile_command(
    input: &Path,
    output: &Path,
    allocation: &str,
    memory_bytes: usize,
) -> Result<(), String> {
    limit_this_process()?;
    // Only the size of a memory's reservation goes into machine code; a pool is not needed here.
    let mut config = config(1, memory_bytes, Allocation::OnDemand);
    if allocation == Allocation::SmallPool.as_str() {
        config.memory_reservation(memory_bytes as u64);
    }
    let engine = Engine::new(&config).map_err(|error| error.to_string())?;
    let wasm = std::fs::read(input).map_err(|error| error.to_string())?;
    let code = engine.precompile_component(&wasm).map_err(|error| format!("{error:#}"))?;
    let aside = output.with_extension("new");
    // Written aside and renamed: a crash leaves the whole file or none.
    std::fs::write(&aside, code).map_err(|error| error.to_string())?;
    std::fs::rename(&aside, output).map_err(|error| error.to_string())
}

fn limit_this_process() -> Result<(), String> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    for (resource, most) in [(Resource::Cpu, CPU_SECONDS), (Resource::As, ADDRESS_SPACE)] {
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        setrlimit(resource, limit).map_err(|error| error.to_string())?;
    }
    Ok(())
}

#[expect(unsafe_code, reason = "machine code is mapped; its digest was just compared")]
fn load(engine: &Engine, code: &[u8]) -> Result<Component, CompileError> {
    // SAFETY: `code` was made by `Engine::precompile_component` of this program. It was read once
    // into memory, and its SHA-256 is the one that the ledger has of what the compiler wrote.
    unsafe { Component::deserialize(engine, code) }
        // The whole chain: its end says what does not fit, for example how much memory.
        .map_err(|error| CompileError::Unusable(format!("{error:#}")))
}

/// Changes with the engine's version and settings, so that old machine code is not looked at.
fn compatibility(engine: &Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

fn fact(name: &str) -> String {
    format!("compiled/{name}")
}
