//! Moving to another node: the accounts that an instance had elsewhere, under the same names.

use tenon_guest::mysql::Access;
use tenon_guest::{Binding, Call, Credential, Instance, Migration, Move, Result, Suspension};

use crate::{MySql, account, instance, owner};

impl Migration for MySql {
    fn adopt(
        cx: &Call<'_>,
        instance: &Instance,
        owner: &Credential,
        bindings: &[Binding],
    ) -> Result<(Credential, Vec<Binding>)> {
        let database = instance::open(cx, instance)?;
        let mut adopted = Vec::new();
        for binding in bindings {
            owner::check_is_not(&binding.id)?;
            let access = account::access_asked_for(&binding.parameters()?)?;
            let credential = Some(&binding.credential);
            let made = account::make(cx, &database, &binding.id, access, credential)?;
            let credential = account::credential(&made);
            adopted.push(Binding { credential, ..binding.clone() });
        }
        // Last: bindings from before there were accounts for them share the owner's.
        let made = account::make(cx, &database, owner::LABEL, Access::ReadWrite, Some(owner))?;
        owner::remember(cx, &instance.id, &made.user)?;
        Ok((account::credential(&made), adopted))
    }

    /// Unprovision removes what moved away.
    fn finish(
        cx: &Call<'_>,
        instance: &Instance,
        owner: &Credential,
        bindings: &[Binding],
        outcome: Move,
    ) -> Result<()> {
        match outcome {
            Move::Succeeded => Ok(()),
            Move::Failed => Self::enable(cx, instance, owner, bindings),
        }
    }
}
