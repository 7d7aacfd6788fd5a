//! Many calls in one store: what no node does, measured to know the price of not doing it.

use std::sync::Arc;
use std::time::Duration;

use tenon_protocol::chain;
use wasmtime::Store;
use wasmtime::component::Resource;

use super::call::{Guests, arm, bench_context};
use super::calls::GuestCall;
use super::failure::GuestFailure;
use super::generation::Generation;
use super::meter::Meter;
use super::plugin::Plugin;
use super::store::{Access, CallState, Grants};
use crate::capability::context::Call;

/// A store that is kept.
pub(crate) struct Reused {
    store: Store<CallState>,
    instance: wasmtime::component::Instance,
    generation: Arc<Generation>,
}

impl Reused {
    /// Instantiates the generation of `plugin` that serves, once.
    ///
    /// # Errors
    ///
    /// [`GuestFailure`].
    pub(crate) async fn open(
        guests: &Guests,
        plugin: &Plugin,
        grants: &Arc<Grants>,
    ) -> Result<Self, GuestFailure> {
        let generation = plugin.current().ok_or(GuestFailure::NotLoaded)?;
        let context = bench_context(guests, grants);
        let state = CallState::new(grants, context, Access::Granted, guests.engine.memory_bytes);
        let mut store = Store::new(&guests.engine.engine, state);
        arm(&mut store, &Meter::new(Duration::from_secs(3_600)));
        let instance = generation.instantiate(&mut store).await.map(|exports| exports.instance());
        let instance = instance.map_err(|error| GuestFailure::from_wasmtime(&error))?;
        Ok(Self { store, instance, generation })
    }

    /// One more call.
    ///
    /// # Errors
    ///
    /// [`GuestFailure`]; the store cannot be used any more.
    pub(crate) async fn call<C: GuestCall>(&mut self, call: C) -> Result<C::Output, GuestFailure> {
        let host = |error: &wasmtime::Error| GuestFailure::from_wasmtime(error);
        let pushed = self.store.data_mut().table.push(Call);
        let cx = pushed.map_err(|error| GuestFailure::Host(chain(&error).to_string()))?;
        let exports = self.generation.exports(self.instance);
        let lent = Resource::new_borrow(cx.rep());
        let outcome = call.run(&mut self.store, &exports, lent).await;
        let deleted = self.store.data_mut().table.delete(cx);
        deleted.map_err(|error| GuestFailure::Host(chain(&error).to_string()))?;
        outcome.map_err(|error| host(&error))?
    }
}
