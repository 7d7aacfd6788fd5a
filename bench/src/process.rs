//! What a process has used, as the kernel counts it.

use crate::Result;

/// Clock ticks a second: 100 on every Linux that runs this.
const TICKS: f64 = 100.0;

/// CPU milliseconds that `pid` has used so far, with all its threads.
#[expect(clippy::disallowed_methods, reason = "the kernel's own page about a process")]
pub(crate) fn cpu_ms(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name may hold spaces and brackets: fields are counted after its end.
    let (_, fields) = stat.rsplit_once(')').ok_or("the kernel's page has no name")?;
    let ticks = |index: usize| -> Result<f64> {
        Ok(fields.split_whitespace().nth(index).ok_or("the kernel's page is short")?.parse()?)
    };
    Ok((ticks(11)? + ticks(12)?) * 1_000.0 / TICKS)
}

/// Resident MiB of `pid`, now and at most.
#[expect(clippy::disallowed_methods, reason = "the kernel's own page about a process")]
pub(crate) fn resident_mib(pid: u32) -> Result<Resident> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| -> Result<f64> {
        let line = status.lines().find(|line| line.starts_with(name));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)).ok_or("no such field")?;
        Ok(kib.parse::<f64>()? / 1_024.0)
    };
    Ok(Resident { all: field("VmRSS:")?, anonymous: field("RssAnon:")?, peak: field("VmHWM:")? })
}

/// Resident memory, in MiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resident {
    /// With mapped files, such as the program itself.
    pub(crate) all: f64,
    /// The process's own.
    pub(crate) anonymous: f64,
    /// The most that it ever was.
    pub(crate) peak: f64,
}
