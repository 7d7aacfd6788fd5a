//! The one wasmtime engine of the process: pool, features switched off, and the ticker.
//!
//! Each setting's reason and price is in the project's notes on wasmtime; the short form: pooled
//! slots make a fresh sandbox cost microseconds, and what is off has had most of the escapes.

use std::num::NonZeroUsize;
use std::time::Duration;

use tenon_protocol::chain;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
    Strategy,
};

/// How often the epoch advances: the precision of a CPU budget.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Core instances, memories and tables that one component may have; Python guests have most.
const CORE_INSTANCES: u32 = 64;
const MEMORIES: u32 = 4;
const TABLES: u32 = 8;

/// Elements of a table. Guests in Rust, C and JavaScript need less.
const TABLE_ELEMENTS: usize = 20_000;

/// How guests get their memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allocation {
    /// From a pool with 4 GiB of address space a slot: no bounds checks, fastest.
    Pool,
    /// From a pool with small slots: for machines with little address space, some 20 % slower.
    SmallPool,
    /// From the system, call by call: where no pool can be reserved, some 3 times slower.
    OnDemand,
}

impl Allocation {
    /// As a metric's label.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Pool => "pool",
            Self::SmallPool => "small_pool",
            Self::OnDemand => "on_demand",
        }
    }
}

/// The engine, and which allocation it got.
#[derive(Clone)]
pub(crate) struct GuestEngine {
    pub(crate) engine: Engine,
    pub(crate) allocation: Allocation,
    /// Ceiling of one call's memory, in bytes.
    pub(crate) memory_bytes: usize,
}

impl GuestEngine {
    /// An engine for `calls` calls at once, each with at most `memory_bytes` of memory.
    ///
    /// Falls back step by step where address space is short, and says so in the log.
    ///
    /// # Errors
    ///
    /// wasmtime's error when not even the last step works.
    pub(crate) fn new(calls: u32, memory_bytes: usize) -> wasmtime::Result<Self> {
        for allocation in [Allocation::Pool, Allocation::SmallPool] {
            match Engine::new(&config(calls, memory_bytes, allocation)) {
                Ok(engine) => return Ok(Self::ticking(engine, allocation, memory_bytes)),
                Err(error) => {
                    tracing::warn!(error = %chain(&*error), ?allocation, "guests get a slower allocation");
                }
            }
        }
        let engine = Engine::new(&config(calls, memory_bytes, Allocation::OnDemand))?;
        Ok(Self::ticking(engine, Allocation::OnDemand, memory_bytes))
    }

    fn ticking(engine: Engine, allocation: Allocation, memory_bytes: usize) -> Self {
        tick(&engine);
        Self { engine, allocation, memory_bytes }
    }
}

/// Settings of an engine; the compiler's process uses them too, so that its output fits.
pub(super) fn config(calls: u32, memory_bytes: usize, allocation: Allocation) -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .epoch_interruption(true)
        .concurrency_support(false)
        .wasm_memory64(false)
        .relaxed_simd_deterministic(true)
        .max_wasm_stack(512 << 10)
        .async_stack_size(2 << 20)
        .native_unwind_info(false)
        .wasm_backtrace_max_frames(NonZeroUsize::new(20))
        .memory_init_cow(true)
        .guard_before_linear_memory(true);
    match allocation {
        Allocation::Pool => {
            config.allocation_strategy(pool(calls, memory_bytes));
        }
        Allocation::SmallPool => {
            config.memory_reservation(memory_bytes as u64);
            config.allocation_strategy(pool(calls, memory_bytes));
        }
        Allocation::OnDemand => {}
    }
    config
}

fn pool(calls: u32, memory_bytes: usize) -> InstanceAllocationStrategy {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(calls)
        .total_core_instances(calls.saturating_mul(8))
        .total_memories(calls.saturating_mul(2))
        .total_tables(calls.saturating_mul(4))
        .total_stacks(calls)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .max_memory_size(memory_bytes)
        .table_elements(TABLE_ELEMENTS)
        .max_unused_warm_slots(calls.min(64))
        .linear_memory_keep_resident(256 << 10)
        .table_keep_resident(64 << 10)
        .async_stack_keep_resident(0)
        .pagemap_scan(Enabled::Auto);
    InstanceAllocationStrategy::Pooling(pool)
}

/// Advances the epoch for as long as the engine lives.
///
/// A thread of its own: on a runtime, guests that spin on every worker would stop the clock that
/// is to stop them.
#[expect(clippy::disallowed_methods, reason = "a clock sleeps; this thread does nothing else")]
fn tick(engine: &Engine) {
    let weak = engine.weak();
    let ticker = move || {
        while let Some(engine) = weak.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(TICK);
        }
    };
    let thread = std::thread::Builder::new().name("guest-ticker".to_owned());
    thread.spawn(ticker).expect("a process that cannot start one thread cannot run guests");
}
