//! Keeps a key in this process's memory from others.

/// Makes the process one that leaves no core dump and that other processes of the same user cannot look into: until it
/// starts another program, its memory and environment under `/proc` are root's, and only root can trace it.
///
/// Only Linux has this; elsewhere the system's own settings hold. If it is refused, cck works anyway.
pub(crate) fn close() {
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
