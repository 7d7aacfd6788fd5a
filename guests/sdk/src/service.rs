//! What a service implements: one trait for each interface of the contract.
//!
//! Every call may come twice, with the same operation id or after a crash with another one, and
//! has to end in the same state. Nothing in memory survives a call.

use serde_json::{Map, Value};

use crate::blob::{Sink, Source};
use crate::{
    BindingRef, Call, Credential, Error, Facts, FoundBinding, HealthReport, Instance,
    InventoryPage, Offering, Parameters, Result, Usage,
};

/// What every service is.
pub trait Service {
    /// What can be ordered. Called when the plugin is loaded, with nothing granted.
    fn describe() -> Offering;

    /// Makes an instance. `reuse` is the credential that it had elsewhere, when it is recovered
    /// or moved; it has to go on working.
    ///
    /// # Errors
    /// Whatever hinders it. What was made until then is found again by the next attempt.
    fn provision(
        cx: &Call<'_>,
        instance: &Instance,
        parameters: &Parameters,
        reuse: Option<&Credential>,
    ) -> Result<Credential>;

    /// Removes the instance and its bindings. Succeeds when they are gone.
    ///
    /// # Errors
    /// Whatever hinders it; it is called again until it succeeds.
    fn unprovision(cx: &Call<'_>, instance: &Instance, bindings: &[Binding]) -> Result<()>;

    /// Gives an application access. `reuse` as in [`Service::provision`].
    ///
    /// # Errors
    /// Not found when there is no such instance; otherwise whatever hinders it.
    fn bind(
        cx: &Call<'_>,
        binding: &BindingRef,
        parameters: &Parameters,
        reuse: Option<&Credential>,
    ) -> Result<Credential>;

    /// Takes the access away. Succeeds when it is gone.
    ///
    /// # Errors
    /// Whatever hinders it; it is called again until it succeeds.
    fn unbind(cx: &Call<'_>, binding: &Binding) -> Result<()>;

    /// A page of what is really there, whatever anybody's record says. `page` is the `next` of
    /// the page before; `None` asks for the first.
    ///
    /// # Errors
    /// Whatever hinders it. Half a list is an error: what is missing would seem to be lost.
    fn inventory(cx: &Call<'_>, page: Option<&str>) -> Result<InventoryPage>;

    /// Removes what nobody owns: what [`Service::inventory`] named and the platform does not
    /// know. Returns how many things are gone.
    ///
    /// Instances are unprovisioned, unless the service knows better. A service whose inventory
    /// names bindings has to write its own.
    ///
    /// # Errors
    /// Whatever hinders it; internal when it is asked to purge bindings and does not know how.
    fn purge(cx: &Call<'_>, instances: &[Instance], bindings: &[FoundBinding]) -> Result<u32> {
        if !bindings.is_empty() {
            return Err(Error::internal(0, "the service does not know how to purge bindings"));
        }
        let mut purged = 0;
        for instance in instances {
            Self::unprovision(cx, instance, &[])?;
            purged += 1;
        }
        Ok(purged)
    }

    /// Whether the service, or one instance, does what it is for.
    ///
    /// Healthy whenever it is asked, unless the service knows better: right for one that needs
    /// nothing but itself.
    ///
    /// # Errors
    /// When it cannot be found out.
    fn health(_cx: &Call<'_>, _instance: Option<&Instance>) -> Result<HealthReport> {
        Ok(HealthReport::ok())
    }
}

/// Optional: saves an instance's data and brings it back.
pub trait Snapshots: Service {
    /// Tags of the formats that [`Snapshots::restore`] reads; [`Snapshots::snapshot`] writes the
    /// first.
    fn formats() -> Vec<String>;

    /// Writes the instance's data to `out`. The result is kept with the snapshot.
    ///
    /// # Errors
    /// Whatever hinders it; what was written is thrown away.
    fn snapshot(cx: &Call<'_>, instance: &Instance, out: &Sink<'_>) -> Result<Facts>;

    /// Replaces the instance's data.
    ///
    /// # Errors
    /// Whatever hinders it; the data is then as it was.
    fn restore(cx: &Call<'_>, instance: &Instance, input: &Source<'_>, format: &str) -> Result<()>;
}

/// Optional: shuts an instance off without losing it.
pub trait Suspension: Service {
    /// Nobody can use the instance from now on.
    ///
    /// # Errors
    /// Whatever hinders it.
    fn disable(
        cx: &Call<'_>,
        instance: &Instance,
        owner: &Credential,
        bindings: &[Binding],
    ) -> Result<()>;

    /// All credentials work again as they did.
    ///
    /// # Errors
    /// Whatever hinders it.
    fn enable(
        cx: &Call<'_>,
        instance: &Instance,
        owner: &Credential,
        bindings: &[Binding],
    ) -> Result<()>;
}

/// Optional: how much an instance uses, and what happens beyond its plan.
pub trait Metering: Service {
    /// What the instance uses now. Called again and again for every instance: it has to be cheap.
    ///
    /// # Errors
    /// When it cannot be found out.
    fn measure(cx: &Call<'_>, instance: &Instance) -> Result<Usage>;

    /// Makes writes what they are to be, for the owner and all bindings. Called when an instance
    /// goes over its quota, when it is well below it again, and, the same again, after whatever
    /// might have given rights back: a bind, a restore, a start of the node.
    ///
    /// # Errors
    /// Whatever hinders it.
    fn enforce(
        cx: &Call<'_>,
        instance: &Instance,
        owner: &Credential,
        bindings: &[Binding],
        writes: Writes,
    ) -> Result<()>;
}

/// Optional: moves an instance to another node. Its data travels as a snapshot.
pub trait Migration: Snapshots {
    /// On the target, after the data was restored: accounts with the names and passwords that
    /// they had.
    ///
    /// # Errors
    /// Whatever hinders it.
    fn adopt(
        cx: &Call<'_>,
        instance: &Instance,
        owner: &Credential,
        bindings: &[Binding],
    ) -> Result<(Credential, Vec<Binding>)>;

    /// On the source, when the move is over.
    ///
    /// # Errors
    /// Whatever hinders it.
    fn finish(
        cx: &Call<'_>,
        instance: &Instance,
        owner: &Credential,
        bindings: &[Binding],
        outcome: Move,
    ) -> Result<()>;
}

/// Optional: work that the node starts on the schedule that the service asks for.
pub trait Maintenance: Service {
    /// What to run, and how often.
    fn tasks() -> Vec<Task>;

    /// Runs one of them.
    ///
    /// # Errors
    /// Whatever hinders it; it is tried again at its next time.
    fn run(cx: &Call<'_>, task: &str) -> Result<()>;
}

/// One application's access to an instance, with what it was given.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// Id of the binding.
    pub id: String,
    /// What it is bound to.
    pub instance: Instance,
    /// What `bind` answered.
    pub credential: Credential,
}

impl Binding {
    /// What the platform asked for when it bound: what [`Service::bind`] got as its parameters.
    /// A node adds it to the credential wherever access is made or given back; where nobody knows
    /// it any more, it is empty.
    ///
    /// # Errors
    /// Invalid input when it is no object.
    pub fn parameters(&self) -> Result<Parameters> {
        let options: Option<Map<String, Value>> = self.credential.get("binding_options")?;
        let options = options.unwrap_or_default();
        Ok(options.into_iter().fold(Parameters::new(), |all, (name, value)| all.with(&name, value)))
    }
}

/// Whether an instance takes new data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    /// It is beyond its plan: reading and deleting only.
    Blocked,
    /// It is within its plan.
    Allowed,
}

/// How a move to another node ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// The other node serves the instance: remove it here.
    Succeeded,
    /// The instance stays: serve it again.
    Failed,
}

/// Work on a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// What [`Maintenance::run`] is called with.
    pub name: String,
    /// Seconds between two runs.
    pub every_seconds: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;
    use crate::fake::World;

    /// Logs what is unprovisioned, and leaves everything else to the defaults.
    struct Least;

    impl Service for Least {
        fn describe() -> Offering {
            Offering::new("least", "The least", "1")
        }

        fn provision(
            _: &Call<'_>,
            _: &Instance,
            _: &Parameters,
            _: Option<&Credential>,
        ) -> Result<Credential> {
            Ok(Credential::new())
        }

        fn unprovision(_: &Call<'_>, instance: &Instance, bindings: &[Binding]) -> Result<()> {
            crate::log::info(format_args!("{} with {} bindings", instance.id, bindings.len()));
            Ok(())
        }

        fn bind(
            _: &Call<'_>,
            _: &BindingRef,
            _: &Parameters,
            _: Option<&Credential>,
        ) -> Result<Credential> {
            Ok(Credential::new())
        }

        fn unbind(_: &Call<'_>, _: &Binding) -> Result<()> {
            Ok(())
        }

        fn inventory(_: &Call<'_>, _: Option<&str>) -> Result<InventoryPage> {
            Ok(InventoryPage::default())
        }
    }

    crate::export!(Least: Service);

    fn instance(id: &str) -> Instance {
        Instance { id: id.to_owned(), plan: "free".to_owned(), version: "1".to_owned() }
    }

    #[test]
    fn purging_an_instance_is_unprovisioning_it_unless_the_service_knows_better() {
        let world = World::new();
        let purged = world.call(|cx| Least::purge(cx, &[instance("a"), instance("b")], &[]));
        assert_eq!(purged, Ok(2));
        assert_eq!(world.logged(), ["info a with 0 bindings", "info b with 0 bindings"]);
    }

    #[test]
    fn a_binding_knows_what_it_was_made_with() {
        let binding =
            |credential| Binding { id: "b".to_owned(), instance: instance("a"), credential };
        let options = serde_json::json!({"mode": "ro"});
        let with = binding(Credential::new().public("binding_options", options));
        assert_eq!(with.parameters().unwrap().get("mode"), Ok(Some("ro".to_owned())));
        let without = binding(Credential::new()).parameters().unwrap();
        assert_eq!(without.get::<String>("mode"), Ok(None));
        let wrong = binding(Credential::new().public("binding_options", 5));
        assert_eq!(wrong.parameters().unwrap_err().kind(), ErrorKind::InvalidInput);
    }

    #[test]
    fn purging_bindings_without_knowing_how_is_an_error() {
        let found = FoundBinding { instance: "a".to_owned(), user: "u".to_owned() };
        let refused = World::new().call(|cx| Least::purge(cx, &[], &[found])).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Internal);
    }

    #[test]
    fn a_service_is_healthy_unless_it_knows_better() {
        let report = World::new().call(|cx| Least::health(cx, None));
        assert_eq!(report, Ok(HealthReport::ok()));
    }
}
