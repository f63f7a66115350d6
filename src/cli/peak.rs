//! How much memory the process held at most, as the system says it.
//!
//! Linux keeps the highest resident size in `/proc/self/status` (`VmHWM`) and forgets it when `5` is written to
//! `/proc/self/clear_refs` (proc(5)); DuckDB's memory is part of the process. Other systems are not asked.

use std::fs;

/// The highest size from some moment on.
pub(super) struct Peak {
    /// The system has forgotten what was before; else it is since the process began.
    pub(super) anew: bool,
}

impl Peak {
    /// From now on.
    pub(super) fn begin() -> Self {
        Self { anew: fs::write("/proc/self/clear_refs", "5").is_ok() }
    }

    /// The highest size until now, in bytes.
    pub(super) fn bytes(&self) -> Option<u64> {
        highest()
    }
}

/// The highest size since the system forgot it last.
pub(super) fn highest() -> Option<u64> {
    of_status(&fs::read_to_string("/proc/self/status").ok()?)
}

fn of_status(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_size_is_read() {
        assert_eq!(of_status("Name:\tx\nVmPeak:\t  99 kB\nVmHWM:\t    2048 kB\n"), Some(2 << 20));
        assert_eq!(of_status("Name:\tx\n"), None);
    }
}
