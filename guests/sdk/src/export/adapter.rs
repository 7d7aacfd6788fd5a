//! Implements the generated traits for whoever implements ours. Translates, decides nothing.

use std::marker::PhantomData;

use super::panic::report_panics;
use crate::bindings::imports::tenon::host::{blob, context};
use crate::bindings::imports::tenon::service::types;
use crate::bindings::{lifecycle, maintenance, metering, migration, snapshots, suspension};
use crate::blob::{Sink, Source};
use crate::{
    Binding, BindingRef, Call, Credential, FoundBinding, HealthReport, Instance, InventoryPage,
    Maintenance, Metering, Migration, Move, Service, Snapshots, Suspension, Usage, Writes,
};

/// What the generated code calls.
pub struct Adapter<T>(PhantomData<T>);

type Answer<T> = Result<T, types::Error>;
type Attrs = Vec<(String, String)>;

impl<T: Service> lifecycle::exports::tenon::service::lifecycle::Guest for Adapter<T> {
    fn describe() -> Answer<types::Offering> {
        report_panics();
        Ok(T::describe().into())
    }

    fn provision(
        cx: &context::Call,
        instance: Instance,
        parameters: Attrs,
        reuse: Option<types::Credential>,
    ) -> Answer<types::Credential> {
        report_panics();
        let reuse = reuse.map(Credential::from);
        let made = T::provision(&Call::new(cx), &instance, &parameters.into(), reuse.as_ref())?;
        Ok(made.into())
    }

    fn unprovision(
        cx: &context::Call,
        instance: Instance,
        bindings: Vec<types::Binding>,
    ) -> Answer<()> {
        report_panics();
        Ok(T::unprovision(&Call::new(cx), &instance, &ours(bindings))?)
    }

    fn bind(
        cx: &context::Call,
        binding: BindingRef,
        parameters: Attrs,
        reuse: Option<types::Credential>,
    ) -> Answer<types::Credential> {
        report_panics();
        let reuse = reuse.map(Credential::from);
        let made = T::bind(&Call::new(cx), &binding, &parameters.into(), reuse.as_ref())?;
        Ok(made.into())
    }

    fn unbind(cx: &context::Call, binding: types::Binding) -> Answer<()> {
        report_panics();
        Ok(T::unbind(&Call::new(cx), &binding.into())?)
    }

    fn inventory(cx: &context::Call, page: Option<String>) -> Answer<InventoryPage> {
        report_panics();
        Ok(T::inventory(&Call::new(cx), page.as_deref())?)
    }

    fn purge(
        cx: &context::Call,
        instances: Vec<Instance>,
        bindings: Vec<FoundBinding>,
    ) -> Answer<u32> {
        report_panics();
        Ok(T::purge(&Call::new(cx), &instances, &bindings)?)
    }

    fn health(cx: &context::Call, instance: Option<Instance>) -> Answer<HealthReport> {
        report_panics();
        Ok(T::health(&Call::new(cx), instance.as_ref())?)
    }
}

impl<T: Snapshots> snapshots::exports::tenon::service::snapshots::Guest for Adapter<T> {
    fn formats() -> Vec<String> {
        report_panics();
        T::formats()
    }

    fn snapshot(cx: &context::Call, instance: Instance, out: &blob::Sink) -> Answer<Attrs> {
        report_panics();
        let facts = T::snapshot(&Call::new(cx), &instance, &Sink::new(out))?;
        Ok(facts.into())
    }

    fn restore(
        cx: &context::Call,
        instance: Instance,
        input: &blob::Source,
        format: String,
    ) -> Answer<()> {
        report_panics();
        Ok(T::restore(&Call::new(cx), &instance, &Source::new(input), &format)?)
    }
}

impl<T: Suspension> suspension::exports::tenon::service::suspension::Guest for Adapter<T> {
    fn disable(
        cx: &context::Call,
        instance: Instance,
        owner: types::Credential,
        bindings: Vec<types::Binding>,
    ) -> Answer<()> {
        report_panics();
        Ok(T::disable(&Call::new(cx), &instance, &owner.into(), &ours(bindings))?)
    }

    fn enable(
        cx: &context::Call,
        instance: Instance,
        owner: types::Credential,
        bindings: Vec<types::Binding>,
    ) -> Answer<()> {
        report_panics();
        Ok(T::enable(&Call::new(cx), &instance, &owner.into(), &ours(bindings))?)
    }
}

impl<T: Metering> metering::exports::tenon::service::metering::Guest for Adapter<T> {
    fn measure(cx: &context::Call, instance: Instance) -> Answer<Usage> {
        report_panics();
        Ok(T::measure(&Call::new(cx), &instance)?)
    }

    fn enforce(
        cx: &context::Call,
        instance: Instance,
        owner: types::Credential,
        bindings: Vec<types::Binding>,
        block_writes: bool,
    ) -> Answer<()> {
        report_panics();
        let writes = if block_writes { Writes::Blocked } else { Writes::Allowed };
        Ok(T::enforce(&Call::new(cx), &instance, &owner.into(), &ours(bindings), writes)?)
    }
}

impl<T: Migration> migration::exports::tenon::service::migration::Guest for Adapter<T> {
    fn adopt(
        cx: &context::Call,
        instance: Instance,
        owner: types::Credential,
        bindings: Vec<types::Binding>,
    ) -> Answer<(types::Credential, Vec<types::Binding>)> {
        report_panics();
        let (owner, bindings) =
            T::adopt(&Call::new(cx), &instance, &owner.into(), &ours(bindings))?;
        Ok((owner.into(), bindings.into_iter().map(types::Binding::from).collect()))
    }

    fn finish(
        cx: &context::Call,
        instance: Instance,
        owner: types::Credential,
        bindings: Vec<types::Binding>,
        moved: bool,
    ) -> Answer<()> {
        report_panics();
        let outcome = if moved { Move::Succeeded } else { Move::Failed };
        Ok(T::finish(&Call::new(cx), &instance, &owner.into(), &ours(bindings), outcome)?)
    }
}

impl<T: Maintenance> maintenance::exports::tenon::service::maintenance::Guest for Adapter<T> {
    fn tasks() -> Vec<maintenance::exports::tenon::service::maintenance::Task> {
        report_panics();
        T::tasks()
            .into_iter()
            .map(|task| maintenance::exports::tenon::service::maintenance::Task {
                name: task.name,
                every_seconds: task.every_seconds,
            })
            .collect()
    }

    fn run(cx: &context::Call, task: String) -> Answer<()> {
        report_panics();
        Ok(T::run(&Call::new(cx), &task)?)
    }
}

fn ours(bindings: Vec<types::Binding>) -> Vec<Binding> {
    bindings.into_iter().map(Binding::from).collect()
}

impl From<types::Binding> for Binding {
    fn from(raw: types::Binding) -> Self {
        let BindingRef { id, instance } = raw.binding;
        Self { id, instance, credential: raw.credential.into() }
    }
}

impl From<Binding> for types::Binding {
    fn from(binding: Binding) -> Self {
        let Binding { id, instance, credential } = binding;
        Self { binding: BindingRef { id, instance }, credential: credential.into() }
    }
}
