//! What a process and its machine use, read from the texts of Linux's `/proc`. Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Files below `/proc` that [`Figures::of`] takes, in its order.
pub const FILES: [&str; 4] = ["self/status", "self/stat", "meminfo", "loadavg"];

/// Ticks a second of the times in `stat`: the same on every machine that Linux runs on today.
const TICKS: f64 = 100.0;

/// As `/varz` shows them. Zero where a text cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Figures {
    /// Memory of the process, in KiB.
    pub mem: u64,
    /// Share of one core that it used since its start, in percent.
    pub cpu: f64,
    /// Memory of the machine that is taken.
    pub mem_used_bytes: u64,
    /// Memory of the machine that can be had.
    pub mem_free_bytes: u64,
    /// Processes that ran or waited in the last minute.
    pub cpu_load_avg: f64,
}

impl Figures {
    /// From the texts of [`FILES`], for a process that has run for `uptime`.
    #[must_use]
    pub fn of([status, stat, meminfo, loadavg]: [&str; 4], uptime: Duration) -> Self {
        let free = kibibytes(meminfo, "MemAvailable:");
        let used = kibibytes(meminfo, "MemTotal:").saturating_sub(free);
        let share = ticks(stat) / TICKS / uptime.as_secs_f64().max(0.01) * 100.0;
        Self {
            mem: kibibytes(status, "VmRSS:"),
            cpu: (share * 10.0).round() / 10.0,
            mem_used_bytes: used.saturating_mul(1024),
            mem_free_bytes: free.saturating_mul(1024),
            cpu_load_avg: number(loadavg.split_whitespace().next()),
        }
    }
}

/// The value of a line such as `VmRSS:     45120 kB`.
fn kibibytes(text: &str, name: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    let value = value.and_then(|rest| rest.split_whitespace().next());
    value.and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// Time in user and system mode: fields 14 and 15, counted past the name, which may hold anything.
fn ticks(stat: &str) -> f64 {
    let Some((_, fields)) = stat.rsplit_once(')') else { return 0.0 };
    let mut fields = fields.split_whitespace().skip(11);
    number(fields.next()) + number(fields.next())
}

fn number(word: Option<&str>) -> f64 {
    word.and_then(|word| word.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\tx\nVmPeak:\t  99 kB\nVmRSS:\t   45120 kB\n";
    const STAT: &str = "7 (te) non) S 1 7 7 0 -1 4194304 9 0 0 0 150 50 0 0 20 0 9 0 1 1 1";
    const MEMINFO: &str = "MemTotal: 2000 kB\nMemFree: 1 kB\nMemAvailable: 1500 kB\n";

    #[test]
    fn figures_are_read_from_proc() {
        let texts = [STATUS, STAT, MEMINFO, "0.15 0.10 0.05 1/99 7\n"];
        let figures = Figures::of(texts, Duration::from_secs(10));
        let expected = Figures {
            mem: 45120,
            cpu: 20.0,
            mem_used_bytes: 500 << 10,
            mem_free_bytes: 1500 << 10,
            cpu_load_avg: 0.15,
        };
        assert_eq!(figures, expected);
    }

    #[test]
    fn what_cannot_be_read_is_zero() {
        assert_eq!(Figures::of([""; 4], Duration::ZERO), Figures::default());
        assert_eq!(Figures::of(["VmRSS: x", ")", "", "y"], Duration::ZERO), Figures::default());
    }
}
