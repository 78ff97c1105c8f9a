//! This process, as the kernel treats it. Only Linux has all of it; elsewhere the system's own settings hold.

use std::io::Read as _;

/// Leaves no core dump and keeps other processes of the same user out: until cck starts another program, its memory and
/// environment under `/proc` are root's, and only root can trace it. If it is refused, cck works anyway.
pub(crate) fn disable_core_dumps() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

/// Keeps what the process has in memory now out of the swap space, where that is allowed.
pub(crate) fn lock_memory() {
    #[cfg(target_os = "linux")]
    {
        use rustix::mm::{MlockAllFlags, mlockall};
        // Only what is in use: to fill all that is mapped would take longer than to start a command.
        let _ = mlockall(MlockAllFlags::CURRENT | MlockAllFlags::ONFAULT);
    }
}

/// Those of these signals that this process does not ignore; all where that cannot be known.
pub(crate) fn not_ignored<const N: usize>(signals: [i32; N]) -> impl Iterator<Item = i32> {
    // In one read: what asks for the size first takes ten.
    let mut text = [0; 4096];
    let file = if cfg!(windows) { None } else { std::fs::File::open("/proc/self/status").ok() };
    let length = file.and_then(|mut file| file.read(&mut text).ok()).unwrap_or_default();
    let status = String::from_utf8_lossy(&text[..length]);
    let mask = status.split_once("\nSigIgn:\t").and_then(|(_, rest)| rest.lines().next());
    let ignored = mask.and_then(|mask| u64::from_str_radix(mask, 16).ok()).unwrap_or_default();
    signals.into_iter().filter(move |signal| ignored & (1 << (signal - 1)) == 0)
}
