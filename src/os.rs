//! What differs between systems. The callers are written for Unix, whose names stand here; where another system has no
//! such thing (an owner, a mode, a lock on a directory), its module says what is done in its place.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::*;
#[cfg(windows)]
pub(crate) use windows::*;
