//! Keeps a key in this process's memory from others.

/// Makes the process one that leaves no core dump and that other processes of the same user cannot look into: until it
/// starts another program, its memory and environment under `/proc` are root's, and only root can trace it.
///
/// Only Linux has this; elsewhere the system's own settings hold. Where it is refused, cck works all the same.
pub(crate) fn close() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}
