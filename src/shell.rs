//! Words of the shell that the client runs its helper by: a POSIX shell, or cmd.exe on Windows. Pure.

#[cfg(any(windows, test))]
mod cmd;
#[cfg(unix)]
mod posix;

#[cfg(windows)]
pub(crate) use cmd::{quote, quote_program, words};
#[cfg(unix)]
pub(crate) use posix::{quote, quote as quote_program, words};
