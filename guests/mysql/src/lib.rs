//! Databases as a service: one for each instance, with an account for its owner and one for each
//! binding.
//!
//! Decides what exists and what it is called; the node's `mysql` capability does it. Keeps the
//! invariant of the original: an instance's id is the name of its database.

mod account;
mod health;
mod instance;
mod inventory;
mod maintenance;
mod metering;
mod migration;
mod owner;
mod purge;
mod settings;
mod snapshot;
mod suspension;
#[cfg(test)]
mod tests;

use tenon_guest::mysql::Access;
use tenon_guest::{
    Binding, BindingRef, Call, Credential, FoundBinding, HealthReport, Instance, InventoryPage,
    Offering, Parameters, Result, Service, json,
};

struct MySql;

tenon_guest::export!(MySql: Service + Snapshots + Suspension + Migration + Metering + Maintenance);

impl Service for MySql {
    fn describe() -> Offering {
        Offering::new("mysql", "MySQL database service", env!("CARGO_PKG_VERSION"))
            .tag("mysql")
            .tag("relational")
            .bind_schema(&json!({
                "type": "object",
                "properties": {
                    "privileges": {
                        "type": "array",
                        "items": {"enum": ["FULL", "READ_ONLY"]},
                        "minItems": 1,
                        "maxItems": 1,
                    },
                },
            }))
    }

    fn provision(
        cx: &Call<'_>,
        instance: &Instance,
        _parameters: &Parameters,
        reuse: Option<&Credential>,
    ) -> Result<Credential> {
        let database = instance::create(cx, instance)?;
        let owner = account::make(cx, &database, owner::LABEL, Access::ReadWrite, reuse)?;
        owner::remember(cx, &instance.id, &owner.user)?;
        Ok(account::credential(&owner))
    }

    fn unprovision(cx: &Call<'_>, instance: &Instance, _bindings: &[Binding]) -> Result<()> {
        // The node drops every account of the database along, whether anybody knows it or not.
        instance::destroy(cx, instance)?;
        owner::forget(cx, &instance.id)
    }

    fn bind(
        cx: &Call<'_>,
        binding: &BindingRef,
        parameters: &Parameters,
        reuse: Option<&Credential>,
    ) -> Result<Credential> {
        owner::check_is_not(&binding.id)?;
        let access = account::access_asked_for(parameters)?;
        let database = instance::open(cx, &binding.instance)?;
        let account = account::make(cx, &database, &binding.id, access, reuse)?;
        Ok(account::credential(&account))
    }

    fn unbind(cx: &Call<'_>, binding: &Binding) -> Result<()> {
        let Some(database) = instance::find(cx, &binding.instance)? else {
            // Its accounts went with it.
            return Ok(());
        };
        // A bind that was cut off left no credential, but maybe the account.
        let user = match binding.credential.get::<String>("user")? {
            Some(user) => user,
            None => database.account_user(&binding.id)?,
        };
        // Bindings from before there were accounts for them share the owner's, which stays.
        if owner::of(cx, &binding.instance.id)?.as_ref() == Some(&user) {
            return Ok(());
        }
        Ok(database.drop_account(&user)?)
    }

    fn inventory(cx: &Call<'_>, page: Option<&str>) -> Result<InventoryPage> {
        inventory::page(cx, page)
    }

    fn purge(cx: &Call<'_>, instances: &[Instance], bindings: &[FoundBinding]) -> Result<u32> {
        Ok(purge::instances(cx, instances)? + purge::bindings(cx, bindings)?)
    }

    fn health(cx: &Call<'_>, instance: Option<&Instance>) -> Result<HealthReport> {
        match instance {
            Some(instance) => health::of_instance(cx, instance),
            None => health::of_servers(cx),
        }
    }
}
