//! Shutting off and moving. Applications share the host's file system, so that a directory has no
//! accounts that could be taken away: a platform stops the applications while it moves.

use tenon_guest::{Binding, Call, Credential, Instance, Migration, Move, Result, Suspension, log};

use crate::{Files, credential, directory};

impl Suspension for Files {
    fn disable(
        cx: &Call<'_>,
        instance: &Instance,
        _owner: &Credential,
        bindings: &[Binding],
    ) -> Result<()> {
        directory::open(cx, instance)?;
        let (id, count) = (&instance.id, bindings.len());
        log::info(format_args!("{count} bindings of {id} still reach its directory by its path"));
        Ok(())
    }

    fn enable(
        cx: &Call<'_>,
        instance: &Instance,
        _owner: &Credential,
        _bindings: &[Binding],
    ) -> Result<()> {
        directory::open(cx, instance).map(drop)
    }
}

impl Migration for Files {
    /// The same modes, and this node's path.
    fn adopt(
        cx: &Call<'_>,
        instance: &Instance,
        _owner: &Credential,
        bindings: &[Binding],
    ) -> Result<(Credential, Vec<Binding>)> {
        let root = directory::open(cx, instance)?;
        let adopt = |binding: &Binding| {
            let mode = credential::mode_asked_for(&binding.parameters()?)?;
            let credential = credential::of_binding(instance, &root, mode);
            Ok(Binding { credential, ..binding.clone() })
        };
        let bindings = bindings.iter().map(adopt).collect::<Result<_>>()?;
        Ok((credential::of_instance(instance, &root), bindings))
    }

    fn finish(
        _cx: &Call<'_>,
        _instance: &Instance,
        _owner: &Credential,
        _bindings: &[Binding],
        _outcome: Move,
    ) -> Result<()> {
        Ok(())
    }
}
