//! What a Tenon service is written with.
//!
//! A service is a WebAssembly component: a node calls it in a fresh sandbox for each request, lends
//! it what the operator granted, and records what it answers. Its author implements a trait for
//! each interface that the service has, and exports them with one macro:
//!
//! ```
//! use tenon_guest::{
//!     Binding, BindingRef, Call, Credential, Error, Instance, InventoryPage, Offering, Parameters,
//!     Result, Service,
//! };
//!
//! struct Mailbox;
//!
//! tenon_guest::export!(Mailbox: Service);
//!
//! impl Service for Mailbox {
//!     fn describe() -> Offering {
//!         Offering::new("mailbox", "A directory for letters", env!("CARGO_PKG_VERSION"))
//!     }
//!
//!     fn provision(
//!         cx: &Call<'_>, instance: &Instance, _: &Parameters, _: Option<&Credential>,
//!     ) -> Result<Credential> {
//!         let root = cx.files().create(&instance.id, Some(1 << 20))?;
//!         Ok(Credential::new().public("path", root.host_path()))
//!     }
//!
//!     fn unprovision(cx: &Call<'_>, instance: &Instance, _: &[Binding]) -> Result<()> {
//!         Ok(cx.files().destroy(&instance.id)?)
//!     }
//!
//!     fn bind(
//!         cx: &Call<'_>, binding: &BindingRef, _: &Parameters, _: Option<&Credential>,
//!     ) -> Result<Credential> {
//!         let root = cx.files().open(&binding.instance.id, None)?;
//!         Ok(Credential::new().public("path", root.host_path()))
//!     }
//!
//!     fn unbind(_: &Call<'_>, _: &Binding) -> Result<()> {
//!         Ok(())
//!     }
//!
//!     fn inventory(cx: &Call<'_>, _: Option<&str>) -> Result<InventoryPage> {
//!         let instances = cx.files().labels(None, 1_000)?;
//!         Ok(InventoryPage { instances, ..InventoryPage::default() })
//!     }
//! }
//!
//! // Natively, capabilities are fakes: a service's own tests need no server.
//! let world = tenon_guest::fake::World::new();
//! let box_1 = Instance { id: "box-1".into(), plan: "free".into(), version: "1".into() };
//! let made = world.call(|cx| Mailbox::provision(cx, &box_1, &Parameters::new(), None))?;
//! assert_eq!(made.require("path"), Ok("/srv/files/box-1".to_owned()));
//! # Ok::<(), Error>(())
//! ```
//!
//! Built for `wasm32-unknown-unknown`, that is a component which imports the interfaces that it
//! uses and no others. Natively the same code runs over [`fake`]s.

#[doc(hidden)]
pub mod __private {
    //! For the code that `export!` writes.
    #[cfg(target_arch = "wasm32")]
    pub use crate::bindings;
    #[cfg(target_arch = "wasm32")]
    pub use crate::export::Adapter;
}

#[doc(hidden)]
pub mod bindings;
pub mod blob;
mod call;
mod credential;
mod error;
mod export;
mod facts;
#[cfg(not(target_arch = "wasm32"))]
pub mod fake;
pub mod files;
mod health;
mod host;
mod json;
pub mod log;
pub mod mysql;
mod offering;
mod parameters;
pub mod secrets;
mod service;
pub mod state;

pub use bindings::imports::tenon::service::types::{
    BindingRef, ErrorKind, FoundBinding, Health, HealthReport, InstanceRef as Instance,
    InventoryPage, Usage,
};
pub use call::Call;
pub use credential::Credential;
pub use error::{Error, Result};
pub use facts::Facts;
pub use offering::Offering;
pub use parameters::Parameters;
pub use serde_json::{Value, json};
pub use service::{
    Binding, Maintenance, Metering, Migration, Move, Service, Snapshots, Suspension, Task, Writes,
};
