//! Installs packages with apt, as root or through sudo where that asks for no password.

use std::process::Command;

use crate::process;
use crate::stop::Stop;

/// Another apt may be running, on a fresh machine most of all.
const WAIT_FOR_OTHER_APT: &str = "DPkg::Lock::Timeout=300";

/// Run as root by `sh -c`, with the packages as its arguments.
///
/// A server's package starts its service; policy-rc.d is Debian's way to say no. Containers have
/// one, which stays. The trap removes ours whatever happens.
const INSTALL: &str = r#"
set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
apt-get -q update
DEBIAN_FRONTEND=noninteractive apt-get -q -o "$0" install -y --no-install-recommends --no-remove "$@"
"#;

/// Whether this machine has apt at all.
pub(super) fn exists() -> bool {
    process::find("apt-get").is_some()
}

/// Installs `packages` and starts no service.
pub(super) fn install(packages: &[&str]) -> Result<(), Stop> {
    let list = packages.join(" ");
    let by_hand = format!("apt-get update && apt-get install --no-install-recommends {list}");
    let mut command = as_root(&by_hand)?;
    command.args(["sh", "-c", INSTALL, WAIT_FOR_OTHER_APT]).args(packages);
    process::run_quietly(&mut command, &format!("install {list}"))
        .map_err(|stop| stop.or_type(&by_hand))
}

/// Runs `script` as root with `sh -c`; `by_hand` is what to type where that is not allowed.
pub(super) fn run_as_root(script: &str, by_hand: &str) -> Result<(), Stop> {
    process::run_quietly(as_root(by_hand)?.args(["sh", "-c", script]), by_hand)
        .map_err(|stop| stop.or_type(by_hand))
}

/// `env` or `sudo -n`: what stands before a command that needs root.
fn as_root(by_hand: &str) -> Result<Command, Stop> {
    if process::output(Command::new("id").arg("-u")).is_some_and(|id| id.trim() == "0") {
        return Ok(Command::new("env"));
    }
    if process::output(Command::new("sudo").args(["-n", "true"])).is_none() {
        let problem = "this needs root, and sudo would ask for a password";
        return Err(Stop::new(problem).or_type(&format!("sudo sh -c '{by_hand}'")));
    }
    let mut sudo = Command::new("sudo");
    sudo.arg("-n");
    Ok(sudo)
}
