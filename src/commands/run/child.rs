//! Runs the command in the foreground as if cck was not there: its terminal, its signals, its exit status.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::io;

#[cfg(unix)]
pub(crate) use unix::{Signals, program};
#[cfg(windows)]
pub(crate) use windows::{Signals, program};

/// Why a command could not be started, as a shell's exit code for it.
pub(crate) fn start_failure(error: &io::Error) -> (u8, &'static str) {
    match error.kind() {
        io::ErrorKind::NotFound => (127, "not found"),
        io::ErrorKind::PermissionDenied | io::ErrorKind::IsADirectory => (126, "not executable"),
        _ => (126, "cannot be started"),
    }
}
