//! How an application hears of its directory. The node adds `name`.

use tenon_guest::files::Root;
use tenon_guest::{Credential, Error, Instance, Parameters, Result, json};

/// What an application is meant to do. Told, not enforced: it shares the host's file system.
#[derive(Clone, Copy)]
pub(crate) enum Mode {
    ReadWrite,
    ReadOnly,
}

/// What the original's `filesystem` service answered with: a path under `internal`.
pub(crate) fn of_instance(instance: &Instance, root: &Root) -> Credential {
    let internal = json!({
        "fs_type": "local",
        "name": instance.id,
        "local_path": root.host_path(),
    });
    Credential::new().public("internal", internal)
}

/// The same, with the path where an application looks first, and the mode.
pub(crate) fn of_binding(instance: &Instance, root: &Root, mode: Mode) -> Credential {
    let mode = match mode {
        Mode::ReadWrite => "rw",
        Mode::ReadOnly => "ro",
    };
    of_instance(instance, root).public("path", root.host_path()).public("mode", mode)
}

/// The parameter `mode` of a bind request.
pub(crate) fn mode_asked_for(parameters: &Parameters) -> Result<Mode> {
    match parameters.get::<String>("mode")?.as_deref() {
        Some("rw") | None => Ok(Mode::ReadWrite),
        Some("ro") => Ok(Mode::ReadOnly),
        Some(_) => Err(Error::invalid_input(0, "parameter mode: expected \"rw\" or \"ro\"")),
    }
}
